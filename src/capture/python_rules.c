/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/python_rules.h"

#include <string.h>

#include "base/compiler.h"
#include "trace/format.h"

#define ASKED_MAX 32u
#define READS 0
#define WRITES METHOD_MUTATES
#define ORDERED PYTHON_RULE_ORDERED
#define TOUCHES PYTHON_RULE_TOUCHES

static const struct python_rule known[] = {
#define PYTHON_CLASS(module, class, flags) {module, class, NULL, flags},
#define PYTHON_METHOD(name, kind)
#include "capture/python_watched.def"
#undef PYTHON_CLASS
#undef PYTHON_METHOD
};

static const struct {
    const char *name;
    int flags;
} methods[] = {
#define PYTHON_CLASS(module, class, flags)
#define PYTHON_METHOD(name, kind) {name, kind},
#include "capture/python_watched.def"
#undef PYTHON_CLASS
#undef PYTHON_METHOD
};

/* How the names of methods begin that do not change anything, where a class was asked for as a whole. */
static const char *const readers[] = {"get",   "is",     "has",  "peek",     "keys",
                                      "items", "values", "find", "contains", "__len"};

static struct {
    size_t count;
    bool off;
    struct python_rule rules[ASKED_MAX];
} asked;

static bool separates(char c)
{
    return c == ' ' || c == ',' || c == '\t';
}

static bool ends(char c)
{
    return c == '\0' || separates(c);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* `glob` ends at `end`. Goes back to the last star only, which is enough. */
static bool glob_matches(const char *glob, const char *end, const char *text)
{
    const char *star = NULL, *again = NULL;
    while (*text) {
        if (glob < end && *glob == '*') {
            star = glob++;
            again = text;
        } else if (glob < end && (*glob == '?' || lower(*glob) == lower(*text))) {
            glob++;
            text++;
        } else if (star) {
            glob = star + 1;
            text = ++again;
        } else {
            return false;
        }
    }
    while (glob < end && *glob == '*')
        glob++;
    return glob == end;
}

static const char *word_end(const char *word)
{
    while (!ends(*word))
        word++;
    return word;
}

/* What `name` ends before: the first ':' of a module, the last '.' of a class. */
static const char *module_end(const char *module)
{
    const char *end = module;
    while (!ends(*end) && *end != ':')
        end++;
    return end;
}

static const char *class_end(const char *class)
{
    const char *end = class;
    while (!ends(*end) && *end != '.')
        end++;
    return end;
}

/* One word: a class, or one more method of the class before. */
static bool word_take(const char *word, struct python_rule *rule, bool *fresh)
{
    const char *end = word_end(word), *colon = module_end(word);
    *fresh = *colon == ':';
    if (!*fresh)
        return true;
    *rule = (struct python_rule){word, colon + 1, NULL, PYTHON_RULE_ASKED};
    const char *class = class_end(rule->class);
    if (*class == '.' && class + 1 < end)
        rule->methods = class + 1;
    else if (*class == '.')
        return false;
    return colon > word && class > rule->class;
}

static const char *word_next(const char *at)
{
    while (separates(*at))
        at++;
    return at;
}

static bool rules_parse(const char *text, struct python_rule *rules, size_t room, size_t *count)
{
    *count = 0;
    for (const char *word = word_next(text); *word; word = word_next(word_end(word))) {
        struct python_rule rule;
        bool fresh;
        if (!word_take(word, &rule, &fresh))
            return false;
        if (!fresh && (!*count || !rules[*count - 1].methods))
            return false; /* a method, but of which class? */
        if (fresh && *count == room)
            return false;
        if (fresh)
            rules[(*count)++] = rule;
    }
    return true;
}

bool python_rules_valid(const char *text)
{
    struct python_rule rules[ASKED_MAX];
    size_t count;
    return strcmp(text, "off") == 0 || rules_parse(text, rules, ASKED_MAX, &count);
}

void python_rules_begin(const char *text)
{
    asked.off = strcmp(text, "off") == 0;
    if (asked.off || !rules_parse(text, asked.rules, ASKED_MAX, &asked.count))
        asked.count = 0;
}

static bool rule_fits(const struct python_rule *rule, const char *module, const char *class, bool ordered)
{
    if ((rule->flags & PYTHON_RULE_ORDERED) && !ordered)
        return false;
    return glob_matches(rule->class, class_end(rule->class), class) &&
           glob_matches(rule->module, module_end(rule->module), module);
}

const struct python_rule *python_rule_find(const char *module, const char *class, bool ordered)
{
    if (asked.off)
        return NULL;
    for (size_t i = 0; i < asked.count; i++)
        if (rule_fits(&asked.rules[i], module, class, ordered))
            return &asked.rules[i];
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (rule_fits(&known[i], module, class, ordered))
            return &known[i];
    return NULL;
}

static int kind_known(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
        if (strcmp(methods[i].name, name) == 0)
            return methods[i].flags;
    return -1;
}

static int kind_guessed(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(readers); i++)
        if (strncmp(name, readers[i], strlen(readers[i])) == 0)
            return READS;
    return WRITES;
}

static bool is_listed(const char *list, const char *name)
{
    for (const char *word = list; *word && module_end(word)[0] != ':'; word = word_next(word_end(word)))
        if (glob_matches(word, word_end(word), name))
            return true;
    return false;
}

int python_rule_method(const struct python_rule *rule, const char *name)
{
    int kind = kind_known(name);
    if (rule->flags & PYTHON_RULE_ASKED) {
        bool wanted = rule->methods ? is_listed(rule->methods, name) : name[0] != '_' || kind >= 0;
        return !wanted ? -1 : kind >= 0 ? kind : kind_guessed(name);
    }
    if (kind == READS && (rule->flags & PYTHON_RULE_TOUCHES) && (!strcmp(name, "__getitem__") || !strcmp(name, "get")))
        return WRITES;
    return kind;
}
