/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/wire.h"

#include <string.h>

#include "base/compiler.h"
#include "wire/parser.h"

/* Chunks that are looked at before a conversation is given up, and how many of them a wrong guess costs. */
#define UNDECIDED_CHUNKS 128
#define WRONG_GUESS_CHUNKS 16

#define HELD_MAX 1008
#define SEGMENTS_MAX 16

/*
 * `state` while undecided: what may yet turn out to be the beginning of a message, of both sides, and the order in
 * which it came: segments of side << 15 | bytes, 0 after the last.
 */
struct undecided {
    uint16_t segments[SEGMENTS_MAX];
    uint8_t bytes[2][HELD_MAX];
};
_Static_assert(sizeof(struct undecided) <= WIRE_STATE_SIZE, "held beginnings fit the state");
_Static_assert(HELD_MAX < 1 << 15 && HELD_MAX >= WIRE_HEAD, "a segment's length fits, and a head is held whole");

#define PROTOCOL(ID, number, name) \
    _Static_assert((number) > 0 && (number) < WIRE_PROTOCOLS, "protocol numbers are below WIRE_PROTOCOLS");
#include "wire/protocols.def"
#undef PROTOCOL

static const struct wire_parser *const parsers[WIRE_PROTOCOLS] = {
#define PROTOCOL(ID, number, name) [number] = &name##_parser,
#include "wire/protocols.def"
#undef PROTOCOL
};

static const uint8_t guess_order[] = {
#define PROTOCOL(ID, number, name) number,
#include "wire/protocols.def"
#undef PROTOCOL
};

/* NULL: there is none, or the protocol is not spoken that way. */
static ALWAYS_INLINE const struct wire_parser *parser_of(const struct wire_conversation *c, uint8_t protocol)
{
    const struct wire_parser *p = parsers[protocol];
    if (unlikely(p && p->datagrams != c->datagrams))
        return c->datagrams ? NULL : p->on_streams;
    return p;
}

static struct undecided *undecided_of(struct wire_conversation *c)
{
    return (struct undecided *)c->state;
}

static void held_drop(struct wire_conversation *c)
{
    c->held[WIRE_CLIENT] = c->held[WIRE_SERVER] = 0;
    memset(undecided_of(c)->segments, 0, sizeof(undecided_of(c)->segments));
}

/* Forgets what one side said; the order of the other side's segments does not matter then. */
static void held_drop_side(struct wire_conversation *c, enum wire_side side)
{
    struct undecided *u = undecided_of(c);
    enum wire_side other = !side;
    if (c->held[side] == 0)
        return;
    memset(u->segments, 0, sizeof(u->segments));
    u->segments[0] = c->held[other] ? (uint16_t)(other << 15 | c->held[other]) : 0;
    c->held[side] = 0;
}

/* Of `bytes`, which stand behind what is held already, as much as there is room for; returns how much. */
static size_t held_copy(struct wire_conversation *c, enum wire_side from, const uint8_t *bytes, size_t length)
{
    size_t room = HELD_MAX - c->held[from];
    size_t n = length < room ? length : room;
    memcpy(undecided_of(c)->bytes[from] + c->held[from], bytes, n);
    return n;
}

/* Keeps the `n` bytes that held_copy has put in their place. */
static void held_keep(struct wire_conversation *c, enum wire_side from, size_t n)
{
    uint16_t *segments = undecided_of(c)->segments;
    int last = -1;
    while (last + 1 < SEGMENTS_MAX && segments[last + 1] != 0)
        last++;
    if (last < 0 || segments[last] >> 15 != from) {
        if (++last == SEGMENTS_MAX) {
            held_drop(c);
            return;
        }
        segments[last] = (uint16_t)(from << 15);
    }
    segments[last] = (uint16_t)(segments[last] + n);
    c->held[from] = (uint16_t)(c->held[from] + n);
}

static void undecided_start(struct wire_conversation *c)
{
    c->protocol = WIRE_UNKNOWN;
    c->settled = false;
    c->trust = 0;
    held_drop(c);
}

static void parser_start(struct wire_conversation *c, uint8_t protocol)
{
    c->protocol = protocol;
    c->settled = true;
    c->trust = 0;
    c->held[WIRE_CLIENT] = c->held[WIRE_SERVER] = 0;
    memset(c->state, 0, sizeof(c->state));
    parser_of(c, protocol)->start(c->state);
}

/* What was held of the sides in `sides`, bits by enum wire_side. */
static bool held_replay(struct wire_conversation *c, const struct undecided *u, unsigned sides,
                        const struct wire_sink *sink)
{
    size_t at[2] = {0, 0};
    for (size_t i = 0; i < SEGMENTS_MAX && u->segments[i] != 0; i++) {
        enum wire_side from = u->segments[i] >> 15;
        size_t n = u->segments[i] & 0x7fff;
        if (sides >> from & 1 && !parser_of(c, c->protocol)->feed(c->state, from, u->bytes[from] + at[from], n, sink))
            return false;
        at[from] += n;
    }
    return true;
}

/*
 * What was held is said again to the parser that recognised `from`; what the other side said may have been the end of a
 * message, and is then left out. Apart from its caller for its stack frame's sake.
 */
static NOINLINE bool parser_start_replay(struct wire_conversation *c, uint8_t protocol, enum wire_side from,
                                         const struct wire_sink *sink)
{
    struct undecided u;
    memcpy(&u, c->state, sizeof(u));
    parser_start(c, protocol);
    if (held_replay(c, &u, 1u << WIRE_CLIENT | 1u << WIRE_SERVER, sink))
        return true;
    parser_start(c, protocol);
    return held_replay(c, &u, 1u << from, sink);
}

/* The first protocol in the order of guessing that `bytes` are; WIRE_UNKNOWN: none, though some may be with `more`. */
static uint8_t protocol_guess(const struct wire_conversation *c, enum wire_side from, const uint8_t *bytes,
                              size_t length, uint8_t except, bool *more)
{
    *more = false;
    for (size_t i = 0; i < sizeof(guess_order); i++) {
        const struct wire_parser *p = parser_of(c, guess_order[i]);
        if (!p || guess_order[i] == except)
            continue;
        enum wire_guess guess = p->guess(bytes, length, from);
        if (guess == WIRE_GUESS_YES)
            return guess_order[i];
        *more |= guess == WIRE_GUESS_MORE;
    }
    return WIRE_UNKNOWN;
}

static void wrong_guess(struct wire_conversation *c)
{
    c->chunks += WRONG_GUESS_CHUNKS;
    undecided_start(c);
}

static COLD void wire_recognise(struct wire_conversation *c, enum wire_side from, const uint8_t *bytes, size_t length,
                                uint8_t except, const struct wire_sink *sink)
{
    const uint8_t *view = bytes;
    size_t seen = length, copied = 0;
    bool more;
    c->chunks++;
    if (c->held[from] > 0) {
        copied = held_copy(c, from, bytes, length);
        view = undecided_of(c)->bytes[from];
        seen = c->held[from] + copied;
    }
    uint8_t protocol = protocol_guess(c, from, view, seen, except, &more);
    if (protocol != WIRE_UNKNOWN) {
        bool right = true;
        if (c->held[WIRE_CLIENT] + c->held[WIRE_SERVER] > 0)
            right = parser_start_replay(c, protocol, from, sink);
        else
            parser_start(c, protocol);
        if (!right || !parser_of(c, protocol)->feed(c->state, from, bytes, length, sink))
            wrong_guess(c);
    } else if (!more || seen >= HELD_MAX || c->datagrams) {
        held_drop_side(c, from);
        /* What was held did not begin a message; this chunk may. */
        if (view != bytes && protocol_guess(c, from, bytes, length, except, &more) != WIRE_UNKNOWN)
            wire_recognise(c, from, bytes, length, except, sink);
    } else {
        held_keep(c, from, copied ? copied : held_copy(c, from, bytes, length));
    }
    if (c->protocol == WIRE_UNKNOWN && c->chunks >= UNDECIDED_CHUNKS)
        c->settled = true;
}

void wire_start(struct wire_conversation *c, bool datagrams, enum wire_protocol expected)
{
    memset(c, 0, sizeof(*c));
    c->datagrams = datagrams;
    if (expected > WIRE_UNKNOWN && expected < WIRE_PROTOCOLS && parser_of(c, expected))
        parser_start(c, (uint8_t)expected);
}

/* Bytes that no parser has taken, or that made no sense to it. */
static NOINLINE void feed_undecided(struct wire_conversation *c, enum wire_side from, const void *bytes, size_t length,
                                    const struct wire_sink *sink)
{
    uint8_t protocol = c->protocol;
    if (length == 0)
        return;
    if (protocol != WIRE_UNKNOWN)
        wrong_guess(c);
    if (!c->settled)
        wire_recognise(c, from, bytes, length, protocol, sink);
}

HOT void wire_feed(struct wire_conversation *c, enum wire_side from, const void *bytes, size_t length,
                   const struct wire_sink *sink)
{
    if (unlikely(c->protocol == WIRE_UNKNOWN || length == 0) ||
        unlikely(!parser_of(c, c->protocol)->feed(c->state, from, bytes, length, sink)))
        feed_undecided(c, from, bytes, length, sink);
    else if (unlikely(c->trust < UINT8_MAX) && ++c->trust == UINT8_MAX)
        c->chunks = 0; /* a conversation that made sense for long may be lost again as often as a new one */
}

void wire_gap(struct wire_conversation *c, enum wire_side from, uint64_t length)
{
    if (c->protocol == WIRE_UNKNOWN) {
        if (!c->settled)
            held_drop_side(c, from);
    } else if (parser_of(c, c->protocol)->gap) {
        parser_of(c, c->protocol)->gap(c->state, from, length);
    } else {
        parser_start(c, c->protocol);
    }
}
