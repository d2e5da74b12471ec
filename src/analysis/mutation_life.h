/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unlocked-mutation, of blocks whose lives two threads make: one allocates and links it, another one frees it, with no
 * lock and nothing else between them (event LIFECYCLE; capture/life.h says what excuses them). It needs no breakpoints.
 * A part of rule_unlocked_mutation.c, of the shape of a rule.
 *
 * Reported where two threads have freed each other's: what goes one way may be a hand-over that is not to be seen. It
 * is likely, a warning: no write was caught. Memory of which breakpoints have told is left to mutation_native.h.
 *
 * One finding is one kind of block (allocating place) and one place that frees it.
 */
#ifndef CPROBE_ANALYSIS_MUTATION_LIFE_H
#define CPROBE_ANALYSIS_MUTATION_LIFE_H

#include "analysis/findings.h"

struct mutation_life;

struct mutation_life *mutation_life_begin(void);
void mutation_life_event(struct mutation_life *m, struct model *model, struct source *source,
                         const union trace_event *event);
/* Adds the findings and frees the state. After those of mutation_native.h. */
void mutation_life_end(struct mutation_life *m, struct model *model, struct findings *findings);

#endif
