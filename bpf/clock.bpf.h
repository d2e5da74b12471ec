/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Times of switches at no cost. Reading the clock twice for every switch, and once more for every wake-up, was the
 * larger part of what recording short waits cost. The scheduler has read it already: the run queue's clock, updated at
 * the beginning of each __schedule(). It also keeps, for every task, for how long and since when it queues for a CPU
 * (kernel/sched/stats.h), which says when a thread was woken.
 *
 * The scheduler's clock counts the same nanoseconds as CLOCK_MONOTONIC from another beginning, and NTP does not adjust
 * it. `clock_offset` is measured again whenever a wait is recorded.
 */
#ifndef CPROBE_BPF_CLOCK_H
#define CPROBE_BPF_CLOCK_H

bool clock_measured = false;
__u64 clock_measured_at = 0;
__s64 clock_offset = 0; /* CLOCK_MONOTONIC minus the scheduler's clock */

/* Kernels without group scheduling, and without delay accounting, have no such fields. */
struct sched_entity___group {
    struct cfs_rq *cfs_rq;
} __attribute__((preserve_access_index));
struct cfs_rq___group {
    struct rq *rq;
} __attribute__((preserve_access_index));
struct sched_info___delay {
    unsigned long long run_delay, last_arrival, last_queued;
} __attribute__((preserve_access_index));

static bool clock_is_free(void)
{
    return bpf_core_field_exists(struct sched_entity___group, cfs_rq) &&
           bpf_core_field_exists(struct cfs_rq___group, rq);
}

static bool delay_is_known(void)
{
    return clock_is_free() && bpf_core_field_exists(struct sched_info___delay, run_delay) &&
           bpf_core_field_exists(struct sched_info___delay, last_queued);
}

/* In sched_switch, `task` being the one that leaves, or elsewhere the current one: the scheduler's clock. */
static __u64 clock_of_switch(const struct task_struct *task)
{
    if (!clock_is_free())
        return bpf_ktime_get_ns();
    const struct sched_entity___group *entity = (const void *)&task->se;
    const struct cfs_rq___group *queue = (const void *)entity->cfs_rq;
    return queue->rq->clock;
}

/* `now` was read a moment ago, but a virtual machine may have stood still since: the difference can be too large, never
   too small. So it falls at once and rises no faster than NTP may let CLOCK_MONOTONIC run ahead, by 500 ppm. */
static void clock_measure(__u64 now)
{
    __s64 offset = (__s64)(bpf_ktime_get_ns() - now);
    __s64 limit = clock_offset + (now > clock_measured_at ? (__s64)((now - clock_measured_at) >> 11) : 0);
    clock_offset = clock_measured && offset > limit ? limit : offset;
    clock_measured_at = now;
    clock_measured = true;
}

/* Anywhere else. */
static __u64 clock_now(void)
{
    return bpf_ktime_get_ns() - (__u64)clock_offset;
}

static __u64 clock_monotonic(__u64 time)
{
    return time + (__u64)clock_offset;
}

/* For how long the task queued for CPUs in its life, until `now`. */
static __u64 queued_until(const struct task_struct *task, __u64 now)
{
    const struct sched_info___delay *info = (const void *)&task->sched_info;
    __u64 since = TASK_READ(info, last_queued);
    return TASK_READ(info, run_delay) + (since && since < now ? now - since : 0);
}

/* When it last got a CPU. */
static __u64 arrived_at(const struct task_struct *task)
{
    const struct sched_info___delay *info = (const void *)&task->sched_info;
    return info->last_arrival;
}

#endif
