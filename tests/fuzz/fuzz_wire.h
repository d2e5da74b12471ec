/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A parser on arbitrary conversations. An input is a sequence of chunks {1 byte side, 2 bytes length, little endian,
 * the bytes}: bit 0 of the first byte is the side, bit 1 says that nobody saw the bytes (a gap). So the fuzzer varies
 * the fragments too; the files of the corpus are real conversations (record_conversations.py).
 *
 * Every field of every message is looked at and held to its bounds; and what is said in one byte a call must give the
 * same messages as what was said in chunks.
 */
#ifndef CPROBE_TESTS_FUZZ_WIRE_H
#define CPROBE_TESTS_FUZZ_WIRE_H

#include <stdlib.h>
#include <string.h>

#include "wire/fields.h"
#include "wire/parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_account {
    uint64_t hash; /* of all messages */
    uint64_t count;
};

static inline void fuzz_need(bool holds)
{
    if (!holds)
        abort();
}

static inline void fuzz_text(struct fuzz_account *a, const char *text, size_t length, size_t most)
{
    fuzz_need(length <= most);
    a->hash = field_hash_more(a->hash, text, length);
    a->hash = field_hash_more(a->hash, &length, sizeof(length));
}

static inline void fuzz_message(void *context, const struct wire_message *m)
{
    struct fuzz_account *a = context;
    /* Whether a hash is made now or later, and where the verb stands, depends on how the bytes came. */
    const bool later = m->flags & WIRE_HASH_LATER;
    const uint64_t key_hash = later ? field_hash(m->key, m->key_length) : m->key_hash;
    const uint32_t flags = m->flags & ~(uint32_t)(WIRE_HASH_LATER | WIRE_CONSTANT_VERB);
    const uint64_t numbers[] = {m->kind,  m->from,  flags,       m->sequence, m->repeats,
                                key_hash, m->bytes, m->elements, m->cursor,   (uint64_t)m->ttl_ms};
    fuzz_need(!later || (m->key_hash == 0 && m->key_length > 0 && !(m->flags & WIRE_TRUNCATED)));
    fuzz_need(m->kind >= WIRE_REQUEST && m->kind <= WIRE_NAME && m->from <= WIRE_SERVER && m->ttl_ms >= -1);
    fuzz_need(m->kind != WIRE_REQUEST || (m->repeats >= 1 && m->verb_length >= 1));
    if (m->kind == WIRE_FIRST)
        return;
    a->count++;
    a->hash = field_hash_more(a->hash, numbers, sizeof(numbers));
    fuzz_text(a, m->verb, m->verb_length, WIRE_VERB_MAX);
    fuzz_text(a, m->text, m->text_length, WIRE_TEXT_MAX);
    fuzz_text(a, m->key, m->key_length, WIRE_KEY_MAX);
    fuzz_text(a, m->status, m->status_length, WIRE_TEXT_MAX);
}

/* A copy with nothing behind it, so that a read beyond its end is seen. */
static inline bool fuzz_feed(const struct wire_parser *p, void *state, enum wire_side from, const uint8_t *bytes,
                             size_t length, struct fuzz_account *a)
{
    const struct wire_sink sink = {fuzz_message, a};
    uint8_t *copy = malloc(length);
    memcpy(copy, bytes, length);
    p->guess(copy, length, from);
    bool right = p->feed(state, from, copy, length, &sink);
    free(copy);
    return right;
}

/* Until the end or until the parser says that this is not its protocol. `step`: bytes a call; 0: as the input says. */
static inline struct fuzz_account fuzz_say(const struct wire_parser *p, const uint8_t *data, size_t size, size_t step)
{
    struct fuzz_account a = {FIELD_HASH_START, 0};
    uint64_t state[WIRE_STATE_SIZE / 8] = {0};
    p->start(state);
    while (size >= 3) {
        enum wire_side from = data[0] & 1;
        bool gap = data[0] & 2;
        size_t length = field_le16(data + 1);
        data += 3, size -= 3;
        if (gap) {
            if (p->gap)
                p->gap(state, from, length);
            continue;
        }
        length = length < size ? length : size;
        for (size_t at = 0, n; at < length; at += n) {
            n = step && step < length - at ? step : length - at;
            if (!fuzz_feed(p, state, from, data + at, n, &a))
                return a;
        }
        data += length, size -= length;
    }
    return a;
}

/* Through recognition, as the recorder would. */
static inline void fuzz_recognise(const uint8_t *data, size_t size, bool datagrams)
{
    struct fuzz_account a = {FIELD_HASH_START, 0};
    const struct wire_sink sink = {fuzz_message, &a};
    struct wire_conversation c;
    wire_start(&c, datagrams, WIRE_UNKNOWN);
    while (size >= 3) {
        size_t length = field_le16(data + 1);
        enum wire_side from = data[0] & 1;
        bool gap = data[0] & 2;
        data += 3, size -= 3;
        if (gap) {
            wire_gap(&c, from, length);
            continue;
        }
        length = length < size ? length : size;
        wire_feed(&c, from, data, length, &sink);
        data += length, size -= length;
    }
}

static inline int fuzz_parser(const struct wire_parser *p, const uint8_t *data, size_t size)
{
    struct fuzz_account whole = fuzz_say(p, data, size, 0);
    if (!p->datagrams) {
        struct fuzz_account bytewise = fuzz_say(p, data, size, 1);
        fuzz_need(whole.hash == bytewise.hash && whole.count == bytewise.count);
    }
    fuzz_recognise(data, size, p->datagrams);
    return 0;
}

#endif
