/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/operation.h"

#include "capture/interned.h"
#include "capture/recorder.h"

#define FIRST_OPERATION 2u
#define FIRST_KEY 1u
#define KEYS_MAX 8192u

/* Flags that belong to the operation; the others to one request. */
#define LASTING_FLAGS                                                                                         \
    (WIRE_PREPARED | WIRE_COMPRESSED | WIRE_SWEEP | WIRE_CURSOR | WIRE_WHOLE | WIRE_UNBOUNDED | WIRE_SCRIPT | \
     WIRE_IF_ABSENT | WIRE_WRITE)

INTERNED(operations, OPERATION_MAX);
INTERNED(keys, KEYS_MAX);

static void write_operation(uint32_t id, uint32_t endpoint, enum endpoint_role role, const struct wire_message *m)
{
    uint32_t cursor = sizeof(struct event_operation);
    struct event_operation *e =
        (void *)writer_log_reserve(&recorder.writer, cursor, (uint32_t)(m->verb_length + m->text_length));
    if (!e)
        return;
    e->header.time_ns = clock_now();
    e->id = id;
    e->endpoint = endpoint;
    e->protocol = (uint16_t)m->protocol;
    e->role = (uint16_t)role;
    e->flags = m->flags & LASTING_FLAGS;
    e->verb = writer_log_string(&e->header, &cursor, m->verb, m->verb_length);
    e->text = writer_log_string(&e->header, &cursor, m->text, m->text_length);
    writer_log_commit(&e->header, EVENT_OPERATION);
}

uint32_t operation_intern(uint32_t endpoint, enum endpoint_role role, const struct wire_message *m)
{
    bool fresh;
    uint64_t h = ((uint64_t)endpoint << 32) | ((uint64_t)m->protocol << 16) | (m->flags & LASTING_FLAGS);
    h = hash_word(h, (uint64_t)role);
    h = hash_text(h, m->verb, m->verb_length);
    h = hash_end(hash_text(h, m->text, m->text_length));
    int32_t place = interned_find(&operations, h);
    if (likely(place >= 0))
        return (uint32_t)place + FIRST_OPERATION;
    if (writer_log_scarce(&recorder.writer))
        return OPERATION_OVERFLOW;
    place = interned_enter(&operations, h, &fresh);
    if (place < 0)
        return OPERATION_OVERFLOW;
    if (fresh)
        write_operation((uint32_t)place + FIRST_OPERATION, endpoint, role, m);
    return (uint32_t)place + FIRST_OPERATION;
}

#define CONSTANT 0xffu /* in place of a length */

/* At most 8 letters, zeros behind. */
static uint64_t word_of(const char *text, size_t length)
{
    uint32_t first, last;
    if (length < sizeof(first)) {
        uint64_t word = 0;
        for (size_t i = 0; i < length; i++)
            word |= (uint64_t)(uint8_t)text[i] << 8 * i;
        return word;
    }
    memcpy(&first, text, sizeof(first));
    memcpy(&last, text + length - sizeof(last), sizeof(last));
    return first | (uint64_t)last << 8 * (length - sizeof(last));
}

HOT uint32_t operation_recall(struct operation_recent *recent, uint32_t endpoint, enum endpoint_role role,
                              const struct wire_message *m)
{
    if (unlikely(m->text_length || m->verb_length > sizeof(recent->verb)))
        return operation_intern(endpoint, role, m);
    bool constant = m->flags & WIRE_CONSTANT_VERB;
    uint64_t verb = constant ? (uint64_t)(uintptr_t)m->verb : word_of(m->verb, m->verb_length);
    uint32_t rest = (m->flags & LASTING_FLAGS) | (uint32_t)m->protocol << 16 |
                    (constant ? CONSTANT : (uint32_t)m->verb_length) << 24;
    struct operation_recent *r = &recent[verb * UINT64_C(0x9E3779B97F4A7C15) >> 62];
    if (likely(r->verb == verb && r->rest == rest))
        return r->operation;
    uint32_t operation = operation_intern(endpoint, role, m);
    if (operation != OPERATION_OVERFLOW)
        *r = (struct operation_recent){verb, rest, operation};
    return operation;
}
_Static_assert(LASTING_FLAGS < 1 << 16 && WIRE_PROTOCOLS < 1 << 8, "what an operation is made of, side by side");
_Static_assert(OPERATION_RECENT == 1 << (64 - 62), "the hash picks a place");

static void write_key(uint32_t id, uint64_t hash, const char *text, size_t length)
{
    uint32_t cursor = sizeof(struct event_key);
    struct event_key *e = (void *)writer_log_reserve(&recorder.writer, cursor, (uint32_t)length);
    if (!e)
        return;
    e->header.time_ns = clock_now();
    e->hash = hash;
    e->id = id;
    e->text = writer_log_string(&e->header, &cursor, text, length);
    writer_log_commit(&e->header, EVENT_KEY);
}

uint32_t key_intern(uint64_t hash, const char *text, size_t length)
{
    bool fresh;
    if (!hash || recorder.settings.keys == SETTINGS_KEYS_OFF)
        return 0;
    int32_t place = interned_find(&keys, hash);
    if (place < 0 && !writer_log_scarce(&recorder.writer)) {
        place = interned_enter(&keys, hash, &fresh);
        if (fresh)
            write_key((uint32_t)place + FIRST_KEY, hash, text,
                      recorder.settings.keys == SETTINGS_KEYS_FULL ? length : 0);
    }
    return place < 0 ? 0 : (uint32_t)place + FIRST_KEY;
}

bool operation_known(uint32_t id)
{
    return id >= FIRST_OPERATION && interned_known(&operations, id - FIRST_OPERATION);
}

bool key_known(uint32_t id)
{
    return id >= FIRST_KEY && interned_known(&keys, id - FIRST_KEY);
}
