/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connects: who made them (the stack at the call), whether they succeeded, and how long that took. One in non-blocking
 * mode is under way until its outcome is known: asked for (SO_ERROR, a second connect), shown by a send or receive, or
 * the descriptor is closed before. Until then its descriptor has FD_CONNECTING.
 *
 * At a low rate every one is recorded; of many in a second with one endpoint only every nth, which stands for n
 * (weight).
 */
#ifndef CPROBE_CAPTURE_CONNECTING_H
#define CPROBE_CAPTURE_CONNECTING_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

/* connect returned; error: 0 or errno. endpoint: from the address, 0: it has none. waits: the descriptor is in blocking
   mode. */
void connecting_called(int fd, uint32_t endpoint, uint64_t begin_ns, uint64_t end_ns, int error, bool waits);

/* The program asked for SO_ERROR; error: what it was told. */
void connecting_asked(int fd, int error);

/* A send or receive succeeded (0) or failed with this errno. */
void connecting_moved(int fd, int error);

/* The descriptor is about to be closed: its outcome is looked up. */
void connecting_closing(int fd);

/* It is gone. pending: fd_entry.connecting */
void connecting_lost(uint32_t pending);

#endif
