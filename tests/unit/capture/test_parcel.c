/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes that one thread leaves to another. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "capture/parcel.h"

static uint32_t list;

static bool add(const char *text, uint32_t tid)
{
    struct iovec part = {(void *)text, strlen(text)};
    return parcels_add(&list, &(struct parcel_label){.tid = tid, .id = 7, .now_ns = 5, .sent = true}, &part, 1, 0,
                       part.iov_len);
}

static void in_their_order(void **state)
{
    (void)state;
    assert_null(parcels_take(&list));
    assert_true(add("one", 1));
    assert_true(add("two", 2));
    assert_true(add("three", 3));
    const char *wanted[] = {"one", "two", "three"};
    uint32_t count = 0;
    for (struct parcel *p = parcels_take(&list); p; p = parcel_next(p)) {
        assert_int_equal(p->length, strlen(wanted[count]));
        assert_memory_equal(p->bytes, wanted[count], p->length);
        assert_int_equal(p->label.tid, ++count);
        assert_int_equal(p->label.id, 7);
        assert_true(p->label.sent);
    }
    assert_int_equal(count, 3);
    assert_null(parcels_take(&list));
}

/* Scattered, with a beginning that was told before, and longer than a parcel. */
static void in_pieces(void **state)
{
    static uint8_t from[20 * PARCEL_SIZE], to[sizeof(from)];
    (void)state;
    for (size_t i = 0; i < sizeof(from); i++)
        from[i] = (uint8_t)(i * 7);
    const struct iovec parts[] = {{from, 10}, {from + 10, 0}, {from + 10, 5000}, {from + 5010, sizeof(from) - 5010}};
    for (size_t bytes = 400; bytes <= sizeof(from); bytes += 1371) {
        size_t at = 0, skip = bytes % 31;
        assert_true(add("before", 1));
        assert_true(parcels_add(&list, &(struct parcel_label){.tid = 2}, parts, 4, skip, bytes));
        for (struct parcel *p = parcels_take(&list); p; p = parcel_next(p)) {
            if (p->label.tid == 1)
                continue;
            memcpy(to + at, p->bytes, p->length);
            at += p->length;
        }
        assert_int_equal(at, bytes - skip);
        assert_memory_equal(to, from + skip, at);
    }
    assert_true(parcels_add(&list, &(struct parcel_label){.tid = 2}, parts, 1, 10, 10));
    assert_null(parcels_take(&list));
}

/* Of what does not fit nothing is kept, and no room is lost. */
static void no_room(void **state)
{
    static uint8_t much[(PARCELS_AT_ONCE + 1) * PARCEL_SIZE];
    const struct iovec part = {much, sizeof(much)};
    (void)state;
    for (int round = 0; round < 100; round++) {
        uint64_t size = 100 * PARCEL_SIZE, kept = 0, found = 0;
        assert_false(parcels_add(&list, &(struct parcel_label){0}, &part, 1, 0, sizeof(much)));
        while (parcels_add(&list, &(struct parcel_label){0}, &part, 1, 0, size))
            kept += size;
        assert_in_range(kept, 32 * size, 41 * size);
        for (struct parcel *p = parcels_take(&list); p; p = parcel_next(p))
            found += p->length;
        assert_int_equal(found, kept);
    }
}

enum { THREADS = 3, LEFT = 20000 };

static void *leave_numbers(void *thread)
{
    uint32_t number = 1;
    while (number <= LEFT) {
        const struct iovec part = {&number, sizeof(number)};
        struct parcel_label label = {.tid = (uint32_t)(uintptr_t)thread};
        number += parcels_add(&list, &label, &part, 1, 0, sizeof(number));
    }
    return NULL;
}

/* Each thread's arrive once, in the order in which it left them. */
static void many_threads(void **state)
{
    pthread_t threads[THREADS];
    uint32_t last[THREADS] = {0}, total = 0;
    (void)state;
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, leave_numbers, (void *)i), 0);
    while (total < THREADS * LEFT)
        for (struct parcel *p = parcels_take(&list); p; p = parcel_next(p), total++) {
            uint32_t number;
            memcpy(&number, p->bytes, sizeof(number));
            assert_int_equal(number, ++last[p->label.tid]);
        }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_null(parcels_take(&list));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_their_order),
        cmocka_unit_test(in_pieces),
        cmocka_unit_test(no_room),
        cmocka_unit_test(many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
