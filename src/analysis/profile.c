/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/findings.h"
#include "analysis/merge.h"
#include "analysis/profile_frames.h"
#include "analysis/profile_offcpu.h"
#include "analysis/profile_owners.h"
#include "analysis/profile_times.h"

#define NS_MAX 1e18 /* of one stack; what is more comes from a damaged file */
#define KERNEL_HASH_START (PROFILE_HASH_START + 1)

/* A stack while it is added up. */
struct draft {
    struct profile_stack stack;
    const struct model_thread *owner;
    uint64_t path; /* hash of the frames without the endpoint; of waits seen by the kernel: another hash */
    double count, total_ns;
    struct time_slices slices;
};

struct builder {
    struct model *model;
    struct arena *arena;
    struct profile_frames frames;
    struct profile_times times;
    struct profile_offcpu offcpu;
    struct wait_table idle; /* the loops' own waits, which the model leaves out */
    struct profile_index index;
    struct draft *drafts;
    size_t draft_capacity;
};

static void wait_read(struct builder *builder, const struct merged *merged)
{
    if (merged->offcpu)
        profile_offcpu_add(&builder->offcpu, merged);
    if (merged->kind == MERGED_DETAIL)
        return;
    profile_times_add(&builder->times, &merged->wait);
    if (merged->idle) {
        struct wait_sample idle = merged->wait;
        idle.phase = PHASE_LOOP;
        waits_add(&builder->idle, &idle);
    }
}

/* The recorded waits: their place in time, those of the loops for events, and what the kernel saw. */
static void events_read(struct builder *builder)
{
    struct merge *merge = merge_new(builder->model);
    const union trace_event *event;
    struct source *source;
    session_rewind(builder->model->session);
    while ((source = session_next(builder->model->session, &event))) {
        const struct merged *merged = merge_event(merge, source, event);
        profile_owners_event(&builder->times, builder->model, model_process_of(builder->model, source), merged, event);
        if (merged->kind != MERGED_NONE)
            wait_read(builder, merged);
        else if (event->header.type == EVENT_WAKE)
            profile_offcpu_wake(&builder->offcpu, model_process_of(builder->model, source), &event->wake);
    }
    profile_offcpu_finish(&builder->offcpu);
    merge_free(merge);
    waits_sort(&builder->idle);
    for (size_t i = 0; i < builder->model->process_count; i++) {
        for (size_t j = 0; j < builder->model->processes[i].thread_count; j++)
            waits_calibrate_idle(&builder->idle, &builder->model->processes[i].threads[j]);
    }
}

struct draft_search {
    const struct builder *builder;
    struct draft draft;
};

static bool draft_equal(const void *context, uint32_t item)
{
    const struct draft_search *search = context;
    const struct draft *a = &search->draft, *b = &search->builder->drafts[item];
    return a->owner == b->owner && a->stack.idle == b->stack.idle && a->stack.kinds == b->stack.kinds &&
           a->stack.frame_count == b->stack.frame_count &&
           memcmp(a->stack.frames, b->stack.frames, a->stack.frame_count * sizeof(*a->stack.frames)) == 0;
}

static uint64_t frames_hash(uint64_t hash, const uint32_t *frames, size_t count)
{
    for (size_t i = 0; i < count; i++)
        hash = profile_hash(hash, frames[i]);
    return hash;
}

static struct draft *draft_get(struct builder *builder, struct draft_search *search)
{
    struct profile_stack *stack = &search->draft.stack;
    uint64_t hash = profile_hash((uintptr_t)search->draft.owner, stack->kinds << 1 | stack->idle);
    bool added;
    uint32_t item = profile_index_put(&builder->index, frames_hash(hash, stack->frames, stack->frame_count),
                                      draft_equal, search, &added);
    if (!added)
        return &builder->drafts[item];
    builder->drafts = memory_grow(builder->drafts, item, &builder->draft_capacity, sizeof(*builder->drafts));
    uint32_t *frames = arena_get(builder->arena, stack->frame_count * sizeof(*frames));
    memcpy(frames, stack->frames, stack->frame_count * sizeof(*frames));
    stack->frames = frames;
    builder->drafts[item] = search->draft;
    return &builder->drafts[item];
}

/* What stands for a stack that was not recorded, and behind one that was. */
static size_t row_path(struct builder *builder, const struct wait_row *row, const struct stack *stack, bool idle)
{
    if (row->call < CALL_KERNEL)
        return profile_frames_path(&builder->frames, stack, row->call, idle);
    const char *name = trace_call_name(row->call);
    return profile_frames_kernel(&builder->frames, stack, name ? name : "system call", idle);
}

/* In a process that was seen through the kernel only, few loops are recognised: a wait in an epoll set is taken for
   one's own wait. */
static bool row_is_idle(const struct wait_row *row)
{
    const char *name = row->call >= CALL_KERNEL && row->thread->process->kernel ? trace_call_name(row->call) : NULL;
    return name && strncmp(name, "epoll", 5) == 0;
}

static void row_take(struct builder *builder, const struct wait_row *row, bool idle)
{
    const struct stack *stack = model_row_stack(builder->model, row);
    if (row->count <= 0 && row->total_ns <= 0)
        return;
    idle |= row_is_idle(row);
    size_t count = row_path(builder, row, stack, idle);
    struct draft_search search = {builder, {.owner = row->thread}};
    search.draft.path = frames_hash(PROFILE_HASH_START, builder->frames.path, count);
    const char *lock = profile_owners_lock(builder->model, row, builder->arena);
    count = lock
                ? profile_frames_awaited(&builder->frames, count, lock)
                : profile_frames_endpoint(&builder->frames, count, row->process, row->endpoint, row->context.operation);
    if (row->call == CALL_KERNEL_FAULT)
        count = profile_frames_note(&builder->frames, count, "[page fault]");
    search.draft.stack = (struct profile_stack){
        .idle = idle, .kinds = profile_kinds_of(row), .frames = builder->frames.path, .frame_count = count};
    struct draft *draft = draft_get(builder, &search);
    draft->count += row->count;
    draft->total_ns += row->total_ns;
    profile_times_spread(&builder->times, row, row->total_ns, &draft->slices);
}

/* Where a lock was left by its owner. */
static void owner_take(struct builder *builder, const struct owner_part *part)
{
    const struct wait_row *row = &part->row;
    const struct stack *stack = model_row_stack(builder->model, row);
    size_t count = stack->count > 0 ? profile_frames_path(&builder->frames, stack, 0, false)
                                    : profile_frames_note(&builder->frames, 0, "[owner not recorded]");
    struct draft_search search = {builder, {.owner = row->thread}};
    search.draft.path = frames_hash(PROFILE_HASH_START, builder->frames.path, count);
    count = profile_frames_note(
        &builder->frames, count,
        arena_format(builder->arena, "[had %s]", locks_class(&builder->model->locks, part->lock)->name));
    search.draft.stack =
        (struct profile_stack){.kinds = UINT32_C(1) << profile_kind_side(profile_kind_find("lock"), "owner"),
                               .frames = builder->frames.path,
                               .frame_count = count};
    struct draft *draft = draft_get(builder, &search);
    draft->count += row->count;
    draft->total_ns += row->total_ns;
    profile_times_spread(&builder->times, row, row->total_ns, &draft->slices);
}

static void owners_take(struct builder *builder)
{
    struct owner_part part;
    for (size_t lock = 0, owner = 0; profile_owners_next(builder->model, &lock, &owner, &part);)
        owner_take(builder, &part);
}

/* The stack as the recorder took it, which has the Python frames, with the kernel's frames on top; where only one side
   has a stack, that one. */
static size_t offcpu_path(struct builder *builder, const struct offcpu_row *row)
{
    const struct stack *kernel = symbols_stack(builder->model->symbols, row->kernel->trace, row->stack, 0);
    const char *name = trace_syscall_name(row->syscall);
    const struct stack *inside =
        row->inside ? symbols_stack(builder->model->symbols, row->inside->trace, row->inside_stack, row->inside_call)
                    : NULL;
    if (!inside || inside->count == 0)
        return profile_frames_kernel(&builder->frames, kernel, name ? name : trace_cause_name(row->cause), false);
    size_t count = profile_frames_path(&builder->frames, inside, row->inside_call, false);
    return profile_frames_top(&builder->frames, count, kernel);
}

static void offcpu_take(struct builder *builder, const struct offcpu_row *row)
{
    const char *leaf = profile_offcpu_leaf(&builder->offcpu, row, builder->arena);
    size_t count = offcpu_path(builder, row);
    if (row->waking)
        count = profile_frames_waker(&builder->frames, count,
                                     symbols_stack(builder->model->symbols, row->waking->trace, row->waking_stack, 0));
    if (leaf)
        count = profile_frames_note(&builder->frames, count, leaf);
    struct draft_search search = {builder, {.owner = row->thread}};
    search.draft.path = frames_hash(KERNEL_HASH_START, builder->frames.path, count);
    search.draft.stack = (struct profile_stack){
        .kinds = profile_kinds_of_offcpu(row), .frames = builder->frames.path, .frame_count = count};
    if (search.draft.stack.kinds == 0)
        return;
    struct draft *draft = draft_get(builder, &search);
    draft->count += row->count;
    draft->total_ns += row->total_ns;
    profile_times_join(&draft->slices, &row->slices);
}

static uint64_t ns_of(double ns)
{
    return ns < NS_MAX ? (uint64_t)llround(ns) : (uint64_t)NS_MAX;
}

/* Whole nanoseconds that add up to `total`: what rounding leaves over goes to the largest slice. */
static void slices_finish(struct profile_stack *stack, const struct time_slices *slices, struct arena *arena)
{
    struct profile_slice *list = arena_get(arena, (slices->count + 1) * sizeof(*list)), *largest = list;
    uint64_t left = stack->total_ns;
    for (size_t i = 0; i < slices->count; i++) {
        uint64_t ns = slices->list[i].weight > 0 ? (uint64_t)fmin(slices->list[i].weight, NS_MAX) : 0;
        ns = ns < left ? ns : left;
        left -= ns;
        if (ns == 0)
            continue;
        list[stack->slice_count] = (struct profile_slice){slices->list[i].bucket, ns};
        if (ns > largest->ns)
            largest = &list[stack->slice_count];
        stack->slice_count++;
    }
    if (left > 0 && stack->slice_count == 0)
        list[stack->slice_count++].bucket = slices->count > 0 ? slices->list[0].bucket : 0;
    largest->ns += left;
    stack->slices = list;
}

static int draft_compare(const void *left, const void *right)
{
    const struct draft *a = left, *b = right;
    if (a->stack.total_ns != b->stack.total_ns)
        return a->stack.total_ns > b->stack.total_ns ? -1 : 1;
    if (a->owner->ordinal != b->owner->ordinal)
        return a->owner->ordinal < b->owner->ordinal ? -1 : 1;
    if (a->path != b->path)
        return a->path < b->path ? -1 : 1;
    return a->stack.kinds < b->stack.kinds ? -1 : a->stack.kinds > b->stack.kinds;
}

static void stacks_finish(struct builder *builder, struct profile *profile)
{
    size_t count = builder->index.count;
    for (size_t i = 0; i < count; i++) {
        struct draft *draft = &builder->drafts[i];
        draft->stack.thread = (uint32_t)draft->owner->ordinal;
        draft->stack.count = (uint64_t)llround(draft->count);
        draft->stack.total_ns = ns_of(draft->total_ns);
        slices_finish(&draft->stack, &draft->slices, builder->arena);
        free(draft->slices.list);
    }
    if (count > 0)
        qsort(builder->drafts, count, sizeof(*builder->drafts), draft_compare);
    profile->stacks = arena_get(builder->arena, count * sizeof(*profile->stacks));
    for (size_t i = 0; i < count; i++)
        profile->stacks[i] = builder->drafts[i].stack;
    profile->stack_count = count;
}

struct path_entry {
    uint64_t path;
    uint32_t stack;
};

static int entry_compare(const void *left, const void *right)
{
    const struct path_entry *a = left, *b = right;
    if (a->path != b->path)
        return a->path < b->path ? -1 : 1;
    return a->stack < b->stack ? -1 : a->stack > b->stack;
}

/* Adds the stacks with this path to the link. */
static void link_add(struct profile_link *link, uint32_t *list, const struct path_entry *entries, size_t count,
                     uint64_t path)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (entries[middle].path < path)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < count && entries[low].path == path; low++)
        list[link->count++] = entries[low].stack;
}

static void finding_link(struct builder *builder, const struct finding *finding, const struct path_entry *entries,
                         size_t count, struct profile_link *link)
{
    uint32_t *list = memory_get(count + 1, sizeof(*list)), *kept;
    link->finding_id = finding->id;
    for (size_t i = 0; i < finding->stack_count; i++) {
        const struct stack *stack = finding->stacks[i].stack;
        if (stack->count == 0)
            continue;
        size_t frames = profile_frames_path(&builder->frames, stack, 0, false);
        uint64_t path = frames_hash(PROFILE_HASH_START, builder->frames.path, frames);
        bool seen = false; /* stacks that differ in their idea of a line's inlining only may have one path */
        for (size_t j = 0; j < link->count; j++)
            seen |= builder->drafts[list[j]].path == path;
        if (!seen)
            link_add(link, list, entries, count, path);
    }
    kept = arena_get(builder->arena, (link->count + 1) * sizeof(*kept));
    memcpy(kept, list, link->count * sizeof(*kept));
    link->stacks = kept;
    free(list);
}

/* Stacks of findings are found by their frames: the drafts are in the order of profile.stacks by now. */
static void links_make(struct builder *builder, const struct report *report, struct profile *profile)
{
    size_t count = profile->stack_count;
    struct path_entry *entries = memory_get(count + 1, sizeof(*entries));
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct path_entry){builder->drafts[i].path, (uint32_t)i};
    if (count > 0)
        qsort(entries, count, sizeof(*entries), entry_compare);
    profile->links = arena_get(builder->arena, (report->finding_count + 1) * sizeof(*profile->links));
    profile->link_count = report->finding_count;
    for (size_t i = 0; i < report->finding_count; i++)
        finding_link(builder, &report->findings[i], entries, count, &profile->links[i]);
    free(entries);
}

static void threads_list(const struct model *model, struct profile *profile, struct arena *arena)
{
    size_t count = 0;
    for (size_t i = 0; i < model->process_count; i++)
        count += model->processes[i].thread_count;
    profile->threads = arena_get(arena, (count + 1) * sizeof(*profile->threads));
    profile->thread_count = count;
    for (size_t i = 0; i < model->process_count; i++) {
        const struct model_process *process = &model->processes[i];
        for (size_t j = 0; j < process->thread_count; j++) {
            const struct model_thread *thread = &process->threads[j];
            profile->threads[thread->ordinal] =
                (struct profile_thread){process_info_of(process), thread_info_of(thread), thread->loop_kind};
        }
    }
}

static bool module_is_listed(const struct profile *profile, const struct trace_module *module)
{
    for (size_t i = 0; i < profile->module_count; i++) {
        const struct profile_module *known = &profile->modules[i];
        if (strcmp(known->path, module->path) == 0 && known->build_id_size == module->build_id_size &&
            memcmp(known->build_id, module->build_id, module->build_id_size) == 0)
            return true;
    }
    return false;
}

static void modules_list(const struct model *model, struct profile *profile, struct arena *arena)
{
    size_t count = 0;
    for (size_t i = 0; i < model->process_count; i++)
        count += trace_module_count(model->processes[i].trace);
    profile->modules = arena_get(arena, (count + 1) * sizeof(*profile->modules));
    for (size_t i = 0; i < model->process_count; i++) {
        const struct trace *trace = model->processes[i].trace;
        for (size_t j = 0; j < trace_module_count(trace); j++) {
            const struct trace_module *module = trace_module_at(trace, j);
            if (module_is_listed(profile, module))
                continue;
            const char *slash = strrchr(module->path, '/');
            profile->modules[profile->module_count++] = (struct profile_module){
                slash ? slash + 1 : module->path, module->path,     module->start,        module->end,
                module->start - module->bias,     module->build_id, module->build_id_size};
        }
    }
}

struct profile *profile_new(struct model *model, const struct report *report, struct arena *arena)
{
    struct profile *profile = arena_get(arena, sizeof(*profile));
    struct builder builder = {.model = model, .arena = arena};
    profile_frames_init(&builder.frames, arena);
    profile_times_init(&builder.times, model->session);
    builder.offcpu = (struct profile_offcpu){.model = model, .times = &builder.times};
    events_read(&builder);
    for (size_t i = 0; i < model->waits.count; i++)
        row_take(&builder, &model->waits.rows[i], false);
    for (size_t i = 0; i < builder.idle.count; i++)
        row_take(&builder, &builder.idle.rows[i], true);
    for (size_t i = 0; i < builder.offcpu.count; i++)
        offcpu_take(&builder, &builder.offcpu.rows[i]);
    owners_take(&builder);
    threads_list(model, profile, arena);
    stacks_finish(&builder, profile);
    links_make(&builder, report, profile);
    modules_list(model, profile, arena);
    profile->start_real_ns =
        source_real_ns(&model->session->sources[0], model->session->sources[0].info->start_mono_ns);
    profile->span_ns = builder.times.span_ns;
    profile_frames_finish(&builder.frames, profile);
    waits_free(&builder.idle);
    profile_offcpu_free(&builder.offcpu);
    profile_times_free(&builder.times);
    profile_index_free(&builder.index);
    free(builder.drafts);
    return profile;
}
