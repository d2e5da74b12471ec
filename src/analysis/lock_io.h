/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which waits with a lock held are somebody's fault. */
#ifndef CPROBE_ANALYSIS_LOCK_IO_H
#define CPROBE_ANALYSIS_LOCK_IO_H

#include "analysis/lock_chain.h"

enum lock_io {
    LOCK_IO_NONE, /* costs CPU rather than time: page cache, making a process, waking a thread */
    LOCK_IO_IDLE, /* the wait for work to come: whoever has the lock is next in turn (leader and followers) */
    LOCK_IO_WAIT, /* network, disk, sleep, name look-up, another process or thread */
};

/* The row of `io` has been classified. */
enum lock_io lock_io_kind(const struct chain_io *io, const struct analysis_options *options);

/* Time that threads of the process waited for the lock because its owners waited for something that counts. */
double lock_io_cost(const struct model *model, const struct model_process *process, uint32_t lock);

#endif
