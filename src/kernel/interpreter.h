/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CPython interpreter that a process has mapped: its own executable, stripped or not, or libpython. It is
 * recognised by the symbols that it exports, whatever its file is called.
 */
#ifndef CPROBE_KERNEL_INTERPRETER_H
#define CPROBE_KERNEL_INTERPRETER_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/offcpu.h"
#include "bpf/python.h"
#include "kernel/images.h"
#include "python/layout.h"

struct interpreter {
    uint16_t version; /* 0x030b = 3.11; 0: older than 3.8 */
    const struct python_layout *layout;
    struct python_types types;
    struct offcpu_interpreter walk; /* for the kernel programs */
    const char *trouble;            /* why its frames cannot be read; NULL: they can */
    uint64_t start, end;            /* where its image is mapped */
    char path[256];                 /* as the process sees it */
};

/* False: the process has no interpreter (yet). */
bool interpreter_find(struct images *images, pid_t pid, struct interpreter *out);

#endif
