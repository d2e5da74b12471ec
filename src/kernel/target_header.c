/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/target_header.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_now(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t kernel_now(void)
{
    return clock_now(CLOCK_MONOTONIC);
}

/* Up to `size` bytes of a file, 0 where it cannot be read. */
static size_t file_read(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, to, size);
    if (fd >= 0)
        close(fd);
    return n > 0 ? (size_t)n : 0;
}

/* proc(5): the name in parentheses may hold anything, so fields are counted from its last parenthesis. */
struct process_stat {
    char state;
    uint32_t ppid, threads;
    uint64_t start;
};

static int stat_read(pid_t pid, struct process_stat *stat)
{
    char path[64], text[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    size_t n = file_read(path, text, sizeof(text) - 1);
    text[n] = '\0';
    char *behind = strrchr(text, ')');
    if (!behind || sscanf(behind + 1,
                          " %c %" SCNu32 " %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
                          "%" SCNu32 " %*d %" SCNu64,
                          &stat->state, &stat->ppid, &stat->threads, &stat->start) != 4)
        return -ESRCH;
    return 0;
}

/* The first thread may end before the others: then it is a zombie with more than one thread. */
bool target_header_alive(pid_t pid, uint64_t process_start)
{
    struct process_stat stat;
    return stat_read(pid, &stat) == 0 && stat.start == process_start &&
           ((stat.state != 'Z' && stat.state != 'X') || stat.threads > 1);
}

int target_header_read(pid_t pid, struct trace_header *h)
{
    char path[64];
    struct utsname name;
    memset(h, 0, sizeof(*h));
    struct process_stat stat;
    int rc = stat_read(pid, &stat);
    if (rc < 0)
        return rc;
    h->ppid = stat.ppid;
    h->process_start = stat.start;
    h->pid = (uint32_t)pid;
    h->start_mono_ns = kernel_now();
    h->start_real_ns = clock_now(CLOCK_REALTIME);
    h->cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
    h->origin = TRACE_ORIGIN_KERNEL;
    file_read("/proc/sys/kernel/random/boot_id", h->boot_id, sizeof(h->boot_id) - 1);
    h->boot_id[strcspn(h->boot_id, "\n")] = '\0';
    if (uname(&name) == 0)
        snprintf(h->host, sizeof(h->host), "%.63s", name.nodename);
    snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    file_read(path, h->comm, sizeof(h->comm) - 1);
    h->comm[strcspn(h->comm, "\n")] = '\0';
    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    file_read(path, h->cmdline, sizeof(h->cmdline) - 2);
    snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    if (readlink(path, h->exe, sizeof(h->exe) - 1) < 0)
        h->exe[0] = '\0';
    return 0;
}
