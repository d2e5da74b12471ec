/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which stacks are taken for the same walk. */
#include <linux/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/offcpu.h"
#include "kernel/images.h"
#include "kernel/walks.h"

#define WORDS 64
#define SP 0x7f0000001000u
#define PC 0x401000u

/* At [3] the caller's frame pointer, at [4] a return address, at [5] a value that nothing depends on. */
static uint64_t words[WORDS], registers[OFFCPU_REGISTERS];
static const uint64_t frames[] = {PC, 0x402000};

static struct images_thread stack_at(uint64_t sp)
{
    memset(words, 0, sizeof(words));
    memset(registers, 0, sizeof(registers));
    registers[OFFCPU_RIP] = PC;
    registers[OFFCPU_RSP] = sp;
    registers[OFFCPU_RBP] = sp + 24;
    registers[0] = 42;
    words[3] = sp + 80;
    words[4] = frames[1];
    words[5] = 7;
    return (struct images_thread){1, registers, OFFCPU_REGISTERS, (const uint8_t *)words, sizeof(words)};
}

static struct walks *known(void)
{
    struct walks *w = walks_new();
    struct images_thread thread = stack_at(SP);
    walks_begin(w);
    for (uint64_t i = 3; i <= 5; i++)
        walks_read(w, i * 8);
    walks_keep(w, &thread, frames, 2);
    return w;
}

static size_t find(struct walks *w, const struct images_thread *thread)
{
    const uint64_t *found = NULL;
    size_t count = walks_find(w, thread, &found);
    if (count)
        assert_memory_equal(found, frames, sizeof(frames));
    return count;
}

static void test_same(void **state)
{
    (void)state;
    struct walks *w = known();
    struct images_thread thread = stack_at(SP);
    assert_int_equal(find(w, &thread), 2);
    thread = stack_at(SP + 0x10000); /* another thread's */
    assert_int_equal(find(w, &thread), 2);
    words[5] = SP; /* another value, and so is that of a register that nothing depends on */
    registers[0] = 43;
    assert_int_equal(find(w, &thread), 2);
    walks_forget(w);
    assert_int_equal(find(w, &thread), 0);
    walks_free(w);
}

static void test_other(void **state)
{
    (void)state;
    struct walks *w = known();
    struct images_thread thread = stack_at(SP);
    words[4]++; /* another caller */
    assert_int_equal(find(w, &thread), 0);
    thread = stack_at(SP);
    words[3] += 8; /* its frame is elsewhere */
    assert_int_equal(find(w, &thread), 0);
    thread = stack_at(SP);
    registers[OFFCPU_RBP] += 8;
    assert_int_equal(find(w, &thread), 0);
    thread = stack_at(SP);
    registers[OFFCPU_RIP]++;
    assert_int_equal(find(w, &thread), 0);
    thread = stack_at(SP);
    thread.size = 4 * 8; /* the return address was not copied */
    assert_int_equal(find(w, &thread), 0);
    walks_free(w);
}

static void test_many(void **state)
{
    (void)state;
    struct walks *w = walks_new();
    const uint64_t *found;
    for (uint64_t i = 0; i < 1000; i++) {
        struct images_thread thread = stack_at(SP);
        const uint64_t own[] = {PC, 0x500000 + i};
        words[4] = own[1];
        walks_begin(w);
        walks_read(w, 4 * 8);
        walks_keep(w, &thread, own, 2);
        assert_int_equal(walks_find(w, &thread, &found), 2);
        assert_int_equal(found[1], own[1]);
    }
    struct images_thread first = stack_at(SP);
    words[4] = 0x500000;
    assert_int_equal(walks_find(w, &first, &found), 0); /* those not used for longest are forgotten */
    walks_free(w);
}

static void test_too_long(void **state)
{
    (void)state;
    struct walks *w = walks_new();
    struct images_thread thread = stack_at(SP);
    walks_begin(w);
    for (int i = 0; i < 5000; i++)
        walks_read(w, 8);
    walks_keep(w, &thread, frames, 2);
    assert_int_equal(find(w, &thread), 0);
    walks_free(w);
    walks_begin(NULL);
    walks_read(NULL, 0);
    walks_keep(NULL, &thread, frames, 2);
    assert_int_equal(find(NULL, &thread), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_other),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
