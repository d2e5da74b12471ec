/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers for what is asked on connections, operations and keys: entered once into the trace, then only the number is
 * written. Lock-free; any thread; signal handlers too.
 */
#ifndef CPROBE_CAPTURE_OPERATION_H
#define CPROBE_CAPTURE_OPERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/format.h"
#include "wire/wire.h"

#define OPERATION_NONE 0u
#define OPERATION_OVERFLOW 1u /* stands for all after the table was full */
#define OPERATION_MAX 4096u   /* operations that have a number of their own: all numbers are below 2 * 4096 + 2 */

/* The number of what the request `m` asks of `endpoint`; OPERATION_OVERFLOW where there is no room. */
uint32_t operation_intern(uint32_t endpoint, enum endpoint_role role, const struct wire_message *m);

#define OPERATION_RECENT 4

/* An operation without text that was asked on one conversation. All zero: none. */
struct operation_recent {
    uint64_t verb; /* its letters, zeros behind; of a constant, where it stands */
    uint32_t rest; /* what else it is made of */
    uint32_t operation;
};

/* As operation_intern, with a look at what was asked on the same conversation before; `recent`: OPERATION_RECENT of
   them, always with the same endpoint and role. */
uint32_t operation_recall(struct operation_recent *recent, uint32_t endpoint, enum endpoint_role role,
                          const struct wire_message *m);

/* The number of a key, entered as CPROBE_KEYS says. hash: of the whole key, 0: none. 0: no key, no room. */
uint32_t key_intern(uint64_t hash, const char *text, size_t length);

/* Whether this process has given out the number. */
bool operation_known(uint32_t id);
bool key_known(uint32_t id);

#endif
