/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/pattern.h"

#include <string.h>

#define GLOBAL "global:"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

/* ---- reading ---- */

static bool special(char c)
{
    return c == '*' || c == '?';
}

static bool is_word(const char *text, size_t length)
{
    if (length < 3 || text[0] != '*' || text[length - 1] != '*')
        return false;
    for (size_t i = 1; i + 1 < length; i++)
        if (special(text[i]))
            return false;
    return true;
}

/* text: in p->text, ended by a zero */
static bool item_read(struct patterns *p, char *text)
{
    struct pattern item = {0};
    if (*text == '!') {
        item.except = true;
        text++;
    }
    if (strncmp(text, GLOBAL, strlen(GLOBAL)) == 0) {
        item.global = true;
        text += strlen(GLOBAL);
    }
    size_t length = strlen(text);
    if (!length || p->count == PATTERNS_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] == ',' || text[i] > '~')
            return false;
    item.word = is_word(text, length);
    if (item.word) {
        text++;
        length -= 2;
    }
    item.at = (uint16_t)(text - p->text);
    item.length = (uint16_t)length;
    p->every |= !item.global && !item.except && length == 1 && *text == '*';
    p->list[p->count++] = item;
    return true;
}

bool patterns_read(struct patterns *out, const char *text)
{
    memset(out, 0, sizeof(*out));
    size_t length = strlen(text);
    if (!length || length >= sizeof(out->text))
        return false;
    for (size_t i = 0; i < length; i++)
        out->text[i] = text[i] == ',' ? '\0' : lower(text[i]);
    if (strcmp(out->text, "off") == 0 && length == 3)
        return true;
    bool good = true;
    for (char *item = out->text; good && item <= out->text + length; item += strlen(item) + 1)
        good = strcmp(item, "off") != 0 && item_read(out, item);
    if (!good)
        memset(out, 0, sizeof(*out));
    return good;
}

/* ---- matching ---- */

static bool word_found(const char *word, size_t length, const char *name)
{
    for (; *name; name++) {
        size_t i = 0;
        while (i < length && lower(name[i]) == word[i])
            i++;
        if (i == length)
            return true;
    }
    return false;
}

/* Goes back to the last asterisk only: each takes as little as it can. */
static bool glob_matches(const char *glob, const char *name)
{
    const char *star = NULL, *resume = NULL;
    while (*name) {
        if (*glob == '*') {
            star = glob++;
            resume = name;
        } else if (*glob && (*glob == '?' || *glob == lower(*name))) {
            glob++;
            name++;
        } else if (star) {
            glob = star + 1;
            name = ++resume;
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return !*glob;
}

static bool item_matches(const struct patterns *p, const struct pattern *item, const char *name)
{
    const char *text = p->text + item->at;
    return item->word ? word_found(text, item->length, name) : glob_matches(text, name);
}

static bool matches(const struct patterns *p, const char *name, bool variable)
{
    bool wanted = false;
    for (uint32_t i = 0; i < p->count; i++) {
        const struct pattern *item = &p->list[i];
        if ((item->global && !variable) || (wanted && !item->except) || !item_matches(p, item, name))
            continue;
        if (item->except)
            return false;
        wanted = true;
    }
    return wanted;
}

bool patterns_function(const struct patterns *p, const char *name)
{
    return matches(p, name, false);
}

bool patterns_variable(const struct patterns *p, const char *name)
{
    return matches(p, name, true);
}
