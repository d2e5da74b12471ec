/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real breakpoints on real threads: they fire, at most as often as they were told to, on threads that come and go; and
 * many windows, as many as hours bring, leave no descriptor and no memory behind. Skipped where breakpoints never fire.
 */
#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "capture/armory.h"
#include "capture/breakpoint.h"
#include "capture/trap.h"
#include "recording.h"

#define PATIENCE 200  /* times that a word may not be quiet yet */
#define WINDOWS 20000 /* a quarter of an hour's, at 20 a second, many times as fast */
#define HITS 3

static uint64_t words[TRAP_WORDS] __attribute__((aligned(64)));
static volatile uint32_t stop;
static volatile uint64_t rounds;

static void *work(void *unused)
{
    (void)unused;
    while (!stop) {
        for (int i = 0; i < TRAP_WORDS; i++)
            store_relaxed(&words[i], load_relaxed(&words[i]) + 1);
        rounds++;
        nanosleep(&(struct timespec){0, 100000}, NULL);
    }
    return NULL;
}

/* Returns when it runs: threads begin with all signals blocked, and such ones are left alone. */
static void thread_start(pthread_t *thread)
{
    uint64_t begin = rounds;
    assert_int_equal(pthread_create(thread, NULL, work, NULL), 0);
    while (rounds < begin + 2)
        nanosleep(&(struct timespec){0, 100000}, NULL);
}

static size_t entries(const char *directory)
{
    size_t n = 0;
    DIR *d = opendir(directory);
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%*d %ld", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return pages * 4;
}

static void arm_words(bool reads)
{
    const struct watch_range range = {.start = (uintptr_t)words, .size = sizeof(words), .number = 1};
    for (int i = 0; i < TRAP_WORDS; i++)
        trap_word_arm(&trap_words[i], &range, (uintptr_t)&words[i], 8, reads, 50000);
    armory_arm(TRAP_WORDS, HITS);
}

static void disarm_words(void)
{
    armory_disarm(TRAP_WORDS);
    for (int i = 0; i < TRAP_WORDS; i++) {
        int tries = 1;
        while (!trap_word_quiet(&trap_words[i]) && tries < PATIENCE) /* a handler may have lost its CPU */
            tries++;
        assert_true(tries < PATIENCE);
    }
}

static bool works(void)
{
    struct breakpoint b;
    if (trap_init() != 0 || breakpoint_open(&b, (uint32_t)sys_gettid()) != 0)
        return false;
    breakpoint_arm(&b, (uintptr_t)&trap_test_word, 8, false, TRAP_TEST_DATA, 2);
    bool fires = trap_test() == 1;
    breakpoint_close(&b);
    return fires && trap_test() == 0;
}

static void fires_as_often_as_told(void **state)
{
    pthread_t thread;
    (void)state;
    stop = 0;
    thread_start(&thread);
    assert_int_equal(armory_scan(0), 0);
    assert_int_equal(armory_threads(), 1);
    assert_int_equal(armory_words(), TRAP_WORDS);
    for (int i = 0; i < 5; i++) { /* used up each time, and opened anew */
        trap_budget_ns = 1000000000;
        arm_words(false);
        for (uint64_t begin = rounds; rounds < begin + 10;)
            nanosleep(&(struct timespec){0, 1000000}, NULL);
        disarm_words();
        for (int k = 0; k < TRAP_WORDS; k++) {
            assert_int_equal(trap_words[k].count, HITS);
            assert_int_equal(trap_words[k].accesses[0].access, INSN_WRITE);
            assert_int_equal(trap_words[k].accesses[0].size, 8);
        }
    }
    stop = 1;
    pthread_join(thread, NULL);
    assert_int_equal(armory_scan(0), 0);
    assert_int_equal(armory_threads(), 0);
    armory_close();
}

static void leaves_nothing_behind(void **state)
{
    (void)state;
    pthread_t threads[2];
    size_t descriptors = entries("/proc/self/fd");
    long resident = 0;
    stop = 0;
    for (int i = 0; i < 2; i++)
        thread_start(&threads[i]);
    for (int window = 0; window < WINDOWS; window++) {
        trap_budget_ns = 1000000000;
        if (window % 100 == 0) { /* one goes, another comes */
            stop = 1;
            pthread_join(threads[1], NULL);
            pthread_join(threads[0], NULL);
            stop = 0;
            for (int i = 0; i < 2; i++)
                thread_start(&threads[i]);
            armory_scan((uint32_t)window);
        }
        if (window == WINDOWS / 4)
            resident = resident_kib();
        arm_words(window & 1);
        disarm_words();
    }
    assert_in_range(entries("/proc/self/fd"), descriptors, descriptors + 2 * TRAP_WORDS);
    assert_true(resident_kib() <= resident + 2048);
    armory_close();
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(entries("/proc/self/fd"), descriptors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_as_often_as_told),
        cmocka_unit_test(leaves_nothing_behind),
    };
    if (!works())
        return 77;
    recording_begin(16u << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    recording_close(recording_end());
    return failed;
}
