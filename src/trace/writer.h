/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes one process's trace (format.h) into a shared file mapping, so that what is recorded survives kill -9.
 *
 * Rules of engagement: runs inside somebody's server, in any hook and any state. No libc function that may allocate,
 * lock or be interposed; no descriptor is kept open; only madvise (and, on kernels before 5.14, open + fallocate +
 * close), and sched_yield for a lock, are called after writer_create. Lock-free, except for the list of full ring
 * segments, where a thread that finds it taken overwrites its own segment. The file grows by segments that the kernel
 * has promised to back (MADV_POPULATE_WRITE reports what would have been SIGBUS): a full disk shows as an error here,
 * never as a signal in the host.
 */
#ifndef CPROBE_TRACE_WRITER_H
#define CPROBE_TRACE_WRITER_H

#include <stdbool.h>

#include "trace/format.h"

#define WRITER_PATH_MAX 1024
#define WRITER_SIZE_MIN (UINT64_C(1) << 20)
#define WRITER_SIZE_MAX (UINT64_C(4) << 30)

/*
 * What each kind of segment may take of the room behind the header and the stack index, in sixteenths. What is rare or
 * distinct is never evicted, so it is bounded; together they are the whole, so that none can starve another.
 */
enum writer_share { WRITER_LOG = 2, WRITER_SLOTS = 3, WRITER_STACKS = 4, WRITER_RINGS = 7, WRITER_WHOLE = 16 };

/* Segments of one kind that all threads write to. */
struct writer_shared {
    struct segment *current; /* any */
    uint64_t bytes;          /* any: of all segments of this kind */
    uint32_t growing;        /* any: tid of the thread that makes the next segment, 0: none does */
};

#define WRITER_STRAYS 16

struct writer {
    struct trace_header *header; /* the mapping; NULL: no trace */
    uint64_t capacity;           /* bytes mapped */
    struct writer_shared log;
    struct writer_shared stacks;
    uint64_t ring_bytes;      /* any */
    uint64_t ring_generation; /* any */
    uint32_t frozen;          /* no system call may be made any more (sandbox, recording ended) */
    uint32_t out_of_space;    /* the file system refused to back another segment */
    uint32_t full_lock;       /* guards the next four; try-lock only */
    uint32_t full_head, full_count;
    uint32_t *full; /* circular: offsets / TRACE_PAGE of ring segments that their thread has filled, oldest first */
    uint32_t full_size;
    uint32_t strays[WRITER_STRAYS]; /* any: the same, of threads that found the lock taken; 0: none */
    char path[WRITER_PATH_MAX];
};

/*
 * Creates `path` (must not exist, mode 0600) with room for `capacity` bytes and maps it. `header` gives the identity
 * fields (pid … cmdline); magic, sizes and state are filled in. 0 or negative errno; on failure nothing is left behind.
 */
int writer_create(struct writer *w, const char *path, uint64_t capacity, const struct trace_header *header);

/* Marks the trace finished or disabled and cuts the file to what is used. Later calls record nothing new but are safe.
 */
void writer_finish(struct writer *w, enum trace_state state, enum trace_reason reason, uint64_t now_ns);

/* Forgets a mapping inherited over fork: unmaps it without touching it. */
void writer_abandon(struct writer *w);

/*
 * Takes over from `from` (the parent's trace, still mapped after fork) the LOG records that define numbers used in
 * process memory: endpoints, modules, code objects, operations, keys, and what is said once about endpoints. The parent
 * goes on writing meanwhile: `known` says whether this process knows the number too, or the parent gave it after the
 * fork.
 */
void writer_inherit(struct writer *w, const struct writer *from, bool (*known)(const struct event_header *record));

/* Bytes that segments of this share may take. */
uint64_t writer_budget(const struct writer *w, enum writer_share share);

void writer_lose(struct writer *w, enum trace_lost cause, uint64_t count);

/* A new segment, zeroed and backed, its header complete; NULL where there is no room (counted by the caller). */
struct segment *writer_segment(struct writer *w, enum segment_kind kind, uint32_t size, uint32_t owner);

/* Room for one 64-byte RING record in *segment, which belongs to the calling thread and thread slot `owner`; *segment
   may be NULL at first and changes when it is full. NULL: lost and counted. The record becomes visible by
   writer_ring_commit. */
void *writer_ring_reserve(struct writer *w, struct segment **segment, uint32_t owner);
void writer_ring_commit(struct segment *segment);
/* The thread ends: its segment may be recycled from now on. */
void writer_ring_release(struct writer *w, struct segment *segment);

/* More than half of the room for LOG records is used: what is there once a thread or request is to be left out, so that
   what is there once a program (endpoints, modules) still finds room. */
bool writer_log_scarce(const struct writer *w);

/* Room for a LOG record of `size` fixed and `tail` string bytes; header.time_ns is the caller's. NULL: lost and
 * counted. */
struct event_header *writer_log_reserve(struct writer *w, uint32_t size, uint32_t tail);
void writer_log_commit(struct event_header *record, enum event_type type);

/* Appends a string at *cursor (offset from the record's start, advanced) of a reserved record. */
event_str_t writer_log_string(struct event_header *record, uint32_t *cursor, const void *bytes, size_t length);

/* Number of the stack with these frames, entered if new; 0: no room (the caller counts it). */
uint32_t writer_stack(struct writer *w, uint64_t hash, uint16_t flags, uint32_t modules, const uint64_t *native,
                      uint16_t native_count, const uint64_t *python, uint16_t python_count);

#endif
