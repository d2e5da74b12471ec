/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unwinds a copy of a stack of this very process. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/images.h"

#define STACK_SIZE 65536
#define ROOM 64

/* A thread with a stack of the test's own, so that it can be copied whole. */
static uint64_t stack_copy[STACK_SIZE / 8], registers[17];
static size_t stack_size;
static uint64_t stack[STACK_SIZE / 8] __attribute__((aligned(4096)));
static volatile int depth_seen;

/* Registers as they are at the call, and all of the stack above. */
__attribute__((noinline)) static void capture(void)
{
    ucontext_t here;
    getcontext(&here);
    static const int order[17] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
                                  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    for (int i = 0; i < 17; i++)
        registers[i] = (uint64_t)here.uc_mcontext.gregs[order[i]];
    stack_size = (size_t)((char *)stack + STACK_SIZE - (char *)registers[7]);
    memcpy(stack_copy, (void *)registers[7], stack_size);
}

__attribute__((noinline)) static void descend(int depth)
{
    if (depth > 0)
        descend(depth - 1);
    else
        capture();
    depth_seen++;
}

static void *start(void *arg)
{
    descend(10);
    return arg;
}

static void capture_on_own_stack(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    depth_seen = 0;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstack(&attributes, stack, STACK_SIZE), 0);
    assert_int_equal(pthread_create(&thread, &attributes, start, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
    assert_int_equal(depth_seen, 11);
}

static size_t unwind(struct images *i, size_t size, uint64_t *frames, size_t room, bool *complete, bool *truncated)
{
    const struct images_thread thread = {getpid(), registers, 17, (const uint8_t *)stack_copy, size};
    return images_unwind(i, &thread, frames, room, complete, truncated);
}

static void test_unwind(void **state)
{
    (void)state;
    uint64_t frames[ROOM];
    bool complete, truncated;
    struct images *i = images_new(getpid());
    assert_int_equal(unwind(i, stack_size, frames, ROOM, &complete, &truncated), 0);
    assert_int_equal(images_refresh(i), 1);
    assert_int_equal(images_refresh(i), 0);
    assert_true(images_has(i, (uint64_t)(uintptr_t)capture));
    assert_false(images_has(i, 16));
    capture_on_own_stack();

    size_t count = unwind(i, stack_size, frames, ROOM, &complete, &truncated);
    assert_true(count >= 13); /* capture, 11 times descend, start, and what started it */
    assert_false(truncated);
    assert_int_equal(frames[0], registers[16]);
    size_t recursive = 0;
    for (size_t k = 2; k < 12; k++)
        recursive += frames[k] == frames[2];
    assert_int_equal(recursive, 10);
    assert_true(complete);

    uint64_t again[ROOM];
    assert_int_equal(unwind(i, stack_size, again, ROOM, &complete, &truncated), count);
    assert_memory_equal(again, frames, count * sizeof(*frames));
    assert_true(complete);
    assert_false(truncated);

    assert_int_equal(unwind(i, stack_size, frames, 5, &complete, &truncated), 5);
    assert_true(truncated);
    assert_false(complete);
    images_free(i);
}

/* The end of the copy ends the walk, and it is not taken for the thread's start. */
static void test_copy_cut_short(void **state)
{
    (void)state;
    uint64_t frames[ROOM];
    bool complete, truncated;
    struct images *i = images_new(getpid());
    assert_int_equal(images_refresh(i), 1);
    capture_on_own_stack();
    size_t count = unwind(i, 64, frames, ROOM, &complete, &truncated);
    assert_true(count >= 1 && count < 12);
    assert_false(complete);
    assert_false(truncated);
    images_free(i);
}

struct own {
    uint64_t address;
    bool found, has_build_id;
};

static void own_find(void *context, const struct image *image)
{
    struct own *own = context;
    if (own->address < image->start || own->address >= image->end)
        return;
    own->found = image->path[0] == '/';
    own->has_build_id = image->build_id_size == 20;
}

static void test_each(void **state)
{
    (void)state;
    struct own own = {.address = (uint64_t)(uintptr_t)own_find};
    struct images *i = images_new(getpid());
    images_refresh(i);
    images_each(i, own_find, &own);
    assert_true(own.found);
    assert_true(own.has_build_id);
    images_free(i);
}

static void test_process_gone(void **state)
{
    (void)state;
    struct images *i = images_new(0x7fffffff);
    assert_true(images_refresh(i) < 0);
    assert_false(images_has(i, (uint64_t)(uintptr_t)capture));
    images_free(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unwind),
        cmocka_unit_test(test_copy_cut_short),
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_process_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
