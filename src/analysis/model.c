/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/model.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/lock_chain.h"
#include "analysis/loops.h"
#include "analysis/loops_kernel.h"
#include "analysis/merge.h"
#include "analysis/own_call.h"
#include "analysis/symbols_class.h"
#include "analysis/wake_chain.h"

#define COMM_LENGTH 15   /* the kernel cuts names to it */
#define NAME_ARGUMENTS 4 /* an interpreter, its options, the script */

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The last moment at which the recording shows that the thread did anything. */
static uint64_t thread_last_sign(const struct trace_thread *thread)
{
    uint64_t last = later(thread->slot->start_ns, thread->slot->cpu_last_at_ns);
    last = later(last, thread->slot->end_ns);
    for (size_t i = 0; i < TRACE_SITES; i++)
        last = later(last, thread->slot->sites[i].last_ns);
    for (size_t i = 0; i < thread->counter_count; i++)
        last = later(last, thread->counters[i].last_ns);
    return last;
}

static bool name_is(const char *name, const char *comm)
{
    return strcmp(name, comm) == 0 || (strlen(comm) == COMM_LENGTH && strncmp(name, comm, COMM_LENGTH) == 0);
}

/* "celery" of "python3 -m celery worker"; NULL: no such call. */
static const char *module_name(const char *program, const char *cmdline, struct arena *arena)
{
    const char *argument = cmdline;
    if (strncmp(program, "python", strlen("python")) != 0)
        return NULL;
    for (size_t i = 0; i < NAME_ARGUMENTS; i++) { /* the interpreter, then its options */
        argument += strcspn(argument, " ");
        argument += strspn(argument, " ");
        if (strncmp(argument, "-m ", 3) == 0)
            return arena_format(arena, "%.*s", (int)strcspn(argument + 3, " "), argument + 3);
        if (argument[0] != '-')
            return NULL;
    }
    return NULL;
}

/* The kernel's name of a process is that of the link or script that was called, cut to 15 bytes; the arguments have it
   whole. (Later the program, or the thread that forked, may have set another.) */
static const char *process_name(const struct trace_info *info, const char *program, struct arena *arena)
{
    const char *argument = info->cmdline, *module = module_name(program, info->cmdline, arena);
    if (module)
        return module;
    if (name_is(program, info->comm))
        return program;
    for (size_t i = 0; i < NAME_ARGUMENTS && *argument; i++) {
        size_t length = strcspn(argument, " ");
        const char *base = symbols_class_base(arena_format(arena, "%.*s", (int)length, argument));
        if (name_is(base, info->comm))
            return base;
        argument += length;
        argument += strspn(argument, " ");
    }
    return program;
}

static int thread_compare(const void *left, const void *right)
{
    const struct model_thread *a = left, *b = right;
    if (a->source->number != b->source->number)
        return a->source->number < b->source->number ? -1 : 1;
    return 0;
}

static void thread_read(struct model_process *process, struct model_thread *thread, const struct trace_thread *source,
                        struct arena *arena)
{
    const struct trace_thread_slot *slot = source->slot;
    thread->process = process;
    thread->source = source;
    thread->tid = slot->tid;
    thread->name = arena_format(arena, "%.*s", (int)sizeof(slot->name), slot->name);
    if (slot->tid == 0)
        thread->name = "ended threads";
    else if (thread->name[0] == '\0')
        thread->name = process->source->info->comm;
    thread->first_ns = slot->start_ns;
    thread->last_ns = thread_last_sign(source);
}

static void process_read(struct model *model, struct model_process *process, struct source *source, size_t *ordinal)
{
    size_t count = trace_thread_count(source->trace);
    process->source = source;
    process->trace = source->trace;
    process->program = symbols_class_base(source->info->exe[0] ? source->info->exe : source->info->comm);
    process->name = process_name(source->info, process->program, model->arena);
    process->end_ns = source->info->end_mono_ns;
    process->second_python_ns = UINT64_MAX;
    process->own_calls = own_calls_loaded(source->trace);
    process->threads = arena_get(model->arena, count * sizeof(*process->threads));
    process->thread_count = count;
    for (size_t i = 0; i < count; i++)
        thread_read(process, &process->threads[i], trace_thread_at(source->trace, i), model->arena);
    if (count > 0)
        qsort(process->threads, count, sizeof(*process->threads), thread_compare);
    for (size_t i = 0; i < count; i++)
        process->threads[i].ordinal = (*ordinal)++;
}

/* The same thread from inside: its number may have been used before and after. */
static struct model_thread *thread_inside(struct model_process *inside, const struct model_thread *sleeper)
{
    uint64_t end = sleeper->source->slot->end_ns ? sleeper->source->slot->end_ns : UINT64_MAX;
    for (size_t i = 0; i < inside->thread_count; i++) {
        struct model_thread *thread = &inside->threads[i];
        uint64_t thread_end = thread->source->slot->end_ns ? thread->source->slot->end_ns : UINT64_MAX;
        if (thread->tid != 0 && thread->tid == sleeper->tid && thread->first_ns < end && sleeper->first_ns < thread_end)
            return thread;
    }
    return NULL;
}

/* Where a process hangs, or was killed, the recorder inside it has seen nothing since its last call; the kernel has. */
static void life_extend(struct model_thread *thread, const struct model_thread *sleeper)
{
    uint64_t end = sleeper->source->slot->end_ns ? sleeper->source->slot->end_ns : sleeper->process->end_ns;
    if (!thread->process->source->info->ended && thread->source->slot->end_ns == 0)
        thread->last_ns = later(thread->last_ns, end);
}

static void kernel_read(struct model *model, struct model_process *process)
{
    if (process->source->info->origin != TRACE_ORIGIN_KERNEL)
        return;
    process->kernel = kernel_side_new(model, process);
    struct model_process *inside = process->kernel->inside;
    if (!inside) {
        loops_kernel_prepare(model, process);
        return;
    }
    inside->beside = process;
    for (size_t i = 0; i < process->thread_count; i++) {
        struct model_thread *thread = &process->threads[i];
        thread->inside = thread_inside(inside, thread);
        if (thread->inside)
            life_extend(thread->inside, thread);
    }
}

struct model *model_new(struct session *session, struct symbols *symbols, const struct analysis_options *options,
                        struct arena *arena)
{
    struct model *model = memory_get(1, sizeof(*model));
    size_t ordinal = 0;
    *model = (struct model){.session = session, .symbols = symbols, .options = options, .arena = arena};
    model->waits.long_limit_ns = options->io_file_wait;
    model->process_count = session->source_count;
    model->processes = arena_get(arena, model->process_count * sizeof(*model->processes));
    for (size_t i = 0; i < model->process_count; i++) {
        process_read(model, &model->processes[i], &session->sources[i], &ordinal);
    }
    for (size_t i = 0; i < model->process_count; i++)
        kernel_read(model, &model->processes[i]);
    for (size_t i = 0; i < model->process_count; i++)
        loops_learn(model, &model->processes[i]);
    model->merge = merge_new(model);
    model->chain = lock_chain_new(model);
    model->wake_chain = wake_chain_new(model);
    return model;
}

void model_free(struct model *model)
{
    if (!model)
        return;
    for (size_t i = 0; i < model->process_count; i++)
        kernel_side_free(model->processes[i].kernel);
    merge_free(model->merge);
    waits_free(&model->waits);
    wakes_free(&model->wakes);
    syscalls_free(&model->syscalls);
    talk_free(&model->talk);
    lock_chain_free(model->chain);
    wake_chain_free(model->wake_chain);
    lock_table_free(&model->locks);
    watched_free(&model->watched);
    free(model);
}

struct model_process *model_process_of(struct model *model, const struct source *source)
{
    return &model->processes[source - model->session->sources];
}

static struct model_thread *slot_find(struct model_process *process, uint32_t slot)
{
    size_t low = 0, high = process->thread_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (process->threads[middle].source->number < slot)
            low = middle + 1;
        else
            high = middle;
    }
    return low < process->thread_count && process->threads[low].source->number == slot ? &process->threads[low] : NULL;
}

struct model_thread *model_thread_find(struct model_process *process, uint32_t slot, uint32_t tid)
{
    struct model_thread *thread = slot_find(process, slot);
    if (thread && thread->tid == tid)
        return thread;
    for (size_t i = 0; i < process->thread_count; i++) {
        if (process->threads[i].tid == 0)
            return &process->threads[i];
    }
    return NULL;
}

const struct stack *model_row_stack(const struct model *model, const struct wait_row *row)
{
    return symbols_stack(model->symbols, row->process->trace, row->stack, row->call < CALL_KERNEL ? row->call : 0);
}

const struct model_thread *model_thread_at(const struct model_process *process, uint32_t tid, uint64_t time_ns)
{
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct model_thread *thread = &process->threads[i];
        uint64_t end = thread->source->slot->end_ns ? thread->source->slot->end_ns : UINT64_MAX;
        if (thread->tid == tid && thread->first_ns <= time_ns && time_ns <= end)
            return thread;
    }
    return NULL;
}

const struct trace_endpoint *model_endpoint(const struct model_process *process, uint32_t id)
{
    if (id < KERNEL_ENDPOINT)
        return trace_endpoint_find(process->trace, id);
    const struct kernel_side *side = process->kernel;
    return side && id - KERNEL_ENDPOINT < side->endpoint_count ? &side->endpoints[id - KERNEL_ENDPOINT] : NULL;
}

bool thread_owns_site(const struct model_thread *thread, uint32_t endpoint)
{
    for (size_t i = 0; i < TRACE_SITES; i++) {
        if ((thread->own_sites >> i & 1) && thread->source->slot->sites[i].endpoint == endpoint)
            return true;
    }
    return false;
}

enum wait_phase thread_phase(const struct model_thread *thread, uint64_t begin_ns)
{
    if (!thread->loop_kind)
        return PHASE_LOOP;
    if (begin_ns < thread->loop_first_ns)
        return PHASE_BEFORE;
    return begin_ns >= thread->loop_end_ns ? PHASE_AFTER : PHASE_LOOP;
}

uint64_t thread_life_ns(const struct model_thread *thread)
{
    return thread->last_ns > thread->first_ns ? thread->last_ns - thread->first_ns : 1;
}

uint64_t thread_wall_ns(const struct model_thread *thread)
{
    if (!thread->loop_kind)
        return thread_life_ns(thread);
    return thread->loop_end_ns > thread->loop_first_ns ? thread->loop_end_ns - thread->loop_first_ns : 1;
}

static void python_note(const struct wait_sample *wait)
{
    struct trace_stack_view view;
    if (wait->thread->runs_python || wait->event->stack == 0)
        return;
    wait->thread->runs_python =
        trace_stack_find(wait->process->trace, wait->event->stack, &view) == 0 && view.python_count > 0;
}

/* Only what happened during the loop's life: start-up is not the loop's. */
static void kernel_note(const struct merged *merged)
{
    struct thread_kernel *kernel = &merged->wait.thread->kernel;
    kernel->seen = true;
    if (merged->wait.phase != PHASE_LOOP)
        return;
    *(merged->idle ? &kernel->idle_ns : &kernel->blocked_ns) += merged->weight * (double)merged->offcpu->duration_ns;
    kernel->runqueue_ns += merged->weight * (double)merged->offcpu->runqueue_ns;
}

static void wait_take(struct model *model, const struct merged *merged)
{
    if (merged->offcpu)
        kernel_note(merged);
    if (merged->kind != MERGED_DETAIL)
        python_note(&merged->wait);
    if (merged->idle)
        return;
    if (merged->kind != MERGED_DETAIL)
        waits_add(&model->waits, &merged->wait);
    if (merged->kind == MERGED_WAIT || !merged->wait.event || !merged->offcpu)
        return;
    double weight = merged->kind == MERGED_DETAIL ? merged->weight : 1;
    size_t row = waits_add_kernel(&model->waits, &merged->wait, merged->offcpu, weight);
    wakes_wait(&model->wakes, merged, row, merged->wait.weight * weight * (double)merged->offcpu->duration_ns);
}

static void sched_take(struct model_process *process, const struct event_sched *sched)
{
    struct model_thread *sleeper = model_thread_find(process, sched->slot, sched->tid);
    if (!sleeper)
        return;
    struct thread_kernel *kernel = &merge_thread(sleeper)->kernel;
    kernel->seen = true;
    kernel->life_oncpu_ns += sched->oncpu_ns;
    kernel->life_runnable_ns += sched->runqueue_ns + sched->preempted_ns;
}

void model_event(struct model *model, struct source *source, const union trace_event *event)
{
    model->context = wait_context_next(model_process_of(model, source), event);
    model->wait = merge_event(model->merge, source, event);
    if (model->wait->kind != MERGED_NONE)
        wait_take(model, model->wait);
    else if (event->header.type == EVENT_REQUEST)
        talk_add_request(&model->talk, model_process_of(model, source), &event->request);
    else if (event->header.type == EVENT_CONNECT)
        talk_add_connect(&model->talk, model_process_of(model, source), &event->connect);
    else if (event->header.type == EVENT_SCHED)
        sched_take(model_process_of(model, source), &event->sched);
    else if (event->header.type == EVENT_WAKE)
        wakes_end(&model->wakes, &model->waits, model_process_of(model, source), &event->wake);
    else if (event->header.type == EVENT_SYSCALL)
        syscalls_add(model, source, &event->syscall);
    lock_table_event(model, model_process_of(model, source), event);
    lock_chain_event(model->chain, model_process_of(model, source), event);
    watched_event(model, model_process_of(model, source), event);
    wake_chain_event(model->wake_chain, model->wait);
}

/* The start of the second thread that runs Python. */
static void python_count(struct model_process *process)
{
    uint64_t first = UINT64_MAX, second = UINT64_MAX;
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct model_thread *thread = &process->threads[i];
        if (!thread->runs_python)
            continue;
        process->python_threads++;
        if (thread->first_ns < first) {
            second = first;
            first = thread->first_ns;
        } else if (thread->first_ns < second) {
            second = thread->first_ns;
        }
    }
    process->second_python_ns = second;
}

void model_finish(struct model *model)
{
    model->context = (struct wait_context){0};
    waits_sort(&model->waits);
    for (size_t i = 0; i < model->process_count; i++) {
        struct model_process *process = &model->processes[i];
        python_count(process);
        for (size_t j = 0; j < process->thread_count; j++)
            waits_calibrate(&model->waits, &process->threads[j]);
    }
    for (size_t i = 0; i < model->waits.count; i++)
        wait_classify(&model->waits.rows[i], model->symbols);
    lock_table_finish(model);
    lock_chain_finish(model->chain);
    watched_finish(model);
    wake_chain_finish(model->wake_chain);
}
