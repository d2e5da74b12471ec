/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analysis/watched_locks.h"
#include "trace/trace_builder.h"
#include "trace/trace_locks.h"

enum { A = 20, B = 21 };

static struct {
    struct trace *trace;
    uint32_t a, b, both, a_for_reading;
} sets;

static int sets_make(void **state)
{
    (void)state;
    struct trace_builder *b = builder_new(1);
    sets.a = locks_held(b, 0x1000, 0, A);
    sets.b = locks_held(b, 0x1000, 0, B);
    sets.both = locks_held(b, 0x1000, 0, B, A);
    sets.a_for_reading = locks_held(b, 0x1000, 1, A);
    sets.trace = builder_open(b);
    builder_free(b);
    return 0;
}

static int sets_free(void **state)
{
    (void)state;
    trace_close(sets.trace);
    return 0;
}

struct change {
    uint32_t tid, locks;
    bool reads;
};

/* The number of the operation at which it is a hazard, from 1; 0: never. */
static uint64_t hazard_at(const struct change *list, size_t count)
{
    struct watched_locks locks = {0};
    for (size_t i = 0; i < count; i++) {
        struct event_mutate event = {.header = {.time_ns = i + 1}, .tid = list[i].tid, .locks = list[i].locks};
        watched_locks_add(&locks, sets.trace, &event, !list[i].reads);
    }
    watched_locks_free(&locks);
    return locks.hazard_ns;
}

#define hazard(...)                                 \
    hazard_at((const struct change[]){__VA_ARGS__}, \
              sizeof((const struct change[]){__VA_ARGS__}) / sizeof(struct change))

static void one_thread_needs_none(void **state)
{
    (void)state;
    assert_int_equal(hazard({1, 0, false}, {1, 0, false}, {1, sets.a, false}, {1, 0, false}), 0);
}

static void two_that_take_turns_do(void **state)
{
    (void)state;
    assert_int_equal(hazard({1, 0, false}, {2, 0, false}, {1, 0, false}, {2, 0, false}), 4);
    assert_int_equal(hazard({1, 0, true}, {2, 0, false}, {3, 0, false}, {2, 0, false}), 4);
}

/* Made by one, then used by the other alone. */
static void handing_over_is_innocent(void **state)
{
    (void)state;
    assert_int_equal(hazard({1, 0, false}, {1, 0, false}, {2, 0, false}, {2, 0, false}, {2, 0, false}), 0);
}

/* As a main thread does that prints how large it has become. */
static void looking_at_it_at_the_end_is_innocent(void **state)
{
    (void)state;
    assert_int_equal(hazard({1, 0, true}, {2, sets.a, false}, {3, sets.a, false}, {2, sets.a, false},
                            {3, sets.a, false}, {1, 0, false}, {1, 0, false}),
                     0);
}

static void a_common_lock_is_innocent(void **state)
{
    (void)state;
    assert_int_equal(hazard({1, sets.a, false}, {2, sets.both, false}, {1, sets.a, false}, {2, sets.both, false}), 0);
    assert_int_equal(hazard({1, sets.a, false}, {2, sets.a, false}, {1, sets.a, false}, {2, sets.a, false}), 0);
}

static void different_locks_are_none(void **state)
{
    (void)state;
    assert_int_equal(hazard({1, sets.a, false}, {2, sets.b, false}, {1, sets.a, false}, {2, sets.b, false}), 4);
    assert_int_equal(hazard({1, sets.a, false}, {2, sets.a, false}, {3, 0, false}, {1, sets.a, false}, {3, 0, false},
                            {2, sets.a, false}),
                     5);
}

/* A lock held for reading keeps no reader out; two that change under it are guilty. */
static void reading_locks_exclude_writers_only(void **state)
{
    (void)state;
    assert_int_equal(hazard({1, sets.a_for_reading, false}, {2, sets.a_for_reading, false},
                            {1, sets.a_for_reading, false}, {2, sets.a_for_reading, false}),
                     4);
    assert_true(watched_locks_exclude(sets.trace, sets.a, sets.a_for_reading));
    assert_false(watched_locks_exclude(sets.trace, sets.a_for_reading, sets.a_for_reading));
    assert_false(watched_locks_exclude(sets.trace, sets.a, 0));
    assert_false(watched_locks_exclude(sets.trace, 12345, 12345));
}

static void readers_do_not_count(void **state)
{
    (void)state;
    assert_int_equal(hazard({1, 0, false}, {2, 0, true}, {1, 0, false}, {2, 0, true}, {1, 0, false}), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_needs_none),
        cmocka_unit_test(two_that_take_turns_do),
        cmocka_unit_test(handing_over_is_innocent),
        cmocka_unit_test(looking_at_it_at_the_end_is_innocent),
        cmocka_unit_test(a_common_lock_is_innocent),
        cmocka_unit_test(different_locks_are_none),
        cmocka_unit_test(reading_locks_exclude_writers_only),
        cmocka_unit_test(readers_do_not_count),
    };
    return cmocka_run_group_tests(tests, sets_make, sets_free);
}
