/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/kernel_side.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "analysis/model.h"
#include "analysis/symbols_class.h"
#include "base/compiler.h"

#define WEIGHT_MAX 1e9    /* a sound recorder gives none above it */
#define ENDPOINTS_MAX 256 /* of waiting places; later ones share the last */
#define KINDS (ENDPOINT_OTHER + 1)
#define ATTACHED_NS 1000000000u /* a program that was started to be recorded is younger */
#define TICK_NS 10000000u       /* of trace_info.process_start: USER_HZ is 100 on every Linux */

bool kernel_call_is_epoll(uint16_t syscall)
{
    return syscall == SYS_epoll_wait || syscall == SYS_epoll_pwait || syscall == SYS_epoll_pwait2;
}

bool kernel_call_is_waitset(uint16_t syscall)
{
    return kernel_call_is_epoll(syscall) || syscall == SYS_poll || syscall == SYS_ppoll || syscall == SYS_select ||
           syscall == SYS_pselect6;
}

/* ---- the same process from inside ---- */

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* How long both were recorded. One that was killed has no end: the last sign of life serves, which may be long before,
   hence at least 1 where the numbers of the process agree. */
static uint64_t overlap(const struct trace_info *a, const struct trace_info *b)
{
    uint64_t begin = later(a->start_mono_ns, b->start_mono_ns);
    uint64_t a_end = a->ended ? a->end_mono_ns : UINT64_MAX, b_end = b->ended ? b->end_mono_ns : UINT64_MAX;
    uint64_t end = a_end < b_end ? a_end : b_end;
    return end > begin ? end - begin : 0;
}

static bool process_is_same(const struct trace_info *a, const struct trace_info *b)
{
    return a->pid == b->pid && strcmp(a->boot_id, b->boot_id) == 0 &&
           (a->process_start == 0 || b->process_start == 0 || a->process_start == b->process_start);
}

/* The recording from inside that ran beside this one. Another image of the process, before or after an exec, is not it.
 */
static struct model_process *inside_find(struct model *model, const struct model_process *process)
{
    struct model_process *best = NULL;
    uint64_t most = 0;
    for (size_t i = 0; i < model->process_count; i++) {
        struct model_process *other = &model->processes[i];
        const struct trace_info *info = other->source->info;
        if (info->origin != TRACE_ORIGIN_PRELOAD || !process_is_same(info, process->source->info))
            continue;
        uint64_t common = overlap(info, process->source->info);
        if (common > most) {
            most = common;
            best = other;
        }
    }
    return best;
}

/* ---- totals ---- */

struct call_search {
    const struct kernel_side *side;
    const struct model_thread *thread;
    uint16_t syscall;
};

static bool call_equal(const void *context, uint32_t item)
{
    const struct call_search *search = context;
    const struct kernel_call *call = &search->side->calls[item];
    return call->thread == search->thread && call->syscall == search->syscall;
}

static uint64_t call_hash(const struct model_thread *thread, uint16_t syscall)
{
    return profile_hash(profile_hash(PROFILE_HASH_START, (uintptr_t)thread), syscall);
}

static struct kernel_call *call_get(struct kernel_side *side, const struct model_thread *thread, uint16_t syscall)
{
    struct call_search search = {side, thread, syscall};
    bool added;
    uint32_t item = profile_index_put(&side->call_index, call_hash(thread, syscall), call_equal, &search, &added);
    if (added) {
        side->calls = memory_grow(side->calls, item, &side->call_capacity, sizeof(*side->calls));
        side->calls[item] = (struct kernel_call){.thread = thread, .syscall = syscall};
    }
    return &side->calls[item];
}

/* A wait stands at least for itself; anything else cannot come from a sound recorder. */
static double weight_of(const struct event_offcpu *event)
{
    if (!(event->weight >= 1))
        return 1;
    return event->weight < WEIGHT_MAX ? (double)event->weight : WEIGHT_MAX;
}

static double length_of(const struct event_offcpu *event)
{
    return (double)event->duration_ns + (double)event->runqueue_ns;
}

static void totals_read(struct kernel_side *side)
{
    struct trace *trace = side->process->trace;
    const union trace_event *event;
    trace_rewind(trace);
    while (trace_next(trace, &event) == 1) {
        if (event->header.type == EVENT_OFFCPU) {
            const struct event_offcpu *wait = &event->offcpu;
            double weight = weight_of(wait);
            struct kernel_call *call =
                call_get(side, model_thread_find(side->process, wait->slot, wait->tid), wait->syscall);
            *(weight > 1 ? &call->chance_ns : &call->certain_ns) += weight * length_of(wait);
        } else if (event->header.type == EVENT_SYSCALL) {
            const struct event_syscall *total = &event->syscall;
            call_get(side, model_thread_find(side->process, total->slot, total->tid), total->syscall)->exact_ns +=
                total->total_ns + total->runqueue_ns;
        }
    }
    trace_rewind(trace);
}

double kernel_side_weight(const struct kernel_side *side, const struct model_thread *thread,
                          const struct event_offcpu *event)
{
    struct call_search search = {side, thread, event->syscall};
    double weight = weight_of(event);
    uint32_t item = profile_index_find(&side->call_index, call_hash(thread, event->syscall), call_equal, &search);
    if (item == UINT32_MAX)
        return weight;
    const struct kernel_call *call = &side->calls[item];
    double exact = (double)call->exact_ns;
    if (exact <= 0 || call->certain_ns + call->chance_ns <= 0)
        return weight;
    bool overwritten = side->process->source->info->lost[TRACE_LOST_OVERWRITTEN] > 0;
    if (call->chance_ns <= 0 || overwritten || exact < call->certain_ns)
        return weight * exact / (call->certain_ns + call->chance_ns);
    return weight > 1 ? weight * (exact - call->certain_ns) / call->chance_ns : weight;
}

/* ---- endpoints ---- */

static uint32_t place_find(struct kernel_side *side, const struct kernel_stack *stack, int32_t set, uint16_t syscall)
{
    char text[32] = "";
    if (set >= 0)
        snprintf(text, sizeof(text), "epoll %d", set);
    for (size_t i = KINDS; i < side->endpoint_count; i++) {
        const struct trace_endpoint *endpoint = &side->endpoints[i];
        if (endpoint->pc == stack->caller && strcmp(endpoint->text, text) == 0)
            return endpoint->id;
    }
    if (side->endpoint_count >= ENDPOINTS_MAX)
        return side->endpoints[side->endpoint_count - 1].id;
    uint32_t id = KERNEL_ENDPOINT + (uint32_t)side->endpoint_count;
    char *copy = memory_get(strlen(text) + 1, 1);
    strcpy(copy, text);
    side->endpoint_calls[side->endpoint_count] = trace_call_of_syscall(syscall);
    side->endpoints[side->endpoint_count++] = (struct trace_endpoint){
        .id = id, .kind = ENDPOINT_WAITSET, .pc = stack->caller, .modules = stack->modules, .text = copy};
    return id;
}

uint32_t kernel_side_endpoint(struct kernel_side *side, const struct event_offcpu *event)
{
    if (kernel_call_is_waitset(event->syscall))
        return place_find(side, kernel_side_stack(side, event->stack),
                          kernel_call_is_epoll(event->syscall) ? event->fd : -1, event->syscall);
    return event->fd_kind > ENDPOINT_NONE && event->fd_kind < KINDS ? KERNEL_ENDPOINT + event->fd_kind : 0;
}

/* ---- stacks ---- */

struct stack_search {
    const struct kernel_side *side;
    uint32_t id;
};

static bool stack_equal(const void *context, uint32_t item)
{
    const struct stack_search *search = context;
    return search->side->stacks[item].id == search->id;
}

/* The C library and what it loads for itself; the loader is not: what it waits for, no call of the recorder's counts.
 */
static bool module_is_libc(const struct trace_module *module)
{
    static const char *const names[] = {"libc.so", "libc-", "libpthread", "libresolv", "libnss_", "libanl", "librt"};
    const char *base = module ? symbols_class_base(module->path) : "";
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strncmp(base, names[i], strlen(names[i])) == 0)
            return true;
    }
    return false;
}

static bool module_is_recorder(const struct trace_module *module)
{
    return module && (symbols_class_module(module->path) & MODULE_RECORDER);
}

/* From the system call outwards: the C library, then perhaps the recorder, then who called. The recorder's own system
   calls, right below it, are none of the program's. */
static struct kernel_stack stack_read(const struct kernel_side *side, uint32_t id)
{
    const struct trace *trace = side->process->trace;
    struct kernel_stack stack = {.id = id};
    struct trace_stack_view view;
    bool libc = false;
    if (id == 0 || trace_stack_find(trace, id, &view) < 0)
        return stack;
    stack.modules = view.modules;
    for (size_t i = 0; i < view.native_count; i++) {
        if (view.native[i] >= TRACE_KERNEL_START)
            continue;
        const struct trace_module *module = trace_module_find(trace, view.native[i], view.modules);
        stack.known = true;
        if (module_is_libc(module) && !stack.hooked) {
            libc = true;
        } else if (module_is_recorder(module) && libc) {
            stack.hooked = true;
        } else {
            stack.caller = view.native[i];
            break;
        }
    }
    return stack;
}

const struct kernel_stack *kernel_side_stack(struct kernel_side *side, uint32_t id)
{
    struct stack_search search = {side, id};
    bool added;
    uint32_t item =
        profile_index_put(&side->stack_index, profile_hash(PROFILE_HASH_START, id), stack_equal, &search, &added);
    if (added) {
        side->stacks = memory_grow(side->stacks, item, &side->stack_capacity, sizeof(*side->stacks));
        side->stacks[item] = stack_read(side, id);
    }
    return &side->stacks[item];
}

/* ---- life ---- */

static bool was_attached(const struct trace_info *info)
{
    return info->process_start > 0 && info->exec_generation == 0 &&
           info->start_mono_ns > info->process_start * TICK_NS + ATTACHED_NS;
}

struct kernel_side *kernel_side_new(struct model *model, struct model_process *process)
{
    struct kernel_side *side = memory_get(1, sizeof(*side));
    side->process = process;
    side->inside = inside_find(model, process);
    side->attached = was_attached(process->source->info);
    side->endpoints = memory_get(ENDPOINTS_MAX, sizeof(*side->endpoints));
    side->endpoint_calls = memory_get(ENDPOINTS_MAX, sizeof(*side->endpoint_calls));
    for (; side->endpoint_count < KINDS; side->endpoint_count++)
        side->endpoints[side->endpoint_count] =
            (struct trace_endpoint){.id = KERNEL_ENDPOINT + (uint32_t)side->endpoint_count,
                                    .kind = (enum endpoint_kind)side->endpoint_count,
                                    .text = ""};
    totals_read(side);
    return side;
}

void kernel_side_free(struct kernel_side *side)
{
    if (!side)
        return;
    for (size_t i = KINDS; i < side->endpoint_count; i++)
        free((char *)side->endpoints[i].text);
    free(side->endpoints);
    free(side->endpoint_calls);
    free(side->stacks);
    free(side->calls);
    profile_index_free(&side->stack_index);
    profile_index_free(&side->call_index);
    free(side);
}
