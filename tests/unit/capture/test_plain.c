/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which functions could order threads: of this program, as they were compiled. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "capture/plain.h"

#define CODE static __attribute__((noinline, noclone))

static volatile long word;
static void (*volatile by_pointer)(void);

CODE void stores(void)
{
    word = word * 3 + 1;
}

CODE void calls_runtime(void)
{
    char text[16];
    memset(text, (int)word, sizeof(text));
    sched_yield();
    word += text[3];
}

CODE void calls(void)
{
    stores();
    word++;
    calls_runtime();
    word++;
}

CODE void adds(void)
{
    __atomic_fetch_add(&word, 1, __ATOMIC_RELAXED);
}

CODE void exchanges(void)
{
    __atomic_exchange_n(&word, 1, __ATOMIC_RELAXED);
}

CODE void fences(void)
{
    word = 1;
    __asm__ volatile("mfence" : : : "memory");
}

CODE void spins(void)
{
    while (word)
        __builtin_ia32_pause();
}

CODE void enters_kernel(void)
{
    __asm__ volatile("syscall" : : "a"(39) : "rcx", "r11", "memory");
}

CODE void calls_one_that_adds(void)
{
    stores();
    adds();
    word++;
}

CODE void goes_on_in_one_that_adds(void)
{
    word++;
    adds();
}

CODE void calls_by_pointer(void)
{
    by_pointer();
    word++;
}

static bool plain(void (*function)(void))
{
    const uint64_t frame = (uint64_t)(uintptr_t)function + 1;
    return plain_stack(&frame, 1);
}

static void plain_ones(void **state)
{
    (void)state;
    assert_true(plain(stores));
    assert_true(plain(calls_runtime));
    assert_true(plain(calls));
}

static void special_ones(void **state)
{
    static void (*const functions[])(void) = {
        adds, exchanges, fences, spins, enters_kernel, calls_one_that_adds, goes_on_in_one_that_adds, calls_by_pointer};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
        if (plain(functions[i]))
            fail_msg("function %zu", i);
}

/* One that calls the next frame is known by that. */
static void any_frame(void **state)
{
    const uint64_t frames[] = {(uint64_t)(uintptr_t)stores + 1, (uint64_t)(uintptr_t)adds + 1};
    (void)state;
    assert_true(plain_stack(frames, 1));
    assert_false(plain_stack(frames, 2));
}

static void generated_code(void **state)
{
    const uint64_t frame = 0x1000;
    (void)state;
    assert_false(plain_stack(&frame, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_ones),
        cmocka_unit_test(special_ones),
        cmocka_unit_test(any_frame),
        cmocka_unit_test(generated_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
