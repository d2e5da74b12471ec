/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A conversation in a test: chunks in, one line of text per message out, so that a test compares strings.
 *
 *     struct said said = {0};
 *     conversation_start(&said, WIRE_REDIS);
 *     client(&said, "GET a\r\n");
 *     server(&said, "$-1\r\n");
 *     assert_said(&said, "request 0 GET key=a bytes=7\n"
 *                        "response 0 bytes=5 elements=1\n");
 *
 * assert_said also says everything again in other fragments (every chunk cut at each of its bytes, and one byte a call)
 * and expects the same messages. Fields that are zero or empty are left out, as are WIRE_FIRST messages unless
 * `said.with_first`. elements of responses is written as is.
 */
#ifndef CPROBE_TESTS_WIRE_CONVERSATION_H
#define CPROBE_TESTS_WIRE_CONVERSATION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "wire/wire.h"

#define SAID_CHUNKS 256
#define SAID_TEXT (256 * 1024)

struct said_chunk {
    enum wire_side from;
    bool gap;
    size_t length;
    uint8_t *bytes;
};

struct said {
    struct wire_conversation conversation;
    enum wire_protocol expected;
    bool datagrams;
    bool with_first;
    size_t count;
    struct said_chunk chunks[SAID_CHUNKS];
    size_t used;
    char text[SAID_TEXT];
};

__attribute__((format(printf, 2, 3))) static inline void said_print(struct said *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(s->text + s->used, sizeof(s->text) - s->used, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(s->text) - s->used)
        fail_msg("more was said than the test has room for");
    s->used += (size_t)n;
}

static inline void said_text(struct said *s, const char *name, const char *text, size_t length)
{
    if (length == 0)
        return;
    said_print(s, " %s", name);
    for (size_t i = 0; i < length; i++) {
        uint8_t c = (uint8_t)text[i];
        said_print(s, c >= ' ' && c < 127 ? "%c" : "\\x%02x", c);
    }
}

static inline void said_flags(struct said *s, uint32_t flags)
{
    static const struct {
        uint32_t flag;
        const char *name;
    } table[] = {
        {WIRE_FAILED, "failed"},     {WIRE_NO_REPLY, "no-reply"},     {WIRE_TRUNCATED, "truncated"},
        {WIRE_PREPARED, "prepared"}, {WIRE_SWEEP, "sweep"},           {WIRE_IN_TRANSACTION, "in-transaction"},
        {WIRE_CURSOR, "cursor"},     {WIRE_COMPRESSED, "compressed"}, {WIRE_WHOLE, "whole"},
        {WIRE_LOST, "lost"},         {WIRE_SCRIPT, "script"},         {WIRE_UNBOUNDED, "unbounded"},
        {WIRE_WRITE, "write"},       {WIRE_IF_ABSENT, "if-absent"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (flags & table[i].flag)
            said_print(s, " %s", table[i].name);
}

/* What holds for every message of every parser. */
static inline void message_check(const struct wire_message *m)
{
    assert_in_range(m->kind, WIRE_REQUEST, WIRE_NAME);
    assert_true(m->verb_length <= WIRE_VERB_MAX);
    assert_true(m->text_length <= WIRE_TEXT_MAX);
    assert_true(m->key_length <= WIRE_KEY_MAX);
    assert_true(m->status_length <= WIRE_TEXT_MAX);
    assert_true(m->kind != WIRE_REQUEST || (m->repeats >= 1 && m->verb_length >= 1));
    assert_true(m->ttl_ms >= -1);
}

static inline void said_message(void *context, const struct wire_message *m)
{
    static const char *const kinds[] = {"", "request", "response", "first", "push", "upgrade", "name"};
    struct said *s = context;
    message_check(m);
    if (m->kind == WIRE_FIRST && !s->with_first)
        return;
    said_print(s, "%s", kinds[m->kind]);
    if (m->kind <= WIRE_FIRST)
        said_print(s, " %" PRIu32, m->sequence);
    said_text(s, "", m->verb, m->verb_length);
    said_text(s, "text=", m->text, m->text_length);
    said_text(s, "key=", m->key, m->key_length);
    said_text(s, "status=", m->status, m->status_length);
    said_flags(s, m->flags);
    if (m->bytes)
        said_print(s, " bytes=%" PRIu64, m->bytes);
    if (m->elements)
        said_print(s, " elements=%" PRIu64, m->elements);
    if (m->flags & WIRE_CURSOR)
        said_print(s, " cursor=%" PRIu64, m->cursor);
    if (m->kind == WIRE_REQUEST && m->ttl_ms >= 0)
        said_print(s, " ttl=%" PRId64, m->ttl_ms);
    if (m->kind == WIRE_REQUEST && m->repeats > 1)
        said_print(s, " repeats=%" PRIu32, m->repeats);
    said_print(s, "\n");
}

static inline void conversation_again(struct said *s)
{
    wire_start(&s->conversation, s->datagrams, s->expected);
    s->used = 0;
    s->text[0] = '\0';
}

/* Begins anew. `expected`: WIRE_UNKNOWN to have it recognised. */
static inline void conversation_start(struct said *s, enum wire_protocol expected)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->chunks[i].bytes);
    s->count = 0;
    s->expected = expected;
    conversation_again(s);
}

/* Each part is a copy with nothing behind it, so that a sanitizer sees a read beyond its end. */
static inline void said_feed(struct said *s, enum wire_side from, const uint8_t *bytes, size_t length)
{
    const struct wire_sink sink = {said_message, s};
    uint8_t *copy = malloc(length ? length : 1);
    memcpy(copy, bytes, length);
    wire_feed(&s->conversation, from, copy, length, &sink);
    free(copy);
}

static inline void said_chunk(struct said *s, enum wire_side from, const void *bytes, size_t length)
{
    assert_true(s->count < SAID_CHUNKS);
    struct said_chunk *c = &s->chunks[s->count++];
    *c = (struct said_chunk){from, false, length, malloc(length ? length : 1)};
    memcpy(c->bytes, bytes, length);
    said_feed(s, from, c->bytes, length);
}

static inline void said_gap(struct said *s, enum wire_side from, uint64_t length)
{
    assert_true(s->count < SAID_CHUNKS);
    s->chunks[s->count++] = (struct said_chunk){from, true, length, NULL};
    wire_gap(&s->conversation, from, length);
}

/* A string literal, which may hold zero bytes. */
#define client(said, literal) said_chunk((said), WIRE_CLIENT, (literal), sizeof(literal) - 1)
#define server(said, literal) said_chunk((said), WIRE_SERVER, (literal), sizeof(literal) - 1)

/* Everything once more, `cut_chunk` in two parts; `step` > 0: all in parts of `step` bytes. */
static inline void conversation_repeat(struct said *s, size_t cut_chunk, size_t cut, size_t step)
{
    conversation_again(s);
    for (size_t i = 0; i < s->count; i++) {
        const struct said_chunk *c = &s->chunks[i];
        if (c->gap) {
            wire_gap(&s->conversation, c->from, c->length);
            continue;
        }
        size_t first = step ? step : i == cut_chunk ? cut : c->length;
        for (size_t at = 0; at < c->length; at += first, first = step ? step : c->length - at)
            said_feed(s, c->from, c->bytes + at, first < c->length - at ? first : c->length - at);
    }
}

/* What was said, whatever the fragments (streams only). */
static inline void assert_said(struct said *s, const char *expected)
{
    if (strcmp(s->text, expected) != 0)
        print_error("said:\n%s", s->text);
    assert_string_equal(s->text, expected);
    if (s->datagrams || s->with_first)
        return;
    for (size_t i = 0; i < s->count; i++) {
        for (size_t cut = 1; cut < s->chunks[i].length && !s->chunks[i].gap; cut++) {
            conversation_repeat(s, i, cut, 0);
            if (strcmp(s->text, expected) != 0)
                fail_msg("chunk %zu cut at %zu:\n%s", i, cut, s->text);
        }
    }
    for (size_t step = 1; step <= 7; step++) {
        conversation_repeat(s, 0, 0, step);
        if (strcmp(s->text, expected) != 0)
            fail_msg("%zu bytes a call:\n%s", step, s->text);
    }
    conversation_repeat(s, SIZE_MAX, 0, 0);
}

/* Whether `secret` is in anything that was said, or in what the conversation keeps. */
static inline void assert_kept_secret(struct said *s, const char *secret)
{
    assert_null(strstr(s->text, secret));
}

#endif
