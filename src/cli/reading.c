/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/reading.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/arena.h"
#include "base/compiler.h"
#include "cli/message.h"

#define KEY_SIZE 128

enum reading_key { KEY_CONFIG, KEY_SET, KEY_SUPPRESSIONS };

static const struct cli_option options[] = {
    {"config", 0, ARGUMENT_REQUIRED, "FILE", "configuration instead of $CPROBE_CONFIG or ./cprobe.yaml", KEY_CONFIG},
    {"set", 0, ARGUMENT_REQUIRED, "RULE.THRESHOLD=VALUE", "a rule's threshold; 'cprobe help rules' lists them",
     KEY_SET},
    {"suppressions", 0, ARGUMENT_REQUIRED, "FILE", "lines of rule:pattern that name findings to leave out",
     KEY_SUPPRESSIONS},
};

void reading_init(struct reading *reading)
{
    memset(reading, 0, sizeof(*reading));
    config_init(&reading->config);
}

void reading_free(struct reading *reading)
{
    free(reading->thresholds);
    free(reading->suppression_paths);
    config_free(&reading->config);
}

static void list_add(const char ***list, size_t *count, size_t *capacity, const char *item)
{
    *list = memory_grow(*list, *count, capacity, sizeof(**list));
    (*list)[(*count)++] = item;
}

static int option_apply(void *target, int key, const char *value, char *error, size_t error_size)
{
    struct reading *reading = target;

    switch ((enum reading_key)key) {
    case KEY_CONFIG:
        reading->config_path = value;
        break;
    case KEY_SET:
        if (!strchr(value, '='))
            return error_set(error, error_size, -EINVAL,
                             "--set '%s' is not of the form RULE.THRESHOLD=VALUE, as in non-yielding-io.share=5%%",
                             value);
        list_add(&reading->thresholds, &reading->threshold_count, &reading->threshold_capacity, value);
        break;
    case KEY_SUPPRESSIONS:
        list_add(&reading->suppression_paths, &reading->suppression_count, &reading->suppression_capacity, value);
        break;
    }
    return 0;
}

struct cli_group reading_group(struct reading *reading)
{
    return (struct cli_group){options, ARRAY_SIZE(options), option_apply, reading};
}

static int thresholds_apply(struct reading *reading, char *error, size_t error_size)
{
    for (size_t i = 0; i < reading->threshold_count; i++) {
        const char *assignment = reading->thresholds[i];
        size_t length = strcspn(assignment, "=");
        char key[KEY_SIZE], reason[ERROR_SIZE / 2];
        snprintf(key, sizeof(key), "%.*s", (int)length, assignment);
        int rc = analysis_option_set(&reading->config.analysis, key, assignment + length + 1, reason, sizeof(reason));
        if (rc < 0)
            return error_set(error, error_size, rc, "--set: %s", reason);
    }
    return 0;
}

int reading_load(struct reading *reading, char *error, size_t error_size)
{
    const char *path = config_find(reading->config_path);
    int rc = path ? config_load(&reading->config, path, error, error_size) : 0;

    if (rc == 0)
        rc = thresholds_apply(reading, error, error_size);
    for (size_t i = 0; rc == 0 && i < reading->suppression_count; i++)
        rc = suppressions_load(&reading->config.suppressions, reading->suppression_paths[i], error, error_size);
    return rc;
}

int reading_profile(struct reading *reading, const char *const *paths, size_t count, struct report **out,
                    const struct profile **profile, char *error, size_t error_size)
{
    struct recorder_settings settings = {0};
    int rc = 0;

    if (count == 0)
        rc = recorder_read_variable(&settings, RECORDER_dir, error, error_size);
    if (rc == 0) {
        recorder_merge(&settings, &reading->config.record);
        const char *dir = recorder_dir(&settings);
        rc = analysis_profile(count > 0 ? paths : &dir, count > 0 ? count : 1, &reading->config.analysis, out, profile,
                              error, error_size);
    }
    recorder_free(&settings);
    return rc;
}

int reading_analyse(struct reading *reading, const char *const *paths, size_t count, struct report **out, char *error,
                    size_t error_size)
{
    return reading_profile(reading, paths, count, out, NULL, error, error_size);
}

size_t reading_filter(struct reading *reading, const struct report *report, struct report *view)
{
    *view = *report;
    view->findings = memory_get(report->finding_count + 1, sizeof(report->findings[0]));
    view->finding_count = 0;
    for (size_t i = 0; i < report->finding_count; i++)
        if (!suppressions_match(&reading->config.suppressions, &report->findings[i]))
            view->findings[view->finding_count++] = report->findings[i];
    return report->finding_count - view->finding_count;
}
