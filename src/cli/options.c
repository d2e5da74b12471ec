/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/options.h"

#include <errno.h>
#include <string.h>

#include "cli/message.h"

#define NAMES_MAX 64
#define HELP_COLUMN 28
#define HELP_COLUMNS 100

/* One option as found on the command line. */
struct match {
    const struct cli_group *group;
    const struct cli_option *option;
};

static bool name_matches(const struct cli_option *option, const char *name, size_t length)
{
    return strlen(option->name) == length && memcmp(option->name, name, length) == 0;
}

static struct match option_find(const struct cli_group *groups, size_t group_count, const char *name, size_t length,
                                char letter)
{
    for (size_t g = 0; g < group_count; g++)
        for (size_t i = 0; i < groups[g].count; i++) {
            const struct cli_option *option = &groups[g].options[i];
            if (name ? name_matches(option, name, length) : option->letter == letter)
                return (struct match){&groups[g], option};
        }
    return (struct match){NULL, NULL};
}

static int option_unknown(const struct cli_group *groups, size_t group_count, const char *name, size_t length,
                          char *error, size_t error_size)
{
    const char *names[NAMES_MAX];
    char typed[64];
    size_t count = 0;

    for (size_t g = 0; g < group_count; g++)
        for (size_t i = 0; i < groups[g].count && count < NAMES_MAX; i++)
            names[count++] = groups[g].options[i].name;
    snprintf(typed, sizeof(typed), "%.*s", (int)length, name);
    snprintf(error, error_size, "unknown option '--%s'", typed);
    error_add_nearest(error, error_size, typed, names, count);
    return -EINVAL;
}

static int match_apply(const struct match *match, const char *value, char *error, size_t error_size)
{
    return match->group->apply(match->group->target, match->option->key, value, error, error_size);
}

/* argv[*i] is "--name" or "--name=value". */
static int long_parse(const struct cli_group *groups, size_t group_count, int argc, char **argv, int *i, char *error,
                      size_t error_size)
{
    const char *name = argv[*i] + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    struct match match = option_find(groups, group_count, name, length, 0);

    if (!match.option)
        return option_unknown(groups, group_count, name, length, error, error_size);
    if (value && match.option->takes == ARGUMENT_NONE)
        return error_set(error, error_size, -EINVAL, "option '--%s' takes no value", match.option->name);
    if (!value && match.option->takes == ARGUMENT_REQUIRED) {
        if (*i + 1 >= argc)
            return error_set(error, error_size, -EINVAL, "option '--%s' needs a value: %s", match.option->name,
                             match.option->argument);
        value = argv[++*i];
    }
    return match_apply(&match, value, error, error_size);
}

/* argv[*i] is "-x", "-xvalue" or several letters without values. */
static int letters_parse(const struct cli_group *groups, size_t group_count, int argc, char **argv, int *i, char *error,
                         size_t error_size)
{
    for (const char *letter = argv[*i] + 1; *letter; letter++) {
        struct match match = option_find(groups, group_count, NULL, 0, *letter);
        const char *value = NULL;
        if (!match.option)
            return error_set(error, error_size, -EINVAL, "unknown option '-%c'", *letter);
        bool takes_value = match.option->takes == ARGUMENT_REQUIRED;
        if (takes_value) {
            if (!letter[1] && *i + 1 >= argc)
                return error_set(error, error_size, -EINVAL, "option '-%c' needs a value: %s", *letter,
                                 match.option->argument);
            value = letter[1] ? letter + 1 : argv[++*i];
        }
        int rc = match_apply(&match, value, error, error_size);
        if (rc < 0 || takes_value)
            return rc;
    }
    return 0;
}

int options_parse(const struct cli_group *groups, size_t group_count, bool stop_at_operand, int argc, char **argv,
                  char *error, size_t error_size)
{
    int operands = 0, i = 1;
    bool options_over = false;

    for (; i < argc; i++) {
        bool is_option = !options_over && argv[i][0] == '-' && argv[i][1] != '\0';
        int rc = 0;
        if (is_option && strcmp(argv[i], "--") == 0)
            options_over = true;
        else if (is_option && argv[i][1] == '-')
            rc = long_parse(groups, group_count, argc, argv, &i, error, error_size);
        else if (is_option)
            rc = letters_parse(groups, group_count, argc, argv, &i, error, error_size);
        else
            argv[1 + operands++] = argv[i];
        if (rc < 0)
            return rc;
        if (operands > 0 && stop_at_operand)
            options_over = true;
    }
    return operands;
}

void options_wrap(const char *text, int indent, int column, FILE *out)
{
    column += fprintf(out, "%*s", column < indent ? indent - column : 0, "");
    while (*text) {
        int length = (int)strcspn(text, " ");
        bool first = column == indent;
        if (!first && column + 1 + length > HELP_COLUMNS) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
            first = true;
        }
        column += fprintf(out, "%s%.*s", first ? "" : " ", length, text);
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

void options_help(const struct cli_group *group, FILE *out)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct cli_option *option = &group->options[i];
        char left[96];
        if (option->letter)
            snprintf(left, sizeof(left), "  -%c, --%s", option->letter, option->name);
        else
            snprintf(left, sizeof(left), "      --%s", option->name);
        int column = fprintf(out, "%s", left);
        if (option->takes != ARGUMENT_NONE)
            column += fprintf(out, option->takes == ARGUMENT_REQUIRED ? " %s" : "[=%s]", option->argument);
        if (column + 2 > HELP_COLUMN) {
            fputc('\n', out);
            column = 0;
        }
        options_wrap(option->help, HELP_COLUMN, column, out);
    }
}
