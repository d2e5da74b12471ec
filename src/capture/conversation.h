/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is said on one connection, as the recorder follows it: the parser's state (src/wire) and the requests in flight.
 * Conversations come from one bounded area of memory (CPROBE_CONNECTIONS), mapped lazily and kept for the next one.
 *
 * A conversation is named by its number, which carries a generation: one that was closed, and whose place somebody else
 * has, is not found any more, so a stale number does no harm. It belongs to descriptors (fdtable.h), or to a TLS
 * session, which feeds it what is inside:
 *
 *     id = conversation_open(endpoint, CONVERSATION_SERVER);   // 0: no room; or fd_conversation(fd)
 *     conversation_secure(id);                                 // from now on only what is inside is fed
 *     conversation_feed(id, sent, &(struct iovec){bytes, n}, 1, n, 0);
 *     conversation_release(id);
 *
 * Threads and signals: at most one thread feeds a conversation at a time. The lock is the owner's thread id. Others try
 * for some microseconds and then leave what they have to the owner (parcel.h), which feeds it in its place before it
 * goes; so a sender and a receiver on one connection lose nothing, whichever of them loses its processor. What there is
 * no room for is a gap for the parser. An owner that cannot be at work any more (it is this thread, whose handler
 * jumped out of it; or it is of the process before a fork) is overruled. Everything here may be called in any hook,
 * with any number, and leaves errno alone.
 */
#ifndef CPROBE_CAPTURE_CONVERSATION_H
#define CPROBE_CAPTURE_CONVERSATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "capture/operation.h"
#include "wire/wire.h"

struct thread;

enum conversation_flags {
    CONVERSATION_SERVER = 0x01,    /* accepted here: this process is the server */
    CONVERSATION_DATAGRAMS = 0x02, /* UDP */
    CONVERSATION_EARLIER = 0x04,   /* the connection is older than the recording */
    CONVERSATION_TLS = 0x08,       /* what is fed is inside TLS */
};

#define CONVERSATION_CROWD 1024 /* requests in flight whose operation is still known beyond WIRE_PENDING */

/*
 * A request in flight. System calls leave little of it in the processor's caches, so the usual one stays within the
 * first cache line: what it needs, and the beginning of its key. What few requests have stands behind, and is valid
 * where `more` says so.
 */
struct pending {
    uint64_t begin_ns; /* when it was sent, or had come */
    uint64_t bytes;
    uint32_t operation; /* 0: free */
    uint32_t sequence;
    uint16_t flags; /* REQUEST_* */
    uint16_t repeats;
    uint8_t more;       /* enum pending_more */
    uint8_t key_length; /* 0: none is kept */
    char key[WIRE_KEY_MAX];
    uint64_t first_ns; /* PENDING_FIRST: when the answer's first byte had come; else with the rest */
    uint64_t key_hash; /* PENDING_HASH: else it has no key, or what is kept is the whole key */
    uint32_t stack;    /* PENDING_DESCRIBED */
    uint32_t detail;   /* PENDING_DESCRIBED */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct pending) == 128, "two cache lines");
_Static_assert(offsetof(struct pending, key) + 32 <= 64, "most keys are within the first");

enum pending_more { PENDING_FIRST = 0x01, PENDING_HASH = 0x02, PENDING_DESCRIBED = 0x04 };

struct conversation {
    uint32_t id;         /* generation << 16 | place + 1; 0: free */
    uint32_t references; /* any: descriptors and sessions that have it */
    uint64_t owner;      /* any: pid << 32 | tid of the thread that feeds it; 0: none. Guards all below `missed` */
    uint64_t ahead;      /* any: bytes that were fed before they were sent, and are not sent yet */
    uint32_t left;       /* any: what others have left to the owner (parcel.h) */
    uint32_t missing;    /* any: `missed` is not zero */
    uint64_t missed[2];  /* any: bytes of each side that could not be fed */
    uint32_t endpoint;
    uint16_t flags; /* enum conversation_flags */
    uint16_t generation;
    uint32_t next_free;      /* place + 1 of the next free one; any while it is free */
    uint32_t last_operation; /* asked last (client), answered last (server) */
    bool crowded;            /* requests were in flight beyond WIRE_PENDING: `crowd` is in use */
    uint8_t window;          /* slots in use - 1: as many as requests were in flight at once, a power of two; few slots
                                stay in the processor's cache */
    uint8_t inside;          /* enum wire_protocol that agreed on TLS and goes on inside it */
    uint32_t announced;      /* protocol << 1 | inside TLS, as said in the trace */
    uint64_t crowd_ns;       /* when the last of those was sent */
    struct operation_recent operations[OPERATION_RECENT];
    struct wire_conversation wire;
    struct pending pending[WIRE_PENDING + 1]; /* conversation_slot; the last: one that is not answered */
    uint16_t crowd[CONVERSATION_CROWD];       /* their operations, by sequence % CONVERSATION_CROWD; 0: none */
};

/* Where the request with this number is, if it is in flight and not in the crowd. */
static inline struct pending *conversation_slot(struct conversation *c, uint32_t sequence)
{
    return &c->pending[sequence & c->window];
}

/* At start. */
void conversations_init(void);

/* A new conversation with one reference; 0: no room (noted in the trace once). endpoint: whom it is with, for a server
   the address that was connected to. flags: enum conversation_flags */
uint32_t conversation_open(uint32_t endpoint, uint16_t flags);

/* One more who has it, one less. When the last one gives it back, requests without an answer are given up. */
void conversation_retain(uint32_t id);
void conversation_release(uint32_t id);

/*
 * `bytes` bytes that this process has sent or received, the first ones of `parts`, in the order in which they are on
 * the connection. now_ns: a time not long ago, 0: the clock is read if it is needed. False: nothing of what is said on
 * it will be understood, feeding it is pointless.
 */
bool conversation_feed(uint32_t id, bool sent, const struct iovec *parts, size_t count, uint64_t bytes,
                       uint64_t now_ns);

/* The same of bytes that came over the descriptor itself, in one buffer. False, too, once a TLS session has it. */
bool conversation_received(uint32_t id, const void *bytes, size_t length);

/*
 * `size` bytes, all of `parts`, are about to be sent on a stream. They are fed now, because where another thread
 * receives it may be faster with the answer than this one with the request. What the call then does not send is
 * expected to be sent by a later one, as it is on streams, and not fed again. conversation_sent must follow: how many
 * of them went. Result as conversation_received.
 */
bool conversation_sending(uint32_t id, const struct iovec *parts, size_t count, uint64_t size);
void conversation_sent(uint32_t id, uint64_t size, uint64_t bytes);

/* Bytes that were sent or received unseen; 0: how many is not known. */
void conversation_gap(uint32_t id, bool sent, uint64_t bytes);

/* A TLS session takes over: what it feeds is inside. What the protocol said before it agreed on TLS is kept. */
void conversation_secure(uint32_t id);

/* Whether what is on the descriptor itself is, or is about to be, TLS: feeding that is pointless. */
bool conversation_secured(uint32_t id);

/* The operation that a wait on the connection is for: the oldest request without an answer, or, for a wait in a call
   that sends, what was sent last. 0: none is known. A look without the lock: it may be off by a request. */
uint32_t conversation_operation(uint32_t id, bool sending);

/* Whether that request is still without its answer. */
bool conversation_unanswered(uint32_t id, uint32_t sequence, uint32_t operation);

/* The process ends: requests without an answer are given up. */
void conversations_finish(void);

#endif
