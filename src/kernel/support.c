/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/support.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/compiler.h"
#include "kernel/programs.h"

#define BTF_PATH "/sys/kernel/btf/vmlinux"
#define KERNEL_MAJOR 5 /* sched_switch has its fourth argument since 5.18 */
#define KERNEL_MINOR 18

static bool has_programs(void)
{
    return programs_built();
}

static bool has_kernel(void)
{
    struct utsname name;
    int major = 0, minor = 0;
    if (uname(&name) != 0 || sscanf(name.release, "%d.%d", &major, &minor) != 2)
        return false;
    return major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR);
}

static bool has_btf(void)
{
    return access(BTF_PATH, R_OK) == 0;
}

/* Effective capabilities, capabilities(7). CAP_SYS_ADMIN contains those that were split from it. */
static bool has_capability(int capability)
{
    char line[256];
    uint64_t effective = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "CapEff: %" SCNx64, &effective) == 1)
            break;
    if (file)
        fclose(file);
    return effective >> capability & 1 || effective >> CAP_SYS_ADMIN & 1;
}

static bool has_bpf(void)
{
    return has_capability(CAP_BPF);
}

static bool has_perfmon(void)
{
    return has_capability(CAP_PERFMON);
}

static bool has_ptrace(void)
{
    return has_capability(CAP_SYS_PTRACE);
}

static bool has_task_work(void)
{
    return programs_task_work();
}

/* In the order in which they are worth mending. */
static const struct {
    const char *name;
    bool (*there)(void);
    bool needed;
    bool privilege;
    const char *meaning;
} rows[] = {
    {"eBPF in this build", has_programs, true, false, "build cprobe with clang, bpftool, libbpf-dev and " BTF_PATH},
    {"Linux 5.18 or newer", has_kernel, true, false, "the scheduler's trace points say since then why a thread stops"},
    {BTF_PATH, has_btf, true, false, "a kernel with CONFIG_DEBUG_INFO_BTF, as distributions build it"},
    {"CAP_BPF", has_bpf, true, true, "loads programs into the kernel; root has it"},
    {"CAP_PERFMON", has_perfmon, true, true, "lets them see other processes' scheduling and stacks; root has it"},
    {"CAP_SYS_PTRACE", has_ptrace, false, true,
     "reads other users' mappings: without it the stacks of their processes cannot be unwound"},
    {"task work from programs", has_task_work, false, false,
     "Linux 6.18: stacks without a program at the end of every system call; older kernels cost some 15 % on programs "
     "that do little but system calls"},
};

size_t support_count(void)
{
    return ARRAY_SIZE(rows);
}

struct support support_at(size_t i)
{
    return (struct support){rows[i].name, rows[i].there(), rows[i].needed, rows[i].meaning};
}

int support_check(char *error, size_t error_size)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!rows[i].needed || rows[i].there())
            continue;
        snprintf(error, error_size, "%s is missing: %s", rows[i].name, rows[i].meaning);
        return rows[i].privilege ? -EPERM : -ENOTSUP;
    }
    return 0;
}

const char *support_explanation(void)
{
    return "eBPF would add waits that no library call shows (static programs, page faults, disk), time spent waiting "
           "for a "
           "CPU, and who woke each thread; it needs root, or CAP_BPF and CAP_PERFMON (and CAP_SYS_PTRACE for other "
           "users' "
           "processes)";
}
