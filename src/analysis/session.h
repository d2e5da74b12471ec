/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All recordings that one report is about, merged into one stream of events on one clock.
 *
 * Recordings of the same boot share CLOCK_MONOTONIC and are merged on it exactly. Those of other machines (or of
 * another boot) are aligned through CLOCK_REALTIME, as precisely as their wall clocks agree.
 */
#ifndef CPROBE_ANALYSIS_SESSION_H
#define CPROBE_ANALYSIS_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "analysis/arena.h"
#include "trace/reader.h"

/* One trace file. */
struct source {
    struct trace *trace;
    const struct trace_info *info;
    int64_t shift_ns;              /* add to a CLOCK_MONOTONIC time of this trace: time on the session's clock */
    int64_t real_offset_ns;        /* add to a CLOCK_MONOTONIC time of this trace: CLOCK_REALTIME */
    const union trace_event *next; /* of the merge; NULL: at its end */
};

struct session {
    struct source *sources; /* by time of their start on the session's clock */
    size_t source_count;
    const char **warnings; /* files that could not be read, damage: one sentence each */
    size_t warning_count;
    /* private: */
    size_t source_capacity, warning_capacity;
    struct arena *arena;
    size_t *heap; /* sources with events left, the earliest first */
    size_t heap_count;
    struct source *current; /* whose event was handed out last */
};

/*
 * Opens every trace in `paths` (directories: their *.trace files; anything else: a file). Recordings that began before
 * since_real_ns (CLOCK_REALTIME, 0: none) are left out; a file that two paths name is taken once. 0 and *out, freed
 * with session_close, or -ENOENT (missing path, no trace), -ENODATA (traces, none of them usable) with a sentence in
 * `error`.
 */
int session_open(const char *const *paths, size_t count, uint64_t since_real_ns, struct session **out, char *error,
                 size_t error_size);
void session_close(struct session *session);

/* Starts the stream again from the beginning. */
void session_rewind(struct session *session);

/* The next event in order of time on the session's clock (waits: of their begin); equal times: sources in order.
   Returns its source, or NULL at the end. *event is valid until the next call. */
struct source *session_next(struct session *session, const union trace_event **event);

/* A time of this source on CLOCK_REALTIME. 0 stays 0 (unknown). */
uint64_t source_real_ns(const struct source *source, uint64_t time_ns);

#endif
