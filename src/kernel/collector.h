/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records processes from outside, through the kernel: one trace file for each process and program that it runs, and for
 * all that it forks. The processes need no preparation and keep nothing when recording ends. Not thread-safe.
 */
#ifndef CPROBE_KERNEL_COLLECTOR_H
#define CPROBE_KERNEL_COLLECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct collector;

struct collector_options {
    const char *directory; /* exists */
    uint64_t capacity;     /* of one trace, bytes; WRITER_SIZE_MIN … WRITER_SIZE_MAX */
    uint64_t mean_ns;      /* sampler: blocked time per recorded wait; longer waits are always recorded */
    bool every_sys_exit;   /* see programs.h */
    bool raw_tracepoints;  /* see programs.h */
    bool before_exec;      /* the processes are about to exec: what they do before is left out */
};

/* Starts to record these processes and what descends from them now. `options` must outlive the collector. 0 and *out,
   or negative errno with a sentence: -EPERM where privileges are missing. */
int collector_start(const struct collector_options *options, const pid_t *pids, size_t count, struct collector **out,
                    char *error, size_t error_size);

/* Loads and attaches the programs, watches nothing, and detaches: whether recording would work. 0, 1 if on raw
   tracepoints only (programs.h), or negative errno with a sentence. */
int collector_try(char *error, size_t error_size);

/* Writes what happened, after waiting up to timeout_ms for something. To be called often: the kernel keeps 16 MiB. 0 or
   negative errno. */
int collector_poll(struct collector *c, int timeout_ms);

/* Whether any recorded process still runs. */
bool collector_has_targets(const struct collector *c);

struct collector_summary {
    size_t processes; /* traces written */
    size_t missed;    /* processes without one: they had ended before it could be begun */
    uint64_t lost;    /* waits and stacks that the kernel's buffer had no room for */
};

/* Detaches, captures the threads that still wait, completes the traces and frees the collector. 0 or negative errno. */
int collector_finish(struct collector *c, struct collector_summary *summary);

#endif
