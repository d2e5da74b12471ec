/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "cli/commands.h"
#include "cli/message.h"
#include "cli/reading.h"
#include "cli/status.h"
#include "cli/verdict.h"

struct check_command {
    struct reading reading;
    struct verdict verdict;
    const char *new_baseline; /* --write-baseline */
    bool help;
};

enum check_key { KEY_WRITE_BASELINE, KEY_HELP };

static const struct cli_option options[] = {
    {"write-baseline", 0, ARGUMENT_REQUIRED, "FILE", "store what was found as known; without --baseline exit 0",
     KEY_WRITE_BASELINE},
    {"help", 'h', ARGUMENT_NONE, NULL, "this text", KEY_HELP},
};

static int option_apply(void *target, int key, const char *value, char *error, size_t error_size)
{
    struct check_command *command = target;

    (void)error;
    (void)error_size;
    if (key == KEY_WRITE_BASELINE)
        command->new_baseline = value;
    else
        command->help = true;
    return 0;
}

static int help_print(const struct cli_group *groups, size_t count)
{
    printf(
        "Usage: cprobe check [OPTION…] [DIR…]\n\n"
        "Exit status 66 when findings match --fail-on (default: error), 0 when none does, 3 when nothing was\n"
        "recorded: a check that recorded nothing never passes. Directories as in 'cprobe report'.\n\n");
    for (size_t i = 0; i < count; i++)
        options_help(&groups[i], stdout);
    return STATUS_DONE;
}

/* Stores all findings that are not suppressed, whatever --fail-on says: it may say more tomorrow. */
static int baseline_store(struct check_command *command, const struct report *report)
{
    char error[ERROR_SIZE];
    struct report view;

    reading_filter(&command->reading, report, &view);
    int rc = baseline_write(command->new_baseline, view.findings, view.finding_count, error, sizeof(error));
    if (rc < 0)
        message_print("%s", error);
    else
        message_print("%zu finding%s written to %s", view.finding_count, view.finding_count == 1 ? "" : "s",
                      command->new_baseline);
    free(view.findings);
    return rc < 0 ? STATUS_DATA : STATUS_DONE;
}

static int check_report(struct check_command *command, const struct report *report)
{
    struct verdict *verdict = &command->verdict;

    if (!verdict->fail_on_given && command->reading.config.has_fail_on) {
        verdict->fail_on = command->reading.config.fail_on;
        verdict->fail_on_text = "fail_on of the configuration";
    }
    int status = verdict_print(verdict, &command->reading, report, stdout);
    if (!command->new_baseline || status == STATUS_DATA)
        return status;
    int written = baseline_store(command, report);
    if (written != STATUS_DONE || !verdict->baseline_path)
        return written;
    return status;
}

int cmd_check(int argc, char **argv)
{
    struct check_command command = {0};
    struct report *report = NULL;
    char error[ERROR_SIZE];
    int status;

    reading_init(&command.reading);
    verdict_init(&command.verdict);
    struct cli_group groups[] = {verdict_group(&command.verdict),
                                 {options, ARRAY_SIZE(options), option_apply, &command},
                                 reading_group(&command.reading)};
    int operands = options_parse(groups, ARRAY_SIZE(groups), false, argc, argv, error, sizeof(error));
    if (operands < 0) {
        status = message_usage("check", "%s", error);
    } else if (command.help) {
        status = help_print(groups, ARRAY_SIZE(groups));
    } else if (reading_load(&command.reading, error, sizeof(error)) < 0 ||
               verdict_load(&command.verdict, error, sizeof(error)) < 0) {
        message_print("%s", error);
        status = STATUS_USAGE;
    } else if (reading_analyse(&command.reading, (const char *const *)argv + 1, (size_t)operands, &report, error,
                               sizeof(error)) < 0) {
        message_print("%s", error);
        status = STATUS_DATA;
    } else {
        status = check_report(&command, report);
    }
    report_free(report);
    verdict_free(&command.verdict);
    reading_free(&command.reading);
    return status;
}
