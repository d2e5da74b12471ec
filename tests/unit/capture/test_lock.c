/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What waiters and owners of a lock write of each other; orders and misuse, each written once. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capture/lock.h"
#include "capture/locks.h"
#include "isolated.h"
#include "recording.h"

#define MS 1000000

static char locks[8];

static size_t events_of(struct trace *t, uint16_t type, union trace_event *last)
{
    const union trace_event *e;
    size_t n = 0;
    trace_rewind(t);
    while (trace_next(t, &e) == 1)
        if (e->header.type == type) {
            memcpy(last, e, e->header.size < sizeof(*last) ? e->header.size : sizeof(*last));
            n++;
        }
    return n;
}

static void pause_ms(long ms)
{
    struct timespec t = {0, ms * MS};
    nanosleep(&t, NULL);
}

static atomic_int stage;

static void *waiter(void *unused)
{
    struct lock_wait w;
    lock_wait_begin(&w, &locks[0], LOCK_KIND_MUTEX, 0, 77);
    stage = 1;
    while (stage < 2)
        pause_ms(1);
    lock_wait_end(&w, CALL_pthread_mutex_lock, 0, 0x10);
    lockset_pop(&locks[0]);
    return unused;
}

/* The waiter learns who left the lock and where, the owner how long it was waited for. */
static void owner_and_waiter(void **state)
{
    pthread_t thread;
    union trace_event e;
    (void)state;
    recording_begin(4 << 20);
    pthread_create(&thread, NULL, waiter, NULL);
    while (stage < 1)
        pause_ms(1);
    pause_ms(5);
    lock_contended(&locks[0], LOCK_KIND_MUTEX);
    lock_contended(&locks[1], LOCK_KIND_MUTEX); /* nobody waits for this one */
    stage = 2;
    pthread_join(thread, NULL);
    lock_contended(&locks[0], LOCK_KIND_MUTEX); /* nor for this one any more */
    uint32_t id = locks_number((uintptr_t)&locks[0], LOCK_KIND_MUTEX);
    struct trace *t = recording_end();
    assert_int_equal(events_of(t, EVENT_HOLD, &e), 1);
    assert_int_equal(e.hold.lock, id);
    assert_int_equal(e.hold.flags, HOLD_CONTENDED);
    assert_int_equal(e.hold.waiters, 1);
    assert_true(e.hold.waited_ns >= 5 * MS);
    uint32_t owner = e.hold.tid, stack = e.hold.stack;
    assert_int_not_equal(stack, 0);
    assert_int_equal(events_of(t, EVENT_CONTEXT, &e), 1);
    assert_int_equal(e.context.lock, id);
    assert_int_equal(e.context.owner, owner);
    assert_int_equal(e.context.owner_stack, stack);
    recording_close(t);
}

static void *racer(void *unused)
{
    for (int i = 0; i < 20000; i++) {
        struct lock_wait w;
        const char *lock = &locks[i % 2];
        lock_wait_begin(&w, lock, LOCK_KIND_MUTEX, 0, 0);
        lock_wait_end(&w, CALL_pthread_mutex_lock, 0, 0x10);
        lockset_pop(lock);
        lock_contended(lock, LOCK_KIND_MUTEX);
    }
    return unused;
}

/* Whoever comes and goes: in the end nobody waits, and nobody was waited for longer than the test ran. */
static void three_race(void **state)
{
    pthread_t threads[3];
    const union trace_event *e;
    (void)state;
    recording_begin(16 << 20);
    uint64_t begin = clock_now();
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, racer, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    uint64_t elapsed = clock_now() - begin;
    for (int i = 0; i < 2; i++)
        lock_contended(&locks[i], LOCK_KIND_MUTEX);
    uint32_t self = (uint32_t)gettid();
    struct trace *t = recording_end();
    while (trace_next(t, &e) == 1)
        if (e->header.type == EVENT_HOLD) {
            assert_int_not_equal(e->hold.tid, self);
            assert_true(e->hold.waiters <= 3);
            assert_true(e->hold.waited_ns <= elapsed);
        }
    recording_close(t);
}

static const struct trace_counter *counter_of(struct trace *t, uint16_t call)
{
    const struct trace_thread *thread = trace_thread_at(t, 0);
    for (size_t i = 0; i < thread->counter_count; i++)
        if (thread->counters[i].call == call)
            return &thread->counters[i];
    return NULL;
}

static void wait_shortly(void)
{
    struct lock_wait w;
    lock_wait_begin(&w, &locks[0], LOCK_KIND_MUTEX, 0, 0);
    thread_self.credit_ns = INT64_MAX;
    lock_wait_end(&w, CALL_pthread_mutex_lock, 0, 0x10);
    assert_int_not_equal(lockset_self.late.begin_ns, 0);
}

/* A wait too short to be recorded is counted when its lock is left, or another wait is over before. */
static void counted_late(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    wait_shortly();
    lockset_pop(&locks[0]);
    assert_int_equal(lockset_self.late.begin_ns, 0);
    wait_shortly();
    wait_end_plain(CALL_usleep, clock_now(), 0, 0);
    assert_int_equal(lockset_self.late.begin_ns, 0);
    lockset_pop(&locks[0]);
    wait_shortly();
    lock_thread_ended();
    struct trace *t = recording_end();
    assert_int_equal(counter_of(t, CALL_pthread_mutex_lock)->count, 3);
    recording_close(t);
}

/* A wait that was left by a jump ends where the next one begins. */
static void left_by_jump(void **state)
{
    struct lock_wait w;
    union trace_event e;
    (void)state;
    recording_begin(4 << 20);
    lock_wait_begin(&w, &locks[0], LOCK_KIND_MUTEX, 0, 0);
    lock_wait_begin(&w, &locks[1], LOCK_KIND_MUTEX, 0, 0);
    lock_wait_end(&w, CALL_pthread_mutex_lock, ETIMEDOUT, 0x10);
    assert_int_equal(lockset_self.depth, 0);
    pause_ms(3);
    lock_contended(&locks[0], LOCK_KIND_MUTEX);
    struct trace *t = recording_end();
    assert_int_equal(events_of(t, EVENT_HOLD, &e), 0);
    assert_int_equal(trace_thread_at(t, 0)->slot->wanted_since_ns, 0);
    recording_close(t);
}

static void ordered(int from, int to, unsigned from_flags, unsigned to_flags)
{
    lockset_push(&locks[from], 0x10, LOCK_KIND_RWLOCK, from_flags);
    lockset_push(&locks[to], 0x20, LOCK_KIND_MUTEX, to_flags);
    lockset_pop(&locks[to]);
    lockset_pop(&locks[from]);
}

static void *nothing(void *unused)
{
    return unused;
}

static void orders(void **state)
{
    union trace_event e;
    pthread_t thread;
    (void)state;
    recording_begin(4 << 20);
    for (int i = 0; i < 2; i++)
        ordered(0, 1, HELD_SHARED, HELD_TIMED); /* nobody else is there yet */
    lockset_first_thread();                     /* as the hook does */
    pthread_create(&thread, NULL, nothing, NULL);
    pthread_join(thread, NULL);
    for (int i = 0; i < 3; i++)
        ordered(0, 1, HELD_SHARED, HELD_TIMED);
    ordered(0, 2, 0, HELD_TRIED); /* cannot wait: no order */
    uint32_t from = locks_number((uintptr_t)&locks[0], LOCK_KIND_RWLOCK);
    uint32_t to = locks_number((uintptr_t)&locks[1], LOCK_KIND_MUTEX);
    struct trace *t = recording_end();
    assert_int_equal(events_of(t, EVENT_ORDER, &e), 2); /* alone, and again with others */
    assert_int_equal(e.order.from, from);
    assert_int_equal(e.order.to, to);
    assert_int_equal(e.order.flags, ORDER_FROM_SHARED | ORDER_TIMED);
    assert_int_equal(e.order.place, 0x10);
    assert_int_not_equal(e.order.stack, 0);
    recording_close(t);
}

static void gated(int gate, int from, int to)
{
    if (gate)
        lockset_push(&locks[gate], 0x30, LOCK_KIND_MUTEX, 0);
    ordered(from, to, 0, 0);
    if (gate)
        lockset_pop(&locks[gate]);
}

static size_t orders_between(struct trace *t, uint32_t from, uint32_t to)
{
    const union trace_event *e;
    size_t n = 0;
    trace_rewind(t);
    while (trace_next(t, &e) == 1)
        n += e->header.type == EVENT_ORDER && e->order.from == from && e->order.to == to;
    return n;
}

/* An order is written again where it is not behind all of the gates that it was behind before; without any, always. */
static void gates(void **state)
{
    pthread_t thread;
    (void)state;
    recording_begin(4 << 20);
    pthread_create(&thread, NULL, nothing, NULL);
    pthread_join(thread, NULL);
    gated(2, 0, 1);
    lockset_push(&locks[3], 0x40, LOCK_KIND_MUTEX, 0);
    gated(2, 0, 1); /* behind one more: nothing new */
    lockset_pop(&locks[3]);
    uint32_t from = locks_number((uintptr_t)&locks[0], LOCK_KIND_RWLOCK);
    uint32_t to = locks_number((uintptr_t)&locks[1], LOCK_KIND_MUTEX);
    for (int gate = 3; gate < 7; gate++)
        gated(gate, 0, 1);
    gated(0, 0, 1);
    gated(7, 0, 1); /* nothing that was not so without it */
    gated(0, 0, 1);
    struct trace *t = recording_end();
    assert_int_equal(orders_between(t, from, to), 5);
    recording_close(t);
}

static void misuse(void **state)
{
    union trace_event e;
    (void)state;
    recording_begin(4 << 20);
    uint32_t self = (uint32_t)gettid();
    lock_not_held(&locks[0], LOCK_KIND_MUTEX, self); /* taken before recording began */
    lock_not_held(&locks[0], LOCK_KIND_SEMAPHORE, 0);
    for (int i = 0; i < 3; i++)
        lock_not_held(&locks[0], LOCK_KIND_MUTEX, self + 1);
    lock_forked();
    lock_not_held(&locks[1], LOCK_KIND_MUTEX, self + 1); /* of the parent */
    struct trace *t = recording_end();
    assert_int_equal(events_of(t, EVENT_MISUSE, &e), 1);
    assert_int_equal(e.misuse.kind, MISUSE_STRANGER_UNLOCK);
    assert_int_equal(e.misuse.other, self + 1);
    recording_close(t);
}

static void misuse_without_another(void **state)
{
    union trace_event e;
    (void)state;
    recording_begin(4 << 20);
    lock_not_held(&locks[0], LOCK_KIND_MUTEX, 0);
    struct trace *t = recording_end();
    assert_int_equal(events_of(t, EVENT_MISUSE, &e), 1);
    assert_int_equal(e.misuse.kind, MISUSE_UNLOCKED_FREE);
    recording_close(t);
}

static void refused(void **state)
{
    union trace_event e;
    (void)state;
    recording_begin(4 << 20);
    lock_refused(&locks[0], LOCK_KIND_MUTEX, ETIMEDOUT);
    lock_refused(&locks[0], LOCK_KIND_FILE, EINVAL);
    lock_refused(&locks[0], LOCK_KIND_MUTEX, EINVAL);
    struct trace *t = recording_end();
    assert_int_equal(events_of(t, EVENT_MISUSE, &e), 1);
    assert_int_equal(e.misuse.kind, MISUSE_REFUSED);
    assert_int_equal(e.misuse.error, EINVAL);
    recording_close(t);
}

static void ended_holding(void **state)
{
    union trace_event e;
    (void)state;
    recording_begin(4 << 20);
    lockset_push(&locks[0], 0x10, LOCK_KIND_MUTEX, 0);
    lockset_push(&locks[1], 0x10, LOCK_KIND_MUTEX, HELD_ROBUST);
    lockset_push(&locks[2], 0x10, LOCK_KIND_SEMAPHORE, 0);
    lock_thread_ended();
    assert_int_equal(lockset_self.depth, 0);
    struct trace *t = recording_end();
    assert_int_equal(events_of(t, EVENT_MISUSE, &e), 1);
    assert_int_equal(e.misuse.kind, MISUSE_EXIT_HELD);
    recording_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owner_and_waiter), cmocka_unit_test(three_race),
        cmocka_unit_test(left_by_jump),     cmocka_unit_test(orders),
        cmocka_unit_test(misuse),           cmocka_unit_test(misuse_without_another),
        cmocka_unit_test(refused),          cmocka_unit_test(ended_holding),
        cmocka_unit_test(counted_late),     cmocka_unit_test(gates),
    };
    return isolated_run(tests, sizeof(tests) / sizeof(tests[0]));
}
