/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The causes of loss as every reporter names and explains them.
 */
#ifndef CPROBE_REPORT_LOST_H
#define CPROBE_REPORT_LOST_H

#include <stddef.h>

#include "trace/format.h"

struct lost_cause {
    enum trace_lost cause; /* index into struct report.lost */
    const char *key;       /* in JSON */
    const char *meaning;   /* what was lost, what that does to the report, what helps */
};

size_t lost_cause_count(void);
const struct lost_cause *lost_cause_at(size_t i);

#endif
