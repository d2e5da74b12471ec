/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a protocol's parser provides to wire.c. Its state lives in wire_conversation.state (WIRE_STATE_SIZE bytes),
 * which it may treat as a struct of its own, checked by a _Static_assert; nothing else is kept anywhere.
 */
#ifndef CPROBE_WIRE_PARSER_H
#define CPROBE_WIRE_PARSER_H

#include "base/compiler.h"
#include "wire/wire.h"

enum wire_guess {
    WIRE_GUESS_NO,   /* these bytes are not the beginning of a message of this protocol */
    WIRE_GUESS_MORE, /* they may be: more are needed to tell */
    WIRE_GUESS_YES,
};

struct wire_parser {
    /*
     * Whether `bytes`, the first ones seen of one side, begin a message of this protocol. They need not be the
     * connection's first: recording may have begun in the middle of it. Strict: a wrong yes spoils a conversation.
     */
    enum wire_guess (*guess)(const uint8_t *bytes, size_t length, enum wire_side from);

    /* `state` is zeroed. */
    void (*start)(void *state);

    /*
     * As wire_feed. False: this is not, or no longer, this protocol: recognition starts anew, with this chunk, among
     * the other protocols. A parser that has reported WIRE_UPGRADE returns false as well, so that the TLS that follows
     * is recognised as such.
     */
    bool (*feed)(void *state, enum wire_side from, const uint8_t *bytes, size_t length, const struct wire_sink *sink);

    /* As wire_gap. NULL: the parser is started anew. */
    void (*gap)(void *state, enum wire_side from, uint64_t length);

    bool datagrams; /* it is spoken in datagrams, and not on streams but by `on_streams` */

    /* Where `datagrams` is set: the same protocol's parser for streams. NULL: there it is not spoken. */
    const struct wire_parser *on_streams;
};

#define PROTOCOL(ID, number, name) extern const struct wire_parser name##_parser HIDDEN;
#include "wire/protocols.def"
#undef PROTOCOL

#endif
