/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign coroutines|signals|code: waits on stacks that are not the thread's own, or below code without unwind tables.
 * Expected: it ends with status 0; every usleep is counted, and its stack names sleep_here, the function that waited.
 *   coroutines  200 ucontext stacks, each waits 5 times, in turns
 *   signals     50 waits in a handler on an alternate stack
 *   code        50 waits called from machine code made at run time
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define COROUTINES 200
#define STACK_SIZE (32u << 10)

static ucontext_t scheduler, coroutine[COROUTINES];

__attribute__((noinline)) static void sleep_here(void)
{
    if (usleep(1100) != 0)
        abort();
}

static void run_coroutine(int number)
{
    for (int i = 0; i < 5; i++) {
        sleep_here();
        swapcontext(&coroutine[number], &scheduler);
    }
}

/* Every other stack is followed by a page that must not be touched, the rest by one another. */
static void make_coroutine(int number, char *stack)
{
    size_t size = number % 2 ? STACK_SIZE - 4096 : STACK_SIZE;
    if (number % 2 && mprotect(stack + size, 4096, PROT_NONE) != 0)
        abort();
    getcontext(&coroutine[number]);
    coroutine[number].uc_stack = (stack_t){.ss_sp = stack, .ss_size = size};
    coroutine[number].uc_link = &scheduler;
    makecontext(&coroutine[number], (void (*)(void))run_coroutine, 1, number);
}

static void run_coroutines(void)
{
    char *stacks = mmap(NULL, COROUTINES * STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < COROUTINES; i++)
        make_coroutine(i, stacks + (size_t)i * STACK_SIZE);
    for (int turn = 0; turn < 6; turn++)
        for (int i = 0; i < COROUTINES; i++)
            swapcontext(&scheduler, &coroutine[i]);
}

static void handler(int number)
{
    (void)number;
    sleep_here();
}

static void run_signals(void)
{
    struct sigaction action;
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    action.sa_flags = SA_ONSTACK;
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < 50; i++)
        raise(SIGUSR1);
}

/* push rbx; mov rax, sleep_here; call rax; pop rbx; ret: no frame pointer, no unwind table. */
static void run_code(void)
{
    static const uint8_t before[] = {0x53, 0x48, 0xb8}, after[] = {0xff, 0xd0, 0x5b, 0xc3};
    uintptr_t target = (uintptr_t)sleep_here;
    uint8_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(code, before, sizeof(before));
    memcpy(code + sizeof(before), &target, sizeof(target));
    memcpy(code + sizeof(before) + sizeof(target), after, sizeof(after));
    for (int i = 0; i < 50; i++)
        ((void (*)(void))(uintptr_t)code)();
}

int main(int count, char **arguments)
{
    const char *mode = count > 1 ? arguments[1] : "";
    if (strcmp(mode, "coroutines") == 0)
        run_coroutines();
    else if (strcmp(mode, "signals") == 0)
        run_signals();
    else
        run_code();
    printf("done\n");
    return 0;
}
