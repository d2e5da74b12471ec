/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report's table of locks: locks.h. */
#include "analysis/findings.h"
#include "analysis/locks.h"
#include "analysis/model.h"
#include "analysis/round.h"

/* Conditions, barriers and the like are not held, and signals are nobody's: they stand in no table of locks. */
static bool class_is_reported(const struct lock_class *class)
{
    return class->contended > 0 || class->acquisitions > 0;
}

void locks_report(const struct model *model, struct report *report, struct arena *arena)
{
    const struct lock_table *table = &model->locks;
    report->locks = arena_get(arena, table->class_count * sizeof(*report->locks));
    for (size_t i = 0; i < table->class_count; i++) {
        const struct lock_class *class = &table->classes[i];
        if (!class_is_reported(class))
            continue;
        report->locks[report->lock_count++] = (struct lock){.process = process_info_of(class->process),
                                                            .name = class->name,
                                                            .kind = class->kind,
                                                            .instances = class->row_count,
                                                            .threads = class->users,
                                                            .acquisitions = round_whole(class->acquisitions),
                                                            .contended = round_whole(class->contended),
                                                            .wait_ns = round_whole(class->wait_ns),
                                                            .wait_p99_ns = class->wait_p99_ns,
                                                            .wait_max_ns = class->wait_max_ns,
                                                            .hold_p50_ns = class->hold_p50_ns,
                                                            .hold_p99_ns = class->hold_p99_ns,
                                                            .hold_max_ns = class->hold_max_ns,
                                                            .queue_max = class->queue_max};
    }
}
