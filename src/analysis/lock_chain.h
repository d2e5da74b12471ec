/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a lock was not to be had: what the thread that had it waited for meanwhile.
 *
 * A thread waits for a lock while another one, which has it, waits itself: for I/O, or for a further lock whose owner
 * waits in turn. Each stretch of a wait for a lock is charged to the end of that chain: to the I/O (a chain_io), or to
 * the lock at which the chain stops because its owner was not seen to wait (chain_pass); what no wait of an owner
 * covers stays with the lock itself. This is the critical path of the stretch, as the owner's own record and the
 * waiter's show it.
 *
 * Streaming: waits arrive in order of their begin. A wait for a lock is charged when the stream has passed its end;
 * waits of owners are kept until then. Memory grows with distinct places and with what is open at one time, both of
 * which are bounded.
 */
#ifndef CPROBE_ANALYSIS_LOCK_CHAIN_H
#define CPROBE_ANALYSIS_LOCK_CHAIN_H

#include "analysis/merge.h"
#include "analysis/model.h"

#define CHAIN_LINKS 8 /* owners that wait for owners */

/* Waits for a lock that one place of one thread cost, or passed on. */
struct chain_cost {
    const struct model_thread *thread; /* the waiter */
    uint32_t stack;
    uint32_t lock; /* that it waited for */
    double count, ns;
};

/* What threads waited for in one place while they held locks. */
struct chain_io {
    struct wait_row row; /* key: thread (the first one's), process, endpoint, stack, call, flags, context; count, total,
                            max, first and last */
    uint32_t set;        /* locks held */
    struct chain_cost *costs; /* of waits that it explains */
    size_t cost_count, cost_capacity;
    double cost_ns;
};

/* Waits for `from` that were due to the owner's wait for `to`, where the chain stops. */
struct chain_pass {
    const struct model_process *process;
    uint32_t from, to;
    double ns;
};

struct chain_wait;
struct lock_chain {
    struct model *model;
    struct chain_io *ios;
    size_t io_capacity;
    struct profile_index io_index;
    struct chain_pass *passes;
    size_t pass_count, pass_capacity;
    /* Open at the stream's present moment: waits for locks, and waits with locks held. */
    struct chain_wait *waits, *helds;
    size_t wait_count, wait_capacity, held_count, held_capacity;
};

struct lock_chain *lock_chain_new(struct model *model);
/* Takes in one event of the process, after the model. */
void lock_chain_event(struct lock_chain *chain, const struct model_process *process, const union trace_event *event);
/* After the last event: classifies the rows. */
void lock_chain_finish(struct lock_chain *chain);
void lock_chain_free(struct lock_chain *chain);

#endif
