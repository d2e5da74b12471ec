/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/findings.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/conversation.h"
#include "analysis/rule.h"
#include "base/compiler.h"

struct finding *findings_add(struct findings *findings, const char *rule)
{
    findings->list = memory_grow(findings->list, findings->count, &findings->capacity, sizeof(*findings->list));
    struct finding *finding = &findings->list[findings->count++];
    *finding = (struct finding){.rule = rule, .severity = rule_severity(rule)};
    finding->evidence = arena_get(findings->arena, EVIDENCE_MAX * sizeof(*finding->evidence));
    return finding;
}

struct finding *findings_find(const struct findings *findings, uint64_t id)
{
    for (size_t i = 0; i < findings->count; i++) {
        if (findings->list[i].id == id)
            return &findings->list[i];
    }
    return NULL;
}

static int finding_compare(const void *left, const void *right)
{
    const struct finding *a = left, *b = right;
    if (a->severity != b->severity)
        return a->severity > b->severity ? -1 : 1;
    if (a->total_ns != b->total_ns)
        return a->total_ns > b->total_ns ? -1 : 1;
    return a->id != b->id ? (a->id < b->id ? -1 : 1) : 0;
}

void findings_sort(struct findings *findings)
{
    if (findings->count > 0)
        qsort(findings->list, findings->count, sizeof(*findings->list), finding_compare);
}

static void evidence_add(struct finding *finding, struct evidence evidence)
{
    if (finding->evidence_count < EVIDENCE_MAX)
        finding->evidence[finding->evidence_count++] = evidence;
}

void evidence_count(struct finding *finding, const char *key, uint64_t value)
{
    evidence_add(finding, (struct evidence){.key = key, .type = EVIDENCE_U64, .u64 = value});
}

void evidence_time(struct finding *finding, const char *key, uint64_t ns)
{
    evidence_add(finding, (struct evidence){.key = key, .type = EVIDENCE_NS, .u64 = ns});
}

void evidence_ratio(struct finding *finding, const char *key, double value)
{
    evidence_add(finding, (struct evidence){.key = key, .type = EVIDENCE_RATIO, .ratio = value});
}

void evidence_number(struct finding *finding, const char *key, double value)
{
    evidence_add(finding, (struct evidence){.key = key, .type = EVIDENCE_NUMBER, .ratio = value});
}

void evidence_text(struct finding *finding, const char *key, const char *value)
{
    evidence_add(finding, (struct evidence){.key = key, .type = EVIDENCE_STRING, .string = value});
}

void evidence_series(struct finding *finding, const char *key, const struct series *value)
{
    evidence_add(finding, (struct evidence){.key = key, .type = EVIDENCE_SERIES, .series = value});
}

void evidence_table(struct finding *finding, const char *key, const struct table *value)
{
    evidence_add(finding, (struct evidence){.key = key, .type = EVIDENCE_TABLE, .table = value});
}

struct process_info process_info_of(const struct model_process *process)
{
    const struct trace_info *info = process->source->info;
    return (struct process_info){info->pid, info->ppid, info->exe, info->cmdline, info->host, process->name};
}

struct thread_info thread_info_of(const struct model_thread *thread)
{
    return (struct thread_info){thread->tid, thread->name, thread->loop_kind != NULL};
}

const char *family_name(enum endpoint_kind kind)
{
    static const char *const names[] = {
        [ENDPOINT_NONE] = "none",     [ENDPOINT_INET] = "inet",       [ENDPOINT_INET6] = "inet6",
        [ENDPOINT_UNIX] = "unix",     [ENDPOINT_FILE] = "file",       [ENDPOINT_PIPE] = "pipe",
        [ENDPOINT_TTY] = "tty",       [ENDPOINT_EVENTFD] = "eventfd", [ENDPOINT_TIMERFD] = "timerfd",
        [ENDPOINT_NAME] = "name",     [ENDPOINT_PROCESS] = "process", [ENDPOINT_WAITSET] = "waitset",
        [ENDPOINT_SOCKET] = "socket", [ENDPOINT_OTHER] = "other",     [ENDPOINT_LOCK] = "lock"};
    return (size_t)kind < ARRAY_SIZE(names) && names[kind] ? names[kind] : "other";
}

/* Only connections speak. */
static void peer_name(struct peer *peer, const struct trace *trace, const struct trace_endpoint *endpoint)
{
    if (endpoint->kind != ENDPOINT_INET && endpoint->kind != ENDPOINT_INET6 && endpoint->kind != ENDPOINT_UNIX)
        return;
    peer->protocol = wire_protocol_name(conversation_protocol(trace, endpoint->id, &peer->tls));
    if (endpoint->kind != ENDPOINT_UNIX)
        peer->name = conversation_host(trace, endpoint->id, endpoint->text);
}

const struct peer *peer_of(const struct model_process *process, uint32_t id, struct arena *arena)
{
    const struct trace_endpoint *endpoint = model_endpoint(process, id);
    if (!endpoint || endpoint->text[0] == '\0')
        return NULL;
    switch (endpoint->kind) {
    case ENDPOINT_INET:
    case ENDPOINT_INET6:
    case ENDPOINT_UNIX:
    case ENDPOINT_FILE:
    case ENDPOINT_SOCKET:
    case ENDPOINT_PIPE:
    case ENDPOINT_TTY:
    case ENDPOINT_OTHER:
        break;
    default:
        return NULL;
    }
    struct peer *peer = arena_get(arena, sizeof(*peer));
    *peer = (struct peer){"unknown", family_name(endpoint->kind), endpoint->text, NULL, false};
    peer_name(peer, process->trace, endpoint);
    return peer;
}

const char *words_peer(const struct peer *peer, struct arena *arena)
{
    if (strcmp(peer->protocol, "unknown") == 0)
        return peer->address;
    return arena_format(arena, "%s %s", peer->protocol, peer->address);
}
