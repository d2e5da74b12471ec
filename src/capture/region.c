/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Regions that the program names itself: what stands behind cprobe.h, and the only exports that interpose nothing. */
#include "capture/clock.h"
#include "capture/heap.h"
#include "capture/recorder.h"
#include "capture/stack.h"
#include "capture/thread.h"
#include "capture/watchlist.h"

EXPORT int cprobe_watch_region(const volatile void *start, size_t size, const char *name);
EXPORT int cprobe_unwatch_region(const volatile void *start);

static uint32_t region_enter(struct thread *t, uintptr_t start, size_t size, const char *name)
{
    struct watch_range range;
    uint32_t stack = t->slot || thread_prepare(t, clock_now()) ? stack_capture(t) : 0;
    uint32_t number = watchlist_add(&(struct watch_new){.start = start,
                                                        .size = size,
                                                        .kind = WATCH_REGION,
                                                        .stack = stack,
                                                        .tid = (uint32_t)sys_gettid(),
                                                        .name = name});
    if (number && watchlist_get(number, &range)) {
        heap_watch(&range);
        if (!writer_log_scarce(&recorder.writer)) /* a program may do this with each request */
            watchlist_announce(&range);
    }
    return number;
}

int cprobe_watch_region(const volatile void *start, size_t size, const char *name)
{
    struct thread *t = &thread_self;
    if (!start || !size || size > WATCH_SIZE_MAX || !patterns_any(&recorder.settings.watch) || !recorder_on() ||
        t->in_vfork || !thread_enter(t, FRAME_ADDRESS))
        return -1;
    heap_unwatch(watchlist_region((uintptr_t)start));
    uint32_t number = region_enter(t, (uintptr_t)start, size, name);
    thread_leave(t);
    return number ? 0 : -1;
}

int cprobe_unwatch_region(const volatile void *start)
{
    return heap_unwatch(watchlist_region((uintptr_t)start)) ? 0 : -1;
}
