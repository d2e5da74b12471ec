/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/wake_chain.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/conversation.h"
#include "analysis/findings.h"
#include "analysis/lock_name.h"

#define OPEN_MAX 4096     /* waits that are open at one time; the oldest go first */
#define LENGTH_MIN 500000 /* ns: shorter waits are not looked into */

struct wake_wait {
    const struct model_process *process; /* whose trace has stack and endpoint */
    const struct model_thread *thread;
    uint64_t begin_ns, end_ns;
    double weight;
    uint32_t stack, endpoint, operation, waker;
    uint16_t call;
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

static void cause_add(struct wake_chain *chain, const struct wake_wait *wait, const struct wake_wait *reason, double ns)
{
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
    chain->causes[chain->cause_count++] =
        (struct wake_cause){wait->process, wait->stack,      wait->endpoint,    reason->thread, reason->process,
                            reason->stack, reason->endpoint, reason->operation, reason->call,   ns};
}

static bool threads_share_machine(const struct model_thread *a, const struct model_thread *b)
{
    return strcmp(a->process->source->info->boot_id, b->process->source->info->boot_id) == 0;
}

static void wait_charge(struct wake_chain *chain, const struct wake_wait *wait)
{
    for (size_t i = 0; i < chain->reason_count; i++) {
        const struct wake_wait *reason = &chain->reasons[i];
        uint64_t from = reason->begin_ns > wait->begin_ns ? reason->begin_ns : wait->begin_ns;
        uint64_t to = reason->end_ns < wait->end_ns ? reason->end_ns : wait->end_ns;
        if (from < to && reason->thread->tid == wait->waker && threads_share_machine(reason->thread, wait->thread))
            cause_add(chain, wait, reason, wait->weight * (double)(to - from));
    }
}

/* ---- the stream ---- */

static void chain_advance(struct wake_chain *chain, uint64_t now)
{
    uint64_t oldest = now;
    size_t kept = 0;
    for (size_t i = 0; i < chain->wait_count; i++) {
        if (chain->waits[i].end_ns <= now) {
            wait_charge(chain, &chain->waits[i]);
            continue;
        }
        oldest = chain->waits[i].begin_ns < oldest ? chain->waits[i].begin_ns : oldest;
        chain->waits[kept++] = chain->waits[i];
    }
    chain->wait_count = kept;
    kept = 0;
    for (size_t i = 0; i < chain->reason_count; i++) {
        if (chain->reasons[i].end_ns > oldest)
            chain->reasons[kept++] = chain->reasons[i];
    }
    chain->reason_count = kept;
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
    } else if (awaits && merged->offcpu && merged->offcpu->waker && !lock_has_owner(wait.process, wait.endpoint)) {
        chain_advance(chain, merged->offcpu->header.time_ns);
        wait.begin_ns = merged->offcpu->header.time_ns;
        wait.end_ns = wait.begin_ns + merged->offcpu->duration_ns;
        wait.weight = merged->weight;
        wait.waker = merged->offcpu->waker;
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
