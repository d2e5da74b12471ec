/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/fail_on.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "analysis/analysis.h"
#include "base/compiler.h"
#include "cli/message.h"

#define NAMES_MAX 64

struct severity_name {
    const char *name;
    enum severity severity;
};

static const struct severity_name severities[] = {
    {"error", SEVERITY_ERROR}, {"warning", SEVERITY_WARNING}, {"note", SEVERITY_NOTE}, {"all", SEVERITY_NOTE}};
#define SEVERITY_NAMES ARRAY_SIZE(severities)

struct fail_on fail_on_default(void)
{
    return (struct fail_on){.severity_given = true, .severity = SEVERITY_ERROR};
}

static bool severity_add(struct fail_on *fail_on, const char *word)
{
    for (size_t i = 0; i < SEVERITY_NAMES; i++) {
        if (strcmp(severities[i].name, word) != 0)
            continue;
        if (!fail_on->severity_given || severities[i].severity < fail_on->severity)
            fail_on->severity = severities[i].severity;
        fail_on->severity_given = true;
        return true;
    }
    return false;
}

static bool rule_add(struct fail_on *fail_on, const char *word)
{
    for (size_t i = 0; i < analysis_rule_count() && i < 64; i++) {
        if (strcmp(analysis_rule_at(i).name, word) != 0)
            continue;
        fail_on->rules |= UINT64_C(1) << i;
        return true;
    }
    return false;
}

static int word_unknown(const char *word, char *error, size_t error_size)
{
    const char *names[NAMES_MAX];
    size_t count = 0;

    for (size_t i = 0; i < SEVERITY_NAMES; i++)
        names[count++] = severities[i].name;
    for (size_t i = 0; i < analysis_rule_count() && count < NAMES_MAX; i++)
        names[count++] = analysis_rule_at(i).name;
    snprintf(error, error_size, "'%s' is neither a rule of this build nor a severity", word);
    error_add_nearest(error, error_size, word, names, count);
    return -EINVAL;
}

int fail_on_parse(struct fail_on *fail_on, const char *text, char *error, size_t error_size)
{
    memset(fail_on, 0, sizeof(*fail_on));
    while (*text) {
        char word[64];
        size_t length = strcspn(text, ",");
        size_t begin = strspn(text, " ");
        size_t end = length;
        while (end > begin && text[end - 1] == ' ')
            end--;
        snprintf(word, sizeof(word), "%.*s", (int)(end > begin ? end - begin : 0), text + begin);
        if (word[0] && !severity_add(fail_on, word) && !rule_add(fail_on, word))
            return word_unknown(word, error, error_size);
        text += length + (text[length] == ',');
    }
    if (!fail_on->severity_given && fail_on->rules == 0)
        return error_set(error, error_size, -EINVAL,
                         "an empty list of rules would never fail; name rules or severities, separated by commas");
    return 0;
}

bool fail_on_matches(const struct fail_on *fail_on, const struct finding *finding)
{
    if (fail_on->severity_given && finding->severity >= fail_on->severity)
        return true;
    for (size_t i = 0; i < analysis_rule_count() && i < 64; i++)
        if ((fail_on->rules >> i & 1) && strcmp(analysis_rule_at(i).name, finding->rule) == 0)
            return true;
    return false;
}
