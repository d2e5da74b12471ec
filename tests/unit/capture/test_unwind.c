/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unwind_stack against libunwind, frame by frame, on the kinds of stack that servers have; unwind_interrupted at every
 * single instruction of library calls; and both on stacks full of rubbish.
 *
 * modules_init is not called, so that frames of this program do not count as the recorder's own and are seen.
 */
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

#include <cmocka.h>

#include "capture/modules.h"
#include "capture/unwind.h"
#include "trace/format.h"

#define NOCLONE __attribute__((noinline, noclone))
#define MAX STACK_MAX_NATIVE

static char scratch[UNWIND_SCRATCH];

static struct unwind_bounds own_bounds(void)
{
    pthread_attr_t attributes;
    void *low;
    size_t size;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &low, &size);
    pthread_attr_destroy(&attributes);
    return (struct unwind_bounds){(uintptr_t)low, (uintptr_t)low + size};
}

/* ---- the same frames as libunwind ---- */

static struct comparison {
    int calls;
    size_t frames; /* of the last call */
    uint16_t flags;
    bool equal;
    struct unwind_bounds bounds; /* of the thread that compares */
} last;

/* Called by the victims where a hook would be. The two innermost frames are this function's own call sites. */
static NOCLONE void compare(void)
{
    uint64_t ours[MAX];
    void *theirs[MAX + 1];
    last.calls++;
    last.flags = 0;
    last.frames = unwind_stack(&last.bounds, scratch, ours, MAX, &last.flags);
    size_t count = (size_t)unw_backtrace(theirs, MAX);
    last.equal = count == last.frames;
    for (size_t i = 1; i < count && i < last.frames; i++)
        if (ours[i] != (uint64_t)theirs[i])
            last.equal = false;
    if (!last.equal)
        for (size_t i = 0; i < count || i < last.frames; i++)
            print_message("%2zu  %16llx  %p\n", i, i < last.frames ? (unsigned long long)ours[i] : 0,
                          i < count ? theirs[i] : NULL);
    __asm__ volatile(""); /* no tail call */
}

static void begin(void)
{
    memset(&last, 0, sizeof(last));
    last.bounds = own_bounds();
}

static void expect_same(int calls, uint16_t flags)
{
    assert_int_equal(last.calls, calls);
    assert_true(last.equal);
    assert_int_equal(last.flags, flags);
    assert_true(last.frames >= 4);
}

static NOCLONE int recurse(int depth)
{
    if (depth == 0)
        compare();
    int r = depth > 0 ? recurse(depth - 1) : 0;
    __asm__ volatile("" : "+r"(r));
    return r + 1;
}

static void recursion(void **state)
{
    (void)state;
    begin();
    recurse(80);
    expect_same(1, STACK_COMPLETE);
    assert_true(last.frames > 80);
}

static void too_deep_is_cut(void **state)
{
    (void)state;
    begin();
    recurse(400);
    assert_int_equal(last.frames, MAX);
    assert_int_equal(last.flags, STACK_TRUNCATED);
}

static NOCLONE void variable_array(size_t n)
{
    char array[n];
    memset(array, 1, n);
    compare();
    __asm__ volatile("" : : "r"(array) : "memory");
}

static NOCLONE void realigned(size_t n)
{
    _Alignas(64) char fixed[64];
    char *variable = __builtin_alloca(n);
    memset(fixed, 1, sizeof(fixed));
    memset(variable, 2, n);
    compare();
    __asm__ volatile("" : : "r"(fixed), "r"(variable) : "memory");
}

__attribute__((target("avx"))) static NOCLONE void vectors(int a, int b, int c, int d, int e, int f, int g, int h)
{
    typedef float vector __attribute__((vector_size(32)));
    volatile vector v = {(float)a, (float)b, (float)c, (float)d, (float)e, (float)f, (float)g, (float)h};
    compare();
    v[0] = v[1];
}

__attribute__((optimize("no-omit-frame-pointer"))) static NOCLONE void with_frame_pointer(void)
{
    compare();
    __asm__ volatile("");
}

__attribute__((optimize("omit-frame-pointer"))) static NOCLONE int without_frame_pointer(int a)
{
    register long keep __asm__("rbp") = a * 12345L; /* rbp is an ordinary register here */
    __asm__ volatile("" : "+r"(keep));
    compare();
    __asm__ volatile("" : "+r"(keep));
    return (int)keep;
}

static void kinds_of_frame(void **state)
{
    (void)state;
    begin();
    variable_array(100);
    expect_same(1, STACK_COMPLETE);
    realigned(33);
    expect_same(2, STACK_COMPLETE);
    with_frame_pointer();
    expect_same(3, STACK_COMPLETE);
    without_frame_pointer(7);
    expect_same(4, STACK_COMPLETE);
    if (__builtin_cpu_supports("avx")) {
        vectors(1, 2, 3, 4, 5, 6, 7, 8);
        expect_same(5, STACK_COMPLETE);
    }
}

static int order(const void *a, const void *b)
{
    compare();
    return *(const int *)a - *(const int *)b;
}

static void callbacks_through_libc(void **state)
{
    (void)state;
    int values[] = {3, 1, 2}, key = 2;
    begin();
    qsort(values, 3, sizeof(int), order);
    assert_true(last.calls >= 2);
    expect_same(last.calls, STACK_COMPLETE);
    bsearch(&key, values, 3, sizeof(int), order);
    expect_same(last.calls, STACK_COMPLETE);
}

static void on_signal(int signal)
{
    (void)signal;
    compare();
    __asm__ volatile("");
}

static void signal_on(int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
}

static void signal_handlers(void **state)
{
    (void)state;
    begin();
    signal_on(0);
    expect_same(1, STACK_COMPLETE);
    char *alternate = malloc(65536);
    stack_t stack = {.ss_sp = alternate, .ss_size = 65536}, off = {.ss_flags = SS_DISABLE};
    assert_int_equal(sigaltstack(&stack, NULL), 0);
    signal_on(SA_ONSTACK);
    assert_int_equal(sigaltstack(&off, NULL), 0);
    free(alternate);
    expect_same(2, STACK_COMPLETE | STACK_FOREIGN);
}

static void *thread_main(void *argument)
{
    begin();
    recurse(3);
    return argument;
}

static void thread_start(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, thread_main, NULL), 0);
    pthread_join(thread, NULL);
    expect_same(1, STACK_COMPLETE);
}

/* ---- other stacks ---- */

static ucontext_t outside, inside;
static int coroutine_depth;

static void coroutine(void)
{
    recurse(coroutine_depth);
}

static void run_coroutine(int depth, size_t size)
{
    char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(stack, MAP_FAILED);
    begin();
    coroutine_depth = depth;
    getcontext(&inside);
    inside.uc_stack.ss_sp = stack;
    inside.uc_stack.ss_size = size;
    inside.uc_link = &outside;
    makecontext(&inside, coroutine, 0);
    swapcontext(&outside, &inside);
    munmap(stack, size);
}

static void coroutines(void **state)
{
    (void)state;
    run_coroutine(5, 32768);
    expect_same(1, STACK_FOREIGN); /* glibc's __start_context says that it is the end only from its second byte on */
}

/* With bounds that are a guess below the truth: what the copy holds is walked. */
static void deep_foreign_stack_is_cut(void **state)
{
    (void)state;
    begin();
    last.bounds = (struct unwind_bounds){1, 2};
    recurse(100);
    assert_int_equal(last.flags & ~STACK_TRUNCATED, STACK_FOREIGN | (last.flags & STACK_COMPLETE));
    assert_true(last.frames > 10);
}

static void no_scratch_no_foreign_stack(void **state)
{
    (void)state;
    struct unwind_bounds elsewhere = {1, 2};
    uint64_t out[8];
    uint16_t flags = 0;
    assert_int_equal(unwind_stack(&elsewhere, NULL, out, 8, &flags), 0);
    assert_int_equal(flags, STACK_FOREIGN);
}

/* ---- code without call frame information ---- */

static void code_without_tables(void **state)
{
    (void)state;
    /* push %rbp; mov %rsp,%rbp; call *%rdi; pop %rbp; ret */
    static const uint8_t code[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(page, MAP_FAILED);
    memcpy(page, code, sizeof(code));
    begin();
    void (*call)(void (*)(void)) = (void (*)(void (*)(void)))(void *)page;
    call(compare);
    assert_int_equal(last.flags, STACK_COMPLETE);
    assert_true(last.frames >= 4);
    munmap(page, 4096);
}

/* ---- at every instruction ---- */

static struct stepping {
    uint64_t outer[MAX]; /* frames from the caller of step_body outwards */
    size_t outer_count;
    size_t steps, whole;
    uintptr_t first_bad;
    struct unwind_bounds bounds;
} steps;

static void on_step(int signal, siginfo_t *info, void *context)
{
    const greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    struct unwind_registers at = {(uintptr_t)r[REG_RIP], (uintptr_t)r[REG_RSP], (uintptr_t)r[REG_RBP]};
    uint64_t out[MAX];
    uint16_t flags = 0;
    (void)signal;
    (void)info;
    size_t n = unwind_interrupted(&at, &steps.bounds, scratch, out, MAX, &flags), o = steps.outer_count;
    steps.steps++;
    if ((flags & STACK_COMPLETE) && n >= o && memcmp(out + n - o, steps.outer, o * sizeof(*out)) == 0)
        steps.whole++;
    else if (!steps.first_bad)
        steps.first_bad = at.pc;
}

static int plain_order(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static NOCLONE void step_body(void)
{
    char text[64];
    int values[] = {5, 3, 4, 1, 2};
    struct timespec now;
    snprintf(text, sizeof(text), "%d %s %g", 42, "text", 2.5);
    qsort(values, 5, sizeof(int), plain_order);
    clock_gettime(CLOCK_MONOTONIC, &now);
    volatile double x = strtod("3.25", NULL) + strtol("17", NULL, 10);
    free(malloc(100));
    x = pow(x, 1.5);
}

/* Single-stepping (the trap flag) goes on or off when this handler returns. */
static void on_switch(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] ^= 0x100;
}

static NOCLONE void step_all(void)
{
    uint16_t flags = 0;
    uint64_t here[MAX];
    steps.bounds = own_bounds();
    size_t n = unwind_stack(&steps.bounds, scratch, here, MAX, &flags);
    steps.outer_count = n - 1;
    memcpy(steps.outer, here + 1, steps.outer_count * sizeof(*here));
    step_body(); /* binds what is bound lazily */
    raise(SIGUSR2);
    step_body();
    raise(SIGUSR2);
}

static void every_instruction(void **state)
{
    (void)state;
    struct sigaction step = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO}, change = step, old;
    memset(&steps, 0, sizeof(steps));
    change.sa_sigaction = on_switch;
    sigaction(SIGTRAP, &step, &old);
    sigaction(SIGUSR2, &change, NULL);
    step_all();
    sigaction(SIGTRAP, &old, NULL);
    signal(SIGUSR2, SIG_DFL);
    print_message("%zu instructions, %zu whole stacks\n", steps.steps, steps.whole);
    if (steps.first_bad)
        print_message("first not whole at %p\n", (void *)steps.first_bad);
    assert_true(steps.steps > 1000);
    assert_int_equal(steps.whole, steps.steps);
}

/* ---- rubbish ---- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* Words that look like what a stack holds: code, pointers into itself, small and wild numbers. */
static uint64_t rubbish_word(uint64_t *seed, const uint64_t *stack, size_t count)
{
    static const uintptr_t code[] = {(uintptr_t)qsort, (uintptr_t)raise, (uintptr_t)compare, (uintptr_t)step_body};
    uint64_t r = next_random(seed);
    switch (r % 8) {
    case 0:
    case 1:
    case 2:
        return code[(r >> 8) % 4] + (r >> 16) % 300;
    case 3:
    case 4:
        return (uintptr_t)(stack + (r >> 8) % count) + ((r >> 40) % 16 == 0 ? 4 : 0);
    case 5:
        return (r >> 8) % 5000;
    case 6:
        return (uintptr_t)stack - 64 + (r >> 8) % 128;
    default:
        return r;
    }
}

static void rubbish_stays_within_bounds(void **state)
{
    (void)state;
    const size_t count = 512;
    uint64_t *stack = malloc(count * sizeof(*stack)); /* of exact size: reads beside it are seen by the sanitizer */
    uint64_t seed = 20240607, out[MAX];
    for (int round = 0; round < 20000; round++) {
        for (size_t i = 0; i < count; i++)
            stack[i] = rubbish_word(&seed, stack, count);
        struct unwind_bounds bounds = {(uintptr_t)stack, (uintptr_t)(stack + count)};
        struct unwind_registers at = {rubbish_word(&seed, stack, count),
                                      (uintptr_t)(stack + next_random(&seed) % count),
                                      rubbish_word(&seed, stack, count)};
        uint16_t flags = 0;
        size_t n = unwind_interrupted(&at, &bounds, round % 2 ? scratch : NULL, out, MAX, &flags);
        assert_in_range(n, 1, MAX);
        assert_int_equal(out[0], at.pc);
        assert_int_equal(flags & ~(STACK_COMPLETE | STACK_TRUNCATED | STACK_FOREIGN | STACK_EXACT_PC), 0);
    }
    free(stack);
}

/* A stack pointer to nowhere: the kernel says so, nothing faults. */
static void nowhere(void **state)
{
    (void)state;
    struct unwind_bounds bounds = own_bounds();
    uintptr_t places[] = {0, 8, 4096, UINTPTR_MAX - 7, UINTPTR_MAX, (uintptr_t)1 << 63, bounds.high, bounds.high - 1};
    uint64_t out[MAX];
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct unwind_registers at = {(uintptr_t)compare, places[i], places[i]};
        uint16_t flags = 0;
        assert_in_range(unwind_interrupted(&at, &bounds, scratch, out, MAX, &flags), 1, 2);
    }
    uint16_t flags = 0;
    struct unwind_registers here = {(uintptr_t)compare, bounds.low, 0};
    assert_int_equal(unwind_interrupted(&here, &bounds, scratch, out, 0, &flags), 0);
}

/* The recorder's own frames do not count. Last, because it makes this program the recorder. */
static NOCLONE size_t capture_here(uint64_t *out, uint16_t *flags)
{
    struct unwind_bounds bounds = own_bounds();
    size_t n = unwind_stack(&bounds, scratch, out, MAX, flags);
    __asm__ volatile("");
    return n;
}

static uint64_t seen[MAX];
static size_t seen_count;

static int order_own(const void *a, const void *b)
{
    uint16_t flags = 0;
    seen_count = capture_here(seen, &flags);
    return plain_order(a, b);
}

static void own_frames_are_left_out(void **state)
{
    (void)state;
    int values[] = {2, 1};
    modules_init();
    assert_true(modules_own((uintptr_t)capture_here));
    assert_false(modules_own((uintptr_t)modules_find((uintptr_t)qsort)->start));
    qsort(values, 2, sizeof(int), order_own);
    assert_true(seen_count >= 4);
    assert_false(modules_own(seen[0])); /* in libc's sort */
    bool again = false;
    for (size_t i = 1; i < seen_count; i++)
        again |= modules_own(seen[i]);
    assert_true(again); /* frames further out stay, whoever they belong to */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recursion),
        cmocka_unit_test(too_deep_is_cut),
        cmocka_unit_test(kinds_of_frame),
        cmocka_unit_test(callbacks_through_libc),
        cmocka_unit_test(signal_handlers),
        cmocka_unit_test(thread_start),
        cmocka_unit_test(coroutines),
        cmocka_unit_test(deep_foreign_stack_is_cut),
        cmocka_unit_test(no_scratch_no_foreign_stack),
        cmocka_unit_test(code_without_tables),
        cmocka_unit_test(every_instruction),
        cmocka_unit_test(rubbish_stays_within_bounds),
        cmocka_unit_test(nowhere),
        cmocka_unit_test(own_frames_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
