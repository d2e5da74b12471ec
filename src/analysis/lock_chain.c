/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/lock_chain.h"

#include <stdlib.h>
#include <string.h>

#define OPEN_MAX 8192 /* waits that are open at one time; the oldest go first */

struct chain_wait {
    const struct model_process *process;
    struct model_thread *thread;
    uint64_t begin_ns, end_ns;
    double weight;
    uint32_t endpoint, stack, locks;
    uint32_t io; /* number of the chain_io, UINT32_MAX: a wait for a lock */
    bool shared;
};

struct lock_chain *lock_chain_new(struct model *model)
{
    struct lock_chain *chain = memory_get(1, sizeof(*chain));
    chain->model = model;
    return chain;
}

void lock_chain_free(struct lock_chain *chain)
{
    for (size_t i = 0; i < chain->io_index.count; i++) {
        free(chain->ios[i].costs);
        histogram_free(&chain->ios[i].row.histogram);
    }
    free(chain->ios);
    free(chain->passes);
    free(chain->waits);
    free(chain->helds);
    profile_index_free(&chain->io_index);
    free(chain);
}

/* ---- what was waited for with locks held ---- */

static bool io_equal(const void *context, uint32_t item)
{
    const struct {
        const struct lock_chain *chain;
        const struct chain_io *key;
    } *search = context;
    const struct chain_io *a = &search->chain->ios[item], *b = search->key;
    return a->row.process == b->row.process && a->row.stack == b->row.stack && a->row.call == b->row.call &&
           a->row.endpoint == b->row.endpoint && a->row.flags == b->row.flags && a->set == b->set &&
           a->row.context.operation == b->row.context.operation;
}

static uint64_t io_hash(const struct chain_io *io)
{
    uint64_t hash = profile_hash(PROFILE_HASH_START, (uintptr_t)io->row.process);
    hash = profile_hash(hash, (uint64_t)io->row.stack << 32 | io->row.endpoint);
    hash = profile_hash(hash, (uint64_t)io->row.context.operation << 32 | io->set);
    return profile_hash(hash, (uint64_t)io->row.call << 16 | io->row.flags);
}

static uint32_t io_put(struct lock_chain *chain, const struct wait_sample *wait)
{
    const struct event_wait *event = wait->event;
    struct chain_io key = {.row = {.thread = wait->thread,
                                   .process = wait->process,
                                   .endpoint = event->endpoint,
                                   .stack = event->stack,
                                   .call = event->call,
                                   .flags = event->flags & (WAIT_WAITSET | WAIT_SERVER_SIDE),
                                   .phase = PHASE_LOOP,
                                   .context = wait->context,
                                   .first_ns = event->header.time_ns},
                           .set = wait->context.locks};
    struct {
        const struct lock_chain *chain;
        const struct chain_io *key;
    } search = {chain, &key};
    size_t count = chain->io_index.count;
    bool added;
    uint32_t item = profile_index_put(&chain->io_index, io_hash(&key), io_equal, &search, &added);
    if (added) {
        chain->ios = memory_grow(chain->ios, count, &chain->io_capacity, sizeof(*chain->ios));
        chain->ios[item] = key;
    }
    struct wait_row *row = &chain->ios[item].row;
    row->samples++;
    row->count += wait->weight;
    row->total_ns += wait->weight * (double)event->duration_ns;
    if (event->duration_ns >= chain->model->waits.long_limit_ns) {
        row->long_count += wait->weight;
        row->long_ns += wait->weight * (double)event->duration_ns;
    }
    histogram_add(&row->histogram, event->duration_ns, wait->weight);
    if (event->duration_ns > row->max_ns) {
        row->max_ns = event->duration_ns;
        row->max_at_ns = event->header.time_ns;
    }
    row->last_ns = event->header.time_ns + event->duration_ns;
    return item;
}

/* ---- charging ---- */

/* `ns` of a wait, weighted: a wait counts as far as it is explained. */
static void cost_add(struct chain_io *io, const struct chain_wait *waiter, double ns)
{
    struct chain_cost *cost = NULL;
    for (size_t i = 0; i < io->cost_count && !cost; i++) {
        const struct chain_cost *c = &io->costs[i];
        if (c->thread == waiter->thread && c->stack == waiter->stack && c->lock == waiter->endpoint)
            cost = &io->costs[i];
    }
    if (!cost) {
        io->costs = memory_grow(io->costs, io->cost_count, &io->cost_capacity, sizeof(*io->costs));
        cost = &io->costs[io->cost_count++];
        *cost = (struct chain_cost){.thread = waiter->thread, .stack = waiter->stack, .lock = waiter->endpoint};
    }
    cost->count += ns / (double)(waiter->end_ns - waiter->begin_ns);
    cost->ns += ns;
    io->cost_ns += ns;
}

static void pass_add(struct lock_chain *chain, const struct model_process *process, uint32_t from, uint32_t to,
                     double ns)
{
    for (size_t i = 0; i < chain->pass_count; i++) {
        struct chain_pass *pass = &chain->passes[i];
        if (pass->process == process && pass->from == from && pass->to == to) {
            pass->ns += ns;
            return;
        }
    }
    chain->passes = memory_grow(chain->passes, chain->pass_count, &chain->pass_capacity, sizeof(*chain->passes));
    chain->passes[chain->pass_count++] = (struct chain_pass){process, from, to, ns};
}

/* Whether a thread that holds this set keeps the waiter from its lock: two readers do not. */
static bool set_keeps(const struct trace *trace, uint32_t set, uint32_t lock, bool shared)
{
    const struct trace_lockset *locks = set && lock != ENDPOINT_OVERFLOW ? trace_lockset_find(trace, set) : NULL;
    for (size_t i = 0; locks && i < locks->count; i++) {
        if (locks->locks[i] == lock)
            return !(shared && locks->shared[i]);
    }
    return false;
}

struct stretch {
    const struct chain_wait *waiter; /* at the chain's begin */
    double weight;
    unsigned links;
    const struct model_thread *visited[CHAIN_LINKS + 1];
};

static bool stretch_visits(const struct stretch *stretch, const struct model_thread *thread)
{
    for (unsigned i = 0; i <= stretch->links; i++) {
        if (stretch->visited[i] == thread)
            return true;
    }
    return false;
}

/* The part of [begin, end) in which `held` keeps `wait` from its lock. */
static double overlap_ns(const struct stretch *stretch, const struct chain_wait *wait, const struct chain_wait *held,
                         uint64_t begin, uint64_t end)
{
    uint64_t from = held->begin_ns > begin ? held->begin_ns : begin, to = held->end_ns < end ? held->end_ns : end;
    if (from >= to || held->process != wait->process || stretch_visits(stretch, held->thread) ||
        !set_keeps(wait->process->trace, held->locks, wait->endpoint, wait->shared))
        return 0;
    return (double)(to - from);
}

/* Charges the time from `begin` to `end`, in which a lock was waited for, and returns how much of it. Of several
   readers that keep a writer waiting at the same time each is charged its part. */
static double stretch_charge(struct lock_chain *chain, const struct stretch *stretch, const struct chain_wait *wait,
                             uint64_t begin, uint64_t end)
{
    double sum = 0, length = (double)(end - begin);
    for (size_t i = 0; i < chain->held_count; i++)
        sum += overlap_ns(stretch, wait, &chain->helds[i], begin, end);
    double scale = sum > length ? length / sum : 1;
    for (size_t i = 0; sum > 0 && i < chain->held_count; i++) {
        const struct chain_wait *held = &chain->helds[i];
        double ns = overlap_ns(stretch, wait, held, begin, end);
        double weight = stretch->weight * held->weight * scale;
        if (ns == 0)
            continue;
        if (held->io != UINT32_MAX) {
            cost_add(&chain->ios[held->io], stretch->waiter, weight * ns);
        } else if (stretch->links < CHAIN_LINKS) {
            struct stretch deeper = *stretch;
            deeper.visited[++deeper.links] = held->thread;
            deeper.weight = weight;
            double explained = stretch_charge(chain, &deeper, held, held->begin_ns > begin ? held->begin_ns : begin,
                                              held->end_ns < end ? held->end_ns : end);
            pass_add(chain, wait->process, stretch->waiter->endpoint, held->endpoint, weight * (ns - explained));
        }
    }
    return sum * scale;
}

static void wait_charge(struct lock_chain *chain, const struct chain_wait *wait)
{
    if (locks_joins(chain->model, wait->process, wait->endpoint, wait->stack))
        return;
    struct stretch stretch = {.waiter = wait, .weight = wait->weight, .links = 0, .visited = {wait->thread}};
    stretch_charge(chain, &stretch, wait, wait->begin_ns, wait->end_ns);
}

/* ---- the stream ---- */

/* Charges what ended before `now`, of all processes: they share a clock or do not concern each other. */
static void chain_advance(struct lock_chain *chain, const struct model_process *process, uint64_t now)
{
    uint64_t oldest = now;
    size_t kept = 0;
    for (size_t i = 0; i < chain->wait_count; i++) {
        struct chain_wait *wait = &chain->waits[i];
        if (wait->process == process && wait->end_ns <= now) {
            wait_charge(chain, wait);
            continue;
        }
        if (wait->process == process && wait->begin_ns < oldest)
            oldest = wait->begin_ns;
        chain->waits[kept++] = *wait;
    }
    chain->wait_count = kept;
    kept = 0;
    for (size_t i = 0; i < chain->held_count; i++) {
        if (chain->helds[i].process != process || chain->helds[i].end_ns > oldest)
            chain->helds[kept++] = chain->helds[i];
    }
    chain->held_count = kept;
}

static void open_add(struct chain_wait **list, size_t *count, size_t *capacity, const struct chain_wait *wait)
{
    if (*count == OPEN_MAX) {
        for (size_t i = 1; i < OPEN_MAX; i++)
            (*list)[i - 1] = (*list)[i];
        --*count;
    }
    *list = memory_grow(*list, *count, capacity, sizeof(**list));
    (*list)[(*count)++] = *wait;
}

static bool call_shares(uint16_t call)
{
    const char *name = trace_call_name(call);
    return name && strstr(name, "rdlock");
}

void lock_chain_event(struct lock_chain *chain, const struct model_process *process, const union trace_event *event)
{
    const struct merged *merged = chain->model->wait;
    if (event->header.type != EVENT_WAIT || merged->kind != MERGED_WAIT)
        return;
    const struct wait_sample *sample = &merged->wait;
    bool lock = trace_call_category(sample->event->call) == CALL_LOCK;
    if (!lock && !sample->context.locks)
        return;
    uint64_t begin = event->header.time_ns;
    struct chain_wait wait = {.process = process,
                              .thread = sample->thread,
                              .begin_ns = begin,
                              .end_ns = begin + event->wait.duration_ns,
                              .weight = sample->weight,
                              .endpoint = event->wait.endpoint,
                              .stack = event->wait.stack,
                              .locks = sample->context.locks,
                              .io = UINT32_MAX,
                              .shared = lock && call_shares(event->wait.call)};
    chain_advance(chain, process, begin);
    if (lock)
        open_add(&chain->waits, &chain->wait_count, &chain->wait_capacity, &wait);
    else
        wait.io = io_put(chain, sample);
    if (wait.locks)
        open_add(&chain->helds, &chain->held_count, &chain->held_capacity, &wait);
}

void lock_chain_finish(struct lock_chain *chain)
{
    for (size_t i = 0; i < chain->wait_count; i++)
        wait_charge(chain, &chain->waits[i]);
    chain->wait_count = chain->held_count = 0;
    for (size_t i = 0; i < chain->io_index.count; i++)
        wait_classify(&chain->ios[i].row, chain->model->symbols);
}
