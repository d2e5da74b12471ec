/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The statements that a connection has prepared: what their execution is reported as. Bounded: of those not executed
 * for longest first the text is forgotten, then all. Not thread-safe; async-signal-safe.
 */
#ifndef CPROBE_WIRE_STATEMENTS_H
#define CPROBE_WIRE_STATEMENTS_H

#include <stdint.h>

#include "wire/sql.h"
#include "wire/wire.h"

#define STATEMENTS_MAX 16
#define STATEMENTS_TEXT 560

struct statement {
    uint32_t id; /* the protocol's own, or a hash of its name */
    uint16_t flags;
    uint16_t used : 14;       /* statements.clock when last executed */
    uint16_t transaction : 2; /* enum sql_transaction */
    uint8_t length;           /* of its text; 0: forgotten */
    uint8_t verb;
    uint8_t table_at;
    uint8_t table_length;
};

/* All zero: none. Texts follow each other in the order of the list. */
struct statements {
    struct statement list[STATEMENTS_MAX];
    uint16_t clock;
    uint16_t text_used;
    uint8_t count;
    char text[STATEMENTS_TEXT];
};

/* `id` is from now on what `d` says; of long texts the beginning is kept. */
void statements_put(struct statements *s, uint32_t id, const struct sql_digest *d);

/* The statement is known by another number from now on; whatever had that one is forgotten. */
void statements_rename(struct statements *s, uint32_t id, uint32_t new_id);

void statements_remove(struct statements *s, uint32_t id);

/* The number of the one that was put last; 0: none. */
uint32_t statements_last(const struct statements *s);

/* What an execution (or a fetch) of `id` is: verb, text, key and flags of `m`, and what it does to transactions. False:
   `id` is not known, all as it was. */
bool statements_describe(struct statements *s, uint32_t id, struct wire_message *m, enum sql_transaction *transaction);

#endif
