/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "cli/commands.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/policy_file.h"
#include "cli/reading.h"
#include "cli/status.h"

struct report_command {
    struct reading reading;
    const struct report_format *format; /* NULL: not said */
    const char *output;                 /* NULL: stdout */
    const char *policy;                 /* --write-policy */
    bool help;
};

enum report_key { KEY_FORMAT, KEY_OUTPUT, KEY_WRITE_POLICY, KEY_HELP };

static const struct cli_option options[] = {
    {"format", 'f', ARGUMENT_REQUIRED, "FORMAT", "one of those below (default: by the ending of FILE, else text)",
     KEY_FORMAT},
    {"output", 'o', ARGUMENT_REQUIRED, "FILE", "write there instead of to standard output", KEY_OUTPUT},
    {"write-policy", 0, ARGUMENT_REQUIRED, "FILE",
     "write a configuration that allows the peers that were seen (rule unexpected-connect)", KEY_WRITE_POLICY},
    {"help", 'h', ARGUMENT_NONE, NULL, "this text", KEY_HELP},
};

/* `sentence`, then the formats that there are. */
static int format_unknown(const char *sentence, char *error, size_t error_size)
{
    snprintf(error, error_size, "%s; the formats are:", sentence);
    for (size_t i = 0; i < report_format_count(); i++) {
        const struct report_format *format = report_format_at(i);
        size_t length = strlen(error);
        snprintf(error + length, error_size - length, "%s %s%s%s%s", i == 0 ? "" : ",", format->name,
                 format->ending ? " (*" : "", format->ending ? format->ending : "", format->ending ? ")" : "");
    }
    return -EINVAL;
}

static int option_apply(void *target, int key, const char *value, char *error, size_t error_size)
{
    struct report_command *command = target;
    char sentence[128];

    switch ((enum report_key)key) {
    case KEY_FORMAT:
        command->format = report_format_find(value);
        if (command->format)
            break;
        snprintf(sentence, sizeof(sentence), "there is no format '%.60s'", value);
        return format_unknown(sentence, error, error_size);
    case KEY_OUTPUT:
        command->output = value;
        break;
    case KEY_WRITE_POLICY:
        command->policy = value;
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
        "Usage: cprobe report [OPTION…] [DIR…]\n\n"
        "Prints what recordings tell: findings worst first, event loops, what was waited for, what was lost.\n"
        "Several directories (or single *.trace files) are merged on one timeline; without any it reads\n"
        "$CPROBE_DIR, else the configuration's directory, else ./cprobe.data.\n\n");
    for (size_t i = 0; i < count; i++)
        options_help(&groups[i], stdout);
    printf("\nFormats:\n");
    for (size_t i = 0; i < report_format_count(); i++)
        printf("  %-8s %s\n", report_format_at(i)->name, report_format_at(i)->description);
    return STATUS_DONE;
}

/* The format follows --format, else the file's ending. */
static int format_choose(struct report_command *command, char *error, size_t error_size)
{
    char sentence[256];

    if (command->format)
        return 0;
    command->format = command->output && strcmp(command->output, "-") != 0 ? report_format_of_path(command->output)
                                                                           : report_format_find("text");
    if (command->format)
        return 0;
    snprintf(sentence, sizeof(sentence), "no format is known by the ending of '%.150s': use --format", command->output);
    return format_unknown(sentence, error, error_size);
}

static int report_print(struct report_command *command, const struct report *report, char *error, size_t error_size)
{
    struct output output;
    struct report view;
    size_t suppressed = reading_filter(&command->reading, report, &view);
    int rc = output_open(&output, command->output, error, error_size);

    if (rc < 0)
        goto out;
    struct report_style style = output_style(output.file);
    rc = command->format->write(&view, &style, output.file);
    if (rc == -ENOMEM) {
        output_abandon(&output);
        error_set(error, error_size, rc, "out of memory");
        goto out;
    }
    rc = output_close(&output, error, error_size);
    if (rc == 0 && suppressed > 0)
        message_print("%zu finding%s left out by suppressions", suppressed, suppressed == 1 ? "" : "s");
    if (rc == 0)
        suppressions_report_unused(&command->reading.config.suppressions);
out:
    free(view.findings);
    return rc;
}

static int policy_write(const struct report_command *command, const struct report *report, char *error,
                        size_t error_size)
{
    size_t written;

    if (!command->policy)
        return 0;
    int rc = policy_file_write(command->policy, report, &written, error, error_size);
    if (rc == 0)
        message_print("%zu peer%s written to %s", written, written == 1 ? "" : "s", command->policy);
    return rc;
}

int cmd_report(int argc, char **argv)
{
    struct report_command command = {0};
    struct report *report = NULL;
    char error[ERROR_SIZE];
    int status = STATUS_DONE;

    reading_init(&command.reading);
    struct cli_group groups[] = {{options, ARRAY_SIZE(options), option_apply, &command},
                                 reading_group(&command.reading)};
    int operands = options_parse(groups, ARRAY_SIZE(groups), false, argc, argv, error, sizeof(error));
    if (operands >= 0 && command.help) {
        status = help_print(groups, ARRAY_SIZE(groups));
    } else if (operands < 0 || format_choose(&command, error, sizeof(error)) < 0) {
        status = message_usage("report", "%s", error);
    } else if (reading_load(&command.reading, error, sizeof(error)) < 0) {
        message_print("%s", error);
        status = STATUS_USAGE;
    } else if (reading_analyse(&command.reading, (const char *const *)argv + 1, (size_t)operands, &report, error,
                               sizeof(error)) < 0 ||
               policy_write(&command, report, error, sizeof(error)) < 0 ||
               report_print(&command, report, error, sizeof(error)) < 0) {
        message_print("%s", error);
        status = STATUS_DATA;
    }
    report_free(report);
    reading_free(&command.reading);
    return status;
}
