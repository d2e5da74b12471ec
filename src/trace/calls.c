/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/reader.h"

static const struct {
    const char *name;
    enum call_category category;
} calls[] = {
#define CALL(number, name, category) [number] = {#name, CALL_##category},
#include "trace/calls.def"
#undef CALL
};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

const char *trace_call_name(uint16_t call)
{
    return call < CALLS ? calls[call].name : NULL;
}

enum call_category trace_call_category(uint16_t call)
{
    return trace_call_name(call) ? calls[call].category : CALL_UNKNOWN;
}
