/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watched objects of a session: who operated on each, with which locks, what overlapped, and whether its own
 * account of its size is right. Facts only; rule_unlocked_mutation.c and rule_cache_accounting_drift.c judge them.
 *
 * Counts are the recorder's exact ones; who and with which locks comes from examples and from windows in which all
 * operations were recorded. All times are CLOCK_MONOTONIC of the object's trace. Owned by the model.
 */
#ifndef CPROBE_ANALYSIS_WATCHED_H
#define CPROBE_ANALYSIS_WATCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/arena.h"
#include "analysis/finding.h"
#include "analysis/profile_index.h"
#include "analysis/watched_locks.h"
#include "analysis/watched_windows.h"
#include "trace/reader.h"

struct model;
struct model_process;
struct model_thread;

#define WATCHED_OBJECTS 100000 /* in all; what comes later is left out */
#define WATCHED_USES 32        /* examples kept of an object */
#define WATCHED_PAIRS 32       /* pairs of methods that overlapped */

/* An example of an operation, the first of its kind: method, stack and locks. */
struct watched_use {
    struct event_mutate event;
    uint64_t count;
};

/* Overlaps of two methods: `method` began while `other` was inside. */
struct watched_pair {
    uint32_t method, other;
    bool writes;    /* both change the object */
    bool fibers;    /* of one thread: one of them gave up the thread while it was inside */
    uint64_t count; /* exact, as far as the recorder's table of pairs reached */
    uint64_t first_ns, last_ns;
    struct event_overlap example; /* the first one; one with both stacks is preferred */
};

/* A container's counter beside its content. */
struct watched_drift {
    uint64_t checks, records;
    uint64_t since_ns;              /* when a difference was first seen; 0: never */
    struct event_drift first, last; /* with a difference; texts are gone */
    int64_t most;                   /* largest difference, by its size */
    const char *counter, *content;  /* what they are called */
    uint64_t right_ns;              /* when they were last seen to agree */
};

struct watched_object {
    const struct model_process *process;
    uint32_t id;
    const struct trace_object *source;      /* NULL: its definition was lost */
    const struct model_process *birthplace; /* whose trace the birth's stack is in: of a fork's child its parent's */
    uint32_t birth_stack;
    struct watched_locks locks;
    struct watched_use *uses;
    size_t use_count, use_capacity;
    struct watched_pair *pairs;
    size_t pair_count, pair_capacity;
    struct watched_drift drift;
    bool changed;            /* since it was shared, by more than look-ups that reorder it */
    uint64_t first_error_ns; /* of the recorded ones: a method that changes it ended with an exception; 0: none */
    /* After watched_finish, exact: */
    uint64_t operations, mutations, busy_ns, key_errors, found_inside;
    uint64_t first_ns, last_ns;                /* of its use */
    size_t threads, mutators;                  /* that operated on it; that changed it */
    const struct model_thread *user, *mutator; /* counted last */
};

/* Zero-initialise. */
struct watched_table {
    struct watched_object *objects;
    size_t capacity;
    struct profile_index index; /* its count is that of the objects */
    struct watched_windows windows;
};

/* Takes in one event of the stream. */
void watched_event(struct model *model, struct model_process *process, const union trace_event *event);
/* After the last event. */
void watched_finish(struct model *model);
void watched_free(struct watched_table *table);

size_t watched_count(const struct watched_table *table);

/* "TTLCache.__setitem__"; "?" for an unknown number. */
const char *watched_method(const struct model_process *process, uint32_t method);

/* How often a change began while another one was inside, with no lock in common. */
uint64_t watched_overlaps(const struct watched_object *object);

/* Of pairs of which both change the object, the one that was seen most, those that also look nothing up before others;
   NULL: none. */
const struct watched_pair *watched_pair_heaviest(const struct watched_object *object);

/* Objects of one class that were made in one place, over all processes. */
struct watched_site {
    const char *name;             /* "cachetools.TTLCache of server.py:12" */
    uint64_t id;                  /* for fingerprints, with the rule's name */
    const struct stack *birth;    /* NULL: not seen */
    struct watched_object **list; /* most operations first */
    size_t count;
};

/* All sites; memory of the model's arena. After watched_finish. */
struct watched_site *watched_sites(struct model *model, size_t *count);

/* Fills the report's table of watched objects; memory of `arena`. */
void watched_report(struct model *model, struct report *report, struct arena *arena);

#endif
