/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unlocked-mutation, of memory: blocks that one thread allocated and another one freed or resized, with no lock in
 * common and nothing between them by which the one could have known of the other (event LIFECYCLE). It needs no
 * breakpoint. A part of rule_unlocked_mutation.c, of the shape of a rule.
 *
 * Rings of plain loads and stores hand blocks on as well, mostly one way; so only blocks of a place are reported that
 * two threads have freed of each other: confidence likely, a warning, where breakpoints have found nothing about the
 * same memory.
 */
#ifndef CPROBE_ANALYSIS_MUTATION_LIFECYCLE_H
#define CPROBE_ANALYSIS_MUTATION_LIFECYCLE_H

#include "analysis/mutation_native.h"

struct mutation_lifecycle;

/* memory: what the rule has seen of it by the end; not owned. */
struct mutation_lifecycle *mutation_lifecycle_begin(const struct memory_list *memory);
void mutation_lifecycle_event(struct mutation_lifecycle *m, struct model *model, struct source *source,
                              const union trace_event *event);
/* native: what breakpoints have found, after its end. */
void mutation_lifecycle_end(struct mutation_lifecycle *m, struct model *model, const struct mutation_native *native,
                            struct findings *findings);
void mutation_lifecycle_free(struct mutation_lifecycle *m);

#endif
