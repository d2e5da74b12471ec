/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/suppressions.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/analysis.h"
#include "analysis/arena.h"
#include "analysis/policy.h"
#include "cli/message.h"

#define NAMES_MAX 64

/* Cuts the comment and the spaces around what is left of `line`, in place. */
static char *line_strip(char *line)
{
    for (char *c = line; *c; c++)
        if (*c == '#' && (c == line || isspace((unsigned char)c[-1]))) {
            *c = '\0';
            break;
        }
    while (isspace((unsigned char)*line))
        line++;
    size_t length = strlen(line);
    while (length > 0 && isspace((unsigned char)line[length - 1]))
        line[--length] = '\0';
    return line;
}

/* A misspelt rule would be a suppression that never works. */
static int rule_check(const char *rule, const char *origin, char *error, size_t error_size)
{
    const char *names[NAMES_MAX];
    size_t count = 0;

    for (size_t i = 0; i < analysis_rule_count() && count < NAMES_MAX; i++) {
        names[count++] = analysis_rule_at(i).name;
        if (fnmatch(rule, names[count - 1], 0) == 0)
            return 0;
    }
    snprintf(error, error_size, "%s: '%s' is no rule of this build", origin, rule);
    error_add_nearest(error, error_size, rule, names, count);
    return -EINVAL;
}

int suppressions_add(struct suppressions *suppressions, const char *line, const char *file, size_t line_number,
                     char *error, size_t error_size)
{
    char *copy = memory_need(strdup(line));
    char *text = line_strip(copy);
    char *colon = strchr(text, ':');
    char origin[ERROR_SIZE / 2];
    int rc = 0;

    snprintf(origin, sizeof(origin), "%s:%zu", file, line_number);
    if (text[0] == '\0')
        goto out;
    if (!colon || colon == text || colon[1] == '\0') {
        rc = error_set(error, error_size, -EINVAL,
                       "%s: '%s' is not of the form rule:pattern, as in "
                       "non-yielding-io:*views.py or *:127.0.0.1:3306",
                       origin, text);
        goto out;
    }
    *colon = '\0';
    rc = rule_check(text, origin, error, error_size);
    if (rc < 0)
        goto out;
    suppressions->items =
        memory_grow(suppressions->items, suppressions->count, &suppressions->capacity, sizeof(suppressions->items[0]));
    suppressions->items[suppressions->count++] = (struct suppression){
        .rule = memory_need(strdup(text)),
        .pattern = memory_need(strdup(colon + 1)),
        .origin = memory_need(strdup(origin)),
    };
out:
    free(copy);
    return rc;
}

int suppressions_load(struct suppressions *suppressions, const char *path, char *error, size_t error_size)
{
    char *line = NULL;
    size_t line_size = 0;
    int rc = 0;

    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(error, error_size, -errno, "cannot read suppressions %s: %s", path, strerror(errno));
    for (size_t number = 1; rc == 0 && getline(&line, &line_size, file) >= 0; number++)
        rc = suppressions_add(suppressions, line, path, number, error, error_size);
    if (rc == 0 && ferror(file))
        rc = error_set(error, error_size, -EIO, "cannot read suppressions %s: %s", path, strerror(errno));
    free(line);
    fclose(file);
    return rc;
}

/* As a glob, or literally: "[::1]:3306" is an address as well as a glob. */
static bool text_matches(const char *pattern, const char *text)
{
    return text && (fnmatch(pattern, text, 0) == 0 || strcmp(pattern, text) == 0);
}

static bool stack_matches(const char *pattern, const struct stack *stack)
{
    for (size_t i = 0; stack && i < stack->count; i++) {
        const struct frame *frame = &stack->frames[i];
        if (text_matches(pattern, frame->function) || text_matches(pattern, frame->module) ||
            text_matches(pattern, frame->file))
            return true;
    }
    return false;
}

/* By address, host name, or as a policy writes it: "mysql://127.0.0.1:3306". */
static bool peer_matches(const char *pattern, const struct peer *peer)
{
    if (text_matches(pattern, peer->address) || text_matches(pattern, peer->name))
        return true;
    char *entry = memory_need(policy_entry_of(peer));
    bool matched = text_matches(pattern, entry);
    free(entry);
    return matched;
}

static bool suppression_matches(const struct suppression *suppression, const struct finding *finding)
{
    const char *pattern = suppression->pattern;

    if (fnmatch(suppression->rule, finding->rule, 0) != 0)
        return false;
    if ((finding->peer && peer_matches(pattern, finding->peer)) || text_matches(pattern, finding->operation))
        return true;
    for (size_t i = 0; i < finding->stack_count; i++)
        if (stack_matches(pattern, finding->stacks[i].stack))
            return true;
    return false;
}

bool suppressions_match(struct suppressions *suppressions, const struct finding *finding)
{
    bool matched = false;

    for (size_t i = 0; i < suppressions->count; i++)
        if (suppression_matches(&suppressions->items[i], finding)) {
            suppressions->items[i].used = true;
            matched = true;
        }
    return matched;
}

void suppressions_report_unused(const struct suppressions *suppressions)
{
    for (size_t i = 0; i < suppressions->count; i++)
        if (!suppressions->items[i].used)
            message_print("%s: suppression %s:%s matched nothing", suppressions->items[i].origin,
                          suppressions->items[i].rule, suppressions->items[i].pattern);
}

void suppressions_free(struct suppressions *suppressions)
{
    for (size_t i = 0; i < suppressions->count; i++) {
        free(suppressions->items[i].rule);
        free(suppressions->items[i].pattern);
        free(suppressions->items[i].origin);
    }
    free(suppressions->items);
    *suppressions = (struct suppressions){0};
}
