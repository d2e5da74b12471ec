/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cache-accounting-drift: a container's own counter of its size no longer agrees with its content, or the order that it
 * keeps of its entries with the entries. Both are read while nobody is inside, so they differ for good: what the
 * counter claims cannot be used any more. Objects of one class that were made in one place are one finding.
 */
#include <string.h>

#include "analysis/lock_stacks.h"
#include "analysis/rule.h"

static const char rule_name[] = "cache-accounting-drift";
static const char remedy[] =
    "Two changes at once cost one of two updates of the counter: guard every access to this object with one lock "
    "(cachetools: lock=threading.Lock()). The error stays until the process is restarted or a new object takes its "
    "place.";

static int64_t difference_of(const struct event_drift *event)
{
    return (int64_t)((uint64_t)event->counter - (uint64_t)event->content);
}

static double apart(const struct event_drift *event)
{
    double by_counter = event->flags & DRIFT_NO_COUNTER ? 0 : (double)event->counter - (double)event->content;
    double by_links = event->flags & DRIFT_NO_LINKS ? 0 : (double)event->links - (double)event->entries;
    double a = by_counter < 0 ? -by_counter : by_counter, b = by_links < 0 ? -by_links : by_links;
    return a > b ? a : b;
}

/* The one that is furthest from right. */
static const struct watched_object *object_worst(const struct watched_site *site)
{
    const struct watched_object *worst = NULL;
    for (size_t i = 0; i < site->count; i++) {
        const struct watched_object *object = site->list[i];
        if (object->drift.since_ns && (!worst || apart(&object->drift.last) > apart(&worst->drift.last)))
            worst = object;
    }
    return worst;
}

static const char *title_of(const struct watched_site *site, const struct watched_drift *drift, struct arena *arena)
{
    const struct event_drift *last = &drift->last;
    bool counts = !(last->flags & DRIFT_NO_COUNTER) && last->counter != last->content;
    if (!counts)
        return arena_format(arena, "%s has lost count of its entries: %u of them, %u in their order", site->name,
                            last->entries, last->links);
    return arena_format(arena, "%s miscounts its size: %s says %lld, entries %u", site->name, drift->counter,
                        (long long)last->counter, last->entries);
}

/* Units an hour, from the first difference that was seen to the last one, beginning when it was last seen to be right.
 */
static double growth_of(const struct watched_drift *drift)
{
    uint64_t begin = drift->right_ns && drift->right_ns < drift->since_ns ? drift->right_ns : drift->since_ns;
    uint64_t end = drift->last.header.time_ns;
    double grown = apart(&drift->last) - (begin == drift->since_ns ? apart(&drift->first) : 0);
    return end > begin ? grown * 3600e9 / (double)(end - begin) : 0;
}

static void numbers_evidence(const struct watched_drift *drift, struct finding *finding, struct arena *arena)
{
    const struct event_drift *last = &drift->last;
    if (!(last->flags & DRIFT_NO_COUNTER)) {
        evidence_text(finding, "counter", arena_format(arena, "%s %lld", drift->counter, (long long)last->counter));
        evidence_text(finding, "content", arena_format(arena, "%s %lld", drift->content, (long long)last->content));
        evidence_number(finding, "difference", (double)difference_of(last));
    }
    evidence_count(finding, "entries", last->entries);
    if (!(last->flags & DRIFT_NO_LINKS))
        evidence_count(finding, "links", last->links);
    evidence_number(finding, "growth_per_hour", growth_of(drift));
    evidence_count(finding, "checks", drift->checks);
}

/* Also where both sides were, in the overlap that was seen most. */
static void overlaps_evidence(struct model *model, const struct watched_object *object, struct finding *finding)
{
    const struct watched_pair *pair = watched_pair_heaviest(object);
    const struct model_process *process = object->process;
    evidence_count(finding, "overlaps", watched_overlaps(object));
    evidence_count(finding, "key_errors", object->key_errors);
    if (!pair)
        return;
    evidence_text(finding, "overlapped",
                  arena_format(model->arena, "%s began while %s was inside: %llu times",
                               watched_method(process, pair->method), watched_method(process, pair->other),
                               (unsigned long long)pair->count));
    finding_stack_add(finding, arena_format(model->arena, "began %s", watched_method(process, pair->method)),
                      symbols_stack(model->symbols, process->trace, pair->example.stack, 0), (double)pair->count, 0,
                      model->arena);
    finding_stack_add(finding, arena_format(model->arena, "was inside of %s", watched_method(process, pair->other)),
                      symbols_stack(model->symbols, process->trace, pair->example.other_stack, 0), (double)pair->count,
                      0, model->arena);
}

static struct thread_info thread_of(const struct watched_object *object)
{
    uint32_t tid = object->source ? object->source->tid : 0;
    for (size_t i = 0; i < object->process->thread_count; i++) {
        if (object->process->threads[i].tid == tid)
            return thread_info_of(&object->process->threads[i]);
    }
    return (struct thread_info){tid, "ended thread", false};
}

static void site_report(struct model *model, const struct watched_site *site, const struct watched_object *object,
                        struct findings *findings)
{
    const struct watched_drift *drift = &object->drift;
    struct finding *finding = findings_add(findings, rule_name);
    finding->id = place_hash_text(site->id, rule_name);
    finding->title = title_of(site, drift, model->arena);
    finding->remedy = remedy;
    finding->process = process_info_of(object->process);
    finding->thread = thread_of(object);
    finding->first_real_ns = source_real_ns(object->process->source, drift->since_ns);
    finding->last_real_ns = source_real_ns(object->process->source, drift->last.header.time_ns);
    for (size_t i = 0; i < site->count; i++)
        finding->count += site->list[i]->drift.records;
    numbers_evidence(drift, finding, model->arena);
    evidence_text(finding, "since", words_time(finding->first_real_ns, model->arena));
    evidence_text(finding, "object", site->name);
    overlaps_evidence(model, object, finding);
    if (site->birth)
        finding_stack_add(finding, "the object was made", site->birth, 1, 0, model->arena);
}

static void rule_end(void *state, struct model *model, struct findings *findings)
{
    size_t count;
    const struct watched_site *sites = watched_sites(model, &count);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        const struct watched_object *object = object_worst(&sites[i]);
        if (object)
            site_report(model, &sites[i], object, findings);
    }
}

const struct rule rule_cache_accounting_drift = {.end = rule_end};
