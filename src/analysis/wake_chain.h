/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a thread waited for while others waited to be woken by it. Conditions, semaphores that signal, and the futexes
 * that only the kernel sees have no owner; but the kernel tells who ended each wait. Where the waker itself waited
 * meanwhile, for a peer, a disk or in a sleep, that part of the wait is due to this; where it waited to be woken too,
 * for a lock or another thread's word, to what that one's waker waited for meanwhile, and so on.
 *
 * Of processes that were recorded through the kernel only. Streaming, as lock_chain.h: a wait is charged when the
 * stream has passed its end. Estimates: of waits that are long enough to be recorded always.
 */
#ifndef CPROBE_ANALYSIS_WAKE_CHAIN_H
#define CPROBE_ANALYSIS_WAKE_CHAIN_H

#include "analysis/merge.h"
#include "analysis/model.h"

#define WAKE_LINKS 8 /* wakers that wait for wakers */

/* Waits in one place that are due to those of one place of the last waker. */
struct wake_cause {
    /* The waits: */
    const struct model_process *process; /* whose trace has stack and endpoint, as in wait_row */
    uint32_t stack, endpoint;
    /* Of who ended them: */
    const struct model_thread *waker;
    const struct model_process *waker_process;
    uint32_t waker_stack, waker_endpoint, operation;
    uint16_t call;
    double ns;                                    /* of the waits */
    const struct model_thread *links[WAKE_LINKS]; /* who waited for whom in between, from the first waker on */
    size_t link_count;
};

struct wake_wait;
struct wake_chain {
    struct model *model;
    struct wake_cause *causes;
    size_t cause_count, cause_capacity;
    /* Open at the stream's present moment, or during a wait that is: waits with a waker, and waits that may be why. */
    struct wake_wait *waits, *reasons;
    size_t wait_count, wait_capacity, reason_count, reason_capacity;
};

struct wake_chain *wake_chain_new(struct model *model);
/* Takes in the event that the model has just taken in. */
void wake_chain_event(struct wake_chain *chain, const struct merged *merged);
/* After the last event. */
void wake_chain_finish(struct wake_chain *chain);
void wake_chain_free(struct wake_chain *chain);

/* Whether the cause is one of the row's waits. */
bool wake_cause_is_of(const struct wake_cause *cause, const struct wait_row *row);
/* "worker (11) waits for store (12), which": who waits for what wake_cause_words says. Memory of `arena`. */
const char *wake_cause_who(const struct wake_cause *cause, const struct model *model, struct arena *arena);
/* "mysql 127.0.0.1:3306 UPDATE ?", "nanosleep": what the waker waited for. Memory of `arena`. */
const char *wake_cause_words(const struct wake_cause *cause, struct arena *arena);

#endif
