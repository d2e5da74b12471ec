/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cprobe run: the recorder is preloaded into a program, and what it recorded is analysed when the program has ended.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "analysis/arena.h"
#include "base/compiler.h"
#include "cli/child.h"
#include "cli/commands.h"
#include "cli/companion.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/program.h"
#include "cli/reading.h"
#include "cli/recorder.h"
#include "cli/status.h"
#include "cli/traces.h"
#include "cli/verdict.h"
#include "kernel/support.h"

enum bpf_mode { BPF_AUTO, BPF_ON, BPF_OFF };

struct run_command {
    struct recorder_settings recorder; /* command line, then variables, then configuration */
    struct reading reading;
    struct verdict verdict;
    enum bpf_mode bpf;
    bool help;
    char library[PATH_MAX];
    char directory[PATH_MAX]; /* absolute */
    struct trace_files before, files;
    struct collector_options collector;
    struct companion companion;
};

enum run_key { KEY_BPF, KEY_HELP };

static const struct cli_option options[] = {
    {"bpf", 0, ARGUMENT_REQUIRED, "auto|on|off", "record in the kernel too (default auto: where that is possible)",
     KEY_BPF},
    {"help", 'h', ARGUMENT_NONE, NULL, "this text", KEY_HELP},
};

static int option_apply(void *target, int key, const char *value, char *error, size_t error_size)
{
    static const char *const modes[] = {[BPF_AUTO] = "auto", [BPF_ON] = "on", [BPF_OFF] = "off"};
    struct run_command *command = target;

    if (key == KEY_HELP) {
        command->help = true;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
        if (strcmp(modes[i], value) == 0) {
            command->bpf = (enum bpf_mode)i;
            return 0;
        }
    return error_set(error, error_size, -EINVAL, "--bpf is auto, on or off, not '%s'", value);
}

static int help_print(const struct cli_group *groups, size_t count)
{
    printf(
        "Usage: cprobe run [OPTION…] [--] COMMAND [ARGUMENT…]\n\n"
        "Runs COMMAND with the recorder preloaded, its children included, and prints the findings in short when it\n"
        "has ended. Exit status: that of COMMAND, 128 + signal where a signal ended it; 66 where findings match\n"
        "--fail-on.\n\n");
    for (size_t i = 0; i < count; i++)
        options_help(&groups[i], stdout);
    printf(
        "\nRecording options are variables too (CPROBE_MAX_SIZE) and keys below 'record:' in the configuration;\n"
        "the command line beats the variable, the variable beats the file.\n");
    return STATUS_DONE;
}

/* The directory exists and can be written before the program starts: afterwards it would be too late to say so. */
static int directory_prepare(struct run_command *command, char *error, size_t error_size)
{
    const char *directory = recorder_dir(&command->recorder);

    if (mkdir(directory, 0700) != 0 && errno != EEXIST)
        return error_set(error, error_size, -errno, "cannot create %s: %s", directory, strerror(errno));
    if (!realpath(directory, command->directory))
        return error_set(error, error_size, -errno, "cannot use %s: %s", directory, strerror(errno));
    if (access(command->directory, R_OK | W_OK | X_OK) != 0)
        return error_set(error, error_size, -errno, "cannot record into %s: %s", directory, strerror(errno));
    int rc = traces_list(&command->before, command->directory);
    if (rc < 0)
        return error_set(error, error_size, rc, "cannot read %s: %s", directory, strerror(-rc));
    return recorder_set(&command->recorder, RECORDER_dir, command->directory, error, error_size);
}

/* In the new process, before exec. */
static int environment_prepare(const void *context)
{
    const struct run_command *command = context;
    struct recorder_settings settings = command->recorder;
    char no[] = "0", root[24];

    /* This command speaks for all recorded processes at the end; none of them is to do so itself. */
    snprintf(root, sizeof(root), "%ld", (long)getppid());
    if (setenv("CPROBE_ROOT", root, 1) != 0)
        return -errno;
    settings.value[RECORDER_summary] = no;
    int rc = companion_join(&command->companion);
    if (rc < 0 && command->bpf == BPF_ON)
        return rc;
    return recorder_export(&settings, command->library);
}

static int start_failed(const char *program, int code)
{
    message_print("cannot run %s: %s", program, strerror(code));
    return code == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
}

/* What the kernel alone saw is no basis for findings. */
static bool nothing_preloaded(const struct run_command *command)
{
    for (size_t i = 0; i < command->files.count; i++)
        if (!command->files.items[i].kernel)
            return false;
    return true;
}

static void explain_nothing_recorded(const struct run_command *command, const char *program)
{
    char path[PATH_MAX];
    const char *obstacle = program_find(program, path, sizeof(path)) == 0 ? program_obstacle(path) : NULL;

    if (obstacle)
        message_print("nothing was recorded: %s: %s", path, obstacle);
    else
        message_print(
            "nothing was recorded: %s left no trace in %s; a program that is statically linked, set-uid or "
            "clears LD_PRELOAD cannot be recorded this way",
            program, command->directory);
    if (command->files.count > 0)
        message_print("its waits were recorded through the kernel: cprobe report %s", command->directory);
}

/* 0 and the report of this run's traces, STATUS_DATA where there are none. */
static int run_analyse(struct run_command *command, const char *program, struct report **report)
{
    char error[ERROR_SIZE];
    int rc = traces_list(&command->files, command->directory);

    if (rc < 0) {
        message_print("cannot read %s: %s", command->directory, strerror(-rc));
        return STATUS_DATA;
    }
    traces_remove_old(&command->files, &command->before);
    if (nothing_preloaded(command)) {
        explain_nothing_recorded(command, program);
        return STATUS_DATA;
    }
    const char **paths = memory_get(command->files.count, sizeof(*paths));
    for (size_t i = 0; i < command->files.count; i++)
        paths[i] = command->files.items[i].path;
    rc = reading_analyse(&command->reading, paths, command->files.count, report, error, sizeof(error));
    free(paths);
    if (rc < 0)
        message_print("%s", error);
    return rc < 0 ? STATUS_DATA : STATUS_DONE;
}

static void summary_print(struct run_command *command, const struct report *report)
{
    struct report_style style = output_style(stderr);
    struct report view;
    size_t suppressed = reading_filter(&command->reading, report, &view);

    report_format_find("short")->write(&view, &style, stderr);
    if (suppressed > 0)
        message_print("%zu finding%s left out by suppressions", suppressed, suppressed == 1 ? "" : "s");
    suppressions_report_unused(&command->reading.config.suppressions);
    free(view.findings);
}

/* What is said when the program has ended, and the exit status that follows from the findings: STATUS_DONE, none. */
static int run_conclude(struct run_command *command, const char *program)
{
    struct report *report = NULL;
    int status = run_analyse(command, program, &report);

    if (status != STATUS_DONE)
        return command->verdict.fail_on_given ? status : STATUS_DONE;
    if (recorder_flag(&command->recorder, RECORDER_summary, true) && !command->verdict.fail_on_given)
        summary_print(command, report);
    if (command->verdict.fail_on_given)
        status = verdict_print(&command->verdict, &command->reading, report, stderr);
    message_print("%zu process%s recorded; all of it: cprobe report %s", report->process_count,
                  report->process_count == 1 ? "" : "es", command->directory);
    report_free(report);
    return status;
}

static int program_run(struct run_command *command, char **argv)
{
    struct child child;
    char error[ERROR_SIZE];
    int rc;

    command->collector = (struct collector_options){.directory = command->directory,
                                                    .capacity = recorder_number(&command->recorder, RECORDER_max_size),
                                                    .mean_ns = recorder_number(&command->recorder, RECORDER_sample),
                                                    .before_exec = true};
    rc = command->bpf == BPF_OFF ? 0 : companion_start(&command->companion, &command->collector, error, sizeof(error));
    if (rc < 0)
        message_print("recorded by preloading only: %s", rc == -EPERM ? support_explanation() : error);
    int code = -child_start(&child, argv, environment_prepare, command);

    if (code != 0) {
        companion_end(&command->companion);
        return start_failed(argv[0], code);
    }
    int ended = child_wait(&child);
    companion_end(&command->companion);
    int status = WIFSIGNALED(ended) ? STATUS_SIGNAL + WTERMSIG(ended) : WEXITSTATUS(ended);
    int verdict = run_conclude(command, argv[0]);
    return verdict != STATUS_DONE ? verdict : status;
}

/* Variables below the command line, the configuration below both. */
static int settings_load(struct run_command *command, char *error, size_t error_size)
{
    int rc = reading_load(&command->reading, error, error_size);

    for (int i = 0; rc == 0 && i < RECORDER_OPTION_COUNT; i++)
        if (!command->recorder.value[i])
            rc = recorder_read_variable(&command->recorder, (enum recorder_option)i, error, error_size);
    if (rc == 0)
        recorder_merge(&command->recorder, &command->reading.config.record);
    return rc == 0 ? verdict_load(&command->verdict, error, error_size) : rc;
}

static int run_checked(struct run_command *command, char **argv)
{
    char error[ERROR_SIZE];

    if (command->bpf == BPF_ON && support_check(error, sizeof(error)) < 0) {
        message_print("--bpf=on: %s; use --bpf=off or auto", error);
        return STATUS_DATA;
    }
    if (settings_load(command, error, sizeof(error)) < 0) {
        message_print("%s", error);
        return STATUS_USAGE;
    }
    if (recorder_find_library(command->library, sizeof(command->library), error, sizeof(error)) < 0 ||
        directory_prepare(command, error, sizeof(error)) < 0) {
        message_print("%s", error);
        return STATUS_DATA;
    }
    return program_run(command, argv);
}

int cmd_run(int argc, char **argv)
{
    struct run_command command = {0};
    char error[ERROR_SIZE];
    int status;

    reading_init(&command.reading);
    verdict_init(&command.verdict);
    struct cli_group groups[] = {recorder_group(&command.recorder),
                                 {options, ARRAY_SIZE(options), option_apply, &command},
                                 verdict_group(&command.verdict),
                                 reading_group(&command.reading)};
    int operands = options_parse(groups, ARRAY_SIZE(groups), true, argc, argv, error, sizeof(error));
    if (operands < 0) {
        status = message_usage("run", "%s", error);
    } else if (command.help) {
        status = help_print(groups, ARRAY_SIZE(groups));
    } else if (operands == 0) {
        status = message_usage("run", "name the program to run");
    } else {
        argv[1 + operands] = NULL;
        status = run_checked(&command, argv + 1);
    }
    traces_free(&command.before);
    traces_free(&command.files);
    recorder_free(&command.recorder);
    verdict_free(&command.verdict);
    reading_free(&command.reading);
    return status;
}
