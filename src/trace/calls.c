/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/reader.h"

#include <string.h>

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

struct category_row {
    const char *name;
    enum call_category category;
};

static const struct category_row categories[] = {
#define SYSCALL_IS(name, category) {#name, CALL_##category},
#include "trace/syscall_categories.def"
#undef SYSCALL_IS
};

static bool call_is_kernels(uint16_t call)
{
    return call >= CALL_KERNEL && call <= CALL_KERNEL_FAULT;
}

static enum call_category syscall_category(uint16_t number)
{
    const char *name = trace_syscall_name(number);
    for (size_t i = 0; name && i < sizeof(categories) / sizeof(categories[0]); i++) {
        if (strcmp(categories[i].name, name) == 0)
            return categories[i].category;
    }
    return CALL_UNKNOWN;
}

uint16_t trace_call_of_syscall(uint16_t syscall)
{
    return syscall < CALL_KERNEL_FAULT - CALL_KERNEL ? (uint16_t)(CALL_KERNEL + syscall) : CALL_KERNEL_FAULT;
}

const char *trace_call_name(uint16_t call)
{
    if (call == CALL_KERNEL_FAULT)
        return "page fault";
    if (call_is_kernels(call))
        return trace_syscall_name((uint16_t)(call - CALL_KERNEL));
    return call < CALLS ? calls[call].name : NULL;
}

enum call_category trace_call_category(uint16_t call)
{
    if (call == CALL_KERNEL_FAULT)
        return CALL_FAULT;
    if (call_is_kernels(call))
        return syscall_category((uint16_t)(call - CALL_KERNEL));
    return trace_call_name(call) ? calls[call].category : CALL_UNKNOWN;
}

bool trace_call_waits(uint16_t call)
{
    enum call_category category = trace_call_category(call);
    return category != CALL_REQUEST && category != CALL_HOLD && category != CALL_OBJECT;
}
