/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sweeps of one kind, operation, server and place of the application, of all processes together. */
#ifndef CPROBE_ANALYSIS_SWEEP_GROUP_H
#define CPROBE_ANALYSIS_SWEEP_GROUP_H

#include "analysis/findings.h"
#include "analysis/place.h"
#include "analysis/sweep.h"
#include "analysis/timeline.h"

#define SWEEP_STACKS_MAX 5

struct sweep_group {
    enum sweep_kind kind;
    bool server;       /* as the server itself saw them */
    const char *where; /* who was swept: sweep_where */
    const struct trace_operation *operation;
    uint64_t place_hash;
    struct place place; /* of the longest sweep */
    const struct model_process *process;
    const struct model_thread *thread;
    const struct trace_key *key; /* of the longest sweep */
    uint64_t sweeps, calls, elements, held_ns, asked, complete;
    uint64_t longest_call_ns, longest_sweep_ns, longest_at_ns, most_calls;
    uint64_t first_ns, last_ns; /* session's clock */
    struct histogram calls_held, sweeps_held;
    struct finding_stack stacks[SWEEP_STACKS_MAX];
    uint64_t stack_hashes[SWEEP_STACKS_MAX];
    size_t stack_count;
    const struct model_process *last_process;
    size_t processes; /* at least so many */
    struct context_tally contexts;
    bool storming; /* some of them were part of a storm */
};

/* All sweeps of one server, whoever asked for them. */
struct sweep_server {
    const char *where;
    struct timeline timeline;
    struct storm storm;
};

/* Zero-initialise. */
struct sweep_groups {
    struct sweep_group *list;
    size_t count, capacity;
    struct sweep_server *servers;
    size_t server_count, server_capacity;
};

/* Adds a finished sweep. */
void sweep_groups_add(struct sweep_groups *groups, struct model *model, const struct sweep *sweep);
/* Takes groups of one storm that were asked for at several places together, and drops what a server saw of sweeps that
 * its recorded clients have already. */
void sweep_groups_settle(struct sweep_groups *groups);
/* The server of a group. */
const struct sweep_server *sweep_groups_server(const struct sweep_groups *groups, const struct sweep_group *group);
void sweep_groups_free(struct sweep_groups *groups);

/* Who is swept, the peer's address or the server's own recording, for `where` and for slowdown.h. */
const char *sweep_where(const struct sweep *sweep);

#endif
