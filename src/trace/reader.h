/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads one process's trace file (format.h). It trusts nothing: every offset, size, count and string is checked against
 * the file; what cannot be used is skipped and counted in trace_info.damage, with one sentence for the user. A file
 * that is still being written may be read; ring segments recycled meanwhile are counted as overwritten.
 *
 * Memory: threads, endpoints, operations, modules, code objects and stacks are loaded at open (they grow with what is
 * distinct); events are streamed segment by segment. All pointers returned live until trace_close. One thread at a time
 * per struct trace.
 */
#ifndef CPROBE_TRACE_READER_H
#define CPROBE_TRACE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/format.h"

struct trace;

struct trace_info {
    const char *path;
    uint32_t pid, ppid, exec_generation, cpus;
    enum trace_state state;
    enum trace_reason reason;
    int32_t exit_status;
    uint64_t start_mono_ns, start_real_ns;
    uint64_t end_mono_ns;   /* as recorded; where the process was killed: the latest time found in the file */
    bool ended;             /* end_mono_ns was written by the process itself */
    uint64_t process_start; /* field 22 of /proc/PID/stat; 0: not known */
    uint64_t sample_mean_ns;
    uint64_t lost[TRACE_LOST_CAUSES];
    uint64_t damage;                         /* places that could not be read */
    const char *damage_text;                 /* first damage in words, "" if none */
    const char *host, *comm, *exe, *cmdline; /* cmdline: arguments joined by spaces, printable */
    const char *boot_id;
    enum trace_origin origin;
};

struct trace_thread {
    const struct trace_thread_slot *slot; /* tid 0: the folded slot of ended threads */
    uint32_t number;                      /* slot number, as in event_wait.slot */
    const struct trace_counter *counters; /* all used counters of this slot, COUNTERS segments included */
    size_t counter_count;
};

struct trace_endpoint {
    uint32_t id;
    enum endpoint_kind kind;
    enum endpoint_role role;
    uint64_t pc;
    uint32_t modules;
    const char *text; /* NUL-terminated, control characters replaced by '?' */
};

struct trace_module {
    uint64_t start, end, bias;
    uint32_t loaded, unloaded; /* module generations [loaded, unloaded); unloaded UINT32_MAX: never */
    const char *path;
    uint8_t build_id[20];
    uint8_t build_id_size; /* bytes, 0: none */
};

struct trace_code {
    uint32_t id, first_line;
    uint16_t version;        /* 0x030b */
    const char *name, *file; /* UTF-8, never NULL */
    const uint8_t *linetable;
    size_t linetable_size;
};

struct trace_stack_view {
    uint16_t flags;
    uint32_t modules;
    uint64_t hash;
    const uint64_t *native; /* return addresses, innermost first */
    size_t native_count;
    const uint64_t *python; /* PY_FRAME */
    size_t python_count;
};

/* A function of the kernel. */
struct trace_ksym {
    uint64_t start, end;
    const char *name, *module; /* module: "" for the kernel itself */
};

/* What is asked of an endpoint. */
struct trace_operation {
    uint32_t id, endpoint;
    uint16_t protocol;       /* enum wire_protocol */
    enum endpoint_role role; /* SERVER: asked of this process */
    uint32_t flags;          /* enum wire_flags */
    const char *verb, *text; /* never NULL */
};

struct trace_key {
    uint32_t id;
    uint64_t hash;
    const char *text; /* "" where only the hash was kept */
};

/* A protocol was recognised on a connection with the endpoint. */
struct trace_protocol {
    uint32_t endpoint;
    uint16_t protocol, flags; /* enum wire_protocol; PROTOCOL_* */
    uint64_t time_ns;
    const char *name; /* server name, database, virtual host, or "" */
};

/* A host name that the program looked up. */
struct trace_address {
    const char *name, *address; /* address: without a port */
};

/* Where a lock (an endpoint of kind ENDPOINT_LOCK) was initialised. */
struct trace_lock {
    uint32_t id, stack; /* stack 0: not taken */
    uint64_t pc;        /* return address of the initialising call */
};

/* Where a lock that processes share lies: locks of one boot for which all three are the same are one. */
struct trace_shared {
    uint32_t id, reserved;
    uint64_t device, inode, offset;
};

/* Locks that a thread held together, in the order in which it took them. */
struct trace_lockset {
    uint32_t id, modules; /* modules: generation of the places */
    size_t count;
    const uint32_t *locks;  /* endpoints */
    const uint64_t *places; /* return addresses of the calls that took them */
    const uint8_t *shared;  /* 1: for reading */
};

/* A function of the process that was named when it was recorded. */
struct trace_symbol {
    uint64_t start, end;
    uint32_t loaded; /* module generation */
    const char *name;
};

struct trace_note {
    uint64_t time_ns;
    uint32_t severity;
    const char *text;
};

/* Any event; `header->type` says which member of the union is meant. Valid until the next trace_next. */
union trace_event {
    struct event_header header;
#define F(type, name)
#define EVENT(ID, number, name, class, size, fields) struct event_##name name;
#include "trace/events.def"
#undef EVENT
#undef F
};

/*
 * Opens `path`. 0, or negative errno with a sentence for the user in `error` (at most error_size bytes): not a trace
 * (-EINVAL), written by a newer cprobe (-ENOTSUP), another machine's byte order (-ENOTSUP), too short (-ENODATA), or
 * the system's.
 */
int trace_open(const char *path, struct trace **out, char *error, size_t error_size);
void trace_close(struct trace *t);

const struct trace_info *trace_info(const struct trace *t);
size_t trace_thread_count(const struct trace *t);
const struct trace_thread *trace_thread_at(const struct trace *t, size_t i);
size_t trace_endpoint_count(const struct trace *t);
const struct trace_endpoint *trace_endpoint_at(const struct trace *t, size_t i);
const struct trace_endpoint *trace_endpoint_find(const struct trace *t, uint32_t id); /* NULL: unknown */
size_t trace_module_count(const struct trace *t);
const struct trace_module *trace_module_at(const struct trace *t, size_t i);
/* The module that had `pc` mapped at module generation `generation`, or NULL. */
const struct trace_module *trace_module_find(const struct trace *t, uint64_t pc, uint32_t generation);
const struct trace_code *trace_code_find(const struct trace *t, uint32_t id); /* NULL: unknown */
/* The kernel function at `pc` (at or above TRACE_KERNEL_START), or NULL. */
const struct trace_ksym *trace_ksym_find(const struct trace *t, uint64_t pc);
size_t trace_operation_count(const struct trace *t);
const struct trace_operation *trace_operation_at(const struct trace *t, size_t i);      /* by id */
const struct trace_operation *trace_operation_find(const struct trace *t, uint32_t id); /* NULL: unknown */
const struct trace_key *trace_key_find(const struct trace *t, uint32_t id);             /* NULL: unknown */
const struct trace_lock *trace_lock_find(const struct trace *t, uint32_t id);           /* NULL: unknown */
const struct trace_lockset *trace_lockset_find(const struct trace *t, uint32_t id);     /* NULL: unknown */
const struct trace_shared *trace_shared_find(const struct trace *t, uint32_t id);       /* NULL: this process's own */
size_t trace_protocol_count(const struct trace *t);
const struct trace_protocol *trace_protocol_at(const struct trace *t, size_t i); /* by endpoint, then time */
size_t trace_address_count(const struct trace *t);
const struct trace_address *trace_address_at(const struct trace *t, size_t i);              /* by address */
const struct trace_address *trace_address_find(const struct trace *t, const char *address); /* NULL: not looked up */
/* The function at `pc` at module generation `generation`, if it was named when it was recorded; else NULL. */
const struct trace_symbol *trace_symbol_find(const struct trace *t, uint64_t pc, uint32_t generation);
size_t trace_note_count(const struct trace *t);
const struct trace_note *trace_note_at(const struct trace *t, size_t i);
/* 0, or -ENOENT where the id names no complete stack. */
int trace_stack_find(const struct trace *t, uint32_t id, struct trace_stack_view *out);

/* Events of both classes in order of header.time_ns (waits: of their begin). trace_next: 1 an event, 0 the end. */
void trace_rewind(struct trace *t);
int trace_next(struct trace *t, const union trace_event **out);

/* "poll", "READY", …; NULL for an unknown number. enum call_category is generated from calls.def. */
enum call_category {
    CALL_SOCKET,
    CALL_STREAM,
    CALL_READY,
    CALL_SLEEP,
    CALL_NAME,
    CALL_FILE,
    CALL_FILELOCK,
    CALL_PROCESS,
    CALL_LOCK,
    CALL_JOIN,
    CALL_SIGNAL,
    CALL_FAULT,   /* no call at all: the thread touched memory that was not there */
    CALL_REQUEST, /* counters only: not a wait */
    CALL_HOLD,    /* likewise */
    CALL_UNKNOWN
};
/* Waits that only the kernel saw are in no library call: from here on a call's number is that of a system call
   (event_offcpu.syscall), the last one stands for a page fault. */
#define CALL_KERNEL 0x1000u
#define CALL_KERNEL_FAULT 0x1fffu
uint16_t trace_call_of_syscall(uint16_t syscall);
const char *trace_call_name(uint16_t call);
enum call_category trace_call_category(uint16_t call);
/* Whether its counters are of waits. */
bool trace_call_waits(uint16_t call);
/* "futex", …; NULL for an unknown number and SYSCALL_NONE. */
const char *trace_syscall_name(uint16_t number);
/* "lock", "disk", …; "unknown" for an unknown number. */
const char *trace_cause_name(uint16_t cause);

/* Writes one event as a line of text "time type field=value …" (cprobe dump, golden tests). Returns what snprintf
 * would. */
int trace_event_format(const union trace_event *e, char *buffer, size_t size);

#endif
