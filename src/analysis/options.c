/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/round.h"
#include "base/compiler.h"
#include "base/nearest.h"

struct option_row {
    const char *key;
    enum option_type type;
    size_t offset;
    double minimum, maximum; /* exact: limits are far below 2^53, or UINT64_MAX: no limit */
};

static const struct option_row rows[] = {
#define OPTION(field, key, type, value, minimum, maximum, description) \
    {key, OPTION_##type, offsetof(struct analysis_options, field), (double)(minimum), (double)(maximum)},
#include "analysis/options.def"
#undef OPTION
};

struct duration_unit {
    const char *name;
    double ns;
};

static const struct duration_unit units[] = {{"min", 60e9}, {"s", 1e9},  {"ms", 1e6},
                                             {"us", 1e3},   {"µs", 1e3}, {"ns", 1}};

/* "100ms", "1.5 s", "0". */
static int duration_parse(const char *text, double *out)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || !isfinite(number) || number < 0)
        return -EINVAL;
    while (*end == ' ')
        end++;
    if (*end == '\0' && number == 0) {
        *out = 0;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        if (strcmp(end, units[i].name) == 0) {
            *out = number * units[i].ns;
            return 0;
        }
    }
    return -EINVAL;
}

/* "2%", "2 %", "0.02". */
static int ratio_parse(const char *text, double *out)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || !isfinite(number))
        return -EINVAL;
    while (*end == ' ')
        end++;
    if (*end == '%') {
        number /= 100;
        end++;
    }
    *out = number;
    return *end == '\0' ? 0 : -EINVAL;
}

static int count_parse(const char *text, double *out)
{
    char *end;
    if (!isdigit((unsigned char)*text))
        return -EINVAL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    *out = (double)number;
    return *end == '\0' && errno == 0 ? 0 : -EINVAL;
}

static int value_parse(enum option_type type, const char *text, double *out)
{
    while (*text == ' ')
        text++;
    switch (type) {
    case OPTION_DURATION:
        return duration_parse(text, out);
    case OPTION_RATIO:
        return ratio_parse(text, out);
    case OPTION_COUNT:
        return count_parse(text, out);
    }
    return -EINVAL;
}

static const char *type_form(enum option_type type)
{
    switch (type) {
    case OPTION_DURATION:
        return "a duration such as 100ms, 20us or 1.5s";
    case OPTION_RATIO:
        return "a share such as 2% or 0.02";
    case OPTION_COUNT:
        return "a whole number";
    }
    return "a number";
}

static const struct option_row *row_find(const char *key, char *error, size_t error_size)
{
    const char *keys[ARRAY_SIZE(rows)];
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (strcmp(rows[i].key, key) == 0)
            return &rows[i];
        keys[i] = rows[i].key;
    }
    const char *nearest = nearest_name(key, keys, ARRAY_SIZE(keys));
    snprintf(error, error_size, nearest ? "unknown threshold '%s'; did you mean '%s'?" : "unknown threshold '%s'", key,
             nearest);
    return NULL;
}

int analysis_option_set(struct analysis_options *options, const char *key, const char *value, char *error,
                        size_t error_size)
{
    double number;
    const struct option_row *row = row_find(key, error, error_size);
    if (!row)
        return -ENOENT;
    if (value_parse(row->type, value, &number) < 0) {
        snprintf(error, error_size, "'%s' is not a value of %s; give %s", value, key, type_form(row->type));
        return -EINVAL;
    }
    if (number < row->minimum || number > row->maximum) {
        snprintf(error, error_size, "%s is out of range for %s, which goes from %g to %g", value, key, row->minimum,
                 row->maximum);
        return -ERANGE;
    }
    void *field = (char *)options + row->offset;
    if (row->type == OPTION_RATIO)
        *(double *)field = number;
    else
        *(uint64_t *)field = round_whole(number);
    return 0;
}

size_t analysis_option_count(void)
{
    return ARRAY_SIZE(rows);
}

static const struct analysis_option descriptions[] = {
#define OPTION(field, key, type, value, minimum, maximum, description) \
    {key, OPTION_##type, OPTION_UNIT_##type, value, description},
#define OPTION_UNIT_DURATION "duration"
#define OPTION_UNIT_COUNT "count"
#define OPTION_UNIT_RATIO "share"
#include "analysis/options.def"
#undef OPTION
};

const struct analysis_option *analysis_option_at(size_t i)
{
    return &descriptions[i];
}

/* The texts of options.def are valid: the unit test sets each of them. */
void analysis_options_init(struct analysis_options *options)
{
    char error[160];
    *options = (struct analysis_options){.started_since_real_ns = 0};
    for (size_t i = 0; i < ARRAY_SIZE(descriptions); i++)
        analysis_option_set(options, descriptions[i].key, descriptions[i].default_text, error, sizeof(error));
}
