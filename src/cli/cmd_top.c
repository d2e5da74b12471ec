/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/compiler.h"
#include "cli/commands.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/reading.h"
#include "cli/screen.h"
#include "cli/status.h"
#include "report/top.h"

#define PLAIN_LINES 60

struct top_command {
    struct reading reading;
    double delay; /* seconds */
    bool once, help;
    char directory[PATH_MAX]; /* of the process that was named; "": none was */
};

enum top_key { KEY_DELAY, KEY_ONCE, KEY_HELP };

static const struct cli_option options[] = {
    {"delay", 'd', ARGUMENT_REQUIRED, "SECONDS", "time between two readings (default: 2)", KEY_DELAY},
    {"once", '1', ARGUMENT_NONE, NULL, "print the whole recording so far and end, as where the output is no terminal",
     KEY_ONCE},
    {"help", 'h', ARGUMENT_NONE, NULL, "this text", KEY_HELP},
};

static int option_apply(void *target, int key, const char *value, char *error, size_t error_size)
{
    struct top_command *command = target;
    char *end;
    switch ((enum top_key)key) {
    case KEY_DELAY:
        command->delay = strtod(value, &end);
        if (*end || !(command->delay >= 0.1) || command->delay > 3600)
            return error_set(error, error_size, -EINVAL, "--delay '%.40s': seconds from 0.1 to 3600 are wanted", value);
        break;
    case KEY_ONCE:
        command->once = true;
        break;
    case KEY_HELP:
        command->help = true;
        break;
    }
    return 0;
}

static int help_print(const struct cli_group *groups, size_t count)
{
    printf(
        "Usage: cprobe top [OPTION…] [DIR|PID]\n\n"
        "Shows what happens in a recording while it is made: findings (deadlocks first of all), event loops,\n"
        "where threads are blocked, locks, peers; per second since the last reading. Keys: q ends, space\n"
        "reads at once. PID is a process that is being recorded.\n\n");
    for (size_t i = 0; i < count; i++)
        options_help(&groups[i], stdout);
    return STATUS_DONE;
}

/* ---- what is read ---- */

/* The directory of the trace that the process has mapped. */
static int process_directory(const char *pid, char *directory, size_t size, char *error, size_t error_size)
{
    char path[64], line[PATH_MAX + 128];
    bool found = false;
    snprintf(path, sizeof(path), "/proc/%s/maps", pid);
    FILE *maps = fopen(path, "re");
    if (!maps)
        return error_set(error, error_size, -ENOENT, "process %s: %s", pid, strerror(errno));
    while (!found && fgets(line, sizeof(line), maps)) {
        char *start = strchr(line, '/'), *end = start ? strstr(start, ".trace\n") : NULL;
        char *slash = end ? strrchr(start, '/') : NULL;
        found = slash && slash != start;
        if (found)
            snprintf(directory, size, "%.*s", (int)(slash - start), start);
    }
    fclose(maps);
    return found ? 0
                 : error_set(error, error_size, -ENOENT,
                             "process %s is not being recorded: start it with LD_PRELOAD=libcprobe.so or 'cprobe run', "
                             "or attach with 'cprobe record -p %s'",
                             pid, pid);
}

static bool is_number(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && text[digits] == '\0';
}

static int operand_apply(struct top_command *command, char **argv, int count, char *error, size_t error_size)
{
    if (count > 1)
        return error_set(error, error_size, -EINVAL, "one directory or process at a time");
    if (count == 1 && is_number(argv[1]) && access(argv[1], F_OK) != 0) {
        int rc = process_directory(argv[1], command->directory, sizeof(command->directory), error, error_size);
        argv[1] = command->directory;
        return rc;
    }
    return 0;
}

struct snapshot {
    struct report *report;
    struct report view; /* without what is suppressed */
    struct top_reading reading;
};

static void snapshot_free(struct snapshot *snapshot)
{
    if (snapshot->report)
        free(snapshot->view.findings);
    report_free(snapshot->report);
    *snapshot = (struct snapshot){.report = NULL};
}

static int snapshot_take(struct top_command *command, const char *const *paths, size_t count, struct snapshot *out,
                         char *error, size_t error_size)
{
    struct timespec now;
    const struct profile *profile = NULL;
    *out = (struct snapshot){.report = NULL};
    clock_gettime(CLOCK_MONOTONIC, &now);
    int rc = reading_profile(&command->reading, paths, count, &out->report, &profile, error, error_size);
    if (rc < 0)
        return rc;
    reading_filter(&command->reading, out->report, &out->view);
    out->reading =
        (struct top_reading){&out->view, profile, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec};
    return 0;
}

/* ---- what is shown ---- */

static void screen_draw(const struct snapshot *now, const struct snapshot *before, const char *where)
{
    struct report_style style = {false, REPORT_COLUMNS};
    unsigned rows, columns;
    char *text = NULL;
    size_t size;
    screen_size(&rows, &columns);
    style.columns = columns < 60 ? 60 : columns > REPORT_COLUMNS ? REPORT_COLUMNS : columns;
    FILE *memory = open_memstream(&text, &size);
    if (!memory)
        return;
    top_write(&now->reading, before->report ? &before->reading : NULL, where, &style, rows, memory);
    if (fclose(memory) == 0)
        screen_show(text);
    free(text);
}

static int top_live(struct top_command *command, const char *const *paths, size_t count, char *error, size_t error_size)
{
    struct snapshot before = {.report = NULL}, now;
    int key = 0, rc = snapshot_take(command, paths, count, &now, error, error_size);
    if (rc < 0)
        return rc;
    if (screen_open() < 0) {
        snapshot_free(&now);
        return error_set(error, error_size, -ENOTTY, "this terminal cannot show it: use --once");
    }
    while (rc == 0 && key != 'q' && key != 'Q') {
        screen_draw(&now, &before, count > 0 ? paths[0] : "");
        key = screen_key((int)(command->delay * 1000));
        snapshot_free(&before);
        before = now;
        rc = snapshot_take(command, paths, count, &now, error, error_size);
    }
    screen_close();
    snapshot_free(&before);
    snapshot_free(&now);
    return rc;
}

static int top_plain(struct top_command *command, const char *const *paths, size_t count, char *error,
                     size_t error_size)
{
    struct report_style style = output_style(stdout);
    struct snapshot now;
    int rc = snapshot_take(command, paths, count, &now, error, error_size);
    if (rc < 0)
        return rc;
    top_write(&now.reading, NULL, count > 0 ? paths[0] : "", &style, PLAIN_LINES, stdout);
    snapshot_free(&now);
    return 0;
}

int cmd_top(int argc, char **argv)
{
    struct top_command command = {.delay = 2};
    char error[ERROR_SIZE];
    int status = STATUS_DONE;

    reading_init(&command.reading);
    struct cli_group groups[] = {{options, ARRAY_SIZE(options), option_apply, &command},
                                 reading_group(&command.reading)};
    int operands = options_parse(groups, ARRAY_SIZE(groups), false, argc, argv, error, sizeof(error));
    bool plain = command.once || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO);
    if (operands >= 0 && command.help) {
        status = help_print(groups, ARRAY_SIZE(groups));
    } else if (operands < 0) {
        status = message_usage("top", "%s", error);
    } else if (reading_load(&command.reading, error, sizeof(error)) < 0) {
        message_print("%s", error);
        status = STATUS_USAGE;
    } else if (operand_apply(&command, argv, operands, error, sizeof(error)) < 0 ||
               (plain ? top_plain : top_live)(&command, (const char *const *)argv + 1, (size_t)operands, error,
                                              sizeof(error)) < 0) {
        message_print("%s", error);
        status = STATUS_DATA;
    }
    reading_free(&command.reading);
    return status;
}
