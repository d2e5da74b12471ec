/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS sessions of OpenSSL and GnuTLS: which conversation each belongs to, so that what is inside is understood.
 *
 * A session that works on a descriptor of its own belongs to the descriptor's conversation. One that works on memory
 * (asyncio, Twisted, Node) is recognised by the random of its client's greeting (RFC 8446, 4.1.2), which was seen on
 * the connection in the clear, too.
 *
 * Lock-free; any thread; errno is left alone.
 */
#ifndef CPROBE_CAPTURE_TLS_H
#define CPROBE_CAPTURE_TLS_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_RANDOM_SIZE 32 /* bytes */

/* What a library tells of its sessions. */
struct tls_library {
    /* The session's descriptor for this direction, -1: it has none. */
    int (*descriptor)(const struct link_map *library, void *session, bool sent);
    /* The client's random; false: not known (yet). */
    bool (*random)(const struct link_map *library, void *session, uint8_t out[TLS_RANDOM_SIZE]);
};

/* The session has sent or received `size` bytes inside. library: whose functions may be asked about it. */
void tls_moved(void *session, const struct tls_library *tls, const struct link_map *library, bool sent,
               const void *bytes, size_t size);

/* `size` bytes inside that nobody saw (SSL_sendfile). */
void tls_unseen(void *session, bool sent, uint64_t size);

/* The session ends. */
void tls_freed(void *session);

/* A client's greeting with this random (its hash, wire_message.key_hash) was seen on a conversation. */
void tls_greeted(uint64_t random_hash, uint32_t conversation);

#endif
