/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What can be set about an analysis: the thresholds of options.def, and which recordings are meant.
 */
#ifndef CPROBE_ANALYSIS_OPTIONS_H
#define CPROBE_ANALYSIS_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#define OPTION_FIELD_DURATION uint64_t
#define OPTION_FIELD_COUNT uint64_t
#define OPTION_FIELD_RATIO double

struct analysis_options {
#define OPTION(field, key, type, value, minimum, maximum, description) OPTION_FIELD_##type field;
#include "analysis/options.def"
#undef OPTION
    const struct policy *policy;    /* which peers are expected (rule unexpected-connect); NULL: any. Not owned */
    uint64_t started_since_real_ns; /* leave out recordings that began earlier (CLOCK_REALTIME); 0: take all */
};

struct policy;

enum option_type { OPTION_DURATION, OPTION_COUNT, OPTION_RATIO };

/* One row of options.def, for help and for the configuration's list of valid keys. */
struct analysis_option {
    const char *key; /* rule.threshold */
    enum option_type type;
    const char *unit;         /* "duration", "count", "share": what a value looks like */
    const char *default_text; /* as a user would write it: "100ms", "2%" */
    const char *description;
};

/* Sets every field to its default. */
void analysis_options_init(struct analysis_options *options);

/*
 * Sets the option `key` from text. Durations need a unit (ns, us, ms, s, min) unless they are 0; ratios are 0.02 or 2%.
 * 0; -ENOENT: no such key; -EINVAL: not a value of its type; -ERANGE: outside of its limits. On failure `error` holds a
 * sentence for the user, which names the nearest valid key or the form of a valid value.
 */
int analysis_option_set(struct analysis_options *options, const char *key, const char *value, char *error,
                        size_t error_size);

size_t analysis_option_count(void);
const struct analysis_option *analysis_option_at(size_t i); /* static; i < analysis_option_count() */

#endif
