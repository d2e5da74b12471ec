/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cprobe record: records running processes from outside, through the kernel, until told to stop.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/compiler.h"
#include "cli/commands.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/recorder.h"
#include "cli/status.h"
#include "kernel/collector.h"
#include "kernel/support.h"

#define PIDS_MAX 256
#define POLL_MS 50
#define SECONDS_MAX 86400.0

struct record_command {
    struct recorder_settings recorder; /* command line, then variables */
    pid_t pids[PIDS_MAX];
    size_t pid_count;
    double seconds; /* 0: until a signal, or until all processes have ended */
    bool every_sys_exit, raw_tracepoints;
    bool help;
};

enum record_key { KEY_PID, KEY_DURATION, KEY_SYS_EXIT, KEY_RAW, KEY_OUTPUT, KEY_MAX_SIZE, KEY_SAMPLE, KEY_HELP };

static const struct cli_option options[] = {
    {"pid", 'p', ARGUMENT_REQUIRED, "PID", "the process to record, with all that descends from it; may be repeated",
     KEY_PID},
    {"duration", 'd', ARGUMENT_REQUIRED, "SECONDS", "stop after so long (default: at Ctrl-C, or when it has ended)",
     KEY_DURATION},
    {"output", 'o', ARGUMENT_REQUIRED, "DIR", "write traces there (default: $CPROBE_DIR, else ./cprobe.data)",
     KEY_OUTPUT},
    {"max-size", 0, ARGUMENT_REQUIRED, "SIZE", "most that the trace of one process may grow to (default 64M)",
     KEY_MAX_SIZE},
    {"sample", 0, ARGUMENT_REQUIRED, "TIME", "blocked time per recorded stack, on average (default 1ms)", KEY_SAMPLE},
    {"every-sys-exit", 0, ARGUMENT_NONE, NULL, "take stacks as kernels before Linux 6.18 have to, at more cost",
     KEY_SYS_EXIT},
    {"raw-tracepoints", 0, ARGUMENT_NONE, NULL, "record as kernels without typed tracepoints have to: no kernel frames",
     KEY_RAW},
    {"help", 'h', ARGUMENT_NONE, NULL, "this text", KEY_HELP},
};

static int pid_apply(struct record_command *command, const char *value, char *error, size_t error_size)
{
    char *end;
    errno = 0;
    long pid = strtol(value, &end, 10);
    if (errno || *end || pid <= 0 || pid > INT_MAX)
        return error_set(error, error_size, -EINVAL, "--pid is the number of a process, not '%.60s'", value);
    if (command->pid_count == PIDS_MAX)
        return error_set(error, error_size, -EINVAL, "--pid: at most %d processes", PIDS_MAX);
    command->pids[command->pid_count++] = (pid_t)pid;
    return 0;
}

static int option_apply(void *target, int key, const char *value, char *error, size_t error_size)
{
    struct record_command *command = target;
    char *end;

    switch ((enum record_key)key) {
    case KEY_PID:
        return pid_apply(command, value, error, error_size);
    case KEY_DURATION:
        command->seconds = strtod(value, &end);
        if (*end == '\0' && command->seconds > 0 && command->seconds <= SECONDS_MAX)
            return 0;
        return error_set(error, error_size, -EINVAL, "--duration is a number of seconds up to a day, not '%.60s'",
                         value);
    case KEY_OUTPUT:
        return recorder_set(&command->recorder, RECORDER_dir, value, error, error_size);
    case KEY_MAX_SIZE:
        return recorder_set(&command->recorder, RECORDER_max_size, value, error, error_size);
    case KEY_SAMPLE:
        return recorder_set(&command->recorder, RECORDER_sample, value, error, error_size);
    case KEY_SYS_EXIT:
        command->every_sys_exit = true;
        return 0;
    case KEY_RAW:
        command->raw_tracepoints = true;
        return 0;
    case KEY_HELP:
        command->help = true;
        return 0;
    }
    return 0;
}

static int help_print(const struct cli_group *group)
{
    printf(
        "Usage: cprobe record -p PID [OPTION…]\n\n"
        "Records running processes through the kernel (eBPF): where their threads wait, how long, for what, and who\n"
        "wakes them. The processes need no preparation. Needs root, or CAP_BPF and CAP_PERFMON.\n\n");
    options_help(group, stdout);
    printf("\n'cprobe report DIR' reads what was recorded.\n");
    return STATUS_DONE;
}

/* SIGINT and SIGTERM end the recording: blocked, and looked for between two polls. */
static void signals_block(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
    sigprocmask(SIG_BLOCK, set, NULL);
}

static bool signals_stop(const sigset_t *set)
{
    static const struct timespec at_once = {0, 0};
    return sigtimedwait(set, NULL, &at_once) > 0;
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int record_until_end(struct record_command *command, struct collector *collector)
{
    sigset_t stop;
    double end = command->seconds > 0 ? seconds_now() + command->seconds : 0;
    int rc = 0;

    signals_block(&stop);
    while (rc == 0 && !signals_stop(&stop) && collector_has_targets(collector)) {
        double left = end > 0 ? end - seconds_now() : 1;
        if (left <= 0)
            break;
        rc = collector_poll(collector, left * 1000 < POLL_MS ? (int)(left * 1000) + 1 : POLL_MS);
    }
    return rc;
}

static int record_run(struct record_command *command, const char *directory, char *error, size_t error_size)
{
    struct collector_options settings = {.directory = directory,
                                         .capacity = recorder_number(&command->recorder, RECORDER_max_size),
                                         .mean_ns = recorder_number(&command->recorder, RECORDER_sample),
                                         .every_sys_exit = command->every_sys_exit,
                                         .raw_tracepoints = command->raw_tracepoints};
    struct collector_summary summary;
    struct collector *collector;
    int rc = collector_start(&settings, command->pids, command->pid_count, &collector, error, error_size);

    if (rc < 0)
        return rc;
    message_print("recording %zu process%s%s", command->pid_count, command->pid_count == 1 ? "" : "es",
                  command->seconds > 0 ? "" : "; Ctrl-C ends it");
    rc = record_until_end(command, collector);
    int finished = collector_finish(collector, &summary);
    rc = rc < 0 ? rc : finished;
    if (rc < 0)
        return error_set(error, error_size, rc, "recording through the kernel failed: %s", strerror(-rc));
    if (summary.lost)
        message_print("%llu records were lost: the kernel's buffer was full", (unsigned long long)summary.lost);
    if (summary.missed)
        message_print("%zu process%s ended before %s could be recorded", summary.missed,
                      summary.missed == 1 ? "" : "es", summary.missed == 1 ? "it" : "they");
    message_print("%zu trace%s recorded; read with: cprobe report %s", summary.processes,
                  summary.processes == 1 ? "" : "s", directory);
    return 0;
}

static int record_checked(struct record_command *command, char *error, size_t error_size)
{
    int rc = 0;

    for (int i = 0; rc == 0 && i < RECORDER_OPTION_COUNT; i++)
        if (!command->recorder.value[i])
            rc = recorder_read_variable(&command->recorder, (enum recorder_option)i, error, error_size);
    if (rc < 0)
        return rc;
    const char *directory = recorder_dir(&command->recorder);
    rc = support_check(error, error_size);
    if (rc == 0 && mkdir(directory, 0700) != 0 && errno != EEXIST)
        rc = error_set(error, error_size, -errno, "cannot create %s: %s", directory, strerror(errno));
    if (rc == 0)
        rc = record_run(command, directory, error, error_size);
    return rc;
}

int cmd_record(int argc, char **argv)
{
    struct record_command command = {0};
    char error[ERROR_SIZE] = "";
    const struct cli_group group = {options, ARRAY_SIZE(options), option_apply, &command};
    int status = STATUS_DONE;
    int operands = options_parse(&group, 1, false, argc, argv, error, sizeof(error));

    if (operands < 0) {
        status = message_usage("record", "%s", error);
    } else if (command.help) {
        status = help_print(&group);
    } else if (operands > 0 || command.pid_count == 0) {
        status = message_usage("record", "name a process with --pid; to start a program use 'cprobe run'");
    } else {
        int rc = record_checked(&command, error, sizeof(error));
        if (rc < 0)
            message_print("%s", error);
        if (rc == -EPERM)
            message_print("%s. Preloading libcprobe.so needs none of this: 'cprobe run --help'", support_explanation());
        status = rc < 0 ? STATUS_DATA : STATUS_DONE;
    }
    recorder_free(&command.recorder);
    return status;
}
