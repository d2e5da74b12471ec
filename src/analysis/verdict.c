/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sentence that a report opens with: are the event loops the bottleneck, and why. */
#include <string.h>

#include "analysis/findings.h"
#include "analysis/summary.h"

#define IDLE_SHARE_LOW 0.15 /* a loop that idles less has no time to spare */

struct tally {
    size_t loops, saturated, blocked;
    const struct loop *worst_blocked; /* the largest blocked share */
    const struct loop *least_idle;
    uint32_t cpus; /* of the machine with most loops at their limit */
};

static double part(uint64_t ns, const struct loop *loop)
{
    return loop->wall_ns ? (double)ns / (double)loop->wall_ns : 0;
}

static struct tally loops_tally(const struct model *model, const struct report *report)
{
    struct tally tally = {.loops = report->loop_count};
    for (size_t i = 0; i < report->loop_count; i++) {
        const struct loop *loop = &report->loops[i];
        tally.saturated += loop->verdict == LOOP_SATURATED;
        tally.blocked += loop->verdict == LOOP_BLOCKED;
        if (!tally.worst_blocked ||
            part(loop->blocked_ns, loop) > part(tally.worst_blocked->blocked_ns, tally.worst_blocked))
            tally.worst_blocked = loop;
        if (!tally.least_idle || part(loop->idle_ns, loop) < part(tally.least_idle->idle_ns, tally.least_idle))
            tally.least_idle = loop;
    }
    for (size_t i = 0; i < model->process_count; i++) {
        if (model->processes[i].source->info->cpus > tally.cpus)
            tally.cpus = model->processes[i].source->info->cpus;
    }
    return tally;
}

static const char *loop_name(const struct loop *loop, struct arena *arena)
{
    return arena_format(arena, "the %s loop of %s[%u]", loop->kind, loop->process.name, loop->process.pid);
}

static const char *loop_blocker(const struct loop *loop, struct arena *arena)
{
    if (loop->blocked_by_count == 0)
        return "";
    const struct blocked_by *by = &loop->blocked_by[0];
    return by->peer ? arena_format(arena, ", mostly in %s for %s", by->module, words_peer(by->peer, arena))
                    : arena_format(arena, ", mostly in %s", by->module);
}

static const char *sentence_blocked(const struct tally *tally, struct arena *arena)
{
    const struct loop *loop = tally->worst_blocked;
    const char *how_many =
        tally->loops == 1
            ? "The event loop is"
            : arena_format(arena, tally->blocked == 1 ? "%zu of %zu event loops is" : "%zu of %zu event loops are",
                           tally->blocked, tally->loops);
    return arena_format(
        arena, "%s blocked below full CPU: %s waits %s of its time outside its own wait%s; on CPU %s, idle %s.",
        how_many, loop_name(loop, arena), words_share(part(loop->blocked_ns, loop), arena), loop_blocker(loop, arena),
        words_share(part(loop->oncpu_ns, loop), arena), words_share(part(loop->idle_ns, loop), arena));
}

static const char *sentence_saturated(const struct tally *tally, struct arena *arena)
{
    const struct loop *loop = tally->least_idle;
    const char *how_many =
        tally->loops == 1
            ? "The event loop is"
            : arena_format(arena, tally->saturated == 1 ? "%zu of %zu event loops is" : "%zu of %zu event loops are",
                           tally->saturated, tally->loops);
    const char *start =
        arena_format(arena, "%s busy (nearly) all the time (%s: on CPU %s, idle %s)", how_many, loop_name(loop, arena),
                     words_share(part(loop->oncpu_ns, loop), arena), words_share(part(loop->idle_ns, loop), arena));
    if (tally->saturated < tally->cpus)
        return arena_format(arena, "%s while the machine has %u CPUs: too few workers, or too much work in each.",
                            start, tally->cpus);
    return arena_format(arena, "%s, as many as the machine has CPUs (%u): make the work cheaper or add machines.",
                        start, tally->cpus);
}

/* Not idle, not blocked, and yet hardly on CPU. */
static const char *sentence_starved(const struct tally *tally, struct arena *arena)
{
    const struct loop *loop = tally->least_idle;
    if (loop->runnable_known)
        return arena_format(arena,
                            "No CPU to be had: %s could have run, but waited for a CPU %s of its time (on CPU %s, idle "
                            "%s): other threads "
                            "or processes had the CPUs, or a limit of its control group was reached.",
                            loop_name(loop, arena), words_share(part(loop->runnable_ns, loop), arena),
                            words_share(part(loop->oncpu_ns, loop), arena),
                            words_share(part(loop->idle_ns, loop), arena));
    return arena_format(
        arena,
        "%s is idle %s of its time and on CPU %s, and waits in no recorded call for the rest: look for a "
        "shortage of CPU, page faults or a stopped process.",
        loop_name(loop, arena), words_share(part(loop->idle_ns, loop), arena),
        words_share(part(loop->oncpu_ns, loop), arena));
}

static const char *sentence_idle(const struct tally *tally, const struct report *report, struct arena *arena)
{
    const struct loop *loop = tally->least_idle;
    const char *idle = words_share(part(loop->idle_ns, loop), arena);
    if (report->finding_count > 0)
        return arena_format(arena,
                            "The event loops have time left (%s is idle %s of the time), but some requests wait for "
                            "what is found below.",
                            loop_name(loop, arena), idle);
    return arena_format(arena,
                        "No event loop is the bottleneck: %s is the busiest of %zu and idle %s of the time. Look "
                        "elsewhere: callers, network, services behind.",
                        loop_name(loop, arena), tally->loops, idle);
}

static const char *sentence_no_loop(const struct report *report, struct arena *arena)
{
    const char *start = arena_format(arena, "No event loop was found in %zu process%s", report->process_count,
                                     report->process_count == 1 ? "" : "es");
    if (report->endpoint_count == 0 || report->endpoints[0].wait_ns == 0)
        return arena_format(arena, "%s.", start);
    const struct endpoint *endpoint = &report->endpoints[0];
    return arena_format(arena, "%s; the threads waited longest for %s: %s in %llu calls.", start,
                        words_peer(&endpoint->peer, arena), words_duration(endpoint->wait_ns, arena),
                        (unsigned long long)endpoint->calls);
}

static bool kernel_only(const struct model *model)
{
    for (size_t i = 0; i < model->process_count; i++)
        if (model->processes[i].source->info->origin != TRACE_ORIGIN_KERNEL)
            return false;
    return true;
}

static const char *sentence_kernel(const struct report *report, struct arena *arena)
{
    const char *start = arena_format(arena, "Recorded through the kernel: %zu process%s", report->process_count,
                                     report->process_count == 1 ? "" : "es");
    if (report->syscall_count == 0)
        return arena_format(arena, "%s that never waited.", start);
    const struct syscall_row *row = &report->syscalls[0];
    return arena_format(arena, "%s; the longest waits are those of thread %s (%u) in %s: %s in %llu waits.", start,
                        row->thread.name, row->thread.tid, row->name, words_duration(row->total_ns, arena),
                        (unsigned long long)row->count);
}

const char *verdict_sentence(const struct model *model, const struct report *report, struct arena *arena)
{
    struct tally tally = loops_tally(model, report);
    if (tally.loops == 0 && kernel_only(model))
        return sentence_kernel(report, arena);
    if (tally.loops == 0)
        return sentence_no_loop(report, arena);
    if (tally.blocked > 0)
        return sentence_blocked(&tally, arena);
    if (tally.saturated > 0)
        return sentence_saturated(&tally, arena);
    if (part(tally.least_idle->idle_ns, tally.least_idle) < IDLE_SHARE_LOW)
        return sentence_starved(&tally, arena);
    return sentence_idle(&tally, report, arena);
}
