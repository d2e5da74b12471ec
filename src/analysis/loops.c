/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the time of each loop was spent: loops.h. */
#include "analysis/loops.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/findings.h"
#include "analysis/problem.h"
#include "analysis/round.h"

#define BLOCKERS_MAX 16      /* rows of blocked_by that are kept */
#define IDLE_SHARE_FULL 0.15 /* a loop that is idle less than this has no time left */
#define BLOCKED_SHARE_MUCH 0.10
#define COVERED_SHARE 0.95 /* of a loop's life that the kernel must have watched */
#define RUNNABLE_SHARE_MUCH 0.20
#define ONCPU_SHARE_MUCH 0.40 /* less of a loop that never idles: others take the CPU away, or it was stopped */

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* CPU time per wall time as measured, for the loop's life. The measured span may include the start-up, whose CPU time
   does not belong here, so what idle and blocked time leave over is the limit. */
static uint64_t oncpu_of(const struct model_thread *thread, const struct loop_times *times)
{
    const struct trace_thread_slot *slot = thread->source->slot;
    uint64_t spent = times->idle_ns + times->blocked_ns;
    uint64_t rest = times->wall_ns > spent ? times->wall_ns - spent : 0;
    if (slot->cpu_last_at_ns <= slot->cpu_first_at_ns || slot->cpu_last_ns < slot->cpu_first_ns)
        return rest;
    double rate =
        (double)(slot->cpu_last_ns - slot->cpu_first_ns) / (double)(slot->cpu_last_at_ns - slot->cpu_first_at_ns);
    return smaller(round_whole((rate < 1 ? rate : 1) * (double)times->wall_ns), rest);
}

/* Whether the kernel's recording covers the loop's life, and says how long the thread was on CPU. */
static bool kernel_covers(const struct model_thread *thread)
{
    const struct model_process *kernel = thread->process->kernel ? thread->process : thread->process->beside;
    if (!thread->kernel.seen || thread->kernel.life_oncpu_ns == 0 || !kernel)
        return false;
    const struct trace_info *info = kernel->source->info;
    uint64_t begin = info->start_mono_ns > thread->loop_first_ns ? info->start_mono_ns : thread->loop_first_ns;
    uint64_t end = smaller(info->end_mono_ns, thread->loop_end_ns);
    return end > begin && (double)(end - begin) >= COVERED_SHARE * (double)thread_wall_ns(thread);
}

/* Off the CPU the thread was as long as the kernel says; the rest is shared out between CPU and run queue as in all of
   the thread's recorded life, which begins before the loop's. */
static void times_from_kernel(const struct model_thread *thread, struct loop_times *times)
{
    const struct thread_kernel *kernel = &thread->kernel;
    double life = (double)kernel->life_oncpu_ns + (double)kernel->life_runnable_ns;
    times->idle_ns = smaller(round_whole(kernel->idle_ns), times->wall_ns);
    times->blocked_ns = smaller(round_whole(kernel->blocked_ns), times->wall_ns - times->idle_ns);
    uint64_t rest = times->wall_ns - times->idle_ns - times->blocked_ns;
    uint64_t after_waits = smaller(round_whole(kernel->runqueue_ns), rest);
    times->runnable_ns = round_whole((double)rest * (double)kernel->life_runnable_ns / life);
    if (times->runnable_ns < after_waits)
        times->runnable_ns = after_waits;
    times->oncpu_ns = rest - times->runnable_ns;
    times->runtime_ns = smaller(times->runtime_ns, times->blocked_ns);
    times->exact = true;
}

static bool row_blocks_loop(const struct wait_row *row, const struct model_thread *thread)
{
    return row->thread == thread && row->phase == PHASE_LOOP && row->count > 0;
}

struct loop_times loop_times_of(const struct model *model, const struct model_thread *thread)
{
    struct loop_times times = {.wall_ns = thread_wall_ns(thread)};
    double blocked = 0, runtime = 0;
    times.idle_ns = smaller(thread->idle_ns, times.wall_ns);
    for (size_t i = 0; i < model->waits.count; i++) {
        const struct wait_row *row = &model->waits.rows[i];
        if (!row_blocks_loop(row, thread))
            continue;
        blocked += row->total_ns;
        if (row->runtime)
            runtime += row->total_ns;
    }
    times.blocked_ns = smaller(round_whole(blocked), times.wall_ns - times.idle_ns);
    times.runtime_ns = smaller(round_whole(runtime), times.blocked_ns);
    times.oncpu_ns = oncpu_of(thread, &times);
    if (kernel_covers(thread))
        times_from_kernel(thread, &times);
    return times;
}

/* Who a row is attributed to: the driver's module, else that of the user's code, else the runtime or the call's name.
 */
static const char *row_module(struct model *model, const struct wait_row *row, struct arena *arena)
{
    const struct model_process *process = row->thread->process;
    if (row->runtime)
        return arena_format(arena, "%s (runtime)", process->name);
    const struct stack *stack = model_row_stack(model, row);
    struct place place = place_of(stack, process->program);
    if (place.driver)
        return place.driver->module;
    if (place.user)
        return strcmp(place.user->module, process->program) == 0 ? process->name : place.user->module;
    size_t caller = stack->count > 1 ? 1 : 0; /* of the waiting function, which is libc's */
    while (row->call >= CALL_KERNEL && caller + 1 < stack->count && stack->frames[caller].kind == FRAME_KERNEL)
        caller++;
    return stack->count > 0 ? stack->frames[caller].module : "unknown";
}

static bool peer_equal(const struct peer *a, const struct peer *b)
{
    return a == b || (a && b && strcmp(a->address, b->address) == 0 && strcmp(a->family, b->family) == 0);
}

static void blocker_add(struct blocked_by **list, size_t *count, size_t *capacity, const struct blocked_by *one)
{
    for (size_t i = 0; i < *count; i++) {
        struct blocked_by *known = &(*list)[i];
        if (strcmp(known->module, one->module) == 0 && peer_equal(known->peer, one->peer)) {
            known->total_ns += one->total_ns;
            known->count += one->count;
            return;
        }
    }
    *list = memory_grow(*list, *count, capacity, sizeof(**list));
    (*list)[(*count)++] = *one;
}

static int blocker_compare(const void *left, const void *right)
{
    const struct blocked_by *a = left, *b = right;
    if (a->total_ns != b->total_ns)
        return a->total_ns > b->total_ns ? -1 : 1;
    return strcmp(a->module, b->module);
}

static void blockers_report(struct model *model, const struct model_thread *thread, struct loop *loop,
                            struct arena *arena)
{
    struct blocked_by *list = NULL;
    size_t count = 0, capacity = 0;
    for (size_t i = 0; i < model->waits.count; i++) {
        const struct wait_row *row = &model->waits.rows[i];
        if (!row_blocks_loop(row, thread))
            continue;
        struct blocked_by one = {row_module(model, row, arena), peer_of(row->process, row->endpoint, arena),
                                 round_whole(row->total_ns), round_whole(row->count)};
        blocker_add(&list, &count, &capacity, &one);
    }
    if (count > 0)
        qsort(list, count, sizeof(*list), blocker_compare);
    loop->blocked_by_count = count < BLOCKERS_MAX ? count : BLOCKERS_MAX;
    loop->blocked_by = arena_get(arena, loop->blocked_by_count * sizeof(*list));
    if (count > 0)
        memcpy(loop->blocked_by, list, loop->blocked_by_count * sizeof(*list));
    free(list);
}

/* 99 of 100 turns were shorter; turns are spread evenly over their bucket [2^i, 2^(i+1)) for want of better knowledge.
 */
static uint64_t turn_p99(const struct trace_site *site)
{
    double total = 0, seen = 0;
    for (size_t i = 0; i < TURN_BUCKETS; i++)
        total += site->turn_hist[i];
    for (size_t i = 0; i < TURN_BUCKETS; i++) {
        double here = site->turn_hist[i];
        if (here > 0 && seen + here >= 0.99 * total) {
            double low = (double)(UINT64_C(1) << i);
            double value = low + low * (0.99 * total - seen) / here;
            return value < (double)site->turn_max_ns ? (uint64_t)value : site->turn_max_ns;
        }
        seen += here;
    }
    return 0;
}

static enum loop_verdict loop_judge(const struct loop *loop)
{
    double wall = (double)loop->wall_ns;
    if ((double)loop->idle_ns < IDLE_SHARE_FULL * wall && loop->runnable_ns > loop->blocked_ns &&
        (double)loop->runnable_ns >= RUNNABLE_SHARE_MUCH * wall)
        return LOOP_STARVED;
    if ((double)loop->idle_ns < IDLE_SHARE_FULL * wall && loop->oncpu_ns >= loop->blocked_ns &&
        (double)loop->oncpu_ns >= ONCPU_SHARE_MUCH * wall)
        return LOOP_SATURATED;
    return (double)loop->blocked_ns >= BLOCKED_SHARE_MUCH * wall ? LOOP_BLOCKED : LOOP_IDLE;
}

static void loop_fill(struct model *model, const struct model_thread *thread, struct loop *loop, struct arena *arena)
{
    struct loop_times times = loop_times_of(model, thread);
    *loop = (struct loop){.process = process_info_of(thread->process),
                          .thread = thread_info_of(thread),
                          .kind = thread->loop_kind,
                          .wall_ns = times.wall_ns,
                          .idle_ns = times.idle_ns,
                          .oncpu_ns = times.oncpu_ns,
                          .blocked_ns = times.blocked_ns,
                          .runnable_ns = times.runnable_ns,
                          .runnable_known = times.exact,
                          .turns = thread->site->turns,
                          .turn_p99_ns = turn_p99(thread->site),
                          .turn_max_ns = thread->site->turn_max_ns};
    loop->verdict = loop_judge(loop);
    blockers_report(model, thread, loop, arena);
}

/* Least idle first. */
static int loop_compare(const void *left, const void *right)
{
    const struct loop *a = left, *b = right;
    double x = (double)a->idle_ns / (double)a->wall_ns, y = (double)b->idle_ns / (double)b->wall_ns;
    if (x != y)
        return x < y ? -1 : 1;
    if (a->process.pid != b->process.pid)
        return a->process.pid < b->process.pid ? -1 : 1;
    return a->thread.tid < b->thread.tid ? -1 : a->thread.tid > b->thread.tid;
}

struct loop *loops_report(struct model *model, struct arena *arena, size_t *count)
{
    struct loop *loops;
    *count = 0;
    for (size_t i = 0; i < model->process_count; i++) {
        for (size_t j = 0; j < model->processes[i].thread_count; j++)
            *count += model->processes[i].threads[j].loop_kind != NULL;
    }
    loops = arena_get(arena, *count * sizeof(*loops));
    *count = 0;
    for (size_t i = 0; i < model->process_count; i++) {
        for (size_t j = 0; j < model->processes[i].thread_count; j++) {
            if (model->processes[i].threads[j].loop_kind)
                loop_fill(model, &model->processes[i].threads[j], &loops[(*count)++], arena);
        }
    }
    if (*count > 0)
        qsort(loops, *count, sizeof(*loops), loop_compare);
    return loops;
}
