/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/conversation.h"
#include "base/compiler.h"

#define CHAINS_MAX 1024 /* iterations that are open at once; later ones end the oldest */

static const struct {
    uint32_t flag;
    const char *does, *remedy;
} kinds[SWEEP_KINDS] = {
#define SWEEP(ID, flag, does, remedy) [SWEEP_##ID] = {flag, does, remedy},
#include "analysis/sweep_kinds.def"
#undef SWEEP
};

const char *sweep_does(enum sweep_kind kind)
{
    return kinds[kind].does;
}

const char *sweep_remedy(enum sweep_kind kind)
{
    return kinds[kind].remedy;
}

static bool kind_of(uint32_t flags, enum sweep_kind *kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (flags & kinds[i].flag) {
            *kind = (enum sweep_kind)i;
            return true;
        }
    }
    return false;
}

bool sweep_of_request(struct model *model, struct source *source, const struct event_request *request,
                      struct sweep *sweep)
{
    struct model_process *process = model_process_of(model, source);
    const struct trace_operation *operation = operation_find(process->trace, request->operation);
    uint64_t begin = request->header.time_ns + (uint64_t)source->shift_ns;
    unsigned digits = REQUEST_ASKED(request->flags);
    enum sweep_kind kind;
    if (!operation || !(request->flags & REQUEST_NOTABLE) || !kind_of(operation->flags, &kind))
        return false;
    *sweep = (struct sweep){.kind = kind,
                            .process = process,
                            .thread = model_thread_find(process, request->slot, request->tid),
                            .operation = operation,
                            .key = trace_key_find(process->trace, request->key),
                            .stack = request->stack,
                            .serving = model->context.serving,
                            .server = request->flags & REQUEST_SERVER,
                            .complete = true,
                            .calls = 1,
                            .elements = request->elements,
                            .asked = digits > 0 ? UINT64_C(1) << (digits - 1) : 0,
                            .held_ns = request->duration_ns,
                            .longest_ns = request->duration_ns,
                            .begin_ns = begin,
                            .end_ns = begin + request->duration_ns,
                            .longest_at_ns = begin};
    return sweep->thread != NULL;
}

/* COUNT is known to its number of binary digits: one of 1000 as 512. */
static bool asked_is_large(uint64_t asked, uint64_t limit)
{
    return asked > 0 && 2 * asked > limit;
}

bool sweep_is_large(const struct sweep *sweep, const struct analysis_options *options)
{
    switch (sweep->kind) {
    case SWEEP_SCRIPT:
        return sweep->held_ns >= options->sweep_script;
    case SWEEP_COLLECTION:
        return sweep->elements >= options->sweep_elements;
    case SWEEP_ITERATION:
        return asked_is_large(sweep->asked, options->sweep_count) || sweep->calls >= options->sweep_calls ||
               sweep->elements >= options->sweep_elements ||
               (sweep->calls == 1 && sweep->elements >= options->sweep_count);
    default:
        return true;
    }
}

/* ---- iterations ---- */

struct sweep_chain {
    struct sweep sweep;
    uint32_t next; /* hash of the cursor that its next step will have */
};

static bool chain_continues(const struct sweep_chain *chain, const struct sweep *step, uint32_t cursor)
{
    return chain->next == cursor && chain->sweep.process == step->process && chain->sweep.key == step->key &&
           chain->sweep.server == step->server && chain->sweep.operation->endpoint == step->operation->endpoint &&
           strcmp(chain->sweep.operation->verb, step->operation->verb) == 0;
}

static void sweep_join(struct sweep *sweep, const struct sweep *step)
{
    sweep->calls++;
    sweep->elements += step->elements;
    sweep->held_ns += step->held_ns;
    if (step->asked > sweep->asked)
        sweep->asked = step->asked;
    if (step->end_ns > sweep->end_ns)
        sweep->end_ns = step->end_ns;
    if (step->longest_ns <= sweep->longest_ns && sweep->stack != 0)
        return;
    sweep->longest_ns = step->longest_ns > sweep->longest_ns ? step->longest_ns : sweep->longest_ns;
    sweep->longest_at_ns = step->longest_at_ns;
    sweep->stack = step->stack ? step->stack : sweep->stack;
}

static void chain_remove(struct sweep_chains *chains, size_t i, struct sweep *done)
{
    *done = chains->list[i].sweep;
    memmove(&chains->list[i], &chains->list[i + 1], (chains->count - i - 1) * sizeof(*chains->list));
    chains->count--;
}

/* The list is in the order of last use. */
static bool chain_put(struct sweep_chains *chains, const struct sweep *sweep, uint32_t next, struct sweep *done)
{
    bool full = chains->count == CHAINS_MAX;
    if (full) {
        chain_remove(chains, 0, done);
        done->complete = false;
    }
    chains->list = memory_grow(chains->list, chains->count, &chains->capacity, sizeof(*chains->list));
    chains->list[chains->count++] = (struct sweep_chain){*sweep, next};
    return full;
}

bool sweep_chain_step(struct sweep_chains *chains, const struct sweep *step, uint32_t cursor, uint32_t next,
                      struct sweep *done)
{
    struct sweep whole = *step;
    size_t i = 0;
    while (i < chains->count && (cursor == 0 || !chain_continues(&chains->list[i], step, cursor)))
        i++;
    if (i < chains->count) {
        chain_remove(chains, i, &whole);
        sweep_join(&whole, step);
    } else {
        whole.complete = cursor == 0;
    }
    if (next != 0)
        return chain_put(chains, &whole, next, done);
    *done = whole;
    return true;
}

bool sweep_chain_rest(struct sweep_chains *chains, struct sweep *done)
{
    if (chains->count == 0) {
        free(chains->list);
        *chains = (struct sweep_chains){NULL, 0, 0};
        return false;
    }
    chain_remove(chains, chains->count - 1, done);
    done->complete = false;
    return true;
}
