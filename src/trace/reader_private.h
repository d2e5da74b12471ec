/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the reader's own files share. Loading goes: reader.c reads the header, reader_segments.c walks the segments and
 * hands each to the file that knows its kind; then the *_finish functions sort what was collected, and reader_events.c
 * streams.
 *
 * Every function here that returns int returns 0 or -ENOMEM: damage never fails, it is counted (damage_add) and
 * skipped.
 */
#ifndef CPROBE_TRACE_READER_PRIVATE_H
#define CPROBE_TRACE_READER_PRIVATE_H

#include "trace/reader.h"

/* No recorder makes larger segments; bounds what one damaged size field can make the reader allocate. */
#define SEGMENT_SIZE_MAX (1u << 20)

/* 36 years of uptime: a later time or a longer duration is damage. Sums of two stay far below 2^64. */
#define TIME_MAX_NS (UINT64_C(1) << 60)

struct memory_chunk;
struct reader_memory {
    struct memory_chunk *chunks;
};

/* A growing array: items of one size. */
struct list {
    void *items;
    size_t count, capacity;
};

struct ring_segment {
    uint64_t offset;     /* in the file */
    uint64_t generation; /* at open; another one later: recycled */
    uint64_t first_ns;   /* least header.time_ns in it */
    uint32_t used;       /* payload bytes, multiple of RING_RECORD_SIZE */
    uint32_t records;    /* usable records in it */
    bool lost;           /* found recycled, and counted */
};

struct stack_segment {
    uint64_t offset; /* in the file, of bytes[0] */
    uint32_t size;
    uint8_t *bytes; /* payload */
};

struct log_index { /* a record in trace.log */
    uint64_t time_ns;
    size_t at;
};

struct thread_entry {
    struct trace_thread view;
    struct trace_thread_slot slot; /* without its counters: see trace.counters */
};

struct counter_entry { /* until counters are grouped by thread */
    uint32_t owner;
    struct trace_counter counter;
};

struct unload {
    uint64_t start;
    uint32_t unloaded;
};

struct segment_cursor;

struct merge { /* state of trace_next; reader_events.c */
    struct segment_cursor **heap;
    size_t heap_count, heap_capacity;
    struct segment_cursor *finished; /* the cursor whose last record was returned: freed by the next call */
    size_t next_ring;                /* rings before this one were opened */
    size_t next_log;
};

struct trace {
    struct trace_info info;
    int fd;
    uint64_t end; /* bytes of the file that may be read */
    uint64_t latest_ns;
    char damage_text[192];
    struct reader_memory memory;

    uint8_t *scratch; /* the segment being loaded */
    size_t scratch_size;

    struct list rings;        /* struct ring_segment, by first_ns once loaded */
    struct list stacks;       /* struct stack_segment, by offset */
    struct list threads;      /* struct thread_entry, by number */
    struct list loose;        /* struct counter_entry, empty once loaded */
    struct list endpoints;    /* struct trace_endpoint, by id */
    struct list modules;      /* struct trace_module, by start, then loaded */
    struct list module_reach; /* uint64_t: greatest end of the modules up to here */
    struct list unloads;      /* struct unload, empty once loaded */
    struct list codes;        /* struct trace_code, by id */
    struct list notes;        /* struct trace_note */
    struct list ksyms;        /* struct trace_ksym, by start */
    struct list operations;   /* struct trace_operation, by id */
    struct list keys;         /* struct trace_key, by id */
    struct list locks;        /* struct trace_lock, by id */
    struct list locksets;     /* struct trace_lockset, by id */
    struct list shared;       /* struct trace_shared, by id */
    struct list protocols;    /* struct trace_protocol, by endpoint, then time */
    struct list addresses;    /* struct trace_address, by address */
    struct list symbols;      /* struct trace_symbol, by start, then loaded */
    struct list symbol_reach; /* uint64_t: greatest end of the symbols up to here */
    struct list log_index;    /* struct log_index, by time */
    struct trace_counter *counters;
    uint8_t *log; /* all usable LOG records, each as in the file */
    size_t log_size, log_capacity;

    struct merge merge;
};

/* ---- reader.c ---- */

/* Counts a place that could not be read; the first one's text is kept. */
void damage_add(struct trace *t, uint64_t offset, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Remembers the latest time seen, for traces whose process was killed. */
void time_seen(struct trace *t, uint64_t time_ns);
/* Bytes read at `offset`: fewer than `size` at the end of the file or on an error. */
size_t reader_file_read(const struct trace *t, uint64_t offset, void *buffer, size_t size);
/* Room for one more item, zeroed, at the end; NULL: no memory. */
void *reader_list_add(struct list *l, size_t item_size);
void reader_list_free(struct list *l);

/* ---- reader_text.c ---- */

/* NUL-terminated copy that is safe to print: control characters and what is not UTF-8 become '?'. NULL: no memory. */
char *reader_text(struct reader_memory *a, const void *bytes, size_t length);
/* Plain copy, 8-byte aligned. */
void *reader_bytes(struct reader_memory *a, const void *bytes, size_t length);
void reader_memory_free(struct reader_memory *a);
/* The same replacement in place, in a field of `size` bytes that ends at its first NUL, or at its end. */
void text_clean(char *text, size_t size);

/* ---- event_check.c ---- */

enum event_class { EVENT_CLASS_RING, EVENT_CLASS_LOG };
/* Whether the header.size bytes at `e` (8-byte aligned, all readable) are an event that readers may use: NULL, or what
   is wrong with it. */
const char *event_check(const union trace_event *e, enum event_class class);
/* When it ended: waits and turns last. */
uint64_t event_end_ns(const union trace_event *e);

/* ---- reader_segments.c ---- */

int segments_load(struct trace *t);
/* Makes trace.scratch at least that large. */
int scratch_reserve(struct trace *t, size_t size);
/* Reads `size` bytes at `offset` into trace.scratch; *got: how many there were. */
int scratch_read(struct trace *t, uint64_t offset, size_t size, size_t *got);

/* ---- one loader a segment kind: `s` is its header, at `offset`; `size` the bytes of it that the file still has ----
 */

int ring_load(struct trace *t, const struct segment *s, uint64_t offset, uint32_t size);
int log_load(struct trace *t, const struct segment *s, uint64_t offset, uint32_t size);
int thread_load(struct trace *t, const struct segment *s, uint64_t offset, uint32_t size);
int counters_load(struct trace *t, const struct segment *s, uint64_t offset, uint32_t size);
int stacks_load(struct trace *t, const struct segment *s, uint64_t offset, uint32_t size);

int log_finish(struct trace *t);
int threads_finish(struct trace *t);
void rings_finish(struct trace *t);
int modules_finish(struct trace *t);
int symbols_finish(struct trace *t);

/* ---- reader_definitions.c: what LOG events define ---- */

/* Takes in a checked LOG event. */
int definition_add(struct trace *t, const union trace_event *e);
void definitions_finish(struct trace *t);
/* Sorts items that begin with their number (uint32_t) and leaves one a number: a definition that was inherited over
   fork may have been written again. */
void reader_list_sort_by_id(struct list *l, size_t item_size);
/* bsearch over a list. NULL: not found. */
void *reader_list_find(const struct list *l, size_t item_size, const void *key,
                       int (*compare)(const void *, const void *));

/* ---- reader_conversations.c: of these, what is said about conversations ---- */

int definition_talk_add(struct trace *t, const union trace_event *e);
void definitions_talk_finish(struct trace *t);

/* ---- reader_locks.c ---- */

int lock_add(struct trace *t, const union trace_event *e);
void locks_finish(struct trace *t);

/* Orders by unsigned number: -1, 0, 1. */
static inline int number_compare(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

#endif
