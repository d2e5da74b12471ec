/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gives the threads of a process that was recorded through the kernel alone what loops.h learns from: the places in
 * which they wait for descriptors, from the kernel's waits.
 *
 * What cannot be known from there: how many descriptors a call watches, and calls that did not wait. So only epoll sets
 * and the places of known libraries can become loops, `turns` counts the waits, and the length of turns stays unknown.
 */
#ifndef CPROBE_ANALYSIS_LOOPS_KERNEL_H
#define CPROBE_ANALYSIS_LOOPS_KERNEL_H

#include "analysis/model.h"

/* Replaces the sources of the process's threads by copies with sites; reads (and rewinds) the trace's events. */
void loops_kernel_prepare(struct model *model, struct model_process *process);

#endif
