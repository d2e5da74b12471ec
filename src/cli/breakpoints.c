/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/breakpoints.h"

#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile sig_atomic_t fired;
static volatile uint64_t word;

static void on_trap(int signal)
{
    (void)signal;
    fired = 1;
}

static int open_on_word(void)
{
    struct perf_event_attr a;
    memset(&a, 0, sizeof(a));
    a.type = PERF_TYPE_BREAKPOINT;
    a.size = sizeof(a);
    a.bp_type = HW_BREAKPOINT_W;
    a.bp_addr = (uintptr_t)&word;
    a.bp_len = sizeof(word);
    a.sample_period = 1;
    a.sigtrap = 1;
    a.remove_on_exec = 1;
    a.exclude_kernel = 1;
    a.exclude_hv = 1;
    a.disabled = 1;
    return (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

const char *breakpoints_missing(void)
{
    int fd = open_on_word();
    if (fd < 0 && (errno == EACCES || errno == EPERM))
        return "not permitted: races are not looked for. CAP_PERFMON, root, or "
               "kernel.perf_event_paranoid below 3 is needed, and a seccomp profile that lets perf_event_open through";
    if (fd < 0)
        return "this kernel has none that signal (Linux 5.13 is needed): races are not looked for";
    struct sigaction action = {.sa_handler = on_trap}, old;
    sigaction(SIGTRAP, &action, &old);
    fired = 0;
    if (ioctl(fd, PERF_EVENT_IOC_REFRESH, 1) == 0)
        word = 1;
    sigaction(SIGTRAP, &old, NULL);
    close(fd);
    return fired ? NULL : "they can be set, but never fire (some virtual machines): races are not looked for";
}
