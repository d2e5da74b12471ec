/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where kernels differ. Each entry says since when, so that it can go when the older kernels do.
 */
#ifndef CPROBE_BPF_COMPAT_H
#define CPROBE_BPF_COMPAT_H

/* Queues work that one thread runs when it next returns to user space. Linux 6.18. Older vmlinux.h lack the type. */
#ifndef CPROBE_HAS_TASK_WORK
struct bpf_task_work {
    __u64 __opaque;
};
#endif
extern int bpf_task_work_schedule_resume_impl(struct task_struct *task, struct bpf_task_work *work, void *map,
                                              int (*callback)(struct bpf_map *, void *, void *),
                                              void *reserved) __ksym __weak;

#endif
