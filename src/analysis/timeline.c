/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/timeline.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/arena.h"

#define STEP_FIRST_NS UINT64_C(10000000)

static void steps_widen(struct timeline *timeline)
{
    timeline->step_ns *= 2;
    for (size_t i = 0; i < TIMELINE_STEPS / 2; i++)
        timeline->counts[i] = timeline->counts[2 * i] + timeline->counts[2 * i + 1];
    memset(&timeline->counts[TIMELINE_STEPS / 2], 0, TIMELINE_STEPS / 2 * sizeof(timeline->counts[0]));
    timeline->count = (timeline->count + 1) / 2;
}

void timeline_add(struct timeline *timeline, uint64_t time_ns)
{
    if (timeline->step_ns == 0) {
        timeline->start_ns = time_ns;
        timeline->step_ns = STEP_FIRST_NS;
    }
    uint64_t after = time_ns > timeline->start_ns ? time_ns - timeline->start_ns : 0;
    while (after / timeline->step_ns >= TIMELINE_STEPS)
        steps_widen(timeline);
    size_t step = after / timeline->step_ns;
    timeline->counts[step]++;
    if (step >= timeline->count)
        timeline->count = step + 1;
}

bool storm_add(struct storm *storm, uint64_t time_ns)
{
    if (!storm->last)
        storm->last = memory_get(storm->limit, sizeof(*storm->last));
    storm->last[storm->seen++ % storm->limit] = time_ns;
    uint64_t oldest = storm->last[storm->seen % storm->limit];
    return storm->seen >= storm->limit && (time_ns < oldest || time_ns - oldest <= storm->window_ns);
}

void storm_free(struct storm *storm)
{
    free(storm->last);
    storm->last = NULL;
}
