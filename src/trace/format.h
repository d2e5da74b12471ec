/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The on-disk format of one process's trace: what the recorder (src/capture) maps and writes while the
 * recorded program runs, and what src/trace/reader.h reads later. FORMAT.md describes it in prose.
 *
 * Byte order and alignment are those of the recording machine (little endian, 8-byte aligned); a reader
 * refuses any other by TRACE_ENDIAN. Every struct here is written in place into a shared file mapping:
 * the process may be killed between any two stores, so each struct says which store publishes it.
 *
 * File:   trace_header (one page), then segments, each a multiple of TRACE_PAGE, back to back up to `used`.
 * Who:    fields are written by the recorded process only. "owner" = the thread that owns the segment;
 *         "any" = any thread, with an atomic operation.
 */
#ifndef CPROBE_TRACE_FORMAT_H
#define CPROBE_TRACE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define TRACE_MAGIC "CPROBE\r\n" /* 8 bytes; \r\n catches text-mode damage, as PNG's does */
#define TRACE_VERSION 1
#define TRACE_ENDIAN 0x0102
#define TRACE_PAGE 4096u
#define TRACE_SUFFIX ".trace"

/* Set in trace_header.used when recording has ended: no segment can be reserved any more. */
#define TRACE_USED_CLOSED (UINT64_C(1) << 63)

enum trace_state {
    TRACE_STARTING = 0,
    TRACE_RECORDING = 1,
    TRACE_FINISHED = 2, /* the process ended by exit, _exit or exec */
    TRACE_DISABLED = 3, /* recording stopped early, see `reason`; what is there is valid */
};

enum trace_reason {
    TRACE_REASON_NONE = 0,
    TRACE_REASON_SECCOMP = 1, /* the process entered a seccomp sandbox */
    TRACE_REASON_SPACE = 2,   /* the file system is full or the file size is limited */
    TRACE_REASON_EXEC = 3,    /* finished because the process called exec */
    TRACE_REASON_INTERNAL = 4,
};

/* Loss is data: every cause is counted here and shown in every report. */
enum trace_lost {
    TRACE_LOST_OVERWRITTEN = 0, /* ring records evicted by newer ones */
    TRACE_LOST_RING_FULL = 1,   /* records dropped: no space left for a segment */
    TRACE_LOST_TOO_BIG = 2,     /* records dropped: larger than a record may be */
    TRACE_LOST_STACKS = 3,      /* waits recorded without their stack */
    TRACE_LOST_NESTED = 4,      /* waits inside a signal handler that interrupted the recorder itself */
    TRACE_LOST_THREADS = 5,     /* ended threads whose counters were folded into the "ended threads" slot */
    TRACE_LOST_PROCESSES = 6,   /* children without a trace of their own; they, or the collector, add themselves here */
    TRACE_LOST_KERNEL = 7,      /* waits, or their stacks, that the kernel's buffer had no room for */
    TRACE_LOST_CAUSES = 8
};

/* Who wrote the trace: the recorder inside the process, or `cprobe record` from outside, through the kernel. Both may
   have recorded the same process: what the second one saw must then not be added to what the first one saw. */
enum trace_origin {
    TRACE_ORIGIN_PRELOAD = 0,
    TRACE_ORIGIN_KERNEL = 1,
};

struct trace_header {
    char magic[8];
    uint16_t version;
    uint16_t endian;
    uint32_t header_size; /* bytes; the first segment starts here */
    uint64_t capacity;    /* bytes that the file may grow to */
    uint64_t used;        /* any: bytes reserved so far, header included; may carry TRACE_USED_CLOSED */
    uint32_t pid;
    uint32_t ppid;
    uint32_t state;         /* enum trace_state */
    uint32_t reason;        /* enum trace_reason */
    uint64_t start_mono_ns; /* CLOCK_MONOTONIC and CLOCK_REALTIME at the same instant */
    uint64_t start_real_ns;
    uint64_t end_mono_ns;             /* 0 while recording and after kill -9 */
    uint64_t sample_mean_ns;          /* mean of the sampler's exponential distribution */
    uint64_t process_start;           /* field 22 of /proc/PID/stat: with pid, identifies the process over execs */
    uint32_t exec_generation;         /* 0 for the first image recorded in this process, then 1, 2, … */
    uint32_t stack_buckets;           /* file offset / 8 of the stack index (uint32_t[TRACE_STACK_BUCKETS]), or 0 */
    int32_t exit_status;              /* argument of exit, when known */
    uint32_t cpus;                    /* processors online at start */
    uint64_t lost[TRACE_LOST_CAUSES]; /* any */
    char boot_id[40];                 /* /proc/sys/kernel/random/boot_id: same boot, same CLOCK_MONOTONIC */
    char host[64];
    char comm[16];
    char exe[1024];
    char cmdline[1536]; /* arguments separated by one NUL; ends with two */
    uint32_t origin;    /* enum trace_origin */
    uint32_t reserved;
};

/* ---- segments ---------------------------------------------------------------------------------------- */

#define SEGMENT_MAGIC 0x47455343u /* "CSEG" */

enum segment_kind {
    SEGMENT_LOG = 1,      /* rare events (events.def, class LOG), never evicted; many writers */
    SEGMENT_RING = 2,     /* frequent events (class RING): one thread writes; oldest segment is recycled */
    SEGMENT_THREAD = 3,   /* struct trace_thread_slot: one thread's life and exact counters */
    SEGMENT_STACKS = 4,   /* struct trace_stack entries; many writers */
    SEGMENT_COUNTERS = 5, /* more counters of the thread slot `owner` */
    SEGMENT_INDEX = 6,    /* the stack index */
};

struct segment {
    uint32_t magic; /* written last when the segment is created */
    uint16_t kind;  /* enum segment_kind */
    uint16_t reserved;
    uint32_t size;       /* bytes, this header included; a multiple of TRACE_PAGE */
    uint32_t owner;      /* RING, THREAD, COUNTERS: number of the thread slot; else 0 */
    uint64_t generation; /* RING: grows by one each time any ring segment of the process is (re)started: orders
                            a thread's segments; a reader re-reads it after copying: changed = recycled meanwhile */
    uint32_t used;       /* RING: owner, bytes of complete records after this header, stored (release) after each
                            record. LOG, STACKS: any, bytes reserved. */
    uint32_t reserved2;
};
#define SEGMENT_HEADER_SIZE 64 /* payload starts here, cache-line aligned */

#define RING_SEGMENT_SIZE (32u << 10)
#define LOG_SEGMENT_SIZE (64u << 10)
#define STACKS_SEGMENT_SIZE (64u << 10)
#define COUNTERS_SEGMENT_SIZE (8u << 10)
#define THREAD_SEGMENT_SIZE (12u << 10)

/* ---- records: LOG and RING segments ------------------------------------------------------------------- */

#define EVENT_MAGIC 0xCB0Eu
#define EVENT_ALIGN 8u
#define RING_RECORD_SIZE 64u
#define LOG_RECORD_MAX 32768u /* bytes */

/*
 * LOG: the writer reserves `size` bytes (atomic add on segment.used), stores `size`, then the body, then type
 * (release). type 0: its writer was killed in between; skip `size`, or, where that is 0 too, search on for
 * EVENT_MAGIC at the next multiple of EVENT_ALIGN.
 */
struct event_header {
    uint16_t magic;
    uint16_t type;    /* enum event_type */
    uint32_t size;    /* bytes, header included, multiple of EVENT_ALIGN */
    uint64_t time_ns; /* CLOCK_MONOTONIC: when it happened (waits: when it began) */
};

/* A string or byte block inside a LOG record: offset from the record's start. Not NUL-terminated. */
struct event_str {
    uint16_t offset;
    uint16_t length;
};

/* Structs of all events: struct event_wait, event_turn, … */
typedef struct event_str event_str_t;
#define F(type, name) type name;
#define EVENT(ID, number, name, class, size, fields) \
    struct event_##name {                            \
        struct event_header header;                  \
        fields                                       \
    };
#include "trace/events.def"
#undef EVENT
#undef F

enum event_type {
#define EVENT(ID, number, name, class, size, fields) EVENT_##ID = number,
#include "trace/events.def"
#undef EVENT
};

#define F(type, name)
#define EVENT(ID, number, name, class, size, fields) \
    _Static_assert(sizeof(struct event_##name) == (size), "size of event " #name " is part of the format");
#include "trace/events.def"
#undef EVENT
#undef F

/* event_wait.flags */
#define WAIT_GIL_HELD 0x0001    /* PyGILState_Check() was true while the call waited */
#define WAIT_FAILED 0x0002      /* the call failed; .error holds errno (or the pthread error number) */
#define WAIT_WAITSET 0x0004     /* a wait on a set of descriptors (epoll, or poll/select on two or more) */
#define WAIT_TIMED_OUT 0x0008   /* the call's own time limit ended it */
#define WAIT_NO_STACK 0x0010    /* the stack could not be taken (lost.stacks counts it) */
#define WAIT_NESTED 0x0020      /* inside another recorded call, e.g. the resolver's own sockets */
#define WAIT_SERVER_SIDE 0x0040 /* the descriptor was accepted here: the peer is a client of ours */

/* event_request.flags */
#define REQUEST_FAILED 0x0001   /* the answer was an error */
#define REQUEST_NOTABLE 0x0002  /* recorded whatever its duration: a sweep, a lock, a step of an iteration */
#define REQUEST_CURSOR 0x0004   /* a step of an iteration */
#define REQUEST_SERVER 0x0008   /* this process answered it */
#define REQUEST_NO_REPLY 0x0010 /* none was expected: duration is 0 */
#define REQUEST_GIVEN_UP 0x0020 /* the connection ended before the answer */
#define REQUEST_SHIFT 12 /* upper 4 bits, without REQUEST_NOTABLE: mean of the sampling is sample_mean_ns << these */
#define REQUEST_SHIFT_MAX 15

/* With REQUEST_CURSOR: how many elements the step asked for (COUNT), as the number of its binary digits; 0: not said.
 */
#define REQUEST_ASKED_SHIFT 10
#define REQUEST_ASKED(flags) (((flags) >> REQUEST_ASKED_SHIFT) & 0x3fu)

/* event_hold.kind */
enum lock_kind {
    LOCK_KIND_MUTEX = 1,
    LOCK_KIND_RWLOCK = 2,
    LOCK_KIND_SPIN = 3,
    LOCK_KIND_SEMAPHORE = 4,
    LOCK_KIND_CONDITION = 5,
    LOCK_KIND_BARRIER = 6,
    LOCK_KIND_ONCE = 7,
    LOCK_KIND_FILE = 8, /* flock, fcntl: the endpoint is the file's */
    LOCK_KIND_GIL = 9,  /* CPython's global interpreter lock */
    LOCK_KINDS
};

/* event_hold.flags */
#define HOLD_CONTENDED 0x0001 /* others waited for it when it was left */
#define HOLD_SHARED 0x0002    /* taken for reading */

/* event_order.flags */
#define ORDER_FROM_SHARED 0x0001 /* `from` was held for reading */
#define ORDER_TO_SHARED 0x0002   /* `to` was asked for reading */
#define ORDER_FROM_TRIED 0x0004  /* `from` had been taken by a try function */
#define ORDER_TIMED 0x0008       /* the request for `to` had a time limit */
#define ORDER_ALONE 0x0010       /* the process had no other thread */

/* event_cpu.flags */
#define CPU_GIL 0x0001 /* it had CPython's GIL, for which others had waited for longer than the switch interval */

/* event_misuse.kind */
enum misuse {
    MISUSE_SELF_DEADLOCK = 1,   /* waits for a lock that it holds itself */
    MISUSE_STRANGER_UNLOCK = 2, /* unlocked by a thread that did not hold it, while `other` did */
    MISUSE_DESTROYED_HELD = 3,  /* destroyed while `other` held it */
    MISUSE_EXIT_HELD = 4,       /* the thread ended while it held the lock */
    MISUSE_WAIT_WITHOUT = 5,    /* waited on a condition without holding the mutex */
    MISUSE_UNLOCKED_FREE = 6,   /* unlocked although nobody held it */
    MISUSE_REFUSED = 8,         /* a call was refused with an error that only wrong use brings */
    MISUSE_TWO_MUTEXES = 9,     /* a condition was waited for with two mutexes at the same time */
    MISUSE_WAITED_FOR = 10,     /* destroyed, or initialised again, while threads waited for it */
    MISUSE_BORN_TWICE = 11,     /* initialised again without having been destroyed */
    MISUSE_FREED_HELD = 12,     /* its memory was freed while the thread held it */
    MISUSE_BORN_HELD = 13,      /* initialised again while the thread held it */
    MISUSE_NEVER_BORN = 14,     /* used although it cannot have been initialised */
};

/* event_conflict.*_kind, low 8 bits */
enum conflict_access { CONFLICT_READS = 1, CONFLICT_WRITES = 2, CONFLICT_MODIFIES = 3 };

/* event_conflict.flags */
#define CONFLICT_LOST 0x0001 /* the second one's value was overwritten with what the first had made of an older one */
#define CONFLICT_CHANGED 0x0002 /* both wrote, different values */
#define CONFLICT_READ 0x0004    /* one of the two only read */

/* event_watched.kind */
enum watch_kind {
    WATCH_BLOCK = 1,  /* of the heap */
    WATCH_GLOBAL = 2, /* a variable of the program */
    WATCH_REGION = 3, /* named by the program itself (cprobe.h) */
};

/* event_lifecycle.kind: how the later thread ended the block's life */
enum lifecycle {
    LIFECYCLE_FREED = 1,
    LIFECYCLE_RESIZED = 2,
};
/* event_lifecycle.flags */
#define LIFECYCLE_CROSSED 0x0001 /* the same two threads were seen the other way round, at this site */

/* event_mutate.flags */
#define MUTATE_WINDOW 0x0001     /* inside a window, in which all operations on watched objects are recorded */
#define MUTATE_RAISED 0x0002     /* it ended with an exception */
#define MUTATE_OVERLAPPED 0x0004 /* another mutator was inside at some time while it was */
#define MUTATE_WRITE 0x0008      /* by a method with METHOD_MUTATES */

/* event_object.flags */
#define OBJECT_BORN 0x0001    /* its creation was seen: `stack` is that of the constructor's caller */
#define OBJECT_OVERFLOW_ID 1u /* id that stands for all objects after the table was full; 0: none */

/* event_method.flags */
#define METHOD_MUTATES 0x0001 /* may change the object */

/* event_overlap.flags */
#define OVERLAP_OTHER_AT_END 0x0001 /* other_stack was taken when the other one ended, not at the overlap */

/* event_drift.flags */
#define DRIFT_NO_COUNTER 0x0001 /* the object keeps no counter of its size: only entries and links were compared */
#define DRIFT_NO_LINKS 0x0002   /* it keeps no order: `links` is 0 */

/* event_connect.flags */
#define CONNECT_PENDING 0x0001  /* the program did not wait for it: it was made in non-blocking mode */
#define CONNECT_GIVEN_UP 0x0002 /* closed before it had succeeded or failed */

/* event_protocol.flags */
#define PROTOCOL_TLS 0x0001     /* spoken inside TLS */
#define PROTOCOL_EARLIER 0x0002 /* recognised in the middle: the connection is older than the recording */

/* event_offcpu.cause, event_syscall.cause */
enum offcpu_cause {
    OFFCPU_CAUSE_NONE = 0,
    OFFCPU_CAUSE_SYSCALL = 1, /* in a system call, none of the following */
    OFFCPU_CAUSE_LOCK = 2,    /* futex */
    OFFCPU_CAUSE_SLEEP = 3,   /* nanosleep, clock_nanosleep */
    OFFCPU_CAUSE_DISK = 4,    /* the kernel counted it as waiting for a disk */
    OFFCPU_CAUSE_FAULT = 5,   /* page fault, outside of any system call */
};
/* event_offcpu.flags */
#define OFFCPU_FLAG_UNFINISHED 0x0001    /* still waiting when recording ended */
#define OFFCPU_FLAG_EARLIER 0x0002       /* began before recording did: longer than said */
#define OFFCPU_FLAG_WAKER_IRQ 0x0004     /* woken by a timer or a device: no thread is the waker */
#define OFFCPU_FLAG_WAKER_SOFTIRQ 0x0008 /* woken from deferred interrupt work: the waker may only have been there */
#define OFFCPU_FLAG_NO_STACK 0x0010      /* the user stack could not be taken */
#define SYSCALL_NONE 0xffffu             /* event_offcpu.syscall: in none */

/* Native frames of a stack at or above this are the kernel's (event_ksym): the upper half of the address space. */
#define TRACE_KERNEL_START UINT64_C(0xffff800000000000)

/* event_endpoint.kind */
enum endpoint_kind {
    ENDPOINT_NONE = 0,
    ENDPOINT_INET = 1,  /* text: 127.0.0.1:3306 */
    ENDPOINT_INET6 = 2, /* text: [::1]:3306 */
    ENDPOINT_UNIX = 3,  /* text: path, @abstract, or empty (unnamed) */
    ENDPOINT_FILE = 4,  /* text: path */
    ENDPOINT_PIPE = 5,
    ENDPOINT_TTY = 6,
    ENDPOINT_EVENTFD = 7,
    ENDPOINT_TIMERFD = 8,
    ENDPOINT_NAME = 9,     /* text: the host name being looked up */
    ENDPOINT_PROCESS = 10, /* a child process; text: command where known */
    ENDPOINT_WAITSET = 11, /* a place that waits on sets of descriptors; pc: return address of that call; text: "epoll
                              N", its descriptor, or empty */
    ENDPOINT_SOCKET = 12,  /* a socket of another family, or one without a peer yet */
    ENDPOINT_OTHER = 13,
    ENDPOINT_LOCK = 14, /* a lock inside the process; pc: its address; role: how many others stood at that address
                           before; text: enum lock_kind by name */
};
/* event_endpoint.role */
enum endpoint_role { ROLE_NONE = 0, ROLE_CLIENT = 1, ROLE_SERVER = 2, ROLE_LISTENER = 3 };
#define ENDPOINT_OVERFLOW 1u /* id that stands for all endpoints after the table was full; 0: no endpoint */

/* ---- threads and exact counters ----------------------------------------------------------------------- */

/* Exact: every wait is added, recorded as an event or not. One writer (owner). endpoint and call are written before
   count becomes non-zero (release). */
struct trace_counter {
    uint32_t endpoint;
    uint16_t call;  /* calls.def */
    uint16_t flags; /* WAIT_WAITSET, WAIT_SERVER_SIDE */
    uint64_t count; /* 0: unused */
    uint64_t total_ns;
    uint64_t max_ns;
    uint64_t bytes;
    uint64_t failed;
    uint64_t first_ns; /* CLOCK_MONOTONIC, start of the first and end of the last wait */
    uint64_t last_ns;
};

#define TURN_BUCKETS 64 /* bucket i: turns of [2^i, 2^(i+1)) ns */

/*
 * A "turn" is the time between the end of one waitset wait and the start of the thread's next one: one cycle of an
 * event loop. At most TRACE_SITES different waitset call sites (return address and epoll descriptor) are told apart per
 * thread; later ones share the last.
 */
#define TRACE_SITES 4
struct trace_site {
    uint32_t endpoint; /* ENDPOINT_WAITSET, 0: unused */
    uint32_t max_fds;  /* most descriptors watched at once */
    uint64_t waits;    /* calls */
    uint64_t idle_ns;  /* total inside the call */
    uint64_t first_ns; /* start of the first call, end of the last */
    uint64_t last_ns;
    uint64_t turns; /* completed turns from this site to the same site, nested sites not interrupting */
    uint64_t turn_ns;
    uint64_t turn_max_ns;
    uint32_t turn_hist[TURN_BUCKETS];
};

struct trace_thread_slot { /* payload of SEGMENT_THREAD; one writer: the thread that has the slot */
    uint32_t tid;          /* 0: slot of ended threads, folded together */
    uint32_t threads;      /* how many threads' counters are in here (1, more in the folded slot) */
    char name[16];
    uint64_t start_ns;        /* thread start, or when it was first seen */
    uint64_t end_ns;          /* 0: still running */
    uint64_t cpu_first_ns;    /* CLOCK_THREAD_CPUTIME_ID of the thread at cpu_first_at_ns and at cpu_last_at_ns; */
    uint64_t cpu_first_at_ns; /* taken at most every 10 ms */
    uint64_t cpu_last_ns;
    uint64_t cpu_last_at_ns;
    uint64_t wanted_since_ns; /* since when it waits for a lock while it holds others; 0: it does not */
    struct trace_site sites[TRACE_SITES];
    uint32_t wanted_lock;  /* valid while wanted_since_ns is not 0: endpoint of the lock, */
    uint32_t wanted_stack; /* the stack, */
    uint32_t wanted_locks; /* the set of locks held, */
    uint32_t wanted_owner; /* and the thread that held it, 0 where not known */
    /* Where it waits for a condition without a time limit, and somebody had signalled it when nobody waited, else 0: */
    uint64_t wanted_signal_ns;    /* when last, some ms early at most, */
    uint32_t wanted_signal_stack; /* where, */
    uint32_t wanted_signal_tid;   /* which thread, */
    uint32_t wanted_signals;      /* how often since the condition was last waited for when it was signalled, */
    uint32_t wanted_looks;        /* and how often this thread had a lock since, this time included, at most */
    uint64_t reserved[1];
    struct trace_counter counters[]; /* to the end of the segment */
};

/* ---- stacks -------------------------------------------------------------------------------------------- */

#define TRACE_STACK_BUCKETS 16384u
#define STACK_MAGIC 0x4b54u
#define STACK_MAX_NATIVE 128
#define STACK_MAX_PYTHON 256

/*
 * id of a stack = file offset / 8. An entry is complete once it can be reached from its bucket (release store on the
 * bucket); hash % TRACE_STACK_BUCKETS chooses it. Entries never change. The reader needs no index: ids point here.
 */
struct trace_stack {
    uint16_t magic;
    uint16_t flags;   /* STACK_* */
    uint16_t native;  /* number of native frames: return addresses, innermost (the hook's caller) first */
    uint16_t python;  /* number of Python frames behind them, innermost first */
    uint32_t next;    /* id of the next entry in the bucket, or 0 */
    uint32_t modules; /* module generation at capture: see event_module */
    uint64_t hash;
    uint64_t frames[]; /* native, then python */
};
#define STACK_COMPLETE 0x0001    /* the native walk reached the thread's start */
#define STACK_TRUNCATED 0x0002   /* more frames than STACK_MAX_NATIVE/PYTHON */
#define STACK_PYTHON_LOST 0x0004 /* Python frames exist but could not be read */
#define STACK_FOREIGN 0x0008     /* not on the thread's own stack (coroutine, sigaltstack) */
#define STACK_EXACT_PC 0x0010    /* frames[0] is an exact pc (signal), not a return address */

/* Python frame: which code object, where in it. PY_ENTRY: the interpreter's C function was entered anew for this frame,
   i.e. all frames up to and including this one belong to one _PyEval_EvalFrameDefault. */
#define PY_FRAME(entry, code, lasti) (((uint64_t) !!(entry) << 63) | ((uint64_t)(code) << 32) | (uint32_t)(lasti))
#define PY_FRAME_ENTRY(f) ((int)((f) >> 63))
#define PY_FRAME_CODE(f) ((uint32_t)(((f) >> 32) & 0x7fffffffu)) /* event_code.id */
#define PY_FRAME_LASTI(f) ((uint32_t)(f))                        /* byte offset into co_code */

_Static_assert(sizeof(struct trace_header) <= TRACE_PAGE, "header is one page");
_Static_assert(offsetof(struct trace_header, used) == 24, "format");
_Static_assert(offsetof(struct trace_header, lost) == 104, "format");
_Static_assert(offsetof(struct trace_header, boot_id) == 168, "format");
_Static_assert(offsetof(struct trace_header, origin) == 2848, "format");
_Static_assert(sizeof(struct segment) == 32 && sizeof(struct segment) <= SEGMENT_HEADER_SIZE, "format");
_Static_assert(sizeof(struct event_header) == 16, "format");
_Static_assert(sizeof(struct trace_counter) == 64, "one cache line");
_Static_assert(sizeof(struct trace_stack) == 24, "format");
_Static_assert(sizeof(struct trace_site) == 320, "format");
_Static_assert(offsetof(struct trace_thread_slot, sites) == 80, "format");
_Static_assert(offsetof(struct trace_thread_slot, counters) % 64 == 0, "format");

#endif
