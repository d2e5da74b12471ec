/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A report made by hand: a gevent server that MySQLdb blocks, one warning without a peer, one loop, one endpoint.
 * Static and writable: tests change what they are about, and sample_report restores everything.
 */
#ifndef CPROBE_TEST_SAMPLE_H
#define CPROBE_TEST_SAMPLE_H

#include "analysis/finding.h"
#include "report/format.h"

struct report *sample_report(void);

/* The contents of what `write` prints for the report; for free(). */
char *sample_text(const struct report_format *format, const struct report *report, struct report_style style);

#endif
