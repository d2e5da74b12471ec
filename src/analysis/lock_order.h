/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order in which threads take locks, and circles in it.
 *
 * An edge A -> B: a thread asked for B while it held A. A circle of edges is a potential deadlock (Coffman et al.,
 * System Deadlocks, 1971; lock graphs with gate locks: Havelund, Using Runtime Analysis to Guide Model Checking of Java
 * Programs, 2000) unless its requests cannot stand at the same time:
 *
 * - a lock between two edges of the circle is shared on both sides: readers do not wait for readers;
 * - two edges were seen under a common lock (a gate), which not both had for reading. An order that was seen under
 *   several sets of locks has an edge for each: one combination without a gate is enough;
 * - all edges are of one thread, and no other is known to use the locks;
 * - an edge is from a time when the process had one thread only. Where it never had another, a circle shows what two
 *   threads that run the same code would come to: it is given as well (order_circle_is_alone).
 *
 * A circle may lead through several processes, by locks that they share (lock_identity.h). Locks are objects here, not
 * classes: locks of one kind that are always taken in the order of their addresses make no
 * circle. A try function never waits, so that it is the end of no edge; recursion is none (both: the recorder).
 */
#ifndef CPROBE_ANALYSIS_LOCK_ORDER_H
#define CPROBE_ANALYSIS_LOCK_ORDER_H

#include "analysis/model.h"

#define CIRCLE_MAX 64        /* locks in a circle */
#define CIRCLE_SEARCHED 8    /* longer ones are found where they are the shortest through one of their edges */
#define CIRCLES_MAX 64       /* of processes that share locks */
#define CIRCLE_STEPS 1000000 /* of the search in them */

struct order_edge {
    const struct model_process *process;
    struct event_order event;
    /* Of the search: */
    uint32_t from, to, group; /* numbers of the locks among all processes; processes that share locks are a group */
    bool dead;                /* in no circle */
};

struct order_graph {
    struct order_edge *edges;
    size_t count, capacity;
};

/* A circle: the lock edges[i].to is edges[i + 1].from. */
struct order_circle {
    const struct order_edge *edges[CIRCLE_MAX];
    size_t count;
};

/* It was seen in a process of one thread. */
bool order_circle_is_alone(const struct order_circle *circle);

void order_graph_add(struct order_graph *graph, const struct model_process *process, const struct event_order *event);
void order_graph_free(struct order_graph *graph);
/* Calls `found` for the circles, of each group of processes the shortest first, each once whatever edge it is seen
   from. Uses the edges up. */
void order_graph_circles(struct order_graph *graph, const struct model *model,
                         void (*found)(void *context, const struct order_circle *circle), void *context);

#endif
