/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/summary.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/endpoints.h"
#include "analysis/findings.h"

/* ---- processes ---- */

static const char *disabled_reason(enum trace_reason reason)
{
    switch (reason) {
    case TRACE_REASON_SECCOMP:
        return "disabled: the process entered a seccomp sandbox";
    case TRACE_REASON_SPACE:
        return "disabled: no space left for the recording";
    case TRACE_REASON_INTERNAL:
        return "disabled: internal error of the recorder";
    default:
        return "disabled";
    }
}

static bool boot_is_this(const char *boot_id)
{
    char here[40] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!file)
        return false;
    bool read = fgets(here, sizeof(here), file) != NULL;
    fclose(file);
    here[strcspn(here, "\n")] = '\0';
    return read && strcmp(here, boot_id) == 0;
}

/* The file of a process that was killed looks like that of a running one. */
static const char *process_state(const struct trace_info *info)
{
    if (info->state == TRACE_DISABLED)
        return disabled_reason(info->reason);
    if (info->state == TRACE_FINISHED)
        return info->reason == TRACE_REASON_EXEC ? "replaced by exec" : "finished";
    if (!boot_is_this(info->boot_id))
        return "not ended"; /* recorded elsewhere: whether it still runs cannot be told */
    return kill((pid_t)info->pid, 0) == 0 || errno == EPERM ? "recording" : "killed";
}

static uint32_t threads_of(const struct model_process *process)
{
    uint32_t count = 0;
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct trace_thread_slot *slot = process->threads[i].source->slot;
        count += slot->tid != 0 ? 1 : slot->threads;
    }
    return count;
}

/* A process that was recorded from inside and through the kernel is one process. */
static bool process_is_shown(const struct model *model, const struct model_process *process)
{
    const struct trace_info *info = process->source->info;
    if (info->origin != TRACE_ORIGIN_KERNEL)
        return true;
    for (size_t i = 0; i < model->process_count; i++) {
        const struct trace_info *other = model->processes[i].source->info;
        if (other->origin == TRACE_ORIGIN_PRELOAD && other->pid == info->pid &&
            strcmp(other->boot_id, info->boot_id) == 0)
            return false;
    }
    return true;
}

static void processes_fill(struct model *model, struct report *report, struct arena *arena)
{
    report->processes = arena_get(arena, model->process_count * sizeof(*report->processes));
    for (size_t i = 0; i < model->process_count; i++) {
        const struct model_process *process = &model->processes[i];
        const struct trace_info *info = process->source->info;
        if (!process_is_shown(model, process))
            continue;
        report->processes[report->process_count++] =
            (struct process_row){.info = process_info_of(process),
                                 .state = process_state(info),
                                 .start_real_ns = source_real_ns(process->source, info->start_mono_ns),
                                 .end_real_ns = source_real_ns(process->source, info->end_mono_ns),
                                 .threads = threads_of(process)};
    }
}

/* ---- warnings and loss ---- */

static bool warning_known(const struct report *report, const char *text)
{
    for (size_t i = 0; i < report->warning_count; i++) {
        if (strcmp(report->warnings[i], text) == 0)
            return true;
    }
    return false;
}

static void warning_add(struct report *report, size_t *capacity, const char *text, struct arena *arena)
{
    if (warning_known(report, text))
        return;
    report->warnings = memory_grow(report->warnings, report->warning_count, capacity, sizeof(*report->warnings));
    report->warnings[report->warning_count++] = arena_copy(arena, text);
}

/* Every sentence once: a hundred workers may all have said the same. */
static void warnings_fill(struct model *model, struct report *report, struct arena *arena)
{
    struct report list = {.warnings = NULL};
    size_t capacity = 0;
    for (size_t i = 0; i < model->session->warning_count; i++)
        warning_add(&list, &capacity, model->session->warnings[i], arena);
    for (size_t i = 0; i < model->process_count; i++) {
        struct trace *trace = model->processes[i].trace;
        for (size_t j = 0; j < trace_note_count(trace); j++)
            warning_add(&list, &capacity, trace_note_at(trace, j)->text, arena);
    }
    for (size_t i = 0; i < symbols_warning_count(model->symbols); i++)
        warning_add(&list, &capacity, symbols_warning_at(model->symbols, i), arena);
    report->warning_count = list.warning_count;
    report->warnings = arena_get(arena, list.warning_count * sizeof(*list.warnings));
    if (list.warning_count > 0)
        memcpy(report->warnings, list.warnings, list.warning_count * sizeof(*list.warnings));
    free(list.warnings);
}

void summary_fill(struct model *model, struct report *report, struct arena *arena)
{
    endpoints_report(model, report, arena);
    processes_fill(model, report, arena);
    syscalls_report(model, report, arena);
    warnings_fill(model, report, arena);
    for (size_t i = 0; i < model->process_count; i++) {
        for (size_t j = 0; j < TRACE_LOST_CAUSES; j++)
            report->lost[j] += model->processes[i].source->info->lost[j];
    }
}
