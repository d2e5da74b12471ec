/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/rule.h"

#include <string.h>

#include "analysis/analysis.h"
#include "base/compiler.h"

static const struct rule *const rules[] = {
#define RULE(identifier, name, severity, description) &rule_##identifier,
#include "analysis/rules.def"
#undef RULE
};

static const struct rule_info infos[] = {
#define RULE(identifier, name, severity, description) {name, SEVERITY_##severity, description},
#include "analysis/rules.def"
#undef RULE
};

size_t analysis_rule_count(void)
{
    return ARRAY_SIZE(infos);
}

struct rule_info analysis_rule_at(size_t i)
{
    return infos[i];
}

enum severity rule_severity(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(infos); i++) {
        if (strcmp(infos[i].name, name) == 0)
            return infos[i].severity;
    }
    return SEVERITY_NOTE;
}

void rules_run(struct model *model, struct findings *findings)
{
    void *states[ARRAY_SIZE(rules)] = {NULL};
    const union trace_event *event;
    struct source *source;
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        states[i] = rules[i]->begin ? rules[i]->begin(model) : NULL;
    session_rewind(model->session);
    while ((source = session_next(model->session, &event))) {
        model_event(model, source, event);
        for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
            if (rules[i]->event)
                rules[i]->event(states[i], model, source, event);
        }
    }
    model_finish(model);
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        rules[i]->end(states[i], model, findings);
    findings_sort(findings);
}
