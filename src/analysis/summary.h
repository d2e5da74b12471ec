/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of a report that no rule makes: endpoints, processes, warnings, loss, and the sentence that opens it. */
#ifndef CPROBE_ANALYSIS_SUMMARY_H
#define CPROBE_ANALYSIS_SUMMARY_H

#include "analysis/finding.h"
#include "analysis/model.h"

/* Fills report->endpoints, processes, warnings and lost. Memory is the arena's. */
void summary_fill(struct model *model, struct report *report, struct arena *arena);

/* The opening sentence, from the loops and findings that the report already has. */
const char *verdict_sentence(const struct model *model, const struct report *report, struct arena *arena);

#endif
