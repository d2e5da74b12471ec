/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/recorder.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/compiler.h"
#include "cli/message.h"

#define LIBRARY "libcprobe.so"
#define VARIABLE_SIZE 64

enum recorder_type { PATH, SIZE, DURATION, COUNT, FLAG, SWITCH, KEYS, WATCH, CLASSES };

struct recorder_row {
    const char *key, *form, *otherwise;
    enum recorder_type type;
    uint64_t minimum, maximum;
};

static const struct recorder_row rows[] = {
#define RECORDER_OPTION(identifier, name, letter, type, minimum, maximum, form, value, argument, help) \
    {#identifier, form, value, type, minimum, maximum},
#include "cli/recorder_options.def"
#undef RECORDER_OPTION
};

const char *recorder_key(enum recorder_option option)
{
    return rows[option].key;
}

/* "max_size" as CPROBE_MAX_SIZE. */
static void variable_name(enum recorder_option option, char *name, size_t size)
{
    snprintf(name, size, "CPROBE_%s", rows[option].key);
    for (char *c = name; *c; c++)
        *c = (char)toupper((unsigned char)*c);
}

struct suffix {
    const char *text;
    uint64_t factor;
};

static const struct suffix sizes[] = {{"", 1},          {"K", 1 << 10},   {"k", 1 << 10},  {"M", 1 << 20},
                                      {"m", 1 << 20},   {"G", 1 << 30},   {"g", 1 << 30},  {"KiB", 1 << 10},
                                      {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1 << 10}, {"MB", 1 << 20},
                                      {"GB", 1 << 30}};
static const struct suffix times[] = {
    {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}, {"m", UINT64_C(60000000000)}};

/* Whether `text` is digits and one of the suffixes, within the row's limits; *number: what it says. */
static bool number_read(const struct recorder_row *row, const char *text, const struct suffix *suffixes, size_t count,
                        uint64_t *number)
{
    uint64_t value;
    char *end;

    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    value = strtoull(text, &end, 10);
    for (size_t i = 0; i < count; i++)
        if (strcmp(end, suffixes[i].text) == 0)
            return errno == 0 && !__builtin_mul_overflow(value, suffixes[i].factor, number) &&
                   *number >= row->minimum && *number <= row->maximum;
    return false;
}

static const char *flag_value(const char *text)
{
    static const char *const on[] = {"1", "yes", "true", "on"}, *const off[] = {"0", "no", "false", "off"};

    for (size_t i = 0; i < ARRAY_SIZE(on); i++) {
        if (strcasecmp(text, on[i]) == 0)
            return "1";
        if (strcasecmp(text, off[i]) == 0)
            return "0";
    }
    return NULL;
}

static const char *keys_value(const char *text)
{
    static const char *const words[] = {"full", "hash", "off"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcasecmp(text, words[i]) == 0)
            return words[i];
    return NULL;
}

/* As src/capture/pattern.h has it: items separated by commas, none of them empty, `off` only alone. */
static bool watch_valid(const struct recorder_row *row, const char *text)
{
    size_t items = 1, length = strlen(text);

    if (length < 1 || length > row->maximum)
        return false;
    if (strcasecmp(text, "off") == 0)
        return true;
    for (const char *item = text;; item += strcspn(item, ",") + 1, items++) {
        size_t size = strcspn(item, ",");
        bool off = size == 3 && strncasecmp(item, "off", 3) == 0;
        const char *name = item + (item[0] == '!');
        name += strncasecmp(name, "global:", 7) == 0 ? 7 : 0;
        if (off || name >= item + size || memchr(item, ' ', size) || items > row->minimum)
            return false;
        if (!item[size])
            return true;
    }
}

/* "off", or module:Class and further words; the recorder itself looks closer. */
static bool classes_valid(const char *text)
{
    const char *word = text + strspn(text, " ,\t"), *colon = strchr(word, ':');

    if (strcmp(text, "off") == 0)
        return true;
    return colon && colon > word && strcspn(word, " ,\t") > (size_t)(colon - word) + 1;
}

int recorder_set(struct recorder_settings *settings, enum recorder_option option, const char *text, char *error,
                 size_t error_size)
{
    const struct recorder_row *row = &rows[option];
    const char *value = text;
    uint64_t number;
    bool valid = false;

    switch (row->type) {
    case PATH:
        valid = strlen(text) >= row->minimum && strlen(text) <= row->maximum;
        break;
    case SIZE:
        valid = number_read(row, text, sizes, ARRAY_SIZE(sizes), &number);
        break;
    case DURATION:
        valid = number_read(row, text, times, ARRAY_SIZE(times), &number);
        break;
    case COUNT:
        valid = number_read(row, text, sizes, 1, &number);
        break;
    case FLAG:
    case SWITCH:
        value = flag_value(text);
        valid = value != NULL;
        break;
    case WATCH:
        valid = watch_valid(row, text);
        break;
    case KEYS:
        value = keys_value(text);
        valid = value != NULL;
        break;
    case CLASSES:
        valid = strlen(text) <= row->maximum && classes_valid(text);
        break;
    }
    if (!valid)
        return error_set(error, error_size, -EINVAL, "'%s' is not a value for %s; give %s", text, row->key, row->form);
    free(settings->value[option]);
    settings->value[option] = memory_need(strdup(value));
    return 0;
}

void recorder_free(struct recorder_settings *settings)
{
    for (size_t i = 0; i < RECORDER_OPTION_COUNT; i++) {
        free(settings->value[i]);
        settings->value[i] = NULL;
    }
}

int recorder_read_variable(struct recorder_settings *settings, enum recorder_option option, char *error,
                           size_t error_size)
{
    char name[VARIABLE_SIZE], reason[ERROR_SIZE / 2];

    variable_name(option, name, sizeof(name));
    const char *value = getenv(name);
    if (value && value[0] && recorder_set(settings, option, value, reason, sizeof(reason)) < 0)
        return error_set(error, error_size, -EINVAL, "variable %s: %s", name, reason);
    return 0;
}

void recorder_merge(struct recorder_settings *settings, const struct recorder_settings *lower)
{
    for (size_t i = 0; i < RECORDER_OPTION_COUNT; i++)
        if (!settings->value[i] && lower->value[i])
            settings->value[i] = memory_need(strdup(lower->value[i]));
}

bool recorder_flag(const struct recorder_settings *settings, enum recorder_option option, bool otherwise)
{
    return settings->value[option] ? settings->value[option][0] == '1' : otherwise;
}

uint64_t recorder_number(const struct recorder_settings *settings, enum recorder_option option)
{
    const struct recorder_row *row = &rows[option];
    const char *text = settings->value[option] ? settings->value[option] : row->otherwise;
    uint64_t number = row->minimum;

    if (row->type == SIZE)
        number_read(row, text, sizes, ARRAY_SIZE(sizes), &number);
    else if (row->type == DURATION)
        number_read(row, text, times, ARRAY_SIZE(times), &number);
    else if (row->type == COUNT)
        number_read(row, text, sizes, 1, &number);
    return number;
}

const char *recorder_dir(const struct recorder_settings *settings)
{
    return settings->value[RECORDER_dir] ? settings->value[RECORDER_dir] : "./cprobe.data";
}

static int option_apply(void *target, int key, const char *value, char *error, size_t error_size)
{
    return recorder_set(target, (enum recorder_option)key, value ? value : "yes", error, error_size);
}

#define TAKES_PATH ARGUMENT_REQUIRED
#define TAKES_SIZE ARGUMENT_REQUIRED
#define TAKES_DURATION ARGUMENT_REQUIRED
#define TAKES_COUNT ARGUMENT_REQUIRED
#define TAKES_FLAG ARGUMENT_OPTIONAL
#define TAKES_SWITCH ARGUMENT_REQUIRED
#define TAKES_KEYS ARGUMENT_REQUIRED
#define TAKES_WATCH ARGUMENT_REQUIRED
#define TAKES_CLASSES ARGUMENT_REQUIRED

static const struct cli_option options[] = {
#define RECORDER_OPTION(identifier, name, letter, type, minimum, maximum, form, value, argument, help) \
    {name, letter, TAKES_##type, argument, help " (default " value ")", RECORDER_##identifier},
#include "cli/recorder_options.def"
#undef RECORDER_OPTION
};

struct cli_group recorder_group(struct recorder_settings *settings)
{
    return (struct cli_group){options, RECORDER_OPTION_COUNT, option_apply, settings};
}

int recorder_export(const struct recorder_settings *settings, const char *library)
{
    const char *others = getenv("LD_PRELOAD");
    char preload[2 * RECORDER_VALUE_SIZE + 2], name[VARIABLE_SIZE];

    for (size_t i = 0; i < RECORDER_OPTION_COUNT; i++) {
        variable_name((enum recorder_option)i, name, sizeof(name));
        if (settings->value[i] && setenv(name, settings->value[i], 1) != 0)
            return -errno;
    }
    int length =
        snprintf(preload, sizeof(preload), "%s%s%s", library, others && others[0] ? ":" : "", others ? others : "");
    if (length >= (int)sizeof(preload))
        return -E2BIG;
    return setenv("LD_PRELOAD", preload, 1) == 0 ? 0 : -errno;
}

/* The absolute path of `candidate` if it can be read. */
static int library_try(const char *candidate, char *path, size_t path_size)
{
    char *absolute = realpath(candidate, NULL);

    if (!absolute)
        return -errno;
    int rc = access(absolute, R_OK) == 0 ? 0 : -errno;
    if (rc == 0 && (size_t)snprintf(path, path_size, "%s", absolute) >= path_size)
        rc = -ENAMETOOLONG;
    free(absolute);
    return rc;
}

int recorder_find_library(char *path, size_t path_size, char *error, size_t error_size)
{
    static const char *const places[] = {"/" LIBRARY, "/../lib/cprobe/" LIBRARY, "/../lib/" LIBRARY};
    const char *named = getenv("CPROBE_LIB");
    char directory[PATH_MAX], candidate[PATH_MAX + 64];
    int rc = -ENOENT;

    if (named && named[0]) {
        rc = library_try(named, path, path_size);
        if (rc < 0)
            return error_set(error, error_size, rc, "CPROBE_LIB names %s: %s", named, strerror(-rc));
    }
    ssize_t length = readlink("/proc/self/exe", directory, sizeof(directory) - 1);
    directory[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(directory, '/');
    if (slash)
        *slash = '\0';
    for (size_t i = 0; rc < 0 && i < ARRAY_SIZE(places); i++) {
        snprintf(candidate, sizeof(candidate), "%s%s", directory, places[i]);
        rc = library_try(candidate, path, path_size);
    }
    if (rc < 0)
        return error_set(error, error_size, rc,
                         LIBRARY
                         " was found neither in %s nor in ../lib/cprobe or ../lib from there; name it in CPROBE_LIB",
                         directory);
    if (strpbrk(path, ": "))
        return error_set(
            error, error_size, -EINVAL,
            "%s cannot be preloaded: its path has a space or a colon; copy it elsewhere and name it in CPROBE_LIB",
            path);
    return 0;
}
