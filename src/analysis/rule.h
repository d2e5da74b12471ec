/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a rule implements. A rule is a pure consumer: it sees the model and the stream of all events in order of time,
 * and makes findings at the end. It reads no file, keeps nothing outside its state, and prints nothing.
 */
#ifndef CPROBE_ANALYSIS_RULE_H
#define CPROBE_ANALYSIS_RULE_H

#include "analysis/findings.h"
#include "analysis/model.h"

struct rule {
    /* Returns the state for one run. NULL: the rule has none. */
    void *(*begin)(struct model *model);
    /* One event, after the model has taken it in; its times are the trace's own. NULL: not interested. */
    void (*event)(void *state, struct model *model, struct source *source, const union trace_event *event);
    /* After the last event and model_finish: adds findings, frees the state. */
    void (*end)(void *state, struct model *model, struct findings *findings);
};

#define RULE(identifier, name, severity, description) extern const struct rule rule_##identifier;
#include "analysis/rules.def"
#undef RULE

/* The severity of a rule of rules.def by its name. */
enum severity rule_severity(const char *name);

/* Runs every rule over the session's stream and fills the model on the way. */
void rules_run(struct model *model, struct findings *findings);

#endif
