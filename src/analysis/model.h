/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes and threads of a session, which of the threads are event loops, and what each waited for.
 *
 * Times in here are CLOCK_MONOTONIC of the trace that they come from (never the session's): all of one thread's are
 * comparable. model_new learns the loops (loops.h) from the whole recording; model_event is then fed the stream, and
 * model_finish turns samples into totals that agree with the exact counters. Everything is owned by the model.
 */
#ifndef CPROBE_ANALYSIS_MODEL_H
#define CPROBE_ANALYSIS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/kernel_side.h"
#include "analysis/locks.h"
#include "analysis/options.h"
#include "analysis/session.h"
#include "analysis/symbols.h"
#include "analysis/syscalls.h"
#include "analysis/talk.h"
#include "analysis/waits.h"
#include "analysis/watched.h"

struct model_process {
    struct source *source;
    struct trace *trace; /* source->trace */
    const char *program; /* base name of the executable */
    const char *name;    /* what people know it by: that of the link or script that was called, where it has one */
    uint64_t end_ns;
    struct kernel_side *kernel;   /* recorded through the kernel; else NULL */
    struct model_process *beside; /* the same process as recorded through the kernel, of one from inside; or NULL */
    bool own_calls;               /* a runtime of own_calls.def is loaded */
    struct model_thread *threads; /* by number of the slot */
    size_t thread_count;
    size_t python_threads;     /* threads seen to run Python code; after the stream */
    uint64_t second_python_ns; /* when the second of them started: from then on the interpreter lock is shared */
};

struct model_thread {
    struct model_process *process;
    const struct trace_thread *source;
    size_t ordinal; /* in the order of the session */
    uint32_t tid;
    const char *name;
    bool runs_python;
    uint64_t first_ns, last_ns;  /* first and last sign of life */
    struct model_thread *inside; /* of a thread recorded through the kernel: the same one from inside, or NULL */

    /* What the kernel saw of the thread, during its loop's life if it has one; after the stream. */
    struct thread_kernel {
        bool seen;
        double idle_ns, blocked_ns; /* off the CPU until woken: in the loop's own wait, and elsewhere */
        double runqueue_ns;         /* from then until there was a CPU */
        /* Of all its recorded life, exact; 0: not in the trace. runnable: with preemptions. */
        uint64_t life_oncpu_ns, life_runnable_ns;
    } kernel;

    /* Event loops only: */
    const char *loop_kind;         /* NULL: no event loop */
    const struct trace_site *site; /* where it waits for events */
    uint8_t own_sites;            /* bit i: slot site i belongs to the loop as well (the same loop, called elsewhere) */
    uint64_t loop_first_ns;       /* start of the loop's first wait */
    uint64_t loop_end_ns;         /* end of the last one, or last sign of life where the process did not end itself */
    uint64_t idle_ns;             /* total in own sites */
    struct event_context context; /* the last one in the stream; header.type 0: none, or what it belongs to has come */
    bool before_counts; /* waits before its first one delay a server's start; an unknown poll loop may be a client's */
};

struct model {
    struct session *session;
    struct symbols *symbols;
    const struct analysis_options *options;
    struct arena *arena;
    struct model_process *processes; /* in the session's order */
    size_t process_count;
    struct wait_table waits;
    struct syscall_table syscalls;
    struct talk_table talk;
    struct lock_table locks;
    struct lock_chain *chain;
    struct watched_table watched;
    struct wait_context context; /* what is known of the event that model_event took in last */
    struct merge *merge;         /* of the stream that model_event is fed */
    const struct merged *wait;   /* what the last event was as a wait */
};

/* Reads threads and counters and learns the loops. All arguments outlive the model. */
struct model *model_new(struct session *session, struct symbols *symbols, const struct analysis_options *options,
                        struct arena *arena);
void model_free(struct model *model);

/* Takes in one event of the stream. */
void model_event(struct model *model, struct source *source, const union trace_event *event);
/* After the last event. */
void model_finish(struct model *model);

/* The stack of a row, without the name of a system call in front: the kernel's frames say it. Never NULL. */
const struct stack *model_row_stack(const struct model *model, const struct wait_row *row);

struct model_process *model_process_of(struct model *model, const struct source *source);
/* The thread that an event's slot and tid mean: a tid that is no longer the slot's belongs to the slot of ended
   threads. NULL: unknown. */
struct model_thread *model_thread_find(struct model_process *process, uint32_t slot, uint32_t tid);

/* The endpoint with this id in the process's trace (or, KERNEL_ENDPOINT, its kernel's side). NULL: unknown, none. */
const struct trace_endpoint *model_endpoint(const struct model_process *process, uint32_t id);

/* Whether this waitset is the place (or one of the places) where the thread's own loop waits. */
bool thread_owns_site(const struct model_thread *thread, uint32_t endpoint);
enum wait_phase thread_phase(const struct model_thread *thread, uint64_t begin_ns);
/* Time that shares of a loop refer to: from the loop's first wait on; other threads: their life. At least 1. */
uint64_t thread_wall_ns(const struct model_thread *thread);
uint64_t thread_life_ns(const struct model_thread *thread);

#endif
