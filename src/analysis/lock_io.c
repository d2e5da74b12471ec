/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/lock_io.h"

#include <string.h>

static bool row_is_idle(const struct wait_row *row)
{
    const char *call = trace_call_name(row->call);
    return (row->flags & WAIT_WAITSET) || (call && strncmp(call, "accept", 6) == 0) || row->class == CLASS_SIGNAL;
}

enum lock_io lock_io_kind(const struct chain_io *io, const struct analysis_options *options)
{
    const struct wait_row *row = &io->row;
    if (row_is_idle(row))
        return LOCK_IO_IDLE;
    if (wait_is_page_cache(row) && row->long_count <= 0)
        return LOCK_IO_NONE;
    if (row->runtime || row->class == CLASS_MEMORY || wait_is_spawn(row) || wait_is_thread_wakeup(row) ||
        row->total_ns < row->count * (double)options->io_short)
        return LOCK_IO_NONE;
    return LOCK_IO_WAIT;
}

double lock_io_cost(const struct model *model, const struct model_process *process, uint32_t lock)
{
    const struct lock_chain *chain = model->chain;
    double ns = 0;
    for (size_t i = 0; i < chain->io_index.count; i++) {
        const struct chain_io *io = &chain->ios[i];
        if (io->row.process != process || io->cost_count == 0 || lock_io_kind(io, model->options) == LOCK_IO_NONE)
            continue;
        for (size_t j = 0; j < io->cost_count; j++)
            ns += io->costs[j].lock == lock ? io->costs[j].ns : 0;
    }
    return ns;
}
