/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Name servers that are asked without a connection: each datagram is sent to an address, and answers come from any of
 * those that were asked (RFC 1035, section 4.2.1). A descriptor then has a conversation with each of them; its endpoint
 * is the one that was asked last. Bounded, without locks; any thread, signal handlers too.
 */
#ifndef CPROBE_CAPTURE_NAMESERVER_H
#define CPROBE_CAPTURE_NAMESERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Whether this is where a name server would be. */
bool nameserver_is(const struct sockaddr *address, socklen_t length);

/* A datagram is about to be sent to `address`, which may be NULL. The conversation that it belongs to, 0: none. */
uint32_t nameserver_asked(int fd, const struct sockaddr *address, socklen_t length);

/* On a descriptor with FD_ASKS the first `bytes` bytes of `parts` have come from `address`; NULL: not known, taken for
   the one that was asked last. */
void nameserver_answered(int fd, const struct sockaddr *address, socklen_t length, const struct iovec *parts,
                         size_t count, uint64_t bytes);

/* The descriptor is closed, or was connected. */
void nameserver_forget(int fd);

#endif
