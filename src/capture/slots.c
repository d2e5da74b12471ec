/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/slots.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/compiler.h"
#include "base/sys.h"
#include "capture/recorder.h"

#define SLOTS_MAX 4096
#define PROBES 16 /* slots looked at before the next counter segment is tried */
#define LOCK_SPINS 64
#define LOCK_YIELDS 100
#define LOCK_SLEEPS 20000 /* of 50 us: its holder may be waiting for the disk or for a processor */

static struct {
    uint64_t bytes; /* any: of all segments of slots and counters */
    uint32_t lock;  /* guards all below; held for a few instructions, or while a slot is folded */
    uint32_t count;
    uint32_t ended_head, ended_count; /* circular list of ended slots, oldest first */
    uint16_t ended[SLOTS_MAX];
    struct slot table[SLOTS_MAX];
} slots;

static uint64_t set_signals(uint64_t mask)
{
    uint64_t old = 0;
    SYS_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &old, sizeof(mask), 0, 0);
    return old;
}

/* Threads come and go in great numbers at once, and one that gave up would lose its first waits: so it waits for the
   lock, and no signal handler can jump out of the holder. *signals: for unlock_slots. */
static bool lock_slots(uint64_t *signals)
{
    const struct timespec nap = {0, 50000};
    *signals = set_signals(UINT64_MAX);
    for (int i = 0; i < LOCK_SPINS + LOCK_YIELDS + LOCK_SLEEPS; i++) {
        if (!__atomic_exchange_n(&slots.lock, 1, __ATOMIC_ACQUIRE))
            return true;
        if (i < LOCK_SPINS)
            __builtin_ia32_pause();
        else if (i < LOCK_SPINS + LOCK_YIELDS)
            SYS_CALL(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
        else
            SYS_CALL(SYS_nanosleep, &nap, NULL, 0, 0, 0, 0);
    }
    set_signals(*signals);
    return false;
}

static void unlock_slots(uint64_t signals)
{
    store_release(&slots.lock, 0);
    set_signals(signals);
}

static struct trace_counter *more_counters(const struct segment *s)
{
    return (struct trace_counter *)((char *)s + SEGMENT_HEADER_SIZE);
}

static uint32_t key_hash(uint16_t call, uint16_t flags, uint32_t endpoint)
{
    uint64_t key = ((uint64_t)endpoint << 32) | ((uint32_t)call << 16) | flags;
    return (uint32_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

/* Open addressing with a bounded number of probes. An unused counter has count 0; count is stored by the caller after
 * the key. */
static struct trace_counter *probe(struct trace_counter *table, uint32_t size, uint16_t call, uint16_t flags,
                                   uint32_t endpoint)
{
    uint32_t at = (uint32_t)(((uint64_t)key_hash(call, flags, endpoint) * size) >> 32); /* a division costs more */
    for (int i = 0; i < PROBES; i++) {
        struct trace_counter *c = &table[at];
        if (c->count == 0) {
            c->endpoint = endpoint;
            c->call = call;
            c->flags = flags;
            return c;
        }
        if (c->endpoint == endpoint && c->call == call && c->flags == flags)
            return c;
        at = at + 1 == size ? 0 : at + 1;
    }
    return NULL;
}

/* A segment out of the slots' share of the trace. */
static struct segment *slots_segment(enum segment_kind kind, uint32_t size, uint32_t owner)
{
    struct segment *s = NULL;
    if (add_relaxed(&slots.bytes, size) + size <= writer_budget(&recorder.writer, WRITER_SLOTS))
        s = writer_segment(&recorder.writer, kind, size, owner);
    if (!s)
        add_relaxed(&slots.bytes, -(uint64_t)size);
    return s;
}

static struct trace_counter *probe_more(struct slot *slot, uint16_t call, uint16_t flags, uint32_t endpoint)
{
    const uint32_t size = (COUNTERS_SEGMENT_SIZE - SEGMENT_HEADER_SIZE) / sizeof(struct trace_counter);
    for (int i = 0; i < SLOT_COUNTER_SEGMENTS; i++) {
        if (!slot->more[i]) {
            slot->more[i] = slots_segment(SEGMENT_COUNTERS, COUNTERS_SEGMENT_SIZE, slot->number);
            if (!slot->more[i])
                return NULL;
        }
        struct trace_counter *c = probe(more_counters(slot->more[i]), size, call, flags, endpoint);
        if (c)
            return c;
    }
    return NULL;
}

struct trace_counter *slot_counter(struct slot *slot, uint16_t call, uint16_t flags, uint32_t endpoint)
{
    struct trace_counter *c = probe(slot->data->counters, slot->counters, call, flags, endpoint);
    if (unlikely(!c))
        c = probe_more(slot, call, flags, endpoint);
    if (unlikely(!c && endpoint > ENDPOINT_OVERFLOW))
        c = slot_counter(slot, call, flags, ENDPOINT_OVERFLOW);
    return c;
}

static struct slot *slot_create(void)
{
    if (slots.count >= SLOTS_MAX)
        return NULL;
    struct segment *s = slots_segment(SEGMENT_THREAD, THREAD_SEGMENT_SIZE, slots.count);
    if (!s)
        return NULL;
    struct slot *slot = &slots.table[slots.count];
    memset(slot, 0, sizeof(*slot));
    slot->number = slots.count++;
    slot->data = (struct trace_thread_slot *)((char *)s + SEGMENT_HEADER_SIZE);
    slot->counters = (uint32_t)((THREAD_SEGMENT_SIZE - SEGMENT_HEADER_SIZE - sizeof(struct trace_thread_slot)) /
                                sizeof(struct trace_counter));
    return slot;
}

static void fold_counters(struct slot *to, struct trace_counter *from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!from[i].count)
            continue;
        struct trace_counter *c = slot_counter(to, from[i].call, from[i].flags, from[i].endpoint);
        if (!c)
            continue;
        if (!c->count || from[i].first_ns < c->first_ns)
            c->first_ns = from[i].first_ns;
        c->last_ns = c->last_ns > from[i].last_ns ? c->last_ns : from[i].last_ns;
        c->max_ns = c->max_ns > from[i].max_ns ? c->max_ns : from[i].max_ns;
        c->total_ns += from[i].total_ns;
        c->bytes += from[i].bytes;
        c->failed += from[i].failed;
        uint64_t added = from[i].count;
        store_release(&from[i].count, 0); /* first: killed in between, some waits are missing but none counts twice */
        store_release(&c->count, c->count + added);
    }
    memset(from, 0, count * sizeof(*from));
}

/* Adds the oldest ended thread's counters to slot 0 and returns its slot, empty. */
static struct slot *slot_recycle(void)
{
    if (!slots.ended_count)
        return NULL;
    struct slot *slot = &slots.table[slots.ended[slots.ended_head]];
    slots.ended_head = (slots.ended_head + 1) % SLOTS_MAX;
    slots.ended_count--;
    struct slot *sum = &slots.table[0];
    fold_counters(sum, slot->data->counters, slot->counters);
    for (int i = 0; i < SLOT_COUNTER_SEGMENTS && slot->more[i]; i++)
        fold_counters(sum, more_counters(slot->more[i]),
                      (COUNTERS_SEGMENT_SIZE - SEGMENT_HEADER_SIZE) / sizeof(struct trace_counter));
    if (!sum->data->start_ns || slot->data->start_ns < sum->data->start_ns)
        sum->data->start_ns = slot->data->start_ns;
    if (slot->data->end_ns > sum->data->end_ns)
        sum->data->end_ns = slot->data->end_ns;
    sum->data->threads++;
    memset(slot->data, 0, sizeof(*slot->data));
    writer_lose(&recorder.writer, TRACE_LOST_THREADS, 1);
    return slot;
}

struct slot *slot_take(uint32_t tid, uint64_t now_ns)
{
    uint64_t signals;
    if (!lock_slots(&signals))
        return NULL;
    struct slot *slot = NULL;
    if (slots.count || slot_create()) { /* the first is slot 0 */
        slot = slot_create();
        if (!slot)
            slot = slot_recycle();
    }
    if (slot) {
        memset(&slot->thread, 0, sizeof(slot->thread));
        slot->data->start_ns = now_ns;
        slot->data->threads = 1;
        store_release(&slot->data->tid, tid);
    }
    unlock_slots(signals);
    return slot;
}

void slot_give(struct slot *slot)
{
    uint64_t signals;
    if (!lock_slots(&signals))
        return; /* never recycled: a loss of room, not of data */
    slots.ended[(slots.ended_head + slots.ended_count) % SLOTS_MAX] = (uint16_t)slot->number;
    slots.ended_count++;
    unlock_slots(signals);
}

void slots_forked(void)
{
    slots.lock = 0;
    slots.bytes = 0;
    slots.count = slots.ended_head = slots.ended_count = 0;
}
