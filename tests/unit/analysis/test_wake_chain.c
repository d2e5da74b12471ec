/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What waits that others end are due to: through one waker, through several, through none. */
#include "analysis/scene.h"

#include "analysis/model.h"
#include "analysis/wake_chain.h"

#define C_COND_WAIT 113
#define WAITER 1
#define WORKER 2
#define STORE 3
#define LAST 4

static struct trace_info info = {.boot_id = "here"}, elsewhere = {.boot_id = "there"};
static struct source source = {.info = &info};
static struct model_process process = {.source = &source};
static struct model_thread threads[LAST + 16];
static struct event_wait event;
static struct event_offcpu offcpu;
static struct wake_chain *chain;
static char file[40];

static void chain_begin(void)
{
    struct trace_builder *b = scene_process(100);
    char error[256];
    strcpy(file, "/tmp/cprobe-chain-XXXXXX");
    close(mkstemp(file));
    assert_int_equal(builder_write(b, file), 0);
    builder_free(b);
    assert_int_equal(trace_open(file, &process.trace, error, sizeof(error)), 0);
    process.beside = &process; /* seen by the kernel as well */
    for (uint32_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++)
        threads[i] = (struct model_thread){.process = &process, .tid = i};
    chain = wake_chain_new(NULL);
}

static void chain_end(void)
{
    wake_chain_free(chain);
    trace_close(process.trace);
    unlink(file);
}

/* Thread `tid` waits from `begin` to `end` (ms); waker 0: for something else than a thread, in a place of its own. */
static void waits(uint32_t tid, uint64_t begin, uint64_t end, uint32_t waker)
{
    event = (struct event_wait){.header = {EVENT_MAGIC, EVENT_WAIT, sizeof(event), T0 + begin * MS},
                                .duration_ns = (end - begin) * MS,
                                .tid = tid,
                                .stack = 10 + tid,
                                .call = waker ? C_COND_WAIT : C_RECV};
    offcpu = (struct event_offcpu){.header = {EVENT_MAGIC, EVENT_OFFCPU, sizeof(offcpu), T0 + begin * MS},
                                   .duration_ns = (end - begin) * MS,
                                   .waker = waker};
    wake_chain_event(
        chain, &(struct merged){.kind = MERGED_WAIT,
                                .wait = {.thread = &threads[tid], .process = &process, .event = &event, .weight = 1},
                                .offcpu = waker ? &offcpu : NULL,
                                .weight = 1});
}

/* What waits of `tid` are due to, in `waker`'s place. */
static const struct wake_cause *cause_of(uint32_t tid, uint32_t waker)
{
    for (size_t i = 0; i < chain->cause_count; i++) {
        if (chain->causes[i].stack == 10 + tid && chain->causes[i].waker == &threads[waker])
            return &chain->causes[i];
    }
    return NULL;
}

static void one_waker(void **state)
{
    (void)state;
    chain_begin();
    waits(WAITER, 0, 100, WORKER);
    waits(WORKER, 10, 60, 0);
    waits(STORE, 20, 90, 0); /* has nothing to do with it */
    waits(WORKER, 110, 200, 0);
    wake_chain_finish(chain);
    assert_int_equal(chain->cause_count, 1);
    assert_near(cause_of(WAITER, WORKER)->ns, 50 * MS, 0.001);
    assert_int_equal(cause_of(WAITER, WORKER)->link_count, 0);
    chain_end();
}

/* The waiter waits for the worker, which waits for the store, which waits for a disk: all begin after each other and
   end in the other order; a later wait shows what has been kept. */
static void several_wakers(void **state)
{
    (void)state;
    chain_begin();
    for (uint64_t round = 0; round < 3; round++) {
        waits(WAITER, round * 1000, round * 1000 + 100, WORKER);
        waits(WORKER, round * 1000 + 10, round * 1000 + 90, STORE);
        waits(STORE, round * 1000 + 20, round * 1000 + 80, 0);
        waits(STORE, round * 1000 + 95, round * 1000 + 99, 0); /* nobody waits for that */
    }
    wake_chain_finish(chain);
    assert_near(cause_of(WAITER, STORE)->ns, 180 * MS, 0.001);
    assert_int_equal(cause_of(WAITER, STORE)->link_count, 1);
    assert_ptr_equal(cause_of(WAITER, STORE)->links[0], &threads[WORKER]);
    assert_near(cause_of(WORKER, STORE)->ns, 180 * MS, 0.001);
    assert_int_equal(cause_of(WORKER, STORE)->link_count, 0);
    assert_int_equal(chain->wait_count, 0); /* nothing is kept for longer than needed */
    chain_end();
}

/* Who waits for each other in a circle is followed once around, and a chain no further than WAKE_LINKS. */
static void circles_and_long_chains_end(void **state)
{
    (void)state;
    chain_begin();
    waits(WAITER, 0, 100, WORKER);
    waits(WORKER, 1, 100, WAITER);
    waits(WAITER, 1000, 1100, WORKER);
    for (uint32_t i = 0; i < WAKE_LINKS; i++)
        waits(WORKER + i, 1001 + i, 1100, WORKER + i + 1);
    waits(WORKER + WAKE_LINKS, 1050, 1090, 0);
    waits(WAITER, 2000, 2100, WORKER);
    for (uint32_t i = 0; i <= WAKE_LINKS; i++)
        waits(WORKER + i, 2001 + i, 2100, WORKER + i + 1);
    waits(WORKER + WAKE_LINKS + 1, 2050, 2090, 0);
    wake_chain_finish(chain);
    assert_near(cause_of(WAITER, WORKER + WAKE_LINKS)->ns, 40 * MS, 0.001);
    assert_int_equal(cause_of(WAITER, WORKER + WAKE_LINKS)->link_count, WAKE_LINKS);
    assert_null(cause_of(WAITER, WORKER + WAKE_LINKS + 1));
    assert_non_null(cause_of(WORKER, WORKER + WAKE_LINKS + 1));
    chain_end();
}

/* The same thread id on another machine is another thread. */
static void machines_are_told_apart(void **state)
{
    struct source far_source = {.info = &elsewhere};
    struct model_process far = {.source = &far_source};
    (void)state;
    chain_begin();
    threads[WORKER].process = &far;
    waits(WAITER, 0, 100, WORKER);
    waits(WORKER, 10, 60, 0);
    wake_chain_finish(chain);
    assert_int_equal(chain->cause_count, 0);
    chain_end();
}

static void words(void **state)
{
    struct arena *arena = arena_new();
    struct model model = {.processes = &process, .process_count = 1};
    struct wake_cause cause = {.process = &process, .waker = &threads[STORE], .links = {&threads[WORKER]}};
    (void)state;
    chain_begin();
    threads[WORKER].name = "worker";
    threads[STORE].name = "store";
    process.threads = threads;
    process.thread_count = LAST;
    assert_string_equal(wake_cause_who(&cause, &model, arena), "store (3)");
    cause.link_count = 1;
    assert_string_equal(wake_cause_who(&cause, &model, arena), "worker (2) waits for store (3), which");
    chain_end();
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_waker),
        cmocka_unit_test(several_wakers),
        cmocka_unit_test(circles_and_long_chains_end),
        cmocka_unit_test(machines_are_told_apart),
        cmocka_unit_test(words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
