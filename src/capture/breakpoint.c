/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/breakpoint.h"

#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/sys.h"

static long control(const struct breakpoint *b, unsigned long request, unsigned long argument)
{
    return SYS_CALL(SYS_ioctl, b->fd, request, argument, 0, 0, 0);
}

static void describe(struct perf_event_attr *a, uintptr_t address, unsigned length, bool reads, uint64_t data)
{
    memset(a, 0, sizeof(*a));
    a->type = PERF_TYPE_BREAKPOINT;
    a->size = sizeof(*a);
    a->bp_type = reads ? HW_BREAKPOINT_RW : HW_BREAKPOINT_W;
    a->bp_addr = address;
    a->bp_len = length;
    a->sample_period = 1;
    a->disabled = 1;
    a->sigtrap = 1;
    a->remove_on_exec = 1; /* the kernel demands it with sigtrap */
    a->exclude_kernel = 1;
    a->exclude_hv = 1;
    a->sig_data = data;
}

int breakpoint_open(struct breakpoint *b, uint32_t tid)
{
    static uint64_t anything; /* a place to begin with; it is never armed there */
    struct perf_event_attr a;
    describe(&a, (uintptr_t)&anything, sizeof(anything), false, 0);
    *b = (struct breakpoint){.fd = -1};
    long fd = SYS_CALL(SYS_perf_event_open, &a, tid, -1, -1, PERF_FLAG_FD_CLOEXEC, 0);
    if (fd < 0)
        return (int)fd;
    b->fd = (int)fd;
    return 0;
}

void breakpoint_close(struct breakpoint *b)
{
    if (b->fd >= 0)
        sys_close(b->fd);
    b->fd = -1;
}

int breakpoint_arm(struct breakpoint *b, uintptr_t address, unsigned length, bool reads, uint64_t data, uint32_t hits)
{
    struct perf_event_attr a;
    if (b->fd < 0)
        return -EBADF;
    describe(&a, address, length, reads, data);
    long error = control(b, PERF_EVENT_IOC_MODIFY_ATTRIBUTES, (unsigned long)&a);
    if (error < 0)
        return (int)error;
    uint32_t more = hits > b->limit ? hits - b->limit : 0;
    b->limit += more;
    return (int)control(b, more ? PERF_EVENT_IOC_REFRESH : PERF_EVENT_IOC_ENABLE, more);
}

void breakpoint_disarm(struct breakpoint *b, uint32_t tid, bool hit)
{
    uint64_t hits = 0;
    if (b->fd < 0)
        return;
    control(b, PERF_EVENT_IOC_DISABLE, 0);
    if (!hit || sys_read(b->fd, &hits, sizeof(hits)) != sizeof(hits))
        return;
    uint64_t used = hits - b->hits;
    b->hits = hits;
    if (used < b->limit) {
        b->limit -= (uint32_t)used;
        return;
    }
    breakpoint_close(b);
    breakpoint_open(b, tid);
}
