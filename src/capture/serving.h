/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which request a thread is at work on.
 *
 * A thread that received a request on an accepted connection serves it until its answer is sent. Where requests share a
 * thread this holds only as long as nothing else can have run:
 *
 *   - An event loop in C (redis-server, nginx, node) serves a request until it reads the next one or waits again.
 *   - In Python a request belongs to the fiber that received it: the chain of interpreter frames, which each thread and
 *     each greenlet has of its own; it is named by the address of its outermost frame. A fiber that waits for many
 *     descriptors while its request is without an answer is a loop that runs callbacks (asyncio, tornado, twisted):
 *     what these belong to cannot be known, and from then on nothing is claimed for that fiber.
 */
#ifndef CPROBE_CAPTURE_SERVING_H
#define CPROBE_CAPTURE_SERVING_H

#include "capture/conversation.h"
#include "capture/thread.h"

/* A request was received. `more`: it came in the same chunk as the one before, which it may only replace where it is
   likelier to take long (`notable`). The thread has entered the recorder. */
void serving_begin(struct thread *t, const struct conversation *c, const struct pending *request, bool notable,
                   bool more);

/* It was answered, by whatever thread. */
void serving_end(struct thread *t, const struct conversation *c, const struct pending *request, uint64_t now_ns);

/* The operation of the request that the thread is at work on now, 0: none, or not known. *fiber: where it is, in
   Python; else 0. */
uint32_t serving_now(struct thread *t, uint64_t *fiber);

/* The thread waits in its loop, so a turn is over: the operation that took longest in it, 0: none known. */
uint32_t serving_turn(struct thread *t, uint64_t now_ns);

/* The thread ends. */
void serving_forget(struct thread *t);

#endif
