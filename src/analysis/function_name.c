/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/function_name.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* libstdc++, <cxxabi.h>: https://itanium-cxx-abi.github.io/cxx-abi/abi.html#demangler */
extern char *__cxa_demangle(const char *mangled, char *buffer, size_t *length, int *status);

#define RUST_HASH 19 /* "::h" and 16 hexadecimal digits */

static void rust_hash_cut(char *name)
{
    size_t length = strlen(name);
    char *hash = length > RUST_HASH ? name + length - RUST_HASH : NULL;
    if (hash && strncmp(hash, "::h", 3) == 0 && strspn(hash + 3, "0123456789abcdef") == RUST_HASH - 3)
        *hash = '\0';
}

char *function_name_demangle(const char *symbol)
{
    int status = 0;
    if (strncmp(symbol, "_Z", 2) != 0)
        return NULL;
    char *name = __cxa_demangle(symbol, NULL, NULL, &status);
    if (name)
        rust_hash_cut(name);
    return name;
}

/* Where a name is being shortened. */
struct shortening {
    const char *at;
    char *buffer;
    size_t length, size;
    unsigned depth; /* of brackets that are left out */
};

static void keep(struct shortening *s, size_t count)
{
    for (; count > 0; count--, s->at++) {
        if (s->length + 1 < s->size)
            s->buffer[s->length++] = *s->at;
    }
}

static bool identifier_follows(const char *at)
{
    return isalnum((unsigned char)*at) || *at == '_';
}

/* Length of "operator<<", "operator()", "operator new" and the like at the beginning of a name; 0: it is no operator.
 */
static size_t operator_length(const struct shortening *s)
{
    size_t word = strlen("operator");
    bool begins = s->length == 0 || !identifier_follows(&s->buffer[s->length - 1]);
    if (!begins || strncmp(s->at, "operator", word) != 0 || identifier_follows(s->at + word))
        return 0;
    if (strncmp(s->at + word, "()", 2) == 0)
        return word + 2;
    if (s->at[word] == ' ')
        return word + 1 + strcspn(s->at + word + 1, "(<");
    return word + strspn(s->at + word, "<>=!+-*/%^&|~,[]");
}

/* A space ends a return type, or the name, before "const" and "[clone …]". False: the name is complete. */
static bool space_take(struct shortening *s)
{
    if (strncmp(s->at, " const", 6) == 0 || strncmp(s->at, " [", 2) == 0 || strncmp(s->at, " &", 2) == 0)
        return false;
    s->length = 0;
    s->at++;
    return true;
}

static bool shortening_step(struct shortening *s)
{
    static const char unnamed[] = "(anonymous namespace)";
    size_t length = s->depth == 0 ? operator_length(s) : 0;
    if (length > 0) {
        keep(s, length);
        s->at += strncmp(s->at, " <", 2) == 0; /* template arguments of an operator */
    } else if (s->depth == 0 && strncmp(s->at, unnamed, sizeof(unnamed) - 1) == 0) {
        keep(s, sizeof(unnamed) - 1);
    } else if (*s->at == '<' || *s->at == '(') {
        s->depth++;
        s->at++;
    } else if (*s->at == '>' || *s->at == ')') {
        s->depth -= s->depth > 0;
        s->at++;
    } else if (s->depth > 0) {
        s->at++;
    } else if (*s->at == ' ') {
        return space_take(s);
    } else {
        keep(s, 1);
    }
    return true;
}

const char *function_name_short(const struct frame *frame, char *buffer, size_t size)
{
    struct shortening s = {.at = frame->function, .buffer = buffer, .size = size};
    if (frame->kind != FRAME_NATIVE || !strpbrk(frame->function, "(<")) {
        snprintf(buffer, size, "%s", frame->function);
        return buffer;
    }
    while (*s.at && shortening_step(&s))
        continue;
    buffer[s.length] = '\0';
    return buffer;
}
