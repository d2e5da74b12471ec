/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/settings.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/compiler.h"
#include "base/nearest.h"
#include "base/sys.h"
#include "capture/python_rules.h"
#include "trace/writer.h"

#define CONNECTIONS_MAX 65000 /* conversation.h: their numbers have 16 bits */

enum setting_type {
    SETTING_PATH,
    SETTING_SIZE,
    SETTING_TIME,
    SETTING_BOOL,
    SETTING_NUMBER,
    SETTING_WORD,
    SETTING_WATCH,
    SETTING_CLASSES
};

struct word {
    const char *text;
    uint32_t value;
};
static const struct word switch_words[] = {{"off", 0}, {"0", 0}, {"on", 1}, {"1", 1}, {NULL, 0}};
static const struct word keys_words[] = {
    {"off", SETTINGS_KEYS_OFF}, {"hash", SETTINGS_KEYS_HASH}, {"full", SETTINGS_KEYS_FULL}, {NULL, 0}};

/* One row a variable; units and ranges are checked here, meaning is explained in the README. */
static const struct row {
    const char *name;
    enum setting_type type;
    size_t offset;
    uint64_t min, max;
    const char *expected;
    const struct word *words; /* SETTING_WORD */
} rows[] = {
    {"CPROBE_DIR", SETTING_PATH, offsetof(struct settings, dir), 0, 0, "a directory", NULL},
    {"CPROBE_MAX_SIZE", SETTING_SIZE, offsetof(struct settings, max_size), WRITER_SIZE_MIN, WRITER_SIZE_MAX,
     "a size from 1M to 4G, such as 64M", NULL},
    {"CPROBE_SAMPLE", SETTING_TIME, offsetof(struct settings, sample_ns), 1000, UINT64_C(10000000000),
     "a time from 1us to 10s, such as 1ms", NULL},
    {"CPROBE_STALL", SETTING_TIME, offsetof(struct settings, stall_ns), 100000, UINT64_C(3600000000000),
     "a time from 100us to 1h, such as 10ms", NULL},
    {"CPROBE_STALL_STACKS", SETTING_BOOL, offsetof(struct settings, stall_stacks), 0, 1, "0 or 1", NULL},
    {"CPROBE_QUIET", SETTING_BOOL, offsetof(struct settings, quiet), 0, 1, "0 or 1", NULL},
    {"CPROBE_SUMMARY", SETTING_BOOL, offsetof(struct settings, summary), 0, 1, "0 or 1", NULL},
    {"CPROBE_WIRE", SETTING_WORD, offsetof(struct settings, wire), 0, 1, "on or off", switch_words},
    {"CPROBE_KEYS", SETTING_WORD, offsetof(struct settings, keys), 0, 2, "full, hash or off", keys_words},
    {"CPROBE_CONNECTIONS", SETTING_NUMBER, offsetof(struct settings, connections), 1, CONNECTIONS_MAX,
     "a number from 1 to 65000", NULL},
    {"CPROBE_WATCH", SETTING_WATCH, offsetof(struct settings, watch), 0, 0,
     "off, or up to 32 names such as *cache*,global:table,!*memory*", NULL},
    {"CPROBE_WATCH_PY", SETTING_CLASSES, offsetof(struct settings, watch_py), 0, 0,
     "a list of module:Class[.method,...], or off", NULL},
    {"CPROBE_ROOT", SETTING_NUMBER, offsetof(struct settings, root), 0, UINT32_MAX, "a process id (set by cprobe)",
     NULL},
};

/* Variables of the command and of the project's own build and tests, not of the recorder: not unknown here. */
static const char *const command_names[] = {"CPROBE_CONFIG", "CPROBE_LIB", "CPROBE_REQUIRE_BPF", "CPROBE_SKIP_DEPS",
                                            "CPROBE_TEST_PYTHONS"};

struct unit {
    const char *name;
    uint64_t factor;
};
static const struct unit sizes[] = {{"", 1},          {"K", 1 << 10},   {"k", 1 << 10},  {"M", 1 << 20},
                                    {"m", 1 << 20},   {"G", 1 << 30},   {"g", 1 << 30},  {"KiB", 1 << 10},
                                    {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1 << 10}, {"MB", 1 << 20},
                                    {"GB", 1 << 30}};
static const struct unit times[] = {
    {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}, {"m", UINT64_C(60000000000)}};

static bool parse_quantity(const char *text, const struct unit *units, size_t count, uint64_t *out)
{
    uint64_t value = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
            return false;
    if (p == text)
        return false;
    for (size_t i = 0; i < count; i++)
        if (strcmp(p, units[i].name) == 0)
            return !__builtin_mul_overflow(value, units[i].factor, out);
    return false;
}

static bool parse_word(const char *text, const struct word *words, uint64_t *out)
{
    for (; words->text; words++)
        if (strcmp(text, words->text) == 0) {
            *out = words->value;
            return true;
        }
    return false;
}

/* Makes `text` absolute, so that it means the same after chdir and in the program's children. */
static bool parse_path(const char *text, char *out)
{
    char path[SETTINGS_PATH_MAX];
    size_t used = 0;
    if (text[0] == '\0')
        return false;
    if (text[0] != '/') {
        long n = SYS_CALL(SYS_getcwd, path, sizeof(path) - 1, 0, 0, 0, 0);
        if (n <= 0 || path[0] != '/') /* gone, or "(unreachable)" */
            return false;
        used = (size_t)n - 1;
        path[used++] = '/';
    }
    while (text[0] == '.' && text[1] == '/')
        text += 2;
    size_t length = strlen(text);
    if (used + length >= sizeof(path))
        return false;
    memcpy(path + used, text, length + 1);
    memcpy(out, path, used + length + 1);
    return true;
}

/* A list that is not understood leaves the default. */
static bool parse_watch(struct settings *s, const char *text)
{
    struct patterns read;
    if (!patterns_read(&read, text))
        return false;
    s->watch = read;
    s->watch_own = false;
    return true;
}

static bool parse_classes(const char *text, char *out)
{
    size_t length = strlen(text);
    if (length >= SETTINGS_WATCH_MAX || !python_rules_valid(text))
        return false;
    memcpy(out, text, length + 1);
    return true;
}

static bool parse_row(struct settings *s, const struct row *row, const char *text)
{
    void *field = (char *)s + row->offset;
    uint64_t value = 0;
    bool good = false;
    switch (row->type) {
    case SETTING_PATH:
        return parse_path(text, field);
    case SETTING_WATCH:
        return parse_watch(s, text);
    case SETTING_CLASSES:
        return parse_classes(text, field);
    case SETTING_SIZE:
        good = parse_quantity(text, sizes, ARRAY_SIZE(sizes), &value);
        break;
    case SETTING_TIME:
        good = parse_quantity(text, times, ARRAY_SIZE(times), &value);
        break;
    case SETTING_BOOL:
    case SETTING_NUMBER:
        good = parse_quantity(text, sizes, 1, &value);
        break;
    case SETTING_WORD:
        good = parse_word(text, row->words, &value);
        break;
    }
    if (!good || value < row->min || value > row->max)
        return false;
    if (row->type == SETTING_BOOL)
        *(bool *)field = value != 0;
    else if (row->type == SETTING_NUMBER || row->type == SETTING_WORD)
        *(uint32_t *)field = (uint32_t)value;
    else
        *(uint64_t *)field = value;
    return true;
}

static void append(char *line, size_t size, const char *text)
{
    size_t used = strlen(line), length = strlen(text);
    if (length > size - used - 1)
        length = size - used - 1;
    memcpy(line + used, text, length);
    line[used + length] = '\0';
}

static void complain_value(const struct row *row, const char *value, void (*complain)(const char *))
{
    char line[400] = "cprobe: ";
    append(line, 100, row->name);
    append(line, 200, "=");
    append(line, 200, value);
    append(line, sizeof(line) - 1, " is not ");
    append(line, sizeof(line) - 1, row->expected);
    append(line, sizeof(line) - 1, "; recording goes on with the default");
    append(line, sizeof(line), "\n");
    complain(line);
}

static void complain_name(const char *name, void (*complain)(const char *))
{
    const char *names[ARRAY_SIZE(rows)];
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        names[i] = rows[i].name;
    const char *nearest = nearest_name(name, names, ARRAY_SIZE(rows));
    char line[300] = "cprobe: there is no variable ";
    append(line, 120, name);
    if (nearest) {
        append(line, sizeof(line) - 1, "; did you mean ");
        append(line, sizeof(line) - 1, nearest);
        append(line, sizeof(line) - 1, "?");
    }
    append(line, sizeof(line), "\n");
    complain(line);
}

static void read_variable(struct settings *s, const char *variable, void (*complain)(const char *))
{
    char name[64];
    const char *equals = strchr(variable, '=');
    if (!equals)
        return;
    size_t length = (size_t)(equals - variable);
    length = length < sizeof(name) ? length : sizeof(name) - 1; /* no name is so long */
    memcpy(name, variable, length);
    name[length] = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (strcmp(name, rows[i].name) != 0)
            continue;
        if (!parse_row(s, &rows[i], equals + 1))
            complain_value(&rows[i], equals + 1, complain);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(command_names); i++)
        if (strcmp(name, command_names[i]) == 0)
            return;
    complain_name(name, complain);
}

void settings_read(struct settings *s, char *const *environment, void (*complain)(const char *text))
{
    *s = (struct settings){.max_size = UINT64_C(64) << 20,
                           .sample_ns = 1000000,
                           .stall_ns = 10000000,
                           .stall_stacks = true,
                           .wire = 1,
                           .keys = SETTINGS_KEYS_FULL,
                           .connections = 4096};
    parse_path("cprobe.data", s->dir);
    parse_watch(s, PATTERNS_DEFAULT);
    s->watch_own = true;
    for (char *const *e = environment; e && *e; e++)
        if (strncmp(*e, "CPROBE_", 7) == 0)
            read_variable(s, *e, complain);
}
