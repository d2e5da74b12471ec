/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Builds trace files (src/trace/format.h) for tests, without a recorder: what a recorder would have written, byte for
 * byte under the control of the test.
 *
 *     struct trace_builder *b = builder_new(42);
 *     uint32_t db = builder_endpoint(b, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:3306");
 *     uint32_t stack = builder_stack(b, STACK_COMPLETE, 0, (uint64_t[]){0x401000, 0x402000}, 2, NULL, 0);
 *     builder_thread(b, 43, "worker", 0);
 *     builder_wait(b, 43, BUILDER_START + 5 * MS, 20 * MS, 40, db, stack, 0);     (40: poll, see calls.def)
 *     builder_end(b, BUILDER_START + 1000 * MS, 0);                                 (leave it out: a killed process)
 *     struct trace *t = builder_open(b);                                            (or builder_write(b, path))
 *     … trace_close(t); builder_free(b);
 *
 * Times are CLOCK_MONOTONIC nanoseconds. The recording starts at BUILDER_START. Pointers that a function returns stay
 * valid until builder_free; fields may be changed through them until the file is written. Nothing here returns an error
 * except the functions that touch files: a builder that runs out of memory or room (BUILDER_ROOM) ends the test program
 * with a message. One thread at a time per builder.
 */
#ifndef CPROBE_TRACE_BUILDER_H
#define CPROBE_TRACE_BUILDER_H

#include <stddef.h>
#include <stdint.h>

#include "trace/format.h"

struct trace;
struct trace_builder;

#define CALL_OBJECT_NUMBER 142 /* calls.def; in place of flags its counters have the number of a method */

#define BUILDER_START UINT64_C(1000000000)                     /* header.start_mono_ns */
#define BUILDER_START_REAL (UINT64_C(1700000000) * 1000000000) /* header.start_real_ns: 2023-11-14T22:13:20Z */
#define BUILDER_ROOM (UINT64_C(256) << 20)                     /* bytes that one trace may have */

/* An empty trace of process `pid`: recording, never ended; exe "/usr/bin/program", cmdline "program --serve", host
   "testhost". Change what you need through builder_header. */
struct trace_builder *builder_new(uint32_t pid);
void builder_free(struct trace_builder *b);
/* Segments of one page each from here on, for small files. Call it right after builder_new. */
void builder_compact(struct trace_builder *b);

struct trace_header *builder_header(struct trace_builder *b);
/* `cmdline`: arguments separated by spaces here. NULL leaves a field as it is. */
void builder_process(struct trace_builder *b, const char *exe, const char *comm, const char *cmdline);
/* The process ended by itself (TRACE_FINISHED) at end_ns. */
void builder_end(struct trace_builder *b, uint64_t end_ns, int32_t exit_status);
/* header.time_ns of the LOG events added from here on; at first BUILDER_START. */
void builder_time(struct trace_builder *b, uint64_t time_ns);

/* ---- threads, waits, turns ---- */

/* A thread slot with its THREAD event. tid 0: the slot of ended threads. start_ns 0: BUILDER_START. Returns the slot,
   whose cpu_* and end_ns fields the test may set. A second call with the same tid is a new thread that got a used
   number. */
struct trace_thread_slot *builder_thread(struct trace_builder *b, uint32_t tid, const char *name, uint64_t start_ns);

/* Number of the thread's slot. A tid that is unknown gets one. */
uint32_t builder_slot(struct trace_builder *b, uint32_t tid);

/* One recorded wait of weight 1 and its place in the slot's exact counters; with WAIT_WAITSET in flags also in the
   slot's site for `endpoint`. A tid that is unknown gets a slot. Returns the event: fd, fds, weight, error, result may
   be set. */
struct event_wait *builder_wait(struct trace_builder *b, uint32_t tid, uint64_t begin_ns, uint64_t duration_ns,
                                uint16_t call, uint32_t endpoint, uint32_t stack, uint16_t flags);

/* `count` waits of duration_ns each that were counted but not recorded; begins at begin_ns, one after the other.
   Returns the counter: bytes and failed may be set. */
struct trace_counter *builder_count(struct trace_builder *b, uint32_t tid, uint64_t begin_ns, uint64_t duration_ns,
                                    uint64_t count, uint16_t call, uint32_t endpoint, uint16_t flags);

/* One long turn: the event, and its place in the site (turns, turn_ns, turn_max_ns, turn_hist). blocked_ns 0, cpu_ns
   UINT64_MAX and waits 0 unless set through the result. */
struct event_turn *builder_turn(struct trace_builder *b, uint32_t tid, uint64_t begin_ns, uint64_t duration_ns,
                                uint32_t endpoint);
/* Turns that were too short to be recorded: `count` of duration_ns each, in the site only. */
void builder_turns(struct trace_builder *b, uint32_t tid, uint64_t duration_ns, uint64_t count, uint32_t endpoint);

/* One CPU sample of a turn that began at turn_start_ns. */
struct event_cpu *builder_cpu(struct trace_builder *b, uint32_t tid, uint64_t time_ns, uint64_t turn_start_ns,
                              uint64_t cpu_ns, uint32_t stack);

/* The thread's site for a waitset endpoint (made when absent; all TRACE_SITES used: the last one). */
struct trace_site *builder_site(struct trace_builder *b, uint32_t tid, uint32_t endpoint);

/* ---- what waits refer to ---- */

/* Returns the new endpoint's id (2, 3, …; 1 is ENDPOINT_OVERFLOW). text may be NULL. */
uint32_t builder_endpoint(struct trace_builder *b, enum endpoint_kind kind, enum endpoint_role role, const char *text);
/* An ENDPOINT_WAITSET whose call returns to `pc`. */
uint32_t builder_waitset(struct trace_builder *b, uint64_t pc, uint32_t module_generation);
/* The same for one epoll set of several that are waited on there, as the recorder names it: "epoll 5". */
uint32_t builder_epoll_set(struct trace_builder *b, uint64_t pc, uint32_t module_generation, const char *set);

/* An ENDPOINT_LOCK at `address`. kind: as the recorder writes it, "mutex". */
uint32_t builder_lock(struct trace_builder *b, uint64_t address, const char *kind);

/* Modules [start, end); build_id may be NULL. loaded/unloaded: module generations. */
void builder_module(struct trace_builder *b, uint64_t start, uint64_t end, uint64_t bias, uint32_t loaded,
                    const char *path, const uint8_t *build_id, size_t build_id_size);
/* A function that was named when it was recorded. */
void builder_symbol(struct trace_builder *b, uint64_t start, uint64_t end, uint32_t loaded, const char *name);
void builder_unload(struct trace_builder *b, uint64_t start, uint32_t unloaded);

/* A code object of Python `version` (0x030b). Returns its id (1, 2, …) for PY_FRAME. linetable may be NULL. */
uint32_t builder_code(struct trace_builder *b, const char *name, const char *file, uint32_t first_line,
                      uint16_t version, const uint8_t *linetable, size_t linetable_size);

/* Returns the stack's id. native: return addresses, innermost first; python: PY_FRAME values, innermost first. */
uint32_t builder_stack(struct trace_builder *b, uint16_t flags, uint32_t module_generation, const uint64_t *native,
                       size_t native_count, const uint64_t *python, size_t python_count);

void builder_fork(struct trace_builder *b, uint32_t child);
void builder_exec(struct trace_builder *b, const char *path);
void builder_note(struct trace_builder *b, uint32_t severity, const char *text);

/* ---- bytes of the test's own ---- */

/* Copies an event of any type into the ring of `tid`, at most RING_RECORD_SIZE bytes, or into the log. Magic, size and
   type stay as given. Return where it went. */
void *builder_ring_raw(struct trace_builder *b, uint32_t tid, const void *event, size_t size);
void *builder_log_raw(struct trace_builder *b, const void *event, size_t size);
/* A fresh segment of any kind; returns its header (payload at +SEGMENT_HEADER_SIZE). size: multiple of TRACE_PAGE. */
struct segment *builder_segment(struct trace_builder *b, uint16_t kind, uint32_t size, uint32_t owner);
/* The thread's next ring record starts a new ring segment. */
void builder_ring_close(struct trace_builder *b, uint32_t tid);

/* ---- files ---- */

/* The file's bytes as they are now, *size of them. They may be changed in place. */
uint8_t *builder_image(struct trace_builder *b, size_t *size);
/* 0 or negative errno. The file is replaced; mode 0600. */
int builder_write(struct trace_builder *b, const char *path);
/* Writes an unnamed file and opens it with trace_open; NULL after a message on stderr when that fails. */
struct trace *builder_open(struct trace_builder *b);

#endif
