/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/lost.h"

#include "base/compiler.h"

/* To add a cause: a row here, beside its TRACE_LOST_ number in trace/format.h. */
static const struct lost_cause causes[] = {
    {TRACE_LOST_OVERWRITTEN, "overwritten",
     "older samples made room for newer ones: totals stay exact, older stacks are missing (raise CPROBE_MAX_SIZE)"},
    {TRACE_LOST_RING_FULL, "ring_full", "records found no room in the trace (raise CPROBE_MAX_SIZE)"},
    {TRACE_LOST_TOO_BIG, "too_big", "records were larger than a record may be"},
    {TRACE_LOST_STACKS, "stacks", "waits were recorded without their stack: counted, but not attributed to a line"},
    {TRACE_LOST_NESTED, "nested", "waits in signal handlers that interrupted the recorder itself"},
    {TRACE_LOST_KERNEL, "kernel", "waits, or their stacks, that the kernel's buffer had no room for"},
    {TRACE_LOST_THREADS, "threads", "ended threads were folded together: their totals are kept, their names are not"},
    {TRACE_LOST_PROCESSES, "processes",
     "child processes could not write a trace, or had ended before one was begun: nothing of theirs is here"},
};

size_t lost_cause_count(void)
{
    return ARRAY_SIZE(causes);
}

const struct lost_cause *lost_cause_at(size_t i)
{
    return &causes[i];
}
