/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unlocked-mutation, of memory: what data breakpoints caught (event CONFLICT). A part of rule_unlocked_mutation.c, of
 * the shape of a rule.
 *
 * Confidence, in the evidence:
 * - confirmed: an update was lost: what one thread stored was overwritten with what another one had made of an older
 *   value. An error.
 * - likely: two threads wrote different values, the second while the first had done nothing after its own write. What
 *   keeps programs right all the same is not always to be seen: a value of which the last writer wins may be meant so,
 *   and plain stores are what compilers make of atomic ones. A warning.
 * - possible: one thread read what another one wrote: a note, and only where one of the two held a lock and nothing
 *   stronger is known of that memory. Flags and clocks that are polled look just so, but without any lock.
 *
 * One finding is one kind of memory (allocating place, variable, region) and one pair of places that change it.
 */
#ifndef CPROBE_ANALYSIS_MUTATION_NATIVE_H
#define CPROBE_ANALYSIS_MUTATION_NATIVE_H

#include "analysis/findings.h"

struct mutation_native;

struct mutation_native *mutation_native_begin(void);
void mutation_native_event(struct mutation_native *m, struct model *model, struct source *source,
                           const union trace_event *event);
/* Adds the findings and frees the state. */
void mutation_native_end(struct mutation_native *m, struct model *model, struct findings *findings);

#endif
