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

static const char *const syscalls[] = {
#define SYSCALL(number, name) [number] = #name,
#include "trace/syscalls.def"
#undef SYSCALL
};

const char *trace_syscall_name(uint16_t number)
{
    return number < sizeof(syscalls) / sizeof(syscalls[0]) ? syscalls[number] : NULL;
}

const char *trace_cause_name(uint16_t cause)
{
    static const char *const names[] = {
        [OFFCPU_CAUSE_NONE] = "unknown", [OFFCPU_CAUSE_SYSCALL] = "syscall", [OFFCPU_CAUSE_LOCK] = "lock",
        [OFFCPU_CAUSE_SLEEP] = "sleep",  [OFFCPU_CAUSE_DISK] = "disk",       [OFFCPU_CAUSE_FAULT] = "fault"};
    return cause < sizeof(names) / sizeof(names[0]) ? names[cause] : names[OFFCPU_CAUSE_NONE];
}

#define CALLS (sizeof(calls) / sizeof(calls[0]))

const char *trace_call_name(uint16_t call)
{
    return call < CALLS ? calls[call].name : NULL;
}

enum call_category trace_call_category(uint16_t call)
{
    return trace_call_name(call) ? calls[call].category : CALL_UNKNOWN;
}
