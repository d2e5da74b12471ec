/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a recording knows about the other ends of its connections, in the words of reports: which protocol is spoken
 * there, what the host is called, and what was asked.
 */
#ifndef CPROBE_ANALYSIS_CONVERSATION_H
#define CPROBE_ANALYSIS_CONVERSATION_H

#include "analysis/arena.h"
#include "trace/reader.h"
#include "wire/wire.h"

/* "MySQL"; NULL for a protocol that is unknown. Static. */
const char *protocol_title(uint16_t protocol);
/* What is sent in it: "query", "command", "request". Static. */
const char *protocol_asked(uint16_t protocol);

/* The protocol spoken with an endpoint: what was recognised last, inside TLS where that could be read; WIRE_UNKNOWN.
 *tls (may be NULL): whether inside TLS. */
enum wire_protocol conversation_protocol(const struct trace *trace, uint32_t endpoint, bool *tls);

/* The host of an endpoint as the program called it: the name that it looked up, else the server name of a TLS
   connection; NULL. `address`: the endpoint's text. */
const char *conversation_host(const struct trace *trace, uint32_t endpoint, const char *address);

/* What was asked, with what is the same for all such requests: "SELECT ? FROM user", "POST /cards", "GET". Memory of
   `arena` or of the trace. */
const char *operation_words(const struct trace_operation *operation, struct arena *arena);

/* The operation with this number; NULL: none, unknown, or one that has no name. */
const struct trace_operation *operation_find(const struct trace *trace, uint32_t id);

#endif
