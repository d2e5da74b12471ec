/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads of a process's memory. */
#ifndef CPROBE_BPF_USER_BPF_H
#define CPROBE_BPF_USER_BPF_H

/* Who reads: a program that may not sleep (what is not resident is not read), one that may, or one that reads another
   task's memory. A constant in every call, so that each program holds the one helper that it may use. */
enum user_reader { USER_NOW, USER_SLEEPABLE, USER_OTHER_TASK };

static __always_inline bool user_read(enum user_reader reader, struct task_struct *task, void *to, __u32 size,
                                      __u64 from)
{
    if (reader == USER_NOW)
        return bpf_probe_read_user(to, size, (void *)from) == 0;
    if (reader == USER_SLEEPABLE)
        return bpf_copy_from_user(to, size, (void *)from) == 0;
    return bpf_copy_from_user_task(to, size, (void *)from, task, 0) == 0;
}

#endif
