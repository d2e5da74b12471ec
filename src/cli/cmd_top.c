/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cprobe top: what the recorded programs do now. Reads their traces, which they go on writing, again and again; they
 * do not notice.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/compiler.h"
#include "cli/commands.h"
#include "cli/live.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/reading.h"
#include "cli/screen.h"
#include "cli/status.h"
#include "report/top.h"

#define SECONDS_MAX 3600.0
#define WORK_SHARE 20 /* reading takes at most one part in so many of the time */
#define NICENESS 10   /* the programs that are looked at come first */

struct top_command {
    struct reading reading;
    double seconds; /* between two looks */
    bool once;
    bool help;
    const char *const *paths;
    size_t path_count;
    char title[256];
    struct report *before; /* of the look before */
    uint64_t before_ns;    /* when that was, CLOCK_REALTIME */
    double work_seconds;   /* what the last look took */
};

enum top_key { KEY_INTERVAL, KEY_ONCE, KEY_HELP };

static const struct cli_option options[] = {
    {"interval", 'i', ARGUMENT_REQUIRED, "SECONDS", "look again after so long (default 2)", KEY_INTERVAL},
    {"once", 0, ARGUMENT_NONE, NULL, "print one interval and end", KEY_ONCE},
    {"help", 'h', ARGUMENT_NONE, NULL, "this text", KEY_HELP},
};

static int option_apply(void *target, int key, const char *value, char *error, size_t error_size)
{
    struct top_command *command = target;
    char *end;

    switch ((enum top_key)key) {
    case KEY_INTERVAL:
        command->seconds = strtod(value, &end);
        if (end != value && *end == '\0' && command->seconds >= 0.1 && command->seconds <= SECONDS_MAX)
            return 0;
        return error_set(error, error_size, -EINVAL,
                         "--interval is a number of seconds from 0.1 to an hour, not '%.60s'", value);
    case KEY_ONCE:
        command->once = true;
        return 0;
    case KEY_HELP:
        command->help = true;
        return 0;
    }
    return 0;
}

static int help_print(const struct cli_group *groups, size_t count)
{
    printf(
        "Usage: cprobe top [OPTION…] [DIR…|PID]\n\n"
        "Shows what recorded programs do now: findings with what they cost at the moment, event loops, peers, locks,\n"
        "deadlocks; again and again, while they run. A number is a process that was started with libcprobe.so, or is\n"
        "recorded by 'cprobe record'. Without an operand it reads $CPROBE_DIR, else the configuration's directory, "
        "else\n"
        "./cprobe.data. Where the output is no terminal it prints each look as text.\n\n"
        "Keys: arrows, page up and down scroll; p pauses, the space bar looks at once, q ends.\n\n");
    for (size_t i = 0; i < count; i++)
        options_help(&groups[i], stdout);
    return STATUS_DONE;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void view_write(struct top_command *command, const struct report *now, uint64_t now_ns,
                       const struct report_style *style, FILE *out)
{
    struct interval interval;
    struct report view;

    reading_filter(&command->reading, now, &view);
    interval_between(command->before, &view, &interval);
    struct top top = {.what = command->title,
                      .now = &view,
                      .interval = &interval,
                      .interval_ns = command->before ? now_ns - command->before_ns : 0,
                      .real_ns = now_ns,
                      .first = !command->before};
    top_write(&top, style, out);
    interval_free(&interval);
    free(view.findings);
}

/* Reads the traces as they are now. *text: for free(), what to show; *recording: whether anything more may come. */
static int look(struct top_command *command, const struct report_style *style, char **text, bool *recording,
                char *error, size_t error_size)
{
    struct report *now;
    uint64_t began = clock_ns(CLOCK_MONOTONIC), real = clock_ns(CLOCK_REALTIME);
    size_t size;
    int rc = reading_analyse(&command->reading, command->paths, command->path_count, &now, error, error_size);

    if (rc < 0)
        return rc;
    FILE *out = memory_need(open_memstream(text, &size));
    view_write(command, now, real, style, out);
    fclose(out);
    *recording = top_recording(now) > 0;
    report_free(command->before);
    command->before = now;
    command->before_ns = real;
    command->work_seconds = (double)(clock_ns(CLOCK_MONOTONIC) - began) / 1e9;
    return 0;
}

static double pause_seconds(const struct top_command *command)
{
    double least = command->work_seconds * WORK_SHARE;
    return command->seconds > least ? command->seconds : least;
}

static int top_on_screen(struct top_command *command, char *error, size_t error_size)
{
    bool paused = false, recording = true;
    int rc = 0;

    for (;;) {
        struct report_style style = {.colour = true, .columns = screen_columns()};
        char foot[160], *text;
        style.columns = style.columns < 60 ? 60 : style.columns > REPORT_COLUMNS ? REPORT_COLUMNS : style.columns;
        rc = look(command, &style, &text, &recording, error, error_size);
        if (rc < 0)
            return rc;
        do {
            snprintf(foot, sizeof(foot), " q quit  p %s  space now  arrows scroll%s ", paused ? "go on" : "pause",
                     paused       ? "   PAUSED"
                     : !recording ? "   nothing records any more"
                                  : "");
            screen_show(text, foot);
            enum screen_key key = screen_wait(pause_seconds(command));
            if (key == SCREEN_QUIT) {
                free(text);
                return 0;
            }
            if (key == SCREEN_PAUSE)
                paused = !paused;
            if (key == SCREEN_NOW)
                break;
        } while (paused);
        free(text);
    }
}

static int top_as_text(struct top_command *command, char *error, size_t error_size)
{
    struct report_style style = output_style(stdout);
    bool recording = true;

    for (int looks = 0; recording && looks < (command->once ? 2 : INT_MAX); looks++) {
        char *text;
        if (looks > 0)
            usleep((useconds_t)(pause_seconds(command) * 1e6));
        int rc = look(command, &style, &text, &recording, error, error_size);
        if (rc < 0)
            return rc;
        if (!command->once || looks > 0 || !recording)
            printf("%s%s", text, command->once ? "" : "\n");
        free(text);
        if (fflush(stdout) != 0)
            return error_set(error, error_size, -errno, "cannot write to standard output: %s", strerror(errno));
    }
    return 0;
}

static int top_run(struct top_command *command, char *error, size_t error_size)
{
    if (nice(NICENESS) < 0)
        errno = 0; /* then not */
    if (command->once || screen_open() < 0)
        return top_as_text(command, error, error_size);
    int rc = top_on_screen(command, error, error_size);
    screen_close();
    return rc;
}

/* What to read: directories, or the traces that a process has mapped. */
static int operands_take(struct top_command *command, char **operands, size_t count, struct live *live, char *error,
                         size_t error_size)
{
    command->paths = (const char *const *)operands;
    command->path_count = count;
    snprintf(command->title, sizeof(command->title), "%s", count == 0 ? "recording" : operands[0]);
    if (count != 1 || operands[0][strspn(operands[0], "0123456789")] != '\0' || access(operands[0], F_OK) == 0)
        return 0;
    int rc = live_find(operands[0], live, error, error_size);
    command->paths = (const char *const *)live->paths;
    command->path_count = live->count;
    return rc;
}

int cmd_top(int argc, char **argv)
{
    struct top_command command = {.seconds = 2};
    struct live live = {0};
    char error[ERROR_SIZE];
    int status = STATUS_DONE;

    reading_init(&command.reading);
    struct cli_group groups[] = {{options, ARRAY_SIZE(options), option_apply, &command},
                                 reading_group(&command.reading)};
    int operands = options_parse(groups, ARRAY_SIZE(groups), false, argc, argv, error, sizeof(error));
    if (operands < 0) {
        status = message_usage("top", "%s", error);
    } else if (command.help) {
        status = help_print(groups, ARRAY_SIZE(groups));
    } else if (reading_load(&command.reading, error, sizeof(error)) < 0) {
        message_print("%s", error);
        status = STATUS_USAGE;
    } else if (operands_take(&command, argv + 1, (size_t)operands, &live, error, sizeof(error)) < 0 ||
               top_run(&command, error, sizeof(error)) < 0) {
        message_print("%s", error);
        status = STATUS_DATA;
    }
    report_free(command.before);
    live_free(&live);
    reading_free(&command.reading);
    return status;
}
