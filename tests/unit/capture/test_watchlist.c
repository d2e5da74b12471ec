/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is watched: numbers are never given twice, what has gone is not found, and what is worth it is drawn more often.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capture/watchlist.h"
#include "isolated.h"
#include "recording.h"
#include "watched_at.h"

static uint32_t add(uintptr_t start, size_t size)
{
    return watchlist_add(&(struct watch_new){.start = start, .size = size, .kind = WATCH_BLOCK, .site = 7});
}

static void comes_and_goes(void **state)
{
    (void)state;
    struct watch_range range, other;
    uint32_t number = add(0x1000, 64);
    assert_int_not_equal(number, 0);
    assert_true(watchlist_get(number, &range));
    assert_true(range.start == 0x1000 && range.size == 64 && range.kind == WATCH_BLOCK && range.site == 7);
    assert_int_equal(range.number, number);
    assert_true(watchlist_current(&range));
    assert_true(watched_at(0x103f, &other));
    assert_int_equal(other.number, number);
    assert_false(watched_at(0x1040, &other));
    assert_false(watched_at(0xfff, &other));
    assert_int_equal(watchlist_count(), 1);
    assert_true(watchlist_remove(number));
    assert_false(watchlist_remove(number));
    assert_false(watchlist_current(&range));
    assert_false(watched_at(0x1000, &other));
    assert_false(watchlist_pick(1, &other));
    assert_int_equal(watchlist_count(), 0);
    watchlist_feedback(number, WATCH_SHARED); /* of nothing */
    assert_int_equal(watchlist_count(), 0);
}

static void the_same_memory_is_another_range(void **state)
{
    (void)state;
    struct watch_range first, second;
    uint32_t number = add(0x1000, 64);
    assert_true(watchlist_get(number, &first));
    watchlist_remove(number);
    for (int i = 0; i < 100; i++) {
        uint32_t again = add(0x1000, 64);
        assert_int_not_equal(again, number);
        assert_true(watchlist_get(again, &second));
        assert_int_not_equal(second.generation, first.generation);
        assert_false(watchlist_current(&first));
        watchlist_remove(again);
    }
}

static void no_room(void **state)
{
    (void)state;
    uint32_t last = 0;
    for (uint32_t i = 0; i < WATCH_SLOTS; i++)
        assert_int_not_equal(last = add(0x1000 + i * 16, 16), 0);
    assert_int_equal(add(0x10, 16), 0);
    assert_int_equal(add(0x10, 0), 0);
    assert_true(watchlist_remove(last));
    assert_int_not_equal(add(0x10, 16), 0);
}

static double share(uint32_t number)
{
    struct watch_range range;
    uint32_t hits = 0;
    const uint32_t draws = 20000;
    for (uint64_t i = 0; i < draws; i++)
        hits += watchlist_pick(i * UINT64_C(0x9E3779B97F4A7C15), &range) && range.number == number;
    return (double)hits / draws;
}

static void what_is_worth_it_is_drawn_more_often(void **state)
{
    (void)state;
    uint32_t numbers[100];
    for (uint32_t i = 0; i < 100; i++)
        numbers[i] = add(0x1000 + i * 64, 64);
    watchlist_feedback(numbers[50], WATCH_SHARED);
    assert_true(watchlist_promising(numbers[50]));
    assert_false(watchlist_promising(numbers[51]));
    double shared = share(numbers[50]);
    assert_true(shared > 0.04 && shared < 0.12); /* 64 of 64 + 99 * 8 */
    for (uint32_t i = 0; i < 100; i++)
        if (i != 50)
            watchlist_feedback(numbers[i], WATCH_BORING);
    shared = share(numbers[50]);
    assert_true(shared > 0.3 && shared < 0.5); /* 64 of 64 + 99 */
    watchlist_feedback(numbers[50], WATCH_BORING);
    watchlist_feedback(numbers[50], WATCH_BORING);
    assert_false(watchlist_promising(numbers[50]));
    assert_true(share(numbers[50]) < 0.05);
    assert_true(share(numbers[51]) > 0); /* boring, not forgotten */
}

static uintptr_t left_start;
static uint32_t left_size, firsts;

static void left(uintptr_t start, uint32_t size)
{
    left_start = start;
    left_size = size;
}

static void first(void)
{
    firsts++;
}

static void who_keeps_breakpoints_is_told(void **state)
{
    (void)state;
    watchlist_leaving = left;
    watchlist_first = first;
    uint32_t number = add(0x4000, 32);
    assert_int_equal(firsts, 0); /* one thread: nothing can go wrong yet */
    watchlist_threads_begin();
    assert_int_equal(firsts, 1);
    add(0x5000, 32);
    watchlist_threads_begin();
    assert_int_equal(firsts, 1);
    watchlist_remove(number);
    assert_true(left_start == 0x4000 && left_size == 32);
    watchlist_forked();
    watchlist_threads_begin();
    assert_int_equal(firsts, 2);
}

static void regions_and_variables(void **state)
{
    (void)state;
    struct watch_range range;
    uint32_t variable =
        watchlist_add(&(struct watch_new){.start = 0x2000, .size = 8, .kind = WATCH_GLOBAL, .name = "hits"});
    uint32_t region =
        watchlist_add(&(struct watch_new){.start = 0x2008, .size = 8, .kind = WATCH_REGION, .name = "table"});
    assert_int_equal(watchlist_region(0x2000), 0);
    assert_int_equal(watchlist_region(0x2008), region);
    watchlist_unloaded(0x2000, 0x3000);
    assert_false(watchlist_get(variable, &range));
    assert_true(watchlist_get(region, &range)); /* the program says when that ends */
}

static void is_announced_once(void **state)
{
    (void)state;
    struct watch_range range;
    recording_begin(4 << 20);
    char name[100];
    memset(name, 'n', sizeof(name) - 1);
    name[99] = '\0';
    watchlist_add(&(struct watch_new){.start = 0x2000, .size = 8, .kind = WATCH_GLOBAL, .name = name, .tid = 5});
    assert_true(watched_at(0x2000, &range));
    assert_int_equal(watchlist_announce(&range), range.number);
    assert_int_equal(watchlist_announce(&range), range.number);
    struct trace *t = recording_end();
    const union trace_event *e;
    int found = 0;
    while (trace_next(t, &e) > 0) {
        if (e->header.type != EVENT_WATCHED)
            continue;
        found++;
        assert_true(e->watched.start == 0x2000 && e->watched.size == 8 && e->watched.tid == 5);
        assert_int_equal(e->watched.id, range.number);
        assert_int_equal(e->watched.name.length, WATCH_NAME_MAX);
    }
    assert_int_equal(found, 1);
    watchlist_remove(range.number);
    assert_int_equal(watchlist_announce(&range), 0);
    recording_close(t);
}

static void *churn(void *argument)
{
    struct watch_range range;
    uintptr_t base = (uintptr_t)argument << 20;
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t number = add(base + i * 16, 16);
        watchlist_feedback(number, (enum watch_feedback)(i % 3));
        if (watchlist_pick(i * 77777, &range) && (range.size != 16 || range.site != 7 || range.start % 16))
            return argument;
        if (!watchlist_remove(number))
            return argument;
    }
    return NULL;
}

static void many_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    void *wrong;
    for (uintptr_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    assert_int_equal(watchlist_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_and_goes),
        cmocka_unit_test(the_same_memory_is_another_range),
        cmocka_unit_test(no_room),
        cmocka_unit_test(what_is_worth_it_is_drawn_more_often),
        cmocka_unit_test(who_keeps_breakpoints_is_told),
        cmocka_unit_test(regions_and_variables),
        cmocka_unit_test(is_announced_once),
        cmocka_unit_test(many_threads),
    };
    return isolated_run(tests, sizeof(tests) / sizeof(tests[0]));
}
