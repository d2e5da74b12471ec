/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Learning which threads are event loops: loops.h. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/loops.h"
#include "analysis/symbols_class.h"
#include "base/compiler.h"

#define STACKS_PER_SITE 4
#define SAMPLES_ENOUGH 64         /* stacks of a loop's idle waits hardly differ */
#define CALLBACK_STACKS_MAX 64    /* of a thread's other waits, which all began in its loop */
#define LOOP_SPAN_MIN_NS 10000000 /* a few polls in a row at start-up are no loop, unless a loop library makes them */
#define TURN_WORTH_NS 50000       /* a turn counts as much as this idle time when sites compete */

enum site_class {
    SITE_UNKNOWN,
    SITE_LOOP,    /* known loop library or server */
    SITE_NO_LOOP, /* known to be none */
};

struct site_row {
    const char *path, *function, *kind, *companion;
    enum site_class class;
};

static const struct site_row site_rows[] = {
#define SITE(path, function, kind) {path, function, kind, NULL, SITE_LOOP},
#define SITE_WITH(path, function, kind, companion) {path, function, kind, companion, SITE_LOOP},
#define SITE_NO_LOOP(path, function, why) {path, function, why, NULL, SITE_NO_LOOP},
#include "analysis/loop_sites.def"
#undef SITE
#undef SITE_WITH
#undef SITE_NO_LOOP
};

struct frame_row {
    const char *module, *function, *kind;
    enum site_class class;
};

static const struct frame_row frame_rows[] = {
#define FRAME(module, function, kind) {module, function, kind, SITE_LOOP},
#define FRAME_NO_LOOP(module, function, why) {module, function, why, SITE_NO_LOOP},
#include "analysis/loop_frames.def"
#undef FRAME
#undef FRAME_NO_LOOP
};

/* One waitset call site of one thread, while the thread is being judged. */
struct candidate {
    struct model_thread *thread;
    unsigned number; /* in slot->sites */
    const struct trace_site *site;
    const char *path;          /* file that contains the call, "" unknown */
    const char *set;           /* "epoll N", the descriptor waited on; "" for poll and select */
    const struct frame *frame; /* the waiting function */
    struct {
        uint32_t id;
        double ns;
    } stacks[STACKS_PER_SITE];
    unsigned samples;
    uint16_t call; /* calls.def, 0: unknown */
    enum site_class class;
    const char *kind;
};

struct candidates {
    struct candidate *list;
    size_t count, capacity;
};

static uint16_t site_call(const struct model_thread *thread, uint32_t endpoint)
{
    if (endpoint >= KERNEL_ENDPOINT)
        return thread->process->kernel->endpoint_calls[endpoint - KERNEL_ENDPOINT];
    for (size_t i = 0; i < thread->source->counter_count; i++) {
        const struct trace_counter *counter = &thread->source->counters[i];
        if (trace_call_waits(counter->call) && (counter->flags & WAIT_WAITSET) && counter->endpoint == endpoint)
            return counter->call;
    }
    return 0;
}

static void candidate_locate(struct model *model, struct candidate *candidate)
{
    struct trace *trace = candidate->thread->process->trace;
    const struct trace_endpoint *endpoint = model_endpoint(candidate->thread->process, candidate->site->endpoint);
    candidate->path = candidate->set = "";
    if (!endpoint || endpoint->kind != ENDPOINT_WAITSET)
        return;
    candidate->set = endpoint->text;
    const struct trace_module *module = trace_module_find(trace, endpoint->pc, endpoint->modules);
    if (module)
        candidate->path = module->path;
    candidate->frame = symbols_address(model->symbols, trace, endpoint->pc, endpoint->modules);
}

static void candidates_collect(struct model *model, struct model_process *process, struct candidates *all)
{
    for (size_t i = 0; i < process->thread_count; i++) {
        struct model_thread *thread = &process->threads[i];
        for (unsigned j = 0; j < TRACE_SITES; j++) {
            const struct trace_site *site = &thread->source->slot->sites[j];
            if (site->endpoint == 0 || site->waits == 0)
                continue;
            all->list = memory_grow(all->list, all->count, &all->capacity, sizeof(*all->list));
            struct candidate *candidate = &all->list[all->count++];
            *candidate = (struct candidate){.thread = thread, .number = j, .site = site};
            candidate->call = site_call(thread, site->endpoint);
            candidate_locate(model, candidate);
        }
    }
}

static bool path_is_interpreter(const char *path)
{
    return (symbols_class_module(path) & MODULE_INTERPRETER) || fnmatch("*/select.*so", path, 0) == 0;
}

static void candidate_add_stack(struct candidate *candidate, uint32_t stack, double ns)
{
    candidate->samples++;
    for (size_t i = 0; i < STACKS_PER_SITE; i++) {
        if (candidate->stacks[i].id == 0)
            candidate->stacks[i].id = stack;
        if (candidate->stacks[i].id == stack) {
            candidate->stacks[i].ns += ns;
            return;
        }
    }
}

/* A recorded wait for descriptors; stack 0: the event is none. */
struct site_wait {
    const struct model_thread *thread;
    uint32_t endpoint, stack;
    double ns;
};

static struct site_wait site_wait_of(struct model_process *process, const union trace_event *event)
{
    const struct event_wait *wait = &event->wait;
    const struct event_offcpu *offcpu = &event->offcpu;
    if (event->header.type == EVENT_WAIT && (wait->flags & WAIT_WAITSET))
        return (struct site_wait){model_thread_find(process, wait->slot, wait->tid), wait->endpoint, wait->stack,
                                  (double)wait->weight * (double)wait->duration_ns};
    if (event->header.type == EVENT_OFFCPU && process->kernel && kernel_call_is_waitset(offcpu->syscall))
        return (struct site_wait){model_thread_find(process, offcpu->slot, offcpu->tid),
                                  kernel_side_endpoint(process->kernel, offcpu), offcpu->stack,
                                  (double)offcpu->weight * (double)offcpu->duration_ns};
    return (struct site_wait){NULL, 0, 0, 0};
}

/* Looks through the recording until every interpreter's site has enough stacks of waits. */
static void stacks_collect(struct model_process *process, struct candidates *all)
{
    const union trace_event *event;
    size_t wanted = 0;
    for (size_t i = 0; i < all->count; i++)
        wanted += path_is_interpreter(all->list[i].path);
    if (wanted == 0)
        return;
    trace_rewind(process->trace);
    while (wanted > 0 && trace_next(process->trace, &event) == 1) {
        const struct site_wait wait = site_wait_of(process, event);
        for (size_t i = 0; wait.stack != 0 && i < all->count; i++) {
            struct candidate *candidate = &all->list[i];
            if (candidate->thread != wait.thread || candidate->site->endpoint != wait.endpoint)
                continue;
            candidate_add_stack(candidate, wait.stack, wait.ns);
            if (candidate->samples == SAMPLES_ENOUGH && path_is_interpreter(candidate->path))
                wanted--;
        }
    }
}

static bool process_loaded(const struct model_process *process, const char *pattern)
{
    for (size_t i = 0; i < trace_module_count(process->trace); i++) {
        if (fnmatch(pattern, trace_module_at(process->trace, i)->path, 0) == 0)
            return true;
    }
    return false;
}

static const struct site_row *site_row_find(const struct model_process *process, const char *path,
                                            const struct frame *frame)
{
    const char *function = frame ? frame->function : "";
    for (size_t i = 0; i < ARRAY_SIZE(site_rows); i++) {
        const struct site_row *row = &site_rows[i];
        if (fnmatch(row->path, path, 0) == 0 && fnmatch(row->function, function, 0) == 0 &&
            (!row->companion || process_loaded(process, row->companion)))
            return row;
    }
    return NULL;
}

static const struct frame_row *frame_row_match(const struct frame *frame)
{
    for (size_t i = 0; frame->kind == FRAME_PYTHON && i < ARRAY_SIZE(frame_rows); i++) {
        if (fnmatch(frame_rows[i].module, frame->module, 0) == 0 &&
            fnmatch(frame_rows[i].function, frame->function, 0) == 0)
            return &frame_rows[i];
    }
    return NULL;
}

static const struct frame_row *frame_row_find(const struct stack *stack)
{
    const struct frame_row *row = NULL;
    for (size_t i = 0; i < stack->count && !row; i++)
        row = frame_row_match(&stack->frames[i]);
    return row;
}

/* A call site in the interpreter says nothing; the Python code behind most of its time does. */
static void candidate_classify_python(struct model *model, struct candidate *candidate)
{
    size_t heaviest = 0;
    for (size_t i = 1; i < STACKS_PER_SITE; i++) {
        if (candidate->stacks[i].ns > candidate->stacks[heaviest].ns)
            heaviest = i;
    }
    if (candidate->stacks[heaviest].id == 0)
        return;
    const struct frame_row *row = frame_row_find(symbols_stack(model->symbols, candidate->thread->process->trace,
                                                               candidate->stacks[heaviest].id, candidate->call));
    if (row) {
        candidate->class = row->class;
        candidate->kind = row->kind;
    }
}

static void candidate_classify(struct model *model, struct candidate *candidate)
{
    if (path_is_interpreter(candidate->path)) {
        candidate_classify_python(model, candidate);
        return;
    }
    const struct site_row *row = site_row_find(candidate->thread->process, candidate->path, candidate->frame);
    if (!row)
        return;
    candidate->class = row->class;
    candidate->kind = row->kind;
}

static bool call_is_epoll(uint16_t call)
{
    const char *name = trace_call_name(call);
    return name && strncmp(name, "epoll", 5) == 0;
}

/* An unknown shared library that polls is most likely a driver with several connections. How many descriptors an epoll
   set has is not seen through the kernel: there it may have one. */
static bool candidate_is_foreign(const struct candidate *candidate)
{
    bool epoll = call_is_epoll(candidate->call) && candidate->site->endpoint < KERNEL_ENDPOINT;
    return candidate->path[0] != '\0' && !path_is_interpreter(candidate->path) && !epoll &&
           strcmp(symbols_class_base(candidate->path), candidate->thread->process->program) != 0;
}

static uint64_t site_span(const struct trace_site *site)
{
    return site->last_ns > site->first_ns ? site->last_ns - site->first_ns : 0;
}

/* A busy loop hardly waits, and calls that do not wait are not seen through the kernel: there one wait in a loop's
   library is enough. */
static uint64_t turns_min(const struct candidate *candidate)
{
    bool kernel = candidate->site->endpoint >= KERNEL_ENDPOINT;
    return kernel && candidate->class == SITE_LOOP ? 0 : LOOP_TURNS_MIN;
}

static bool candidate_qualifies(const struct candidate *candidate)
{
    if (candidate->class == SITE_NO_LOOP || candidate->site->turns < turns_min(candidate) ||
        candidate->thread->tid == 0)
        return false;
    return candidate->class == SITE_LOOP ||
           (candidate->site->max_fds >= 2 && site_span(candidate->site) >= LOOP_SPAN_MIN_NS &&
            !candidate_is_foreign(candidate));
}

/* Two epoll sets in use at the same time: one is waited on inside the other's turns (Node's spawnSync, a driver with a
   selector of its own), though the same library does both. */
static bool candidates_nest(const struct candidate *a, const struct candidate *b)
{
    return a->set[0] && b->set[0] && strcmp(a->set, b->set) != 0 && a->site->first_ns < b->site->last_ns &&
           b->site->first_ns < a->site->last_ns;
}

static bool candidate_better(const struct candidate *a, const struct candidate *b)
{
    if (a->class != b->class)
        return a->class == SITE_LOOP;
    if (call_is_epoll(a->call) != call_is_epoll(b->call))
        return call_is_epoll(a->call);
    if (candidates_nest(a, b))
        return a->site->first_ns < b->site->first_ns; /* the outer loop began earlier */
    return a->site->idle_ns + a->site->turns * TURN_WORTH_NS > b->site->idle_ns + b->site->turns * TURN_WORTH_NS;
}

/* Compilers duplicate calls, and a framework may wait in more than one function: the same library's other sites are the
   same loop. Unknown code must be in the same function. */
static bool candidate_same_loop(const struct candidate *own, const struct candidate *other)
{
    if (other == own)
        return true;
    if (candidates_nest(own, other))
        return false;
    if (own->class == SITE_LOOP)
        return other->class == SITE_LOOP && strcmp(own->kind, other->kind) == 0;
    return other->class == SITE_UNKNOWN && own->frame && other->frame && strcmp(own->path, other->path) == 0 &&
           strncmp(own->frame->function, "0x", 2) != 0 && strcmp(own->frame->function, other->frame->function) == 0;
}

static const char *kind_of_call(uint16_t call)
{
    const char *name = trace_call_name(call);
    if (!name || strncmp(name, "epoll", 5) == 0)
        return "epoll";
    return strstr(name, "poll") ? "poll" : "select";
}

/* Callbacks run inside their loop: the outermost frame that is a loop's tells which, whatever is inside. */
static const char *kind_of_stack(const struct stack *stack)
{
    for (size_t i = stack->count; i-- > 0;) {
        const struct frame_row *row = frame_row_match(&stack->frames[i]);
        if (row && row->class == SITE_LOOP)
            return row->kind;
    }
    return NULL;
}

/* 0: the event is no wait of the thread, or was recorded without. */
static uint32_t event_stack_of(const struct model_thread *thread, const union trace_event *event)
{
    const struct event_wait *wait = &event->wait;
    const struct event_offcpu *offcpu = &event->offcpu;
    if (event->header.type == EVENT_WAIT && model_thread_find(thread->process, wait->slot, wait->tid) == thread)
        return wait->stack;
    if (event->header.type == EVENT_OFFCPU && model_thread_find(thread->process, offcpu->slot, offcpu->tid) == thread)
        return offcpu->stack;
    return 0;
}

/* A loop that is blocked all the time hardly ever waits for events itself, so that no stack of that may be recorded:
   what its callbacks waited for tells too. */
static const char *kind_of_callbacks(struct model *model, const struct model_thread *thread)
{
    struct trace *trace = thread->process->trace;
    const union trace_event *event;
    const char *kind = NULL;
    unsigned seen = 0;
    uint32_t last = 0;
    trace_rewind(trace);
    while (!kind && seen < CALLBACK_STACKS_MAX && trace_next(trace, &event) == 1) {
        uint32_t stack = event_stack_of(thread, event);
        if (stack == 0 || stack == last)
            continue;
        kind = kind_of_stack(symbols_stack(model->symbols, trace, stack, 0));
        last = stack;
        seen++;
    }
    return kind;
}

static const char *kind_of_candidate(struct model *model, const struct candidate *own)
{
    const char *kind = own->kind;
    if (!kind && own->samples == 0 && path_is_interpreter(own->path))
        kind = kind_of_callbacks(model, own->thread);
    return kind ? kind : kind_of_call(own->call);
}

/* Where the loop's life ends. The recorder sees a wait when it has ended, so that the one in which a killed process was
   is missing, and what came before it still belongs to the loop. */
static void thread_loop_end(struct model_thread *thread)
{
    uint64_t last = thread->site->last_ns;
    bool ended = thread->process->source->info->ended || thread->source->slot->end_ns != 0;
    thread->loop_end_ns = ended ? last : thread->last_ns;
}

static void thread_become_loop(struct model *model, const struct candidate *own, const struct candidates *all)
{
    struct model_thread *thread = own->thread;
    thread->site = own->site;
    thread->loop_kind = kind_of_candidate(model, own);
    thread->loop_first_ns = own->site->first_ns;
    thread->before_counts = own->class == SITE_LOOP || call_is_epoll(own->call);
    for (size_t i = 0; i < all->count; i++) {
        const struct candidate *other = &all->list[i];
        if (other->thread != thread || !candidate_same_loop(own, other))
            continue;
        thread->own_sites |= (uint8_t)(1u << other->number);
        thread->idle_ns += other->site->idle_ns;
        if (other->site->first_ns < thread->loop_first_ns)
            thread->loop_first_ns = other->site->first_ns;
    }
    thread_loop_end(thread);
}

void loops_learn(struct model *model, struct model_process *process)
{
    struct candidates all = {NULL, 0, 0};
    candidates_collect(model, process, &all);
    stacks_collect(process, &all);
    for (size_t i = 0; i < all.count; i++)
        candidate_classify(model, &all.list[i]);
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct candidate *best = NULL;
        for (size_t j = 0; j < all.count; j++) {
            const struct candidate *candidate = &all.list[j];
            if (candidate->thread == &process->threads[i] && candidate_qualifies(candidate) &&
                (!best || candidate_better(candidate, best)))
                best = candidate;
        }
        if (best)
            thread_become_loop(model, best, &all);
    }
    free(all.list);
}

bool loop_site_is_driver(struct model *model, const struct model_process *process, uint32_t endpoint_id)
{
    const struct trace_endpoint *endpoint = model_endpoint(process, endpoint_id);
    if (!endpoint || endpoint->kind != ENDPOINT_WAITSET)
        return false;
    const struct trace_module *module = trace_module_find(process->trace, endpoint->pc, endpoint->modules);
    if (!module || path_is_interpreter(module->path))
        return false;
    const struct frame *frame = symbols_address(model->symbols, process->trace, endpoint->pc, endpoint->modules);
    const struct site_row *row = site_row_find(process, module->path, frame);
    return row && row->class == SITE_NO_LOOP;
}
