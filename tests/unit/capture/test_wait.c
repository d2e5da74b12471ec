/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What wait_end makes of waits: exact counters, samples with unbiased weights, turns. Times are the test's own. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capture/endpoint.h"
#include "capture/fdtable.h"
#include "capture/sampler.h"
#include "capture/wait.h"
#include "recording.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)

static uint64_t now;

static int setup(void **state)
{
    (void)state;
    recording_begin(16 << 20);
    now = RECORDING_START;
    return 0;
}

/* A wait of this duration that begins `gap` after the one before. */
static void wait_for(uint64_t gap, uint64_t duration, uint32_t endpoint, uint16_t flags)
{
    struct wait w = {.begin_ns = now + gap,
                     .end_ns = now + gap + duration,
                     .bytes = 7,
                     .endpoint = endpoint,
                     .fd = 9,
                     .result = 11,
                     .call = CALL_recv,
                     .flags = flags,
                     .error = flags & WAIT_FAILED ? EPIPE : 0,
                     .fds = 1};
    now += gap + duration;
    wait_end(&w);
}

/* A wait on the set `epoll` from the place `site`. */
static void wait_on_set(uint64_t gap, uint64_t duration, uintptr_t site, int epoll, uint16_t fds)
{
    struct wait w = {.begin_ns = now + gap,
                     .end_ns = now + gap + duration,
                     .site = site,
                     .epoll = epoll,
                     .fd = epoll,
                     .call = CALL_epoll_wait,
                     .flags = WAIT_WAITSET,
                     .fds = fds};
    now += gap + duration;
    wait_end(&w);
}

static const struct trace_thread *self(struct trace *t)
{
    for (size_t i = 0; i < trace_thread_count(t); i++)
        if (trace_thread_at(t, i)->slot->tid)
            return trace_thread_at(t, i);
    fail();
    return NULL;
}

static const struct trace_counter *counter_of(struct trace *t, uint16_t call, uint32_t endpoint)
{
    const struct trace_thread *thread = self(t);
    for (size_t i = 0; i < thread->counter_count; i++)
        if (thread->counters[i].call == call && thread->counters[i].endpoint == endpoint)
            return &thread->counters[i];
    return NULL;
}

static void counters_are_exact(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++)
        wait_for(10, 100 + (uint64_t)i, 5, i % 10 == 0 ? WAIT_FAILED : 0);
    wait_for(0, 3, 6, 0);
    struct trace *t = recording_end();
    const struct trace_counter *c = counter_of(t, CALL_recv, 5);
    assert_int_equal(c->count, 1000);
    assert_int_equal(c->total_ns, 1000 * 100 + 999 * 500);
    assert_int_equal(c->max_ns, 1099);
    assert_int_equal(c->bytes, 7000);
    assert_int_equal(c->failed, 100);
    assert_int_equal(c->first_ns, RECORDING_START + 10);
    assert_int_equal(c->last_ns, now - 3);
    assert_int_equal(counter_of(t, CALL_recv, 6)->count, 1);
    recording_close(t);
}

static void long_waits_are_always_recorded(void **state)
{
    (void)state;
    const union trace_event *e;
    uint32_t seen = 0;
    for (int i = 0; i < 100; i++)
        wait_for(10, MS + (uint64_t)i, 5, WAIT_FAILED);
    struct trace *t = recording_end();
    while (trace_next(t, &e) == 1) {
        if (e->header.type != EVENT_WAIT)
            continue;
        assert_float_equal(e->wait.weight, 1, 0);
        assert_int_equal(e->wait.duration_ns, MS + seen++);
        assert_int_equal(e->wait.endpoint, 5);
        assert_int_equal(e->wait.fd, 9);
        assert_int_equal(e->wait.result, 11);
        assert_int_equal(e->wait.call, CALL_recv);
        assert_int_equal(e->wait.error, EPIPE);
        assert_int_equal(e->wait.flags, WAIT_FAILED);
        assert_int_equal(e->wait.fds, 1);
        assert_int_equal(e->wait.tid, getpid());
        struct trace_stack_view stack;
        assert_int_equal(trace_stack_find(t, e->wait.stack, &stack), 0);
        assert_true(stack.native_count > 2);
        assert_true(stack.flags & STACK_COMPLETE);
    }
    assert_int_equal(seen, 100);
    recording_close(t);
}

/* The weights of what was sampled add up to all that there was. */
static void samples_are_unbiased(void **state)
{
    (void)state;
    static const uint64_t durations[] = {20 * US, 70 * US, 400 * US, 2 * MS};
    const int count = 100000;
    const union trace_event *e;
    double weights = 0, time = 0, variance = 0, variance_time = 0, all = 0;
    wait_for(1, 1, 4, 0); /* gives the thread its slot; then its luck is fixed */
    thread_self.random = 4711;
    thread_self.credit_ns = sampler_draw(&thread_self.random, MS);
    for (int i = 0; i < count; i++) {
        uint64_t d = durations[i % 4];
        double p = d >= MS ? 1 : -expm1(-(double)d / 1e6);
        wait_for(1, d, 5, 0);
        all += (double)d;
        variance += (1 - p) / p;
        variance_time += (1 - p) / p * (double)d * (double)d;
    }
    struct trace *t = recording_end();
    while (trace_next(t, &e) == 1)
        if (e->header.type == EVENT_WAIT && e->wait.endpoint == 5) {
            weights += (double)e->wait.weight;
            time += (double)e->wait.weight * (double)e->wait.duration_ns;
        }
    assert_int_equal(trace_info(t)->lost[TRACE_LOST_OVERWRITTEN], 0);
    assert_true(fabs(weights - count) < 4 * sqrt(variance));
    assert_true(fabs(time - all) < 4 * sqrt(variance_time));
    recording_close(t);
}

/* The first wait of a thread is no likelier to be recorded than any other. */
static void first_wait_is_not_special(void **state)
{
    (void)state;
    for (uint32_t thread = 0; thread < 200; thread++) {
        thread_forked(&thread_self);
        wait_for(1, 1, 5, 0); /* 1 ns: one in a million */
    }
    struct trace *t = recording_end();
    const union trace_event *e;
    while (trace_next(t, &e) == 1)
        assert_int_not_equal(e->header.type, EVENT_WAIT);
    recording_close(t);
}

static void turns_of_a_loop(void **state)
{
    (void)state;
    const uintptr_t site = 0x401000;
    const union trace_event *e;
    for (int i = 0; i < 10; i++)
        wait_on_set(2 * MS, 3 * MS, site, 8, 40); /* 2 ms of work, 3 ms of idling */
    wait_for(MS, 15 * MS, 5, 0);
    wait_for(MS, 4 * MS, 5, 0);
    wait_on_set(MS, 3 * MS, site, 8, 50); /* a turn of 22 ms, 19 of them blocked */
    struct trace *t = recording_end();
    const struct trace_site *s = &self(t)->slot->sites[0];
    assert_int_equal(s->waits, 11);
    assert_int_equal(s->turns, 10);
    assert_int_equal(s->idle_ns, 33 * MS);
    assert_int_equal(s->turn_ns, 9 * 2 * MS + 22 * MS);
    assert_int_equal(s->turn_max_ns, 22 * MS);
    assert_int_equal(s->max_fds, 50);
    assert_int_equal(s->first_ns, RECORDING_START + 2 * MS);
    assert_int_equal(s->last_ns, now);
    assert_int_equal(s->turn_hist[20], 9); /* 2^20 ns = 1.05 ms */
    assert_int_equal(s->turn_hist[24], 1); /* 16.8 ms */
    assert_int_equal(trace_endpoint_find(t, s->endpoint)->pc, site);
    int turns = 0;
    while (trace_next(t, &e) == 1)
        if (e->header.type == EVENT_TURN) {
            turns++;
            assert_int_equal(e->turn.duration_ns, 22 * MS);
            assert_int_equal(e->turn.blocked_ns, 19 * MS);
            assert_int_equal(e->turn.waits, 2);
            assert_int_equal(e->turn.endpoint, s->endpoint);
        }
    assert_int_equal(turns, 1);
    recording_close(t);
}

/* A wait on a set inside a turn of another loop is a part of that turn. */
static void sites_are_told_apart(void **state)
{
    (void)state;
    wait_on_set(MS, MS, 0x401000, 8, 40);
    wait_on_set(MS, 20 * MS, 0x402000, -1, 2);
    wait_on_set(MS, MS, 0x401000, 9, 3); /* the same place, another set */
    wait_on_set(MS, MS, 0x401000, 8, 40);
    struct trace *t = recording_end();
    const struct trace_site *sites = self(t)->slot->sites;
    assert_int_equal(sites[0].turns, 1);
    assert_int_equal(sites[0].turn_ns, 24 * MS);
    assert_int_equal(sites[1].waits, 1);
    assert_int_equal(sites[1].turns, 0);
    assert_int_equal(sites[2].waits, 1);
    assert_int_equal(sites[2].max_fds, 3);
    const union trace_event *e;
    while (trace_next(t, &e) == 1)
        if (e->header.type == EVENT_TURN)
            assert_int_equal(e->turn.blocked_ns, 21 * MS);
    recording_close(t);
}

static void one_descriptor_at_a_loops_place(void **state)
{
    (void)state;
    struct fd_entry *entry = fd_entry_at(200);
    assert_false(wait_is_loops_own(0x403000, 201)); /* not known yet */
    for (int i = 0; i < 3; i++)
        wait_on_set(MS, MS, 0x403000, -1, 2);
    assert_false(wait_is_loops_own(0x403010, 201));
    for (int i = 0; i < 3; i++)
        assert_true(wait_is_loops_own(0x403000, 201));
    assert_false(wait_is_loops_own(0x403000, 201)); /* a driver, which has two only now and then */
    entry->server = 7;
    assert_true(wait_is_loops_own(0x403000, 200)); /* nobody but newcomers is waited for */
    entry->server = 0;
    wait_on_set(MS, MS, 0x404000, 8, 1);
    assert_false(wait_is_loops_own(0x404000, 201)); /* an epoll set says itself what it is */
    recording_close(recording_end());
}

static void more_sites_than_places(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++)
        for (uintptr_t site = 1; site <= 10; site++)
            wait_on_set(US, US, 0x400000 + site * 16, 8, 2);
    struct trace *t = recording_end();
    uint64_t waits = 0;
    for (int i = 0; i < TRACE_SITES; i++)
        waits += self(t)->slot->sites[i].waits;
    assert_int_equal(waits, 30);
    recording_close(t);
}

/* ---- who is let in ---- */

static void nothing_inside_the_recorder(void **state)
{
    (void)state;
    struct trace *t;
    wait_for(1, 1, 5, 0);
    thread_self.busy = (uintptr_t)__builtin_frame_address(0) + 65536; /* an outer frame is at work */
    wait_for(1, MS, 5, 0);
    thread_self.busy = (uintptr_t)__builtin_frame_address(0) - 65536; /* one that is gone (longjmp) */
    wait_for(1, 2, 5, 0);
    assert_int_equal(thread_self.busy, 0);
    t = recording_end();
    assert_int_equal(counter_of(t, CALL_recv, 5)->count, 2);
    assert_int_equal(trace_info(t)->lost[TRACE_LOST_NESTED], 1);
    recording_close(t);
}

static void errno_is_kept(void **state)
{
    (void)state;
    errno = 4242;
    wait_for(1, 5 * MS, 5, 0);
    wait_on_set(1, 5 * MS, 0x401000, 8, 40);
    wait_end_fd(CALL_read, 0, clock_now(), 5);
    wait_end_named(CALL_open, clock_now(), 3, 0, ENDPOINT_FILE, "/x");
    assert_int_equal(errno, 4242);
    recording_close(recording_end());
}

static void begins_only_where_it_records(void **state)
{
    (void)state;
    assert_true(wait_begin() > 0);
    thread_self.in_vfork = 1;
    assert_int_equal(wait_begin(), 0);
    thread_self.in_vfork = 0;
    wait_composite_begin(FRAME_ADDRESS + 4096);
    assert_int_equal(wait_begin(), 0); /* inside a resolver */
    wait_composite_end(FRAME_ADDRESS + 4096);
    assert_true(wait_begin() > 0);
    recorder_gate.open = 0;
    recorder.started = false;
    assert_int_equal(wait_begin(), 0);
    wait_end_plain(CALL_sleep, 0, 0, 0); /* and its end knows */
    recorder_gate.open = 1;
    recording_close(recording_end());
}

int main(void)
{
#define test(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        test(counters_are_exact),
        test(long_waits_are_always_recorded),
        test(samples_are_unbiased),
        test(first_wait_is_not_special),
        test(turns_of_a_loop),
        test(sites_are_told_apart),
        test(one_descriptor_at_a_loops_place),
        test(more_sites_than_places),
        test(nothing_inside_the_recorder),
        test(errno_is_kept),
        test(begins_only_where_it_records),
    };
    thread_init();
    fdtable_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
