/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Generates a function that waits, as run-time compilers do, and names it in /tmp/perf-PID.map: "generated_first";
 * after SIGUSR1 it generates another one in its place, "generated_second". Waits until it is killed. Expected: stacks
 * are whole, and each wait names the function that was there.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile sig_atomic_t next;

static void on_signal(int number)
{
    (void)number;
    next = 1;
}

static void wait_a_little(void)
{
    usleep(5000);
}

/* push %rbp; mov %rsp,%rbp; movabs $wait_a_little,%rax; call *%rax; pop %rbp; ret; behind `padding` times nop */
static size_t function_write(uint8_t *code, size_t padding)
{
    static const uint8_t begin[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0xb8}, end[] = {0xff, 0xd0, 0x5d, 0xc3};
    uintptr_t callee = (uintptr_t)wait_a_little;
    memcpy(code, begin, sizeof(begin));
    memcpy(code + sizeof(begin), &callee, sizeof(callee));
    uint8_t *rest = code + sizeof(begin) + sizeof(callee);
    memset(rest, 0x90, padding);
    memcpy(rest + padding, end, sizeof(end));
    return sizeof(begin) + sizeof(callee) + padding + sizeof(end);
}

static int function_name(const void *code, size_t size, const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
    FILE *map = fopen(path, "a");
    if (!map)
        return -1;
    fprintf(map, "%lx %zx %s\n", (unsigned long)(uintptr_t)code, size, name);
    return fclose(map);
}

int main(void)
{
    uint8_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED || signal(SIGUSR1, on_signal) == SIG_ERR)
        return 1;
    void (*run)(void) = (void (*)(void))(uintptr_t)(code + 64);
    if (function_name(code + 64, function_write(code + 64, 0), "generated_first") != 0)
        return 1;
    puts("ready");
    fflush(stdout);
    for (;;) {
        run();
        if (next == 1) {
            next = 2;
            function_name(code + 64, function_write(code + 64, 8), "generated_second");
        }
    }
}
