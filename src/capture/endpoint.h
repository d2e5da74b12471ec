/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers for what a thread can wait on: entered once into the trace, then only the number is written. Lock-free; any
 * thread. */
#ifndef CPROBE_CAPTURE_ENDPOINT_H
#define CPROBE_CAPTURE_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "trace/format.h"

#define ENDPOINT_TEXT_MAX 256 /* bytes; longer ones are cut */

/* The number of this endpoint; ENDPOINT_OVERFLOW where the table is full. `pc` for ENDPOINT_WAITSET, else 0. */
uint32_t endpoint_intern(enum endpoint_kind kind, enum endpoint_role role, const char *text, size_t length,
                         uintptr_t pc);

/* Whether this process has given out the number. */
bool endpoint_known(uint32_t id);

/* The endpoint for a socket address as the kernel or the program gives it. 0: not an address family with peers. */
uint32_t endpoint_address(enum endpoint_role role, const struct sockaddr *address, socklen_t length);

/* Address as text ("127.0.0.1:80", "[::1]:80", path, "@abstract"); v4-mapped IPv6 addresses as IPv4. Returns its
 * length, *kind its family. */
size_t endpoint_format(const struct sockaddr *address, socklen_t length, char text[ENDPOINT_TEXT_MAX],
                       enum endpoint_kind *kind);

#endif
