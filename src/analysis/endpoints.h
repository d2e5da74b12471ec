/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of peers that the recorded processes turned to: how they were reached and what was asked of them. */
#ifndef CPROBE_ANALYSIS_ENDPOINTS_H
#define CPROBE_ANALYSIS_ENDPOINTS_H

#include "analysis/finding.h"
#include "analysis/model.h"

/* Fills the report's endpoints, of all processes together; memory of `arena`. */
void endpoints_report(struct model *model, struct report *report, struct arena *arena);

/* Whether an endpoint is a peer that the program turned to: not its own clients, of which there may be thousands. */
bool endpoint_is_peer(const struct trace_endpoint *endpoint);

/* The operation that a counter counts if it counts requests to a peer (not those that the process itself answered);
   NULL otherwise. */
const struct trace_operation *counter_operation(const struct trace *trace, const struct trace_counter *counter);

#endif
