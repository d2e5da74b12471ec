/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one thread allocated another one frees: a conflict only where the first one has done nothing by which the second
   could know. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/sys.h"
#include "capture/clock.h"
#include "capture/life.h"
#include "capture/lockset.h"
#include "capture/modules.h"
#include "capture/plain.h"
#include "isolated.h"
#include "recording.h"

#define WORD 5u
#define OWN_WORD 6u

enum deed { NOTHING, HELD, LOCKED, TOLD, SENT_TO_CLIENT, SENT, ENDED };

static enum deed deed;
static int step; /* 1: the second thread is there; 2: the first has allocated, and done what is to be done; 3: go on; 4:
                    the block was freed */
static char locks[2];
static struct watch_range block;
static uint32_t first; /* the first thread */

static void step_wait(int until)
{
    while (__atomic_load_n(&step, __ATOMIC_ACQUIRE) != until)
        sched_yield();
}

static void *first_thread(void *unused)
{
    first = heap_self.tid = (uint32_t)sys_gettid();
    if (deed == HELD)
        lockset_push(&locks[0], 0x1000, LOCK_KIND_MUTEX, 0);
    life_begins(WORD);
    if (deed == LOCKED) {
        lockset_push(&locks[0], 0x1000, LOCK_KIND_MUTEX, 0);
        lockset_pop(&locks[0]);
    } else if (deed == TOLD) {
        life_told();
    } else if (deed == SENT || deed == SENT_TO_CLIENT) {
        life_sent(deed == SENT ? FD_KNOWN : FD_KNOWN | FD_SERVER);
    }
    __atomic_store_n(&step, 2, __ATOMIC_RELEASE);
    if (deed != ENDED)
        step_wait(4);
    return unused;
}

static struct {
    bool owns;    /* it frees a block of its own before */
    bool special; /* the code can order threads by itself */
    int times;
    uint32_t tid;
} second;

/* In place of the one that reads code. */
bool plain_stack(const uint64_t *frames, size_t count)
{
    return count > 0 && frames[0] && !second.special;
}

static void *second_thread(void *unused)
{
    thread_begin(65536);
    second.tid = heap_self.tid = (uint32_t)sys_gettid();
    __atomic_store_n(&step, 1, __ATOMIC_RELEASE);
    step_wait(3);
    life_ends(WORD, &block, LIFECYCLE_FREED, 0); /* the first suspicion */
    life_look(&thread_self, block.site);
    if (second.owns) {
        life_begins(OWN_WORD);
        life_ends(OWN_WORD, &block, LIFECYCLE_FREED, 0);
    }
    for (int i = 0; i < second.times; i++)
        life_ends(WORD, &block, LIFECYCLE_FREED, 0);
    return unused;
}

/* Conflicts written when another thread frees what the first one allocated, which then did `what`. owns: that one has
   freed one of its own as well */
static int conflicts(enum deed what, bool owns, int times)
{
    pthread_t thread, other;
    const union trace_event *e;
    int found = 0;
    recording_begin(4 << 20);
    thread_init();
    uint32_t number = watchlist_add(&(struct watch_new){.start = 0x1000, .size = 64, .kind = WATCH_BLOCK, .site = 3});
    assert_true(watchlist_get(number, &block));
    deed = what;
    step = 0;
    second.times = times;
    second.owns = owns;
    assert_int_equal(pthread_create(&other, NULL, second_thread, NULL), 0);
    step_wait(1);
    assert_int_equal(pthread_create(&thread, NULL, first_thread, NULL), 0);
    step_wait(2);
    if (what == ENDED) {
        pthread_join(thread, NULL);
        while (SYS_CALL(SYS_tgkill, sys_getpid(), first, 0, 0, 0, 0) == 0) /* joined is a moment before gone */
            sched_yield();
    }
    __atomic_store_n(&step, 3, __ATOMIC_RELEASE);
    pthread_join(other, NULL);
    __atomic_store_n(&step, 4, __ATOMIC_RELEASE);
    if (what != ENDED)
        pthread_join(thread, NULL);
    struct trace *t = recording_end();
    while (trace_next(t, &e) > 0) {
        if (e->header.type != EVENT_LIFECYCLE)
            continue;
        found++;
        assert_true(e->lifecycle.watched == number && e->lifecycle.site == 3 && e->lifecycle.start == 0x1000);
        assert_int_equal(e->lifecycle.kind, LIFECYCLE_FREED);
        assert_int_equal(e->lifecycle.tid, second.tid);
        assert_int_not_equal(e->lifecycle.first_tid, e->lifecycle.tid);
        assert_int_equal(e->lifecycle.flags, 0);
    }
    recording_close(t);
    return found;
}

static void nothing_in_between(void **state)
{
    (void)state;
    assert_int_equal(conflicts(NOTHING, true, 1), 1);
}

static void a_client_is_nobody_of_ours(void **state)
{
    (void)state;
    assert_int_equal(conflicts(SENT_TO_CLIENT, true, 1), 1);
}

static void whatever_may_have_told(void **state)
{
    (void)state;
    for (enum deed d = HELD; d <= ENDED; d++)
        if (d != SENT_TO_CLIENT)
            assert_int_equal(conflicts(d, true, 1), 0);
}

static void two_threads_have_their_share(void **state)
{
    (void)state;
    assert_int_equal(conflicts(NOTHING, true, 10), 1);
}

/* As of a ring between two. */
static void only_blocks_of_others(void **state)
{
    (void)state;
    assert_int_equal(conflicts(NOTHING, false, 1), 0);
}

static void code_that_orders_threads(void **state)
{
    (void)state;
    second.special = true;
    assert_int_equal(conflicts(NOTHING, true, 1), 0);
}

static void of_ones_own(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    thread_init();
    heap_self.tid = (uint32_t)sys_gettid();
    life_begins(WORD);
    block.site = 3;
    life_ends(WORD, &block, LIFECYCLE_FREED, 0);
    struct trace *t = recording_end();
    const union trace_event *e;
    while (trace_next(t, &e) > 0)
        assert_int_not_equal(e->header.type, EVENT_LIFECYCLE);
    recording_close(t);
}

int main(void)
{
    clock_init();
    modules_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_in_between),
        cmocka_unit_test(a_client_is_nobody_of_ours),
        cmocka_unit_test(whatever_may_have_told),
        cmocka_unit_test(two_threads_have_their_share),
        cmocka_unit_test(only_blocks_of_others),
        cmocka_unit_test(code_that_orders_threads),
        cmocka_unit_test(of_ones_own),
    };
    return isolated_run(tests, sizeof(tests) / sizeof(tests[0]));
}
