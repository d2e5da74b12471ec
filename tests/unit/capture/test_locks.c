/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers of locks, where they were made, sets of them, and which semaphores are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capture/fdtable.h"
#include "capture/filelock.h"
#include "capture/locks.h"
#include "isolated.h"
#include "recording.h"

static uint64_t memory[20000];

static uint32_t number(const void *lock)
{
    return locks_number((uintptr_t)lock, LOCK_KIND_MUTEX);
}

static void numbers(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    uint32_t a = number(&memory[0]), b = number(&memory[1]);
    assert_int_not_equal(a, b);
    assert_int_equal(number(&memory[0]), a);
    struct trace *t = recording_end();
    assert_int_equal(trace_endpoint_find(t, a)->kind, ENDPOINT_LOCK);
    assert_string_equal(trace_endpoint_find(t, a)->text, "mutex");
    recording_close(t);
}

static void memory_is_used_again(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    locks_born(&memory[0], 0x1111);
    uint32_t first = number(&memory[0]);
    locks_died(&memory[0]);
    locks_born(&memory[0], 0x2222);
    uint32_t second = number(&memory[0]);
    locks_born(&memory[0], 0x3333); /* never destroyed */
    uint32_t third = number(&memory[0]);
    assert_int_not_equal(first, second);
    assert_int_not_equal(second, third);
    assert_int_not_equal(first, third);
    struct trace *t = recording_end();
    assert_int_equal(trace_lock_find(t, first)->pc, 0x1111);
    assert_int_equal(trace_lock_find(t, second)->pc, 0x2222);
    assert_int_equal(trace_lock_find(t, third)->pc, 0x3333);
    recording_close(t);
}

static void gone_is_not_held(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    lockset_push(&memory[0], 1, LOCK_KIND_MUTEX, 0);
    lockset_push(&memory[1], 1, LOCK_KIND_MUTEX, 0);
    locks_died(&memory[0]);
    locks_born(&memory[1], 1);
    assert_int_equal(lockset_self.depth, 0);
    recording_close(recording_end());
}

static void makers_are_remembered(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    for (size_t i = 0; i < 2000; i++)
        locks_born(&memory[i], 1);
    size_t forgotten = 0; /* of an eighth of the table: hardly any */
    for (size_t i = 0; i < 2000; i++)
        forgotten += locks_maker((uintptr_t)&memory[i]) != thread_self.tid;
    assert_in_range(forgotten, 0, 2);
    locks_died(&memory[7]);
    assert_int_equal(locks_maker((uintptr_t)&memory[7]), 0);
    assert_false(locks_alive(&memory[7]));
    locks_born(&memory[7], 2);
    assert_true(locks_alive(&memory[7]));
    for (size_t i = 0; i < 2000; i++)
        locks_died(&memory[i]);
    recording_close(recording_end());
}

static void no_room(void **state)
{
    (void)state;
    recording_begin(16 << 20);
    uint32_t first = number(&memory[0]), overflown = 0;
    for (size_t i = 1; i < 20000; i++)
        overflown += number(&memory[i]) == ENDPOINT_OVERFLOW;
    assert_true(overflown > 5000);
    assert_int_equal(number(&memory[0]), first);
    recording_close(recording_end());
}

static void sets(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    assert_int_equal(locks_set(0), 0);
    lockset_push(&memory[0], 0x10, LOCK_KIND_MUTEX, 0);
    uint32_t one = locks_set(0);
    lockset_push(&memory[1], 0x20, LOCK_KIND_RWLOCK, HELD_SHARED);
    uint32_t two = locks_set(0);
    assert_true(one && two && one != two);
    lockset_pop(&memory[1]);
    assert_int_equal(locks_set(0), one);
    lockset_pop(&memory[0]);
    uint32_t id = number(&memory[0]);
    struct trace *t = recording_end();
    const struct trace_lockset *s = trace_lockset_find(t, two);
    assert_int_equal(s->count, 2);
    assert_int_equal(s->locks[0], id);
    assert_int_equal(s->places[1], 0x20);
    assert_int_equal(s->shared[0], 0);
    assert_int_equal(s->shared[1], 1);
    recording_close(t);
}

static void signals_are_not_held(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    lockset_push(&memory[0], 0x10, LOCK_KIND_SEMAPHORE, 0);
    assert_int_not_equal(locks_set(0), 0);
    locks_signal(&memory[0]);
    assert_int_equal(locks_set(0), 0);
    locks_signal_not(&memory[0]);
    assert_int_not_equal(locks_set(0), 0);
    lockset_pop(&memory[0]);
    recording_close(recording_end());
}

static void files(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    int fd = fileno(file);
    recording_begin(4 << 20);
    filelock_taken(fd, false, 0x10);
    const struct held *h = &lockset_self.held[0];
    assert_int_equal(lockset_self.depth, 1);
    assert_int_equal(locks_number(h->lock, LOCK_KIND_FILE), fd_endpoint(fd, true));
    assert_true(locks_held(h));
    filelock_taken(fd, true, 0x10); /* converted */
    assert_int_equal(lockset_self.depth, 1);
    filelock_left(fd);
    assert_int_equal(lockset_self.depth, 0);
    filelock_left(fd);

    filelock_taken(fd, false, 0x10);
    struct lockset mine = lockset_self;
    memset(&lockset_self, 0, sizeof(lockset_self)); /* as another thread */
    fd_closed(fd);
    lockset_self = mine;
    assert_false(locks_held(h));
    assert_int_equal(locks_set(0), 0);
    recording_close(recording_end());
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(memory_is_used_again),
        cmocka_unit_test(gone_is_not_held),
        cmocka_unit_test(makers_are_remembered),
        cmocka_unit_test(no_room),
        cmocka_unit_test(sets),
        cmocka_unit_test(signals_are_not_held),
        cmocka_unit_test(files),
    };
    fdtable_init();
    return isolated_run(tests, sizeof(tests) / sizeof(tests[0]));
}
