/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cprobe doctor: what works on this machine, what does not, and why.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "base/compiler.h"
#include "cli/breakpoints.h"
#include "cli/commands.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/recorder.h"
#include "cli/status.h"
#include "kernel/collector.h"
#include "kernel/support.h"

enum doctor_key { KEY_HELP };

static const struct cli_option options[] = {
    {"help", 'h', ARGUMENT_NONE, NULL, "this text", KEY_HELP},
};

static int option_apply(void *target, int key, const char *value, char *error, size_t error_size)
{
    (void)key, (void)value, (void)error, (void)error_size;
    *(bool *)target = true;
    return 0;
}

static void row_print(bool there, const char *name, const char *meaning)
{
    printf("  %-7s ", there ? "yes" : "NO");
    if (meaning)
        options_wrap(meaning, 36, 10 + printf("%-25s ", name), stdout);
    else
        printf("%s\n", name);
}

static void preload_print(void)
{
    char library[PATH_MAX], error[ERROR_SIZE];

    printf("Recording by preloading (cprobe run, LD_PRELOAD): needs no privilege\n");
    bool found = recorder_find_library(library, sizeof(library), error, sizeof(error)) == 0;
    row_print(found, "libcprobe.so", found ? library : error);
    const char *missing = breakpoints_missing();
    row_print(!missing, "data breakpoints (races)", missing);
}

static void kernel_print(void)
{
    char error[ERROR_SIZE];

    printf("\nRecording through the kernel (cprobe record)\n");
    for (size_t i = 0; i < support_count(); i++) {
        struct support row = support_at(i);
        row_print(row.there, row.name, row.there ? NULL : row.meaning);
    }
    if (support_check(error, sizeof(error)) < 0) {
        printf("  It does not work here. ");
        options_wrap(support_explanation(), 2, 25, stdout);
        return;
    }
    int rc = collector_try(error, sizeof(error));
    row_print(rc >= 0, "programs load and attach", rc < 0 ? error : NULL);
    if (rc >= 0)
        row_print(rc == 0, "typed tracepoints",
                  rc == 0 ? NULL : "raw ones are used: finished waits lack the kernel's frames, and cost more");
}

int cmd_doctor(int argc, char **argv)
{
    bool help = false;
    char error[ERROR_SIZE] = "";
    struct utsname name;
    const struct cli_group group = {options, ARRAY_SIZE(options), option_apply, &help};
    int operands = options_parse(&group, 1, false, argc, argv, error, sizeof(error));

    if (operands < 0)
        return message_usage("doctor", "%s", error);
    if (operands > 0)
        return message_usage("doctor", "it takes no operand");
    if (help) {
        printf("Usage: cprobe doctor\n\nSays what works on this machine, what does not, and why.\n\n");
        options_help(&group, stdout);
        return STATUS_DONE;
    }
    if (uname(&name) == 0)
        printf("%s %s on %s\n\n", name.sysname, name.release, name.machine);
    preload_print();
    kernel_print();
    return STATUS_DONE;
}
