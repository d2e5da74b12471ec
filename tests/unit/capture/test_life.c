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
#include "isolated.h"
#include "recording.h"

#define WORD 5u

enum deed { NOTHING, HELD, LOCKED, TOLD, SENT_TO_CLIENT, SENT, ENDED };

static enum deed deed;
static int step; /* 1: allocated, and what is to be done was done; 2: the block was freed */
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
    __atomic_store_n(&step, 1, __ATOMIC_RELEASE);
    if (deed != ENDED)
        step_wait(2);
    return unused;
}

/* Conflicts written when this thread frees what another one allocated and then did `what`. */
static int conflicts(enum deed what, int times)
{
    pthread_t thread;
    const union trace_event *e;
    int found = 0;
    recording_begin(4 << 20);
    thread_init();
    uint32_t number = watchlist_add(&(struct watch_new){.start = 0x1000, .size = 64, .kind = WATCH_BLOCK, .site = 3});
    assert_true(watchlist_get(number, &block));
    deed = what;
    step = 0;
    assert_int_equal(pthread_create(&thread, NULL, first_thread, NULL), 0);
    step_wait(1);
    if (what == ENDED) {
        pthread_join(thread, NULL);
        while (SYS_CALL(SYS_tgkill, sys_getpid(), first, 0, 0, 0, 0) == 0) /* joined is a moment before gone */
            sched_yield();
    }
    for (int i = 0; i < times; i++)
        life_ends(WORD, &block, LIFECYCLE_FREED, 0);
    step = 2;
    if (what != ENDED)
        pthread_join(thread, NULL);
    struct trace *t = recording_end();
    while (trace_next(t, &e) > 0) {
        if (e->header.type != EVENT_LIFECYCLE)
            continue;
        found++;
        assert_true(e->lifecycle.watched == number && e->lifecycle.site == 3 && e->lifecycle.start == 0x1000);
        assert_int_equal(e->lifecycle.kind, LIFECYCLE_FREED);
        assert_int_equal(e->lifecycle.tid, sys_gettid());
        assert_int_not_equal(e->lifecycle.first_tid, e->lifecycle.tid);
        assert_int_equal(e->lifecycle.flags, 0);
    }
    recording_close(t);
    return found;
}

static void nothing_in_between(void **state)
{
    (void)state;
    assert_int_equal(conflicts(NOTHING, 1), 1);
}

static void a_client_is_nobody_of_ours(void **state)
{
    (void)state;
    assert_int_equal(conflicts(SENT_TO_CLIENT, 1), 1);
}

static void whatever_may_have_told(void **state)
{
    (void)state;
    for (enum deed d = HELD; d <= ENDED; d++)
        if (d != SENT_TO_CLIENT)
            assert_int_equal(conflicts(d, 1), 0);
}

static void two_threads_have_their_share(void **state)
{
    (void)state;
    assert_int_equal(conflicts(NOTHING, 10), 2);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_in_between),
        cmocka_unit_test(a_client_is_nobody_of_ours),
        cmocka_unit_test(whatever_may_have_told),
        cmocka_unit_test(two_threads_have_their_share),
        cmocka_unit_test(of_ones_own),
    };
    return isolated_run(tests, sizeof(tests) / sizeof(tests[0]));
}
