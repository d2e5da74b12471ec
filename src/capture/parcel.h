/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes of a connection that a thread leaves to another one, which is at work on that connection and may have lost its
 * processor meanwhile: nobody waits for it, and nothing is missed. Copies, from one bounded pool for all connections.
 *
 * A list of parcels is a word that any thread, and any signal handler, may add to; whoever takes what is in it has it
 * alone. No locks.
 */
#ifndef CPROBE_CAPTURE_PARCEL_H
#define CPROBE_CAPTURE_PARCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define PARCEL_SIZE 512u
#define PARCELS_AT_ONCE 140 /* so many does one call leave at most: 64 KiB, which many programs receive at once */

/* What is said of the bytes, kept with them. */
struct parcel_label {
    uint64_t now_ns; /* when they were left */
    uint32_t id;     /* conversation */
    uint32_t tid;    /* who left them */
    bool sent;
};

#define PARCEL_BYTES (PARCEL_SIZE - sizeof(struct parcel_label) - 2 * sizeof(uint32_t))

struct parcel {
    struct parcel_label label;
    uint32_t next; /* in its list: the one that was added before it; once taken: after it. 0: none */
    uint32_t length;
    uint8_t bytes[PARCEL_BYTES];
};
_Static_assert(sizeof(struct parcel) == PARCEL_SIZE, "as large as said");

/* Adds the first `bytes` bytes of the parts, but for the first `skip` of these. False: there is no room for all of
   them, nothing was added. */
bool parcels_add(uint32_t *list, const struct parcel_label *label, const struct iovec *parts, size_t count,
                 uint64_t skip, uint64_t bytes);

/* All that is in the list, the oldest first; NULL: nothing. The list is empty then. */
struct parcel *parcels_take(uint32_t *list);

/* The one after it, or NULL; `parcel` itself is given back. */
struct parcel *parcel_next(struct parcel *parcel);

#endif
