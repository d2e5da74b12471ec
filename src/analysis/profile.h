/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where time was spent waiting, as weighted stacks: what flame graphs are drawn from. Writers get a struct profile and
 * a struct report and nothing else.
 *
 * Weights are calibrated to the recorder's exact counters, as those of the rules are, so that the stacks of a thread
 * add up to what it waited; waits that only the kernel saw have their samples' weights. Equal stacks of one thread are
 * one entry. Memory grows with distinct stacks, not with events.
 */
#ifndef CPROBE_ANALYSIS_PROFILE_H
#define CPROBE_ANALYSIS_PROFILE_H

#include "analysis/finding.h"

struct arena;
struct model;
struct offcpu_row;
struct wait_row;

#define PROFILE_BUCKETS 200 /* of the time line: the recording's length in so many equal parts */

enum profile_frame_kind {
    PROFILE_NATIVE,
    PROFILE_PYTHON,
    PROFILE_KERNEL,
    PROFILE_NOTE,     /* not code: "[stack not recorded]" */
    PROFILE_ENDPOINT, /* what was waited for: "[127.0.0.1:3306]" */
};

struct profile_frame {
    enum profile_frame_kind kind;
    const char *function; /* never NULL; notes and endpoints: their text, in brackets */
    const char *module;   /* as struct frame has it; "" where there is none */
    const char *file;     /* NULL: unknown */
    uint32_t line;        /* 0: unknown */
    bool inlined, system;
};

struct profile_thread {
    struct process_info process;
    struct thread_info thread;
    const char *loop_kind; /* NULL: it runs no event loop */
};

/* Time spent in one bucket of the time line. */
struct profile_slice {
    uint32_t bucket;
    uint64_t ns;
};

struct profile_stack {
    uint32_t thread;        /* index into profile.threads */
    uint32_t kinds;         /* bit i: profile_kind_at(i) */
    bool idle;              /* an event loop's own wait for events: nothing was held up */
    const uint32_t *frames; /* indexes into profile.frames, outermost first */
    size_t frame_count;     /* at least 1 */
    uint64_t count, total_ns;
    const struct profile_slice *slices; /* by bucket; they add up to total_ns */
    size_t slice_count;
};

/* Which stacks a finding is about. */
struct profile_link {
    uint64_t finding_id;
    const uint32_t *stacks; /* indexes into profile.stacks */
    size_t count;
};

/* A file of code that was mapped. */
struct profile_module {
    const char *name, *path;     /* name: as in profile_frame.module */
    uint64_t start, end, offset; /* of one mapping; offset: start's address in the file's own terms */
    const uint8_t *build_id;
    size_t build_id_size; /* 0: none */
};

struct profile {
    struct profile_thread *threads;
    size_t thread_count;
    struct profile_frame *frames; /* distinct */
    size_t frame_count;
    struct profile_stack *stacks; /* heaviest first */
    size_t stack_count;
    struct profile_link *links; /* of the report's findings, in their order */
    size_t link_count;
    struct profile_module *modules; /* distinct by path and build id */
    size_t module_count;
    uint64_t start_real_ns, span_ns; /* of the time line; CLOCK_REALTIME */
};

/* One row of profile_kinds.def. */
struct profile_kind {
    const char *name;
    const char *by;    /* side of the kind: "waiter", "owner"; NULL: it has one only */
    const char *needs; /* why a recording may have none of this kind, or NULL */
    const char *description;
};
size_t profile_kind_count(void);
const struct profile_kind *profile_kind_at(size_t i); /* static; i < profile_kind_count() */
/* The first of this name; profile_kind_count(): there is none. */
size_t profile_kind_find(const char *name);
/* The side of that kind; profile_kind_count(): it has no such side. */
size_t profile_kind_side(size_t kind, const char *by);
/* Bit i: the wait belongs to kind i. */
uint32_t profile_kinds_of(const struct wait_row *row);
uint32_t profile_kinds_of_offcpu(const struct offcpu_row *row);

/*
 * Makes the profile of a finished model (model_finish); `report` has its findings already. Reads (and rewinds) the
 * session's stream. Memory is the arena's, strings also those of traces and symbols. Never NULL.
 */
struct profile *profile_new(struct model *model, const struct report *report, struct arena *arena);

#endif
