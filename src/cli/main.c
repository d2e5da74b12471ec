/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cprobe command: finds the subcommand, and makes sure that output which could not be written is not a success.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analysis/analysis.h"
#include "base/compiler.h"
#include "cli/commands.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/status.h"
#include "trace/format.h"

#define CPROBE_VERSION "0.1.0"

struct command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
#define COMMAND(name, summary) {#name, summary, cmd_##name},
#include "cli/commands.def"
#undef COMMAND
};

/* Files opened later must not get the number of a standard stream that the caller closed: output would go into them.
   /dev/null opened the wrong way round keeps the place and still fails. */
static void streams_guard(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
            continue;
}

static int help_print(void)
{
    printf(
        "cprobe tells why a server stalls: it records the waits of an unmodified program and names the line,\n"
        "the driver and the peer that block its event loop.\n\n"
        "  LD_PRELOAD=/path/libcprobe.so ./server    record into ./cprobe.data ($CPROBE_DIR)\n"
        "  cprobe report                             read it\n\n"
        "Usage: cprobe COMMAND [OPTION…]\n\n");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    printf("  %-10s %s\n", "help", "this text; 'help COMMAND'; 'help rules': rules and their thresholds");
    printf(
        "\n'cprobe COMMAND --help' lists its options. Exit status: 0 done, 66 findings matched, 2 usage,\n"
        "3 data missing or output impossible.\n");
    return STATUS_DONE;
}

static int rules_print(void)
{
    static const char *const severities[] = {"note", "warning", "error"};

    for (size_t i = 0; i < analysis_rule_count(); i++) {
        struct rule_info rule = analysis_rule_at(i);
        size_t length = strlen(rule.name);
        printf("%s (%s)\n    %s\n", rule.name, severities[rule.severity], rule.description);
        for (size_t j = 0; j < analysis_option_count(); j++) {
            const struct analysis_option *option = analysis_option_at(j);
            if (strncmp(option->key, rule.name, length) == 0 && option->key[length] == '.')
                options_wrap(option->description, 44, printf("    %-30s %-8s ", option->key, option->default_text),
                             stdout);
        }
    }
    printf("\nChange a threshold with --set KEY=VALUE, or in cprobe.yaml: rules: {non-yielding-io: {share: 5%%}}\n");
    return STATUS_DONE;
}

static int command_unknown(const char *name)
{
    const char *names[ARRAY_SIZE(commands) + 1];
    char error[ERROR_SIZE];

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        names[i] = commands[i].name;
    names[ARRAY_SIZE(commands)] = "help";
    snprintf(error, sizeof(error), "unknown command '%.100s'", name);
    error_add_nearest(error, sizeof(error), name, names, ARRAY_SIZE(names));
    return message_usage(NULL, "%s", error);
}

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int help_command(int argc, char **argv)
{
    char help[] = "--help";

    if (argc < 2)
        return help_print();
    if (strcmp(argv[1], "rules") == 0)
        return rules_print();
    const struct command *command = command_find(argv[1]);
    if (!command)
        return command_unknown(argv[1]);
    return command->run(2, (char *[]){argv[1], help, NULL});
}

static int command_run(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "cprobe: name a command: ");
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
            fprintf(stderr, "%s%s", i == 0 ? "" : ", ", commands[i].name);
        fprintf(stderr, "\nTry 'cprobe --help'.\n");
        return STATUS_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help_print();
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("cprobe " CPROBE_VERSION " (trace format %d, JSON schema 1)\n", TRACE_VERSION);
        return STATUS_DONE;
    }
    if (strcmp(argv[1], "help") == 0)
        return help_command(argc - 1, argv + 1);
    if (argv[1][0] == '-')
        return message_usage(NULL, "unknown option '%s'; options stand behind the command", argv[1]);
    const struct command *command = command_find(argv[1]);
    return command ? command->run(argc - 1, argv + 1) : command_unknown(argv[1]);
}

int main(int argc, char **argv)
{
    streams_guard();
    int status = command_run(argc, argv);
    errno = 0;
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == STATUS_DONE) {
        message_print("cannot write to standard output: %s", strerror(errno ? errno : EIO));
        return STATUS_DATA;
    }
    return status;
}
