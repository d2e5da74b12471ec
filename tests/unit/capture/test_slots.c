/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters stay exact whatever number of threads comes and goes and however many endpoints there are. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capture/slots.h"
#include "recording.h"

#define CALL_FIRST 4
#define CALL_LAST 5

/* What a wait adds, as in wait.c. */
static bool add(struct slot *slot, uint16_t call, uint32_t endpoint, uint64_t begin, uint64_t duration)
{
    struct trace_counter *c = slot_counter(slot, call, 0, endpoint);
    if (!c)
        return false;
    if (!c->count)
        c->first_ns = begin;
    c->total_ns += duration;
    c->max_ns = duration > c->max_ns ? duration : c->max_ns;
    c->bytes += 3;
    c->failed += duration % 2;
    c->last_ns = begin + duration;
    c->count++;
    return true;
}

struct sum {
    uint64_t count, total, bytes, failed, max, first, last, threads, overflow;
};

static struct sum sum_all(struct trace *t)
{
    struct sum s = {.first = UINT64_MAX};
    for (size_t i = 0; i < trace_thread_count(t); i++) {
        const struct trace_thread *thread = trace_thread_at(t, i);
        s.threads += thread->slot->threads;
        for (size_t k = 0; k < thread->counter_count; k++) {
            const struct trace_counter *c = &thread->counters[k];
            s.count += c->count;
            s.total += c->total_ns;
            s.bytes += c->bytes;
            s.failed += c->failed;
            s.max = c->max_ns > s.max ? c->max_ns : s.max;
            s.first = c->first_ns < s.first ? c->first_ns : s.first;
            s.last = c->last_ns > s.last ? c->last_ns : s.last;
            s.overflow += c->endpoint == ENDPOINT_OVERFLOW ? c->count : 0;
        }
    }
    return s;
}

static void one_thread(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    struct slot *slot = slot_take(77, RECORDING_START);
    assert_non_null(slot);
    assert_int_not_equal(slot->number, 0); /* that is for ended threads */
    for (uint64_t i = 0; i < 100; i++)
        for (uint16_t call = CALL_FIRST; call <= CALL_LAST; call++)
            for (uint32_t endpoint = 2; endpoint < 12; endpoint++)
                assert_true(add(slot, call, endpoint, RECORDING_START + i, i));
    assert_ptr_equal(slot_counter(slot, CALL_FIRST, 0, 2), slot_counter(slot, CALL_FIRST, 0, 2));
    assert_ptr_not_equal(slot_counter(slot, CALL_FIRST, 0, 2), slot_counter(slot, CALL_FIRST, WAIT_SERVER_SIDE, 2));
    struct trace *t = recording_end();
    const struct trace_thread *thread = NULL;
    for (size_t i = 0; i < trace_thread_count(t); i++)
        if (trace_thread_at(t, i)->slot->tid == 77)
            thread = trace_thread_at(t, i);
    assert_non_null(thread);
    assert_int_equal(thread->counter_count, 20);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(thread->counters[i].count, 100);
        assert_int_equal(thread->counters[i].total_ns, 4950);
        assert_int_equal(thread->counters[i].max_ns, 99);
        assert_int_equal(thread->counters[i].bytes, 300);
        assert_int_equal(thread->counters[i].failed, 50);
        assert_int_equal(thread->counters[i].first_ns, RECORDING_START);
        assert_int_equal(thread->counters[i].last_ns, RECORDING_START + 198);
    }
    recording_close(t);
}

/* More endpoints than there are places: the rest counts as ENDPOINT_OVERFLOW, nothing is dropped. */
static void more_endpoints_than_counters(void **state)
{
    (void)state;
    const uint32_t endpoints = 3500;
    recording_begin(8 << 20);
    struct slot *slot = slot_take(77, RECORDING_START);
    for (int round = 0; round < 3; round++)
        for (uint32_t endpoint = 2; endpoint < 2 + endpoints; endpoint++)
            assert_true(add(slot, CALL_FIRST, endpoint, RECORDING_START, 10));
    struct trace *t = recording_end();
    struct sum s = sum_all(t);
    assert_int_equal(s.count, endpoints * 3);
    assert_int_equal(s.total, endpoints * 30);
    assert_true(s.overflow > 0 && s.overflow < endpoints * 3 / 2);
    recording_close(t);
}

/* One thread's counters may not take the room of all threads' slots for ever: a refused segment costs nothing. */
static void refused_room_is_not_spent(void **state)
{
    (void)state;
    recording_begin(1 << 20);
    struct slot *slots[100];
    size_t taken = 0;
    struct slot *greedy = slot_take(1, RECORDING_START);
    for (uint32_t endpoint = 2; endpoint < 100000; endpoint++)
        add(greedy, CALL_FIRST, endpoint, RECORDING_START, 10);
    while (taken < 100 && (slots[taken] = slot_take(2, RECORDING_START)))
        taken++;
    for (size_t i = 0; i < taken; i++)
        slot_give(slots[i]);
    assert_non_null(slot_take(3, RECORDING_START)); /* by recycling, if not by room */
    recording_close(recording_end());
}

/* Threads come and go, far more than there is room for. */
static void slots_are_recycled(void **state)
{
    (void)state;
    const uint64_t threads = 3000;
    recording_begin(2 << 20);
    for (uint64_t i = 0; i < threads; i++) {
        struct slot *slot = slot_take((uint32_t)(1000 + i), RECORDING_START + i);
        assert_non_null(slot);
        for (uint32_t endpoint = 2; endpoint < 5; endpoint++)
            assert_true(add(slot, CALL_FIRST, endpoint, RECORDING_START + i, i));
        slot->data->end_ns = RECORDING_START + i * 10;
        slot_give(slot);
    }
    struct trace *t = recording_end();
    struct sum s = sum_all(t);
    assert_int_equal(s.count, threads * 3);
    assert_int_equal(s.total, 3 * threads * (threads - 1) / 2);
    assert_int_equal(s.bytes, threads * 9);
    assert_int_equal(s.failed, 3 * threads / 2);
    assert_int_equal(s.max, threads - 1);
    assert_int_equal(s.first, RECORDING_START);
    assert_int_equal(s.last, RECORDING_START + 2 * (threads - 1));
    assert_int_equal(s.threads, threads);
    const struct trace_thread *ended = trace_thread_at(t, 0);
    assert_int_equal(ended->slot->tid, 0);
    assert_int_equal(ended->slot->start_ns, RECORDING_START);
    assert_int_equal(trace_info(t)->lost[TRACE_LOST_THREADS], ended->slot->threads);
    recording_close(t);
}

/* A recycled slot starts empty, with all its counter segments. */
static void recycled_slot_is_empty(void **state)
{
    (void)state;
    struct slot *slots[40];
    size_t taken = 0;
    recording_begin(1 << 20);
    struct slot *first = slot_take(1, RECORDING_START);
    for (uint32_t endpoint = 2; endpoint < 400; endpoint++)
        add(first, CALL_FIRST, endpoint, RECORDING_START, 10);
    assert_non_null(first->more[0]);
    first->data->sites[0].waits = 5;
    while (taken < 40 && (slots[taken] = slot_take(2, RECORDING_START)))
        taken++;
    assert_true(taken < 40);
    slot_give(first);
    struct slot *again = slot_take(3, RECORDING_START + 9);
    assert_ptr_equal(again, first);
    assert_int_equal(again->data->tid, 3);
    assert_int_equal(again->data->start_ns, RECORDING_START + 9);
    assert_int_equal(again->data->end_ns, 0);
    assert_int_equal(again->data->sites[0].waits, 0);
    for (uint32_t endpoint = 2; endpoint < 400; endpoint++) {
        struct trace_counter *c = slot_counter(again, CALL_FIRST, 0, endpoint);
        assert_int_equal(c->total_ns, 0);
        assert_int_equal(c->count, 0);
        c->count = 1;
    }
    recording_close(recording_end());
}

enum { WORKERS = 8, ROUNDS = 300, WAITS = 50 };
static uint64_t added;

static void *come_and_go(void *argument)
{
    uint32_t tid = (uint32_t)(uintptr_t)argument * 1000;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct slot *slot = slot_take(tid + round, RECORDING_START + round);
        if (!slot) /* the list was busy: tried again at the thread's next wait */
            continue;
        for (uint32_t i = 0; i < WAITS; i++)
            __atomic_fetch_add(&added, add(slot, CALL_FIRST, 2 + i % 7, RECORDING_START, 10), __ATOMIC_RELAXED);
        slot->data->end_ns = RECORDING_START + round;
        slot_give(slot);
    }
    return NULL;
}

static void threads_at_once(void **state)
{
    (void)state;
    pthread_t threads[WORKERS];
    recording_begin(2 << 20);
    added = 0;
    for (uintptr_t i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, (void *)(i + 1)), 0);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    struct trace *t = recording_end();
    struct sum s = sum_all(t);
    assert_int_equal(s.count, added);
    assert_int_equal(s.total, added * 10);
    assert_true(added > WORKERS * ROUNDS * WAITS / 2);
    recording_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread),
        cmocka_unit_test(more_endpoints_than_counters),
        cmocka_unit_test(refused_room_is_not_spent),
        cmocka_unit_test(slots_are_recycled),
        cmocka_unit_test(recycled_slot_is_empty),
        cmocka_unit_test(threads_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
