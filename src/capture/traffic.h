/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the hooks that move bytes on descriptors to conversations. Hooks ask `traffic_watched(flags)` first, which is
 * one test for descriptors that are no connections, or on which nothing is understood.
 *
 * Receives are told after their wait was recorded, sends before: so the wait's record finds the request that it was
 * for (wait.h).
 */
#ifndef CPROBE_CAPTURE_TRAFFIC_H
#define CPROBE_CAPTURE_TRAFFIC_H

#include <sys/socket.h>
#include <sys/uio.h>

#include "capture/fdtable.h"

enum traffic { TRAFFIC_RECEIVED = 0, TRAFFIC_SENT = 1 };

/* Whether calls on a descriptor with these flags (fd_flags) are to be told. */
static inline bool traffic_watched(uint16_t flags)
{
    return flags & (FD_TALKS | FD_CONNECTING | FD_ASKS);
}

/* A call has moved the first `result` bytes of `parts`, or failed with errno where result < 0. now_ns as
   conversation_feed. */
void traffic_moved(int fd, enum traffic direction, const struct iovec *parts, size_t count, int64_t result,
                   uint64_t now_ns);

/*
 * A call is about to send all of `parts`: on streams they are fed now (conversation_sending). What it returns is for
 * traffic_sent, after the call.
 */
uint32_t traffic_sending(int fd, const struct iovec *parts, size_t count);
void traffic_sent(int fd, uint32_t sending, const struct iovec *parts, size_t count, int64_t result, uint64_t now_ns);

/* What MSG_* flags of a receive leave of it: looked at but not taken, or out of band: nothing; taken unseen: a gap. */
void traffic_received(int fd, const struct iovec *parts, size_t count, int64_t result, int flags, uint64_t now_ns);

/* A call has moved `bytes` bytes between kernel objects, so that nobody saw them. */
void traffic_unseen(int fd, enum traffic direction, int64_t bytes);

/* A stream was connected, or is about to be. Of datagrams, only name servers are talked to. */
void traffic_connected(int fd, const struct sockaddr *address, socklen_t length);

/* The conversation of a TLS session on the descriptor, even if nobody listens to the descriptor itself any more. */
uint32_t traffic_session(int fd);

/* The descriptor's conversation, begun now if need be; 0: it has none. */
uint32_t traffic_conversation(int fd);

#endif
