/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/collector.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/descendants.h"
#include "kernel/ksyms.h"
#include "kernel/programs.h"
#include "kernel/support.h"
#include "kernel/target.h"
#include "kernel/target_header.h"

#define SWEEP_NS UINT64_C(500000000) /* how often ended processes are looked for */
#define MISSED_RUNS 1024             /* that are remembered */

struct watched {
    struct target *target;
    uint32_t run; /* of the program that is recorded in it: struct offcpu_head */
    bool ended;   /* its first thread has */
};

struct collector {
    struct target_options options;
    struct programs *programs;
    struct ksyms *ksyms;
    struct watched *watched;
    size_t count, capacity;
    size_t last; /* found last */
    size_t processes;
    uint64_t swept_ns;
    bool before_exec;
    int failed;                        /* of a trace that could not be created */
    uint32_t missed_runs[MISSED_RUNS]; /* of processes that had ended when their first record was read, the latest */
    size_t missed_count;               /* of these, so far */
    size_t missed;                     /* processes */
    uint64_t lost_told;                /* records, in traces */
};

static struct watched *watched_find(struct collector *c, uint32_t run)
{
    if (c->last < c->count && c->watched[c->last].run == run)
        return &c->watched[c->last];
    for (size_t i = 0; i < c->count; i++)
        if (c->watched[i].run == run) {
            c->last = i;
            return &c->watched[i];
        }
    return NULL;
}

static void total_take(void *context, const struct offcpu_call *call, const struct offcpu_total *total)
{
    struct collector *c = context;
    struct watched *w = watched_find(c, total->run);
    if (w)
        target_total(w->target, call, total, kernel_now());
}

static uint64_t lost_count(const struct collector *c)
{
    return programs_lost(c->programs, OFFCPU_LOST_WAITS) + programs_lost(c->programs, OFFCPU_LOST_STACKS) +
           programs_lost(c->programs, OFFCPU_LOST_TOTALS);
}

/* What was lost since the last time, of whichever process, is told in this trace: there may be no other that is open.
 */
static void lost_tell(struct collector *c, struct target *t)
{
    uint64_t lost = lost_count(c);
    if (lost > c->lost_told)
        target_lose(t, TRACE_LOST_KERNEL, lost - c->lost_told);
    c->lost_told = lost;
}

static void watched_close(struct collector *c, struct watched *w, enum trace_reason reason)
{
    programs_totals(c->programs, w->run, total_take, c);
    programs_interpreter(c->programs, w->run, NULL);
    lost_tell(c, w->target);
    target_close(w->target, reason, kernel_now());
    *w = c->watched[--c->count];
}

static void interpreter_found(void *context, uint32_t run, const struct offcpu_interpreter *interpreter)
{
    struct collector *c = context;
    programs_interpreter(c->programs, run, interpreter);
}

/* A process has one run at a time. An older one is still here if the process id is used again, or if the record of its
   end was lost. */
static void older_close(struct collector *c, uint32_t pid)
{
    for (size_t i = 0; i < c->count; i++)
        if (target_pid(c->watched[i].target) == pid) {
            watched_close(c, &c->watched[i], c->watched[i].ended ? TRACE_REASON_NONE : TRACE_REASON_EXEC);
            return;
        }
}

static bool is_missed(const struct collector *c, uint32_t run)
{
    size_t n = c->missed_count < MISSED_RUNS ? c->missed_count : MISSED_RUNS;
    for (size_t i = 0; i < n; i++)
        if (c->missed_runs[i] == run)
            return true;
    return false;
}

/* A process that has ended before anything was read of it. `before`: what it ran until then, 0: nothing. */
static void missed_add(struct collector *c, uint32_t run, uint32_t before)
{
    bool again = before && is_missed(c, before);
    c->missed_runs[c->missed_count++ % MISSED_RUNS] = run;
    if (again)
        return;
    c->missed++;
    if (c->count)
        target_lose(c->watched[0].target, TRACE_LOST_PROCESSES, 1);
}

static struct watched *watched_add(struct collector *c, pid_t pid, uint32_t run, uint32_t before)
{
    older_close(c, (uint32_t)pid);
    if (c->count == c->capacity) {
        size_t capacity = c->capacity ? 2 * c->capacity : 16;
        struct watched *larger = reallocarray(c->watched, capacity, sizeof(*larger));
        if (!larger)
            return NULL;
        c->watched = larger;
        c->capacity = capacity;
    }
    struct watched *w = &c->watched[c->count];
    *w = (struct watched){NULL, run, false};
    int rc = target_open(&c->options, pid, run, &w->target);
    if (rc < 0) {
        programs_interpreter(c->programs, run, NULL); /* as its parent has it */
        if (rc == -ESRCH)
            missed_add(c, run, before);
        else
            c->failed = rc;
        return NULL;
    }
    c->count++;
    c->processes++;
    return w;
}

/* ---- records ---- */

/* The run that a record belongs to. One whose first record was lost is found here. */
static struct target *target_of(struct collector *c, const struct offcpu_head *head)
{
    struct watched *w = watched_find(c, head->run);
    if (!w && !c->before_exec && !is_missed(c, head->run))
        w = watched_add(c, (pid_t)head->pid, head->run, 0);
    return w ? w->target : NULL;
}

static void exec_take(struct collector *c, const struct offcpu_head *head)
{
    struct watched *w = watched_find(c, head->other);
    if (w)
        watched_close(c, w, TRACE_REASON_EXEC);
    c->before_exec = false;
    watched_add(c, (pid_t)head->pid, head->run, head->other);
}

static void exit_take(struct collector *c, const struct offcpu_head *head)
{
    struct watched *w = watched_find(c, head->run);
    if (!w)
        return;
    target_thread_ended(w->target, head);
    w->ended |= head->tid == head->pid;
}

static void total_record_take(struct collector *c, const struct offcpu_total_record *record)
{
    total_take(c, &record->call, &record->total);
}

static bool stack_fits(const struct offcpu_stack *stack, size_t size)
{
    return size >= OFFCPU_STACK_RECORD((size_t)0) && size >= OFFCPU_STACK_RECORD((size_t)stack->size);
}

static void record_take(void *context, const struct offcpu_head *head, size_t size)
{
    struct collector *c = context;
    struct target *t;
    switch (head->kind) {
    case OFFCPU_WAIT:
    case OFFCPU_WAKE:
        t = size >= sizeof(struct offcpu_wait) ? target_of(c, head) : NULL;
        if (t)
            target_wait(t, (const struct offcpu_wait *)head);
        break;
    case OFFCPU_STACK:
        t = stack_fits((const struct offcpu_stack *)head, size) ? target_of(c, head) : NULL;
        if (t)
            target_stack(t, (const struct offcpu_stack *)head);
        break;
    case OFFCPU_TOTAL:
        if (size >= sizeof(struct offcpu_total_record))
            total_record_take(c, (const struct offcpu_total_record *)head);
        break;
    case OFFCPU_SCHED:
        t = size >= sizeof(struct offcpu_sched) ? target_of(c, head) : NULL;
        if (t)
            target_sched(t, (const struct offcpu_sched *)head);
        break;
    case OFFCPU_STACK_PART:
        t = size >= sizeof(struct offcpu_stack_part) ? target_of(c, head) : NULL;
        if (t)
            target_stack_part(t, (const struct offcpu_stack_part *)head);
        break;
    case OFFCPU_PYTHON:
        t = size >= sizeof(struct offcpu_python) ? target_of(c, head) : NULL;
        if (t)
            target_python(t, (const struct offcpu_python *)head);
        break;
    case OFFCPU_FORK:
        target_of(c, head);
        break;
    case OFFCPU_EXEC:
        exec_take(c, head);
        break;
    case OFFCPU_EXIT:
        exit_take(c, head);
        break;
    default:
        break;
    }
}

/* Where records were lost, that of its end may be one of them. */
static bool watched_is_over(const struct collector *c, const struct watched *w)
{
    return (w->ended || programs_lost(c->programs, OFFCPU_LOST_WAITS) > 0) && target_is_gone(w->target);
}

static void sweep(struct collector *c)
{
    uint64_t now = kernel_now();
    if (now - c->swept_ns < SWEEP_NS)
        return;
    c->swept_ns = now;
    for (size_t i = 0; i < c->count;) {
        if (watched_is_over(c, &c->watched[i]))
            watched_close(c, &c->watched[i], TRACE_REASON_NONE);
        else
            i++;
    }
}

/* ---- the interface ---- */

static void collector_free(struct collector *c)
{
    while (c->count)
        target_close(c->watched[--c->count].target, TRACE_REASON_NONE, kernel_now());
    programs_close(c->programs);
    ksyms_free(c->ksyms);
    free(c->watched);
    free(c);
}

/* Interpreters are found before anything is recorded: the first stacks have their Python frames too. */
static int watch(struct collector *c, const pid_t *pids, size_t count, char *error, size_t error_size)
{
    pid_t *all;
    ssize_t found = descendants_find(pids, count, &all);
    int rc = found < 0 ? (int)found : 0;
    uint32_t first_run = rc == 0 ? programs_runs(c->programs, (size_t)found) : 0;
    for (ssize_t i = 0; rc == 0 && !c->before_exec && i < found; i++)
        watched_add(c, all[i], first_run + (uint32_t)i, 0);
    if (rc == 0)
        rc = programs_watch(c->programs, all, (size_t)found, first_run);
    if (rc < 0)
        snprintf(error, error_size, "cannot watch the processes: %s", strerror(-rc));
    free(all);
    if (rc == 0 && c->count == 0 && !c->before_exec) {
        rc = c->failed ? c->failed : -ESRCH;
        if (c->failed)
            snprintf(error, error_size, "cannot create a trace in %s: %s", c->options.directory, strerror(-rc));
        else
            snprintf(error, error_size, "there is no such process");
    }
    return rc;
}

int collector_start(const struct collector_options *options, const pid_t *pids, size_t count, struct collector **out,
                    char *error, size_t error_size)
{
    const struct programs_options programs = {options->mean_ns, options->every_sys_exit, options->raw_tracepoints};
    int rc = support_check(error, error_size);
    if (rc < 0)
        return rc;
    struct collector *c = calloc(1, sizeof(*c));
    if (!c) {
        snprintf(error, error_size, "not enough memory");
        return -ENOMEM;
    }
    c->ksyms = ksyms_read("/proc/kallsyms");
    c->options = (struct target_options){options->directory, options->capacity, options->mean_ns,
                                         c->ksyms,           interpreter_found, c};
    c->swept_ns = kernel_now();
    c->before_exec = options->before_exec;
    rc = programs_open(&programs, &c->programs, error, error_size);
    if (rc == 0)
        rc = watch(c, pids, count, error, error_size);
    if (rc < 0) {
        collector_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

int collector_try(char *error, size_t error_size)
{
    const struct programs_options options = {.mean_ns = 1000000};
    struct programs *programs = NULL;
    int rc = programs_open(&options, &programs, error, error_size);
    if (rc == 0)
        rc = programs_are_raw(programs);
    programs_close(programs);
    return rc;
}

int collector_poll(struct collector *c, int timeout_ms)
{
    int rc = programs_read(c->programs, timeout_ms, record_take, c);
    sweep(c);
    return rc;
}

bool collector_has_targets(const struct collector *c)
{
    if (c->before_exec)
        return true;
    for (size_t i = 0; i < c->count; i++)
        if (!watched_is_over(c, &c->watched[i]))
            return true;
    return false;
}

int collector_finish(struct collector *c, struct collector_summary *summary)
{
    int rc = programs_finish(c->programs);
    int read = programs_read(c->programs, 0, record_take, c);
    programs_totals(c->programs, 0, total_take, c);
    if (c->count)
        lost_tell(c, c->watched[0].target);
    *summary = (struct collector_summary){c->processes, c->missed, lost_count(c)};
    collector_free(c);
    return rc < 0 ? rc : read;
}
