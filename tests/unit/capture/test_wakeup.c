/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signals that nobody waited for, as a later waiter's slot shows them. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capture/lock.h"
#include "capture/locks.h"
#include "capture/wakeup.h"
#include "isolated.h"
#include "recording.h"

static char condition, other, mutex;

static void *nothing(void *unused)
{
    return unused;
}

static void begin(void)
{
    pthread_t thread;
    recording_begin(4 << 20);
    pthread_create(&thread, NULL, nothing, NULL);
    pthread_join(thread, NULL);
    thread_self.start_ns = 1;
}

static void look(void)
{
    lockset_push(&mutex, 0x10, LOCK_KIND_MUTEX, 0);
    lockset_pop(&mutex);
}

static const struct trace_thread_slot *awaited(const void *what)
{
    struct lock_wait w;
    lock_wait_begin(&w, what, LOCK_KIND_CONDITION, 0, 0);
    wakeup_wait(what, w.id, w.begin_ns);
    return thread_self.slot->data;
}

static void ended(void)
{
    struct lock_wait w = {.begin_ns = clock_now(), .lock = (uintptr_t)&condition, .kind = LOCK_KIND_CONDITION};
    lock_wait_end(&w, CALL_pthread_cond_wait, 0, 0x10);
    recording_close(recording_end());
}

static void waited_after(void **state)
{
    (void)state;
    begin();
    wakeup_unattended(&condition, 0x1);
    wakeup_unattended(&condition, 0x1);
    wakeup_unattended(&other, 0x2);
    uint64_t before = clock_now();
    look();
    look();
    const struct trace_thread_slot *slot = awaited(&condition);
    assert_int_equal(slot->wanted_lock, locks_number((uintptr_t)&condition, LOCK_KIND_CONDITION));
    assert_true(slot->wanted_since_ns >= before);
    assert_true(slot->wanted_signal_ns && slot->wanted_signal_ns <= before);
    assert_int_equal(slot->wanted_signal_tid, gettid());
    assert_int_not_equal(slot->wanted_signal_stack, 0);
    assert_int_not_equal(slot->wanted_stack, 0);
    assert_int_equal(slot->wanted_signals, 2);
    assert_int_equal(slot->wanted_looks, 2);
    ended();
}

static void looks_are_counted_from_the_last_wait(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < 5; i++)
        look();
    lockset_marked(&lockset_self, clock_now());
    usleep(20000); /* the coarse clock's step */
    wakeup_unattended(&condition, 0x1);
    look();
    assert_int_equal(awaited(&condition)->wanted_looks, 1);
    ended();
}

static void settled(void **state)
{
    (void)state;
    begin();
    wakeup_unattended(&condition, 0x1);
    wakeup_settled(&other);
    wakeup_settled(&condition);
    assert_int_equal(awaited(&condition)->wanted_signal_ns, 0);
    ended();
}

/* What one thread signals before there is another is never lost. */
static void alone(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    wakeup_unattended(&condition, 0x1);
    awaited(&condition);
    assert_int_equal(thread_self.slot->data->wanted_since_ns, 0);
    ended();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waited_after),
        cmocka_unit_test(looks_are_counted_from_the_last_wait),
        cmocka_unit_test(settled),
        cmocka_unit_test(alone),
    };
    return isolated_run(tests, sizeof(tests) / sizeof(tests[0]));
}
