/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In the place of programs.c where clang, bpftool, libbpf or the kernel's BTF were missing at build time. */
#include "kernel/programs.h"

#include <errno.h>
#include <stdio.h>

bool programs_built(void)
{
    return false;
}

bool programs_task_work(void)
{
    return false;
}

int programs_open(const struct programs_options *options, struct programs **out, char *error, size_t error_size)
{
    (void)options, (void)out;
    snprintf(
        error, error_size,
        "this cprobe was built without eBPF; building needs clang, bpftool, libbpf-dev and /sys/kernel/btf/vmlinux");
    return -ENOTSUP;
}

bool programs_are_raw(const struct programs *p)
{
    (void)p;
    return false;
}

void programs_close(struct programs *p)
{
    (void)p;
}

uint32_t programs_runs(struct programs *p, size_t count)
{
    (void)p, (void)count;
    return 0;
}

int programs_watch(struct programs *p, const pid_t *pids, size_t count, uint32_t first_run)
{
    (void)p, (void)pids, (void)count, (void)first_run;
    return -ENOTSUP;
}

int programs_read(struct programs *p, int timeout_ms, programs_take *take, void *context)
{
    (void)p, (void)timeout_ms, (void)take, (void)context;
    return -ENOTSUP;
}

int programs_finish(struct programs *p)
{
    (void)p;
    return -ENOTSUP;
}

void programs_totals(struct programs *p, uint32_t run, programs_take_total *take, void *context)
{
    (void)p, (void)run, (void)take, (void)context;
}

void programs_interpreter(struct programs *p, uint32_t run, const struct offcpu_interpreter *interpreter)
{
    (void)p, (void)run, (void)interpreter;
}

uint64_t programs_lost(const struct programs *p, enum offcpu_lost cause)
{
    (void)p, (void)cause;
    return 0;
}
