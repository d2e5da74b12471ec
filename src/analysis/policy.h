/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which peers the recorded programs may connect to. An entry is [PROTOCOL://]HOST[:PORT]:
 *
 *     redis://127.0.0.1:6379    mysql://db.internal    *.internal:11211    10.0.0.0/8    redis:///run/redis.sock
 *
 * PROTOCOL is what is spoken (src/wire/protocols.def), whatever the port; HOST an address, a range of addresses, a name
 * as the program looked it up, or the path of a Unix socket; PORT a number. `*` and `?` stand for anything in all of
 * them; what is left out may be anything. "localhost" is any loopback address.
 */
#ifndef CPROBE_ANALYSIS_POLICY_H
#define CPROBE_ANALYSIS_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "analysis/finding.h"

struct policy;

struct policy *policy_new(void);
void policy_free(struct policy *policy); /* NULL is allowed */

/* Allows what `entry` describes to processes whose name, executable or command line matches the pattern `process`
   (NULL: to all). 0, or -EINVAL with a sentence for the user. */
int policy_allow(struct policy *policy, const char *entry, const char *process, char *error, size_t error_size);

/* Whether the process may speak to the peer. A peer whose protocol is unknown is judged by address and port alone, so
   that an entry which names nothing but a protocol does not fit it. */
bool policy_allows(const struct policy *policy, const struct process_info *process, const struct peer *peer);

/* Peers that no policy needs to name: name service, logging and the like, by protocol, port and path. */
bool policy_excuses(const struct peer *peer);

/* The entry that allows just this peer, for free(): "mysql://127.0.0.1:3306". */
char *policy_entry_of(const struct peer *peer);

#endif
