/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "cli/commands.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/reading.h"
#include "cli/status.h"
#include "report/flame.h"

struct flame_command {
    struct reading reading;
    const struct flame_format *format; /* NULL: not said */
    size_t kind;
    const char *by;     /* side of the kind; NULL: the first one */
    const char *output; /* NULL: stdout */
    bool idle, help;
};

enum flame_key { KEY_KIND, KEY_BY, KEY_FORMAT, KEY_OUTPUT, KEY_IDLE, KEY_HELP };

static const struct cli_option options[] = {
    {"kind", 'k', ARGUMENT_REQUIRED, "KIND", "what it is about, one of those below (default: blocked)", KEY_KIND},
    {"by", 'b', ARGUMENT_REQUIRED, "SIDE", "of locks: by waiter (default), or by owner, where it was held meanwhile",
     KEY_BY},
    {"format", 'f', ARGUMENT_REQUIRED, "FORMAT", "one of those below (default: by the ending of FILE, else html)",
     KEY_FORMAT},
    {"output", 'o', ARGUMENT_REQUIRED, "FILE", "write there instead of to standard output", KEY_OUTPUT},
    {"idle", 0, ARGUMENT_NONE, NULL,
     "with the event loops' own waits for events, below a frame [idle]; the html page always has them, behind a switch",
     KEY_IDLE},
    {"help", 'h', ARGUMENT_NONE, NULL, "this text", KEY_HELP},
};

static int kind_apply(struct flame_command *command, const char *value, char *error, size_t error_size)
{
    const char *names[32];
    size_t count = 0;
    command->kind = profile_kind_find(value);
    if (command->kind < profile_kind_count())
        return 0;
    for (size_t i = 0; i < profile_kind_count(); i++) {
        if (profile_kind_find(profile_kind_at(i)->name) == i)
            names[count++] = profile_kind_at(i)->name;
    }
    error_set(error, error_size, -EINVAL, "there is no kind '%.60s'", value);
    error_add_nearest(error, error_size, value, names, count);
    return -EINVAL;
}

/* After all options: --by may stand before --kind. */
static int side_choose(struct flame_command *command, char *error, size_t error_size)
{
    size_t side = command->by ? profile_kind_side(command->kind, command->by) : command->kind;
    const struct profile_kind *kind = profile_kind_at(command->kind);
    if (side == profile_kind_count())
        return error_set(error, error_size, -EINVAL,
                         kind->by ? "kind %s is by waiter or owner, not by '%.60s'"
                                  : "kind %s has no sides: leave out --by %.60s",
                         kind->name, command->by);
    command->kind = side;
    return 0;
}

static int format_apply(struct flame_command *command, const char *value, char *error, size_t error_size)
{
    const char *names[32];
    command->format = flame_format_find(value);
    if (command->format)
        return 0;
    for (size_t i = 0; i < flame_format_count(); i++)
        names[i] = flame_format_at(i)->name;
    error_set(error, error_size, -EINVAL, "there is no format '%.60s'", value);
    error_add_nearest(error, error_size, value, names, flame_format_count());
    return -EINVAL;
}

static int option_apply(void *target, int key, const char *value, char *error, size_t error_size)
{
    struct flame_command *command = target;
    switch ((enum flame_key)key) {
    case KEY_KIND:
        return kind_apply(command, value, error, error_size);
    case KEY_BY:
        command->by = value;
        break;
    case KEY_FORMAT:
        return format_apply(command, value, error, error_size);
    case KEY_OUTPUT:
        command->output = value;
        break;
    case KEY_IDLE:
        command->idle = true;
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
        "Usage: cprobe flame [OPTION…] [DIR…]\n\n"
        "Writes where threads waited as a flame graph or profile, by process, thread and stack. Several\n"
        "directories (or single *.trace files) are merged; without any it reads $CPROBE_DIR, else the\n"
        "configuration's directory, else ./cprobe.data.\n\n");
    for (size_t i = 0; i < count; i++)
        options_help(&groups[i], stdout);
    printf("\nKinds:\n");
    for (size_t i = 0; i < profile_kind_count(); i++)
        printf("  %-8s %-8s %s\n", profile_kind_at(i)->name, profile_kind_at(i)->by ? profile_kind_at(i)->by : "",
               profile_kind_at(i)->description);
    printf("\nFormats:\n");
    for (size_t i = 0; i < flame_format_count(); i++)
        printf("  %-10s %s (*%s)\n", flame_format_at(i)->name, flame_format_at(i)->description,
               flame_format_at(i)->ending);
    return STATUS_DONE;
}

/* The format follows --format, else the file's ending. */
static int format_choose(struct flame_command *command, char *error, size_t error_size)
{
    bool to_file = command->output && strcmp(command->output, "-") != 0;
    if (!command->format)
        command->format = to_file ? flame_format_of_path(command->output) : flame_format_at(0);
    if (!command->format) {
        error_set(error, error_size, -EINVAL, "no format is known by the ending of '%.150s': use --format",
                  command->output);
        return -EINVAL;
    }
    if (!to_file && !command->format->for_terminal && isatty(STDOUT_FILENO))
        return error_set(error, error_size, -EINVAL, "%s is not for a terminal: name a file, as in -o flame%s",
                         command->format->name, command->format->ending);
    return 0;
}

/* A kind without a single wait: an empty graph where the recording could have had some, else an error. */
static int kind_check(const struct flame *flame, char *error, size_t error_size)
{
    const struct profile_kind *kind = profile_kind_at(flame->kind);
    struct flame all = *flame;
    size_t position = 0;
    all.idle = true;
    if (flame_next(&all, &position))
        return 0;
    if (kind->needs)
        return error_set(error, error_size, -ENODATA, "nothing of kind %s in this recording: %s", kind->name,
                         kind->needs);
    message_print("no wait of kind %s was recorded: the result is empty", kind->name);
    return 0;
}

static int flame_print(struct flame_command *command, const struct report *report, const struct profile *profile,
                       char *error, size_t error_size)
{
    struct report view;
    struct output output = {0};
    reading_filter(&command->reading, report, &view);
    const struct flame flame = {profile, &view, command->kind, command->idle};
    int result = kind_check(&flame, error, error_size);
    if (result == 0)
        result = output_open(&output, command->output, error, error_size);
    if (result < 0)
        goto out;
    result = command->format->write(&flame, output.file);
    if (result < 0) {
        output_abandon(&output);
        error_set(error, error_size, result, "cannot write %s: %s", command->format->name,
                  result == -ENOTSUP ? flame_page_missing() : strerror(-result));
        goto out;
    }
    result = output_close(&output, error, error_size);
out:
    free(view.findings);
    return result;
}

int cmd_flame(int argc, char **argv)
{
    struct flame_command command = {.kind = profile_kind_find("blocked")};
    const struct profile *profile = NULL;
    struct report *report = NULL;
    char error[ERROR_SIZE];
    int status = STATUS_DONE;

    reading_init(&command.reading);
    struct cli_group groups[] = {{options, ARRAY_SIZE(options), option_apply, &command},
                                 reading_group(&command.reading)};
    int operands = options_parse(groups, ARRAY_SIZE(groups), false, argc, argv, error, sizeof(error));
    if (operands >= 0 && command.help) {
        status = help_print(groups, ARRAY_SIZE(groups));
    } else if (operands < 0 || side_choose(&command, error, sizeof(error)) < 0 ||
               format_choose(&command, error, sizeof(error)) < 0) {
        status = message_usage("flame", "%s", error);
    } else if (reading_load(&command.reading, error, sizeof(error)) < 0) {
        message_print("%s", error);
        status = STATUS_USAGE;
    } else if (reading_profile(&command.reading, (const char *const *)argv + 1, (size_t)operands, &report, &profile,
                               error, sizeof(error)) < 0 ||
               flame_print(&command, report, profile, error, sizeof(error)) < 0) {
        message_print("%s", error);
        status = STATUS_DATA;
    }
    report_free(report);
    reading_free(&command.reading);
    return status;
}
