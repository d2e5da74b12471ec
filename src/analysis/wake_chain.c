/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/wake_chain.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/conversation.h"
#include "analysis/findings.h"
#include "analysis/lock_name.h"
#include "analysis/waker.h"

#define OPEN_MAX 4096     /* waits that are open at one time; the oldest go first */
#define LENGTH_MIN 500000 /* ns: shorter waits are not looked into */

struct wake_wait {
    const struct model_process *process; /* whose trace has stack and endpoint */
    const struct model_thread *thread;
    uint64_t begin_ns, end_ns;
    double weight;
    uint32_t stack, endpoint, operation, waker;
    uint16_t call;
    bool charged; /* or not to be: for a lock that has an owner it is only part of others' chains */
};

/* A part of a wait, and the wakers that it was followed through. */
struct stretch {
    const struct wake_wait *wait;
    const struct model_thread *links[WAKE_LINKS];
    size_t link_count;
};

struct wake_chain *wake_chain_new(struct model *model)
{
    struct wake_chain *chain = memory_get(1, sizeof(*chain));
    chain->model = model;
    return chain;
}

void wake_chain_free(struct wake_chain *chain)
{
    free(chain->causes);
    free(chain->waits);
    free(chain->reasons);
    free(chain);
}

/* ---- charging ---- */

static void cause_add(struct wake_chain *chain, const struct stretch *stretch, const struct wake_wait *reason,
                      double ns)
{
    const struct wake_wait *wait = stretch->wait;
    for (size_t i = 0; i < chain->cause_count; i++) {
        struct wake_cause *c = &chain->causes[i];
        if (c->process == wait->process && c->stack == wait->stack && c->endpoint == wait->endpoint &&
            c->waker_process == reason->process && c->waker_stack == reason->stack &&
            c->waker_endpoint == reason->endpoint && c->operation == reason->operation && c->call == reason->call) {
            c->ns += ns;
            return;
        }
    }
    chain->causes = memory_grow(chain->causes, chain->cause_count, &chain->cause_capacity, sizeof(*chain->causes));
    struct wake_cause *c = &chain->causes[chain->cause_count++];
    *c = (struct wake_cause){.process = wait->process,
                             .stack = wait->stack,
                             .endpoint = wait->endpoint,
                             .waker = reason->thread,
                             .waker_process = reason->process,
                             .waker_stack = reason->stack,
                             .waker_endpoint = reason->endpoint,
                             .operation = reason->operation,
                             .call = reason->call,
                             .ns = ns,
                             .link_count = stretch->link_count};
    memcpy(c->links, stretch->links, sizeof(c->links));
}

static bool threads_share_machine(const struct model_thread *a, const struct model_thread *b)
{
    return strcmp(a->process->source->info->boot_id, b->process->source->info->boot_id) == 0;
}

static bool stretch_passed(const struct stretch *stretch, const struct model_thread *thread)
{
    bool passed = stretch->wait->thread == thread;
    for (size_t i = 0; i < stretch->link_count; i++)
        passed |= stretch->links[i] == thread;
    return passed;
}

/* Whether `other` is a wait of the thread `waker` during [*from, *to), which is cut to that. */
static bool stretch_meets(const struct stretch *stretch, const struct wake_wait *other, uint32_t waker, uint64_t *from,
                          uint64_t *to)
{
    *from = other->begin_ns > *from ? other->begin_ns : *from;
    *to = other->end_ns < *to ? other->end_ns : *to;
    return *from < *to && other->thread->tid == waker && threads_share_machine(other->thread, stretch->wait->thread);
}

/* Charges what `waker` waited for from `begin` to `end`, and those whom it waited for. */
static void stretch_charge(struct wake_chain *chain, struct stretch *stretch, uint32_t waker, uint64_t begin,
                           uint64_t end)
{
    uint64_t from, to;
    for (size_t i = 0; i < chain->reason_count; i++) {
        from = begin, to = end;
        if (stretch_meets(stretch, &chain->reasons[i], waker, &from, &to))
            cause_add(chain, stretch, &chain->reasons[i], stretch->wait->weight * (double)(to - from));
    }
    for (size_t i = 0; i < chain->wait_count && stretch->link_count < WAKE_LINKS; i++) {
        const struct wake_wait *link = &chain->waits[i];
        from = begin, to = end;
        if (!stretch_meets(stretch, link, waker, &from, &to) || stretch_passed(stretch, link->thread))
            continue;
        stretch->links[stretch->link_count++] = link->thread;
        stretch_charge(chain, stretch, link->waker, from, to);
        stretch->link_count--;
    }
}

/* ---- the stream ---- */

static size_t kept_after(struct wake_wait *list, size_t count, uint64_t oldest)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (list[i].end_ns > oldest)
            list[kept++] = list[i];
    }
    return kept;
}

/* What is over stays for as long as a wait is open that it may be part of. */
static void chain_advance(struct wake_chain *chain, uint64_t now)
{
    uint64_t oldest = now;
    for (size_t i = 0; i < chain->wait_count; i++) {
        struct wake_wait *wait = &chain->waits[i];
        if (!wait->charged && wait->end_ns <= now) {
            struct stretch stretch = {.wait = wait};
            stretch_charge(chain, &stretch, wait->waker, wait->begin_ns, wait->end_ns);
            wait->charged = true;
        }
        if (wait->end_ns > now)
            oldest = wait->begin_ns < oldest ? wait->begin_ns : oldest;
    }
    chain->wait_count = kept_after(chain->waits, chain->wait_count, oldest);
    chain->reason_count = kept_after(chain->reasons, chain->reason_count, oldest);
}

static void open_add(struct wake_wait **list, size_t *count, size_t *capacity, const struct wake_wait *wait)
{
    if (*count == OPEN_MAX)
        memmove(*list, *list + 1, --*count * sizeof(**list));
    *list = memory_grow(*list, *count, capacity, sizeof(**list));
    (*list)[(*count)++] = *wait;
}

static bool waits_for_thread(uint16_t call)
{
    enum call_category category = trace_call_category(call);
    const char *name = trace_call_name(call);
    return category == CALL_LOCK || category == CALL_JOIN || (name && strcmp(name, "futex") == 0);
}

/* What an owner of the lock waits for is told by lock_chain.h. */
static bool lock_has_owner(const struct model_process *process, uint32_t id)
{
    const struct trace_endpoint *endpoint = model_endpoint(process, id);
    if (!endpoint || endpoint->kind != ENDPOINT_LOCK)
        return false;
    enum lock_kind kind = lock_kind_of(endpoint);
    return kind == LOCK_KIND_MUTEX || kind == LOCK_KIND_RWLOCK || kind == LOCK_KIND_SPIN || kind == LOCK_KIND_GIL;
}

static struct wake_wait wait_of(const struct merged *merged)
{
    const struct event_wait *event = merged->wait.event;
    return (struct wake_wait){.process = merged->wait.process,
                              .thread = merged->wait.thread,
                              .begin_ns = event->header.time_ns,
                              .end_ns = event->header.time_ns + event->duration_ns,
                              .weight = merged->wait.weight,
                              .stack = event->stack,
                              .endpoint = event->endpoint,
                              .operation = merged->wait.context.operation,
                              .call = event->call};
}

void wake_chain_event(struct wake_chain *chain, const struct merged *merged)
{
    const struct event_wait *event = merged->kind == MERGED_NONE ? NULL : merged->wait.event;
    if (!event || merged->idle || !(merged->wait.process->beside || merged->wait.process->kernel) ||
        event->duration_ns < LENGTH_MIN)
        return;
    struct wake_wait wait = wait_of(merged);
    bool awaits = waits_for_thread(event->call);
    if (!awaits && merged->kind != MERGED_DETAIL) {
        chain_advance(chain, wait.begin_ns);
        open_add(&chain->reasons, &chain->reason_count, &chain->reason_capacity, &wait);
    } else if (awaits && merged->offcpu && merged->offcpu->waker) {
        chain_advance(chain, merged->offcpu->header.time_ns);
        wait.begin_ns = merged->offcpu->header.time_ns;
        wait.end_ns = wait.begin_ns + merged->offcpu->duration_ns;
        wait.weight = merged->weight;
        wait.waker = merged->offcpu->waker;
        wait.charged = lock_has_owner(wait.process, wait.endpoint);
        open_add(&chain->waits, &chain->wait_count, &chain->wait_capacity, &wait);
    }
}

void wake_chain_finish(struct wake_chain *chain)
{
    chain_advance(chain, UINT64_MAX);
}

/* ---- afterwards ---- */

bool wake_cause_is_of(const struct wake_cause *cause, const struct wait_row *row)
{
    return cause->process == row->process && cause->stack == row->stack && cause->endpoint == row->endpoint;
}

const char *wake_cause_who(const struct wake_cause *cause, const struct model *model, struct arena *arena)
{
    const struct model_process *process = cause->process;
    const char *words = "";
    for (size_t i = 0; i < cause->link_count; i++)
        words = arena_format(arena, "%s%s waits for ", words, waker_name(model, process, cause->links[i]->tid, arena));
    return arena_format(arena, "%s%s%s", words, waker_name(model, process, cause->waker->tid, arena),
                        cause->link_count > 0 ? ", which" : "");
}

const char *wake_cause_words(const struct wake_cause *cause, struct arena *arena)
{
    const struct peer *peer = peer_of(cause->waker_process, cause->waker_endpoint, arena);
    const struct trace_operation *asked = operation_find(cause->waker_process->trace, cause->operation);
    const char *call = trace_call_name(cause->call);
    if (peer && asked)
        return arena_format(arena, "%s %s", words_peer(peer, arena), operation_words(asked, arena));
    if (peer)
        return words_peer(peer, arena);
    return call ? call : "something";
}
