/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is the same for all requests to one route: a path without its query, and with {} for what names one thing among
 * many (numbers, UUIDs, hexadecimal and base64-looking identifiers, anything escaped). Pure, allocates nothing.
 *
 *     /cards/887/photo.png?size=2                        /cards/{}/photo.png
 *     /v1/users/7b6c5d4e-1111-4222-8333-944455556666     /v1/users/{}
 *     /reset/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln   /reset/{}
 */
#ifndef CPROBE_WIRE_PATH_H
#define CPROBE_WIRE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/wire.h"

/* Text under construction: `room` bytes at `text`, of which `length` are used. `cut`: it did not all fit. */
struct path_text {
    char *text;
    size_t room;
    size_t length;
    bool cut;
};

/*
 * Appends the template of the path that `target` begins with (RFC 3986, section 3.3), up to '?' or '#' or the end.
 * False, with nothing of use in `out`: these bytes are no path (a space or a control character).
 */
bool path_template(const uint8_t *target, size_t length, struct path_text *out);

/* Likewise for the name of a queue or a routing key, whose parts are separated by dots. Always succeeds. */
void path_name_template(const uint8_t *name, size_t length, struct path_text *out);

/* Appends `length` bytes as they are, or as many as there is room for. */
void path_append(struct path_text *out, const void *bytes, size_t length);

/*
 * Of a request target in any form (RFC 9112, section 3.2), where its path begins: behind scheme and authority, which
 * may hold a password. `length` if it has none.
 */
size_t path_start(const uint8_t *target, size_t length);

/* Whether all of `bytes` can be a host and port, without a user before it. */
bool path_is_host(const uint8_t *bytes, size_t length);

#endif
