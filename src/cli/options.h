/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command-line options from tables: parsing, errors that name the nearest option, and help come from the same rows.
 * Conventions are those of getopt_long(3): --name=value, --name value, -x value, -xvalue, "--" ends the options, and
 * options may stand among operands.
 */
#ifndef CPROBE_CLI_OPTIONS_H
#define CPROBE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum cli_argument { ARGUMENT_NONE, ARGUMENT_REQUIRED, ARGUMENT_OPTIONAL /* only as --name=value */ };

struct cli_option {
    const char *name; /* without the dashes */
    char letter;      /* 0: none */
    enum cli_argument takes;
    const char *argument; /* what help calls it: "FILE" */
    const char *help;
    int key; /* what apply is called with */
};

/* Some options and who gets them. A command has its own group and shares others. */
struct cli_group {
    const struct cli_option *options;
    size_t count;
    /* value NULL: none given. 0, or negative errno with a sentence in error. */
    int (*apply)(void *target, int key, const char *value, char *error, size_t error_size);
    void *target;
};

/*
 * Applies the options in argv[1..argc) and moves the operands to argv[1], argv[2], …; with stop_at_operand everything
 * from the first operand on is left as it stands. Returns how many operands there are, or negative errno with a
 * sentence for the user: an unknown option (nearest one named), a missing or superfluous value, what apply said.
 */
int options_parse(const struct cli_group *groups, size_t group_count, bool stop_at_operand, int argc, char **argv,
                  char *error, size_t error_size);

/* `text` in lines that begin at column `indent` and end before column 100; the first continues a line that is there
   already, `column` long. */
void options_wrap(const char *text, int indent, int column, FILE *out);

/* The options of one group as help shows them, two columns. */
void options_help(const struct cli_group *group, FILE *out);

#endif
