/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the rules find and the reporters print. Field by field this is the JSON that users' programs read. Reporters get
 * a struct report and nothing else. Everything is owned by the report and freed with it.
 */
#ifndef CPROBE_ANALYSIS_FINDING_H
#define CPROBE_ANALYSIS_FINDING_H

#include "analysis/symbols.h"

enum severity { SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_ERROR };

struct process_info {
    uint32_t pid;
    uint32_t ppid;
    const char *exe, *cmdline, *host;
    const char *name; /* that people know it by: of the program or script, as it was called */
};
struct thread_info {
    uint32_t tid;
    const char *name;
    bool loop;
};
struct peer {
    const char *protocol; /* what is spoken, whatever the port: "mysql"; "unknown" */
    const char *family;   /* inet, inet6, unix, file, … */
    const char *address;
    const char *name; /* of the host, as the program looked it up, or as TLS names it; NULL: unknown */
    bool tls;         /* spoken inside TLS */
};

/* What a thread was at work on, where that is known for certain. */
struct request_context {
    const char *kind; /* "http", "celery", "redis", … */
    const char *name; /* "POST /cards", "shop.tasks.charge", "SCAN" */
    bool task;        /* a task that it runs, else a request that it serves */
    uint64_t others;  /* how many other requests a finding was also seen in */
};

struct finding_stack {
    const char *role;
    const struct stack *stack;
    uint64_t count;
    uint64_t total_ns;
};

/* How often something happened over time. */
struct series {
    uint64_t start_real_ns, step_ns;
    uint64_t *counts; /* one a step */
    size_t count;
};

/* Numbers in rows, each row with a name. */
struct table {
    const char *name;           /* of the column of names */
    const char *const *columns; /* of numbers */
    size_t column_count;
    const char **names; /* one a row */
    double *cells;      /* row by row */
    size_t rows;
};

/* RATIO: a share, NUMBER: any other fraction; both in `ratio`. */
enum evidence_type {
    EVIDENCE_U64,
    EVIDENCE_NS,
    EVIDENCE_RATIO,
    EVIDENCE_NUMBER,
    EVIDENCE_STRING,
    EVIDENCE_SERIES,
    EVIDENCE_TABLE
};
struct evidence {
    const char *key;
    enum evidence_type type;
    uint64_t u64;
    double ratio;
    const char *string;
    const struct series *series;
    const struct table *table;
};

struct finding {
    const char *rule;
    enum severity severity;
    uint64_t id; /* fingerprint: rule, innermost frames of the user's code and the driver, operation */
    const char *title;
    const char *remedy;
    uint64_t count, total_ns, max_ns, p99_ns;
    struct process_info process;
    struct thread_info thread;
    const struct peer *peer;        /* NULL: none */
    const char *operation;          /* NULL: unknown */
    struct request_context context; /* name NULL: unknown */
    struct finding_stack *stacks;   /* heaviest first */
    size_t stack_count;
    struct evidence *evidence;
    size_t evidence_count;
    uint64_t first_real_ns, last_real_ns; /* CLOCK_REALTIME */
};

struct blocked_by {
    const char *module;
    const struct peer *peer;
    uint64_t total_ns, count;
};

/* Starved: it could have run, but others had the CPUs. */
enum loop_verdict { LOOP_IDLE, LOOP_BLOCKED, LOOP_SATURATED, LOOP_STARVED };
struct loop {
    struct process_info process;
    struct thread_info thread;
    const char *kind; /* libev, gevent, libuv, uvloop, asyncio, node, epoll, poll, select … */
    uint64_t wall_ns, idle_ns, oncpu_ns, blocked_ns, turns, turn_p99_ns, turn_max_ns;
    uint64_t runnable_ns; /* waited for a CPU */
    bool runnable_known;  /* recorded through the kernel: runnable_ns holds, and the four parts add up to wall_ns */
    enum loop_verdict verdict;
    struct blocked_by *blocked_by; /* most first */
    size_t blocked_by_count;
};

/* What was asked of an endpoint. Counts and totals are exact, percentiles estimates from samples. */
struct endpoint_operation {
    const char *words;
    uint64_t count, total_ns, max_ns, p50_ns, p99_ns, errors;
};

struct endpoint {
    struct peer peer;
    uint64_t connects, calls, wait_ns, bytes_in, bytes_out;
    uint64_t connects_failed, connects_failed_ns; /* refused, timed out, given up, and how long that took in all */
    uint64_t requests, request_ns, request_bytes, errors; /* of all operations; bytes in both directions */
    uint64_t p50_ns, p99_ns, first_byte_p50_ns;           /* of a request; 0: none was sampled */
    struct endpoint_operation *operations;                /* most time first */
    size_t operation_count;
    size_t processes; /* that turned to it */
};

/* A lock, or all locks that were made in one place. Waits are exact; acquisitions and holds are estimates. */
struct lock {
    struct process_info process;
    const char *name;
    const char *kind; /* "mutex", "read-write lock", "GIL" … */
    uint64_t instances;
    uint64_t threads; /* that used one of them at least */
    uint64_t acquisitions, contended;
    uint64_t wait_ns, wait_p99_ns, wait_max_ns;
    uint64_t hold_p50_ns, hold_p99_ns, hold_max_ns; /* 0: none was timed */
    uint64_t queue_max;                             /* most threads that waited at once */
};

/* Watched objects of one class that were made in one place. Counts are exact. */
struct watched_row {
    struct process_info process; /* of the busiest one */
    const char *name;
    uint64_t objects, operations, changes, threads, key_errors;
    uint64_t overlaps;         /* operations that began while another one was inside, with no lock in common */
    int64_t difference;        /* of a counter of its size from its content, at the last check */
    bool counted;              /* it has such a counter, and was checked */
    bool lock_known;           /* enough operations were recorded one by one to say: */
    double lock_busy;          /* share of the time for which one lock around them would be had, */
    uint64_t lock_wait_p99_ns; /* and the wait for it */
};

/* Waits of at least half of end_ns and shorter than it; UINT64_MAX: all longer ones. */
struct syscall_bucket {
    uint64_t end_ns, count;
};

/* All waits of one thread in one system call, as the kernel counted them. */
struct syscall_row {
    struct process_info process;
    struct thread_info thread;
    const char *name;  /* "futex"; "(page fault)" */
    const char *cause; /* "syscall", "lock", "sleep", "fault" */
    uint64_t count, total_ns, max_ns, p99_ns;
    uint64_t runqueue_ns;             /* waiting for a CPU after having been woken; not in total_ns */
    struct syscall_bucket *histogram; /* by length; without those that are empty */
    size_t histogram_count;
};

struct process_row {
    struct process_info info;
    const char *state; /* "recording", "finished", "killed", "disabled: …" */
    uint64_t start_real_ns, end_real_ns;
    uint32_t threads;
};

struct report {
    struct finding *findings;
    size_t finding_count; /* worst first */
    struct loop *loops;
    size_t loop_count;
    struct endpoint *endpoints;
    size_t endpoint_count; /* most waited for first */
    struct lock *locks;
    size_t lock_count; /* most waited for first */
    struct watched_row *watched;
    size_t watched_count; /* most operations first */
    struct process_row *processes;
    size_t process_count;
    struct syscall_row *syscalls;
    size_t syscall_count; /* most time first; recorded through the kernel only */
    const char **warnings;
    size_t warning_count; /* notes, damage, symbol problems: one sentence each */
    uint64_t lost[TRACE_LOST_CAUSES];
    const char *verdict; /* the sentence that the report opens with */
};

#endif
