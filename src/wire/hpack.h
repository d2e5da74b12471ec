/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Header compression of HTTP/2 (RFC 7541), as far as a request line and a status need it: header blocks in pieces of
 * any size, one direction of a connection. Values of other fields are skipped, not decoded.
 *
 * The dynamic table is not kept: of each of its youngest entries, one byte in which the caller says what it was.
 * Entries are numbered from the youngest, so neither their sizes nor evictions matter (an encoder never refers to an
 * evicted one), and entries from before a loss, or before recording began, are simply not known.
 */
#ifndef CPROBE_WIRE_HPACK_H
#define CPROBE_WIRE_HPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/huffman.h"

/* Entries of 4,096 bytes, the table's size unless agreed otherwise: each counts 32 bytes and its text. */
#define HPACK_ENTRIES 128

enum hpack_name {
    HPACK_OTHER, /* not decoded */
    HPACK_METHOD,
    HPACK_PATH,
    HPACK_AUTHORITY,
    HPACK_STATUS,
    HPACK_GRPC_STATUS,
};

/* All zero: at the beginning of a block, with an empty table. */
struct hpack {
    struct huffman huffman;
    uint32_t number; /* an integer under construction; bytes of a string to come */
    uint16_t used;   /* bytes of the string that are decoded */
    uint8_t shift;
    uint8_t step;
    uint8_t name;  /* enum hpack_name */
    uint8_t flags; /* of the field and of the string */
    uint8_t entries;
    uint8_t next; /* place of the next entry */
    uint8_t entry[HPACK_ENTRIES];
};

/* Who wants to know. */
struct hpack_reader {
    /*
     * A field with its value; `cut`: more of it did not fit. Returns the byte that stands for it in the table, if the
     * block says that it shall (`kept`). HPACK_OTHER comes without a value.
     */
    uint8_t (*field)(void *context, enum hpack_name name, const uint8_t *value, size_t length, bool cut, bool kept);
    /* A field from the table. */
    void (*entry)(void *context, uint8_t code);
    /* The name of the field that `code` stands for. */
    enum hpack_name (*name)(void *context, uint8_t code);
    /* Room for decoded strings, which must not change its content while a field is incomplete. */
    uint8_t *(*room)(void *context, size_t *size);
};

/* `length` more bytes of a block. False: no encoder says such a thing. */
bool hpack_decode(struct hpack *d, const uint8_t *bytes, size_t length, const struct hpack_reader *reader,
                  void *context);

/* Whether a block may end here. */
bool hpack_is_complete(const struct hpack *d);

/* After a loss: at the beginning of a block, with nothing known of the table. */
void hpack_reset(struct hpack *d);

#endif
