/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who ended a wait, as the kernel saw it. */
#ifndef CPROBE_ANALYSIS_WAKER_H
#define CPROBE_ANALYSIS_WAKER_H

#include "analysis/model.h"

/* "writer (4712)" for a thread of the sleeper's own process, "served writer (4712)" for one of another, "thread 4712"
   for one that was not recorded. tid is not 0. The arena's. */
const char *waker_name(const struct model *model, const struct model_process *sleeper, uint32_t tid,
                       struct arena *arena);

/* Whether nobody but the hardware can have ended the wait. cause: enum offcpu_cause. */
bool waker_is_hardware(uint32_t tid, uint16_t flags, uint16_t cause);

#endif
