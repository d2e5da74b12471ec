/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cprobe dump [--stacks] FILE…: what trace files hold, as text, for people who write rules or debug a recorder. */
#include "cli/commands.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/message.h"
#include "cli/options.h"
#include "cli/status.h"
#include "trace/reader.h"

static const struct cli_option dump_options[] = {
    {"stacks", 's', ARGUMENT_NONE, NULL, "show the stack below each event that has one", 's'},
    {"help", 'h', ARGUMENT_NONE, NULL, "show this help", 'h'},
};

struct dump {
    bool stacks, help;
    char *line; /* grows to the longest event */
    size_t line_size;
};

static int dump_apply(void *target, int key, const char *value, char *error, size_t error_size)
{
    struct dump *d = target;
    (void)value, (void)error, (void)error_size;
    if (key == 's')
        d->stacks = true;
    else
        d->help = true;
    return 0;
}

static void process_print(const struct trace_info *i)
{
    static const char *const states[] = {"starting", "recording", "finished", "disabled"};
    static const char *const causes[TRACE_LOST_CAUSES] = {"overwritten", "ring_full", "too_big",   "stacks",
                                                          "nested",      "threads",   "processes", NULL};
    printf("# %s\n", i->path);
    printf("# process pid=%" PRIu32 " ppid=%" PRIu32 " exec=%" PRIu32 " exe=\"%s\" comm=\"%s\" host=\"%s\"\n", i->pid,
           i->ppid, i->exec_generation, i->exe, i->comm, i->host);
    printf("# cmdline %s\n", i->cmdline);
    printf("# state %s reason=%d exit_status=%" PRId32 " cpus=%" PRIu32 " boot_id=%s\n", states[i->state], i->reason,
           i->exit_status, i->cpus, i->boot_id);
    printf("# time start=%" PRIu64 " end=%" PRIu64 " (%s) start_real=%" PRIu64 " sample_mean=%" PRIu64 "\n",
           i->start_mono_ns, i->end_mono_ns, i->ended ? "recorded" : "last seen", i->start_real_ns, i->sample_mean_ns);
    printf("# lost");
    for (size_t c = 0; c < TRACE_LOST_CAUSES; c++)
        if (causes[c])
            printf(" %s=%" PRIu64, causes[c], i->lost[c]);
    printf("\n");
}

static void site_print(const struct trace_site *s)
{
    printf("#   loop endpoint=%" PRIu32 " max_fds=%" PRIu32 " waits=%" PRIu64 " idle=%" PRIu64 " first=%" PRIu64
           " last=%" PRIu64 " turns=%" PRIu64 " turn=%" PRIu64 " turn_max=%" PRIu64 "\n",
           s->endpoint, s->max_fds, s->waits, s->idle_ns, s->first_ns, s->last_ns, s->turns, s->turn_ns,
           s->turn_max_ns);
    for (int b = 0; b < TURN_BUCKETS; b++)
        if (s->turn_hist[b])
            printf("#     turns of %" PRIu64 " ns and more: %" PRIu32 "\n", UINT64_C(1) << b, s->turn_hist[b]);
}

static void counter_print(const struct trace_counter *c)
{
    const char *name = trace_call_name(c->call);
    printf("#   counter call=%u:%s endpoint=%" PRIu32 " flags=%u count=%" PRIu64 " total=%" PRIu64 " max=%" PRIu64
           " bytes=%" PRIu64 " failed=%" PRIu64 " first=%" PRIu64 " last=%" PRIu64 "\n",
           c->call, name ? name : "?", c->endpoint, c->flags, c->count, c->total_ns, c->max_ns, c->bytes, c->failed,
           c->first_ns, c->last_ns);
}

static void wanted_print(const struct trace_thread_slot *slot)
{
    printf("#   wanted lock=%" PRIu32 " since=%" PRIu64 " stack=%" PRIu32 " locks=%" PRIu32 " owner=%" PRIu32
           " signal=%" PRIu64 " signal_stack=%" PRIu32 " signal_tid=%" PRIu32 " signals=%" PRIu32 " looks=%" PRIu32
           "\n",
           slot->wanted_lock, slot->wanted_since_ns, slot->wanted_stack, slot->wanted_locks, slot->wanted_owner,
           slot->wanted_signal_ns, slot->wanted_signal_stack, slot->wanted_signal_tid, slot->wanted_signals,
           slot->wanted_looks);
}

static void threads_print(const struct trace *t)
{
    for (size_t i = 0; i < trace_thread_count(t); i++) {
        const struct trace_thread *thread = trace_thread_at(t, i);
        const struct trace_thread_slot *slot = thread->slot;
        printf("# thread slot=%" PRIu32 " tid=%" PRIu32 " name=\"%.16s\" threads=%" PRIu32 " start=%" PRIu64
               " end=%" PRIu64 " cpu=%" PRIu64 "..%" PRIu64 " at=%" PRIu64 "..%" PRIu64 "\n",
               thread->number, slot->tid, slot->name, slot->threads, slot->start_ns, slot->end_ns, slot->cpu_first_ns,
               slot->cpu_last_ns, slot->cpu_first_at_ns, slot->cpu_last_at_ns);
        for (size_t s = 0; s < TRACE_SITES; s++)
            if (slot->sites[s].endpoint)
                site_print(&slot->sites[s]);
        if (slot->wanted_since_ns)
            wanted_print(slot);
        for (size_t c = 0; c < thread->counter_count; c++)
            counter_print(&thread->counters[c]);
    }
}

static void stack_print(const struct trace *t, uint32_t id)
{
    struct trace_stack_view v;
    if (!id)
        return;
    if (trace_stack_find(t, id, &v) < 0) {
        printf("  stack %" PRIu32 " is not in the file\n", id);
        return;
    }
    printf("  flags=%u modules=%" PRIu32 "\n", v.flags, v.modules);
    for (size_t i = 0; i < v.native_count; i++) {
        const struct trace_module *m = trace_module_find(t, v.native[i], v.modules);
        printf("  native 0x%" PRIx64, v.native[i]);
        if (m)
            printf(" %s+0x%" PRIx64, m->path, v.native[i] - m->bias);
        printf("\n");
    }
    for (size_t i = 0; i < v.python_count; i++) {
        const struct trace_code *c = trace_code_find(t, PY_FRAME_CODE(v.python[i]));
        printf("  python%s code=%" PRIu32 " lasti=%" PRIu32, PY_FRAME_ENTRY(v.python[i]) ? " entry" : "",
               PY_FRAME_CODE(v.python[i]), PY_FRAME_LASTI(v.python[i]));
        if (c)
            printf(" %s (%s, defined at line %" PRIu32 ")", c->name, c->file, c->first_line);
        printf("\n");
    }
}

static uint32_t event_stack(const union trace_event *e)
{
    switch (e->header.type) {
    case EVENT_WAIT:
        return e->wait.stack;
    case EVENT_CPU:
        return e->cpu.stack;
    case EVENT_OFFCPU:
        return e->offcpu.stack;
    case EVENT_WAKE:
        return e->wake.stack;
    case EVENT_HOLD:
        return e->hold.stack;
    case EVENT_ORDER:
        return e->order.stack;
    case EVENT_MISUSE:
        return e->misuse.stack;
    default:
        return 0;
    }
}

static void event_print(struct dump *d, const struct trace *t, const union trace_event *e)
{
    int n = trace_event_format(e, d->line, d->line_size);
    if ((size_t)n >= d->line_size) {
        d->line_size = (size_t)n + 1;
        d->line = memory_need(realloc(d->line, d->line_size));
        trace_event_format(e, d->line, d->line_size);
    }
    puts(d->line);
    uint32_t stack = d->stacks ? event_stack(e) : 0;
    if (stack)
        stack_print(t, stack);
}

static int file_print(struct dump *d, const char *path)
{
    struct trace *t;
    char error[ERROR_SIZE];
    const union trace_event *e;
    if (trace_open(path, &t, error, sizeof(error)) < 0) {
        message_print("%s", error);
        return STATUS_DATA;
    }
    process_print(trace_info(t));
    threads_print(t);
    while (trace_next(t, &e) > 0)
        event_print(d, t, e);
    const struct trace_info *info = trace_info(t);
    if (info->damage)
        message_print("%s: %s (%" PRIu64 " places in all)", path, info->damage_text, info->damage);
    trace_close(t);
    return STATUS_DONE;
}

static void help_print(const struct cli_group *group)
{
    printf(
        "Usage: cprobe dump [OPTION…] FILE…\n"
        "Prints what trace files hold: process, threads and counters as comments, then every event in order of "
        "time.\n\n");
    options_help(group, stdout);
}

int cmd_dump(int argc, char **argv)
{
    struct dump d = {0};
    char error[ERROR_SIZE];
    const struct cli_group group = {dump_options, sizeof(dump_options) / sizeof(dump_options[0]), dump_apply, &d};
    int files = options_parse(&group, 1, false, argc, argv, error, sizeof(error));
    if (files < 0)
        return message_usage("dump", "%s", error);
    if (d.help) {
        help_print(&group);
        return STATUS_DONE;
    }
    if (files == 0)
        return message_usage("dump", "name a %s file", TRACE_SUFFIX);

    int status = STATUS_DONE;
    for (int i = 1; i <= files; i++)
        if (file_print(&d, argv[i]) != STATUS_DONE)
            status = STATUS_DATA;
    free(d.line);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        message_print("the output could not be written");
        return STATUS_DATA;
    }
    return status;
}
