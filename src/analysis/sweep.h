/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From single requests to sweeps: a request that touches a whole key space, collection or table is one; the steps of an
 * iteration (SCAN and its family), each of which continues where the one before ended, are joined into one, whichever
 * of the process's connections they went over.
 */
#ifndef CPROBE_ANALYSIS_SWEEP_H
#define CPROBE_ANALYSIS_SWEEP_H

#include "analysis/model.h"
#include "analysis/options.h"
#include "analysis/request_context.h"

enum sweep_kind {
#define SWEEP(ID, flag, does, remedy) SWEEP_##ID,
#include "analysis/sweep_kinds.def"
#undef SWEEP
    SWEEP_KINDS
};

/* What a kind does, and what to do about it: sweep_kinds.def. Static. */
const char *sweep_does(enum sweep_kind kind);
const char *sweep_remedy(enum sweep_kind kind);

/* One request, or all steps of one iteration. Times are the session's. */
struct sweep {
    enum sweep_kind kind;
    const struct model_process *process;
    const struct model_thread *thread;
    const struct trace_operation *operation;
    const struct trace_key *key;                          /* pattern or key; NULL: not known */
    uint32_t stack;                                       /* of its longest call; 0: none */
    uint32_t serving;                                     /* operation that the process was at work on; 0: not known */
    bool server;                                          /* as the server itself answered it */
    bool complete;                                        /* an iteration that was seen from its begin to its end */
    uint64_t calls, elements, asked, held_ns, longest_ns; /* asked: largest COUNT, a power of two below it */
    uint64_t begin_ns, end_ns, longest_at_ns;
};

/* Whether the event is one call of a sweep; fills the sweep that it would be alone. */
bool sweep_of_request(struct model *model, struct source *source, const struct event_request *request,
                      struct sweep *sweep);

/* Whether it is more than a server should be asked for at once. */
bool sweep_is_large(const struct sweep *sweep, const struct analysis_options *options);

/* Iterations that have begun and not ended. */
struct sweep_chains {
    struct sweep_chain *list;
    size_t count, capacity;
};

/* Takes one step. True: an iteration is complete, *done is all of it. When too many are open at once the one that has
   rested longest is handed out incomplete in the same way. */
bool sweep_chain_step(struct sweep_chains *chains, const struct sweep *step, uint32_t cursor, uint32_t next,
                      struct sweep *done);
/* After the last event: the next one that never ended; false: none is left, and everything is freed. */
bool sweep_chain_rest(struct sweep_chains *chains, struct sweep *done);

#endif
