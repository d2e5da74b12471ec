/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process beside `cprobe run` that records the started program through the kernel, while the command itself waits
 * for the program. It ends when the command closes its end of their connection, by whatever way.
 */
#ifndef CPROBE_CLI_COMPANION_H
#define CPROBE_CLI_COMPANION_H

#include <stddef.h>
#include <sys/types.h>

#include "kernel/collector.h"

struct companion {
    pid_t pid; /* 0: there is none */
    int connection;
};

/* Starts it; `options` must stay as they are until companion_end. 0, or negative errno with a sentence: missing
   privileges and the like are found here. */
int companion_start(struct companion *c, const struct collector_options *options, char *error, size_t error_size);

/* In the new process, before exec: returns when it is watched. 0, or negative errno where that failed; the companion
   has said why on stderr. */
int companion_join(const struct companion *c);

/* The program has ended: completes the traces. Without a companion it does nothing. */
void companion_end(struct companion *c);

#endif
