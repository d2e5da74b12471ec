/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said once about endpoints: the protocols spoken with them, and the addresses that host names stood for.
 * Lock-free; any thread. */
#ifndef CPROBE_CAPTURE_FACTS_H
#define CPROBE_CAPTURE_FACTS_H

#include <sys/socket.h>

#include "capture/conversation.h"

/* The protocol of the conversation, which the calling thread has; name: of the other side, or of a part of it. */
void fact_protocol(struct conversation *c, const char *name, size_t length);

/* A lookup of `name` gave this address. Addresses that stand for themselves are left out. */
void fact_address(const char *name, const struct sockaddr *address, socklen_t length);

#endif
