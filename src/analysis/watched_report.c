/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report's table of watched objects: watched.h. */
#include <stdlib.h>

#include "analysis/findings.h"
#include "analysis/lock_question.h"
#include "analysis/model.h"

static int row_compare(const void *left, const void *right)
{
    const struct watched_row *a = left, *b = right;
    return a->operations > b->operations ? -1 : a->operations < b->operations;
}

static struct watched_row row_of(struct model *model, const struct watched_site *site)
{
    const struct watched_object *first = site->list[0];
    struct lock_answer answer;
    struct watched_row row = {.process = process_info_of(first->process), .name = site->name, .objects = site->count};
    for (size_t i = 0; i < site->count; i++) {
        const struct watched_object *object = site->list[i];
        row.operations += object->operations;
        row.changes += object->mutations;
        row.key_errors += object->key_errors;
        row.overlaps += watched_overlaps(object);
        row.threads = object->threads > row.threads ? object->threads : row.threads;
        if (object->drift.checks > 0 && (!row.counted || object->drift.last.counter != object->drift.last.content)) {
            row.counted = true;
            row.difference = (int64_t)((uint64_t)object->drift.last.counter - (uint64_t)object->drift.last.content);
        }
    }
    row.lock_known = lock_question_answer(model, first, &answer);
    if (row.lock_known) {
        row.lock_busy = answer.busy;
        row.lock_wait_p99_ns = answer.p99_ns;
    }
    return row;
}

void watched_report(struct model *model, struct report *report, struct arena *arena)
{
    size_t count;
    const struct watched_site *sites = watched_sites(model, &count);
    report->watched = arena_get(arena, count * sizeof(*report->watched));
    for (size_t i = 0; i < count; i++) {
        struct watched_row row = row_of(model, &sites[i]);
        if (row.operations > 0)
            report->watched[report->watched_count++] = row;
    }
    if (report->watched_count > 0)
        qsort(report->watched, report->watched_count, sizeof(*report->watched), row_compare);
}
