/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What MongoDB's command documents and replies say. Pure functions; documents may be cut. */
#ifndef CPROBE_WIRE_MONGODB_COMMAND_H
#define CPROBE_WIRE_MONGODB_COMMAND_H

#include "wire/bson.h"
#include "wire/wire.h"

struct mongodb_command {
    char verb[WIRE_VERB_MAX];
    size_t verb_length;
    const char *collection;
    size_t collection_length;
    const char *database;
    size_t database_length;
    uint32_t flags; /* enum wire_flags */
    uint64_t elements;
    uint64_t cursor;
    uint64_t filter_hash; /* 0: none */
    /* for sections that follow the document */
    bool secret;
};

struct mongodb_reply {
    bool failed;
    char code[24];
    const char *status; /* a code's name, or its number in `code` */
    size_t status_length;
    uint64_t elements;
    bool has_cursor;
    uint64_t cursor;
};

/* A command document. False: it is none. */
bool mongodb_command_read(const uint8_t *document, size_t held, struct mongodb_command *c);

/* The first of the statements of an update or delete, in a document sequence ("updates", "deletes") or an array. */
void mongodb_statement_read(const char *name, size_t name_length, const uint8_t *document, size_t held,
                            struct mongodb_command *c);

void mongodb_reply_read(const uint8_t *document, size_t held, struct mongodb_reply *r);

#endif
