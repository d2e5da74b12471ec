/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/interval.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/arena.h"
#include "analysis/findings.h"

/* A killed process's counters, or an estimate, may go back: never less than nothing. */
static uint64_t grown(uint64_t before, uint64_t now)
{
    return now > before ? now - before : 0;
}

#define GROWN(field) row->field = grown(old->field, row->field)

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_peer(const struct peer *a, const struct peer *b)
{
    return a == b || (a && b && same_text(a->protocol, b->protocol) && same_text(a->family, b->family) &&
                      same_text(a->address, b->address));
}

/* ---- findings ---- */

static const struct finding *finding_before(const struct report *before, uint64_t id)
{
    for (size_t i = 0; i < before->finding_count; i++)
        if (before->findings[i].id == id)
            return &before->findings[i];
    return NULL;
}

static void findings_between(const struct report *before, const struct report *now, struct interval *out)
{
    out->report.findings = memory_get(now->finding_count + 1, sizeof(*now->findings));
    out->quiet = memory_get(now->finding_count + 1, sizeof(*now->findings));
    out->report.finding_count = 0;
    for (size_t i = 0; i < now->finding_count; i++) {
        const struct finding *old = before ? finding_before(before, now->findings[i].id) : NULL;
        struct finding row = now->findings[i];
        if (old) {
            row.count = grown(old->count, row.count);
            row.total_ns = grown(old->total_ns, row.total_ns);
        }
        if (row.count > 0)
            out->report.findings[out->report.finding_count++] = row;
        else
            out->quiet[out->quiet_count++] = now->findings[i];
    }
    qsort(out->report.findings, out->report.finding_count, sizeof(*out->report.findings), finding_compare);
}

/* ---- loops ---- */

static const struct loop *loop_before(const struct report *before, const struct loop *loop)
{
    for (size_t i = 0; before && i < before->loop_count; i++) {
        const struct loop *old = &before->loops[i];
        if (old->process.pid == loop->process.pid && old->thread.tid == loop->thread.tid &&
            same_text(old->process.host, loop->process.host) && old->wall_ns <= loop->wall_ns)
            return old;
    }
    return NULL;
}

static int blocked_compare(const void *left, const void *right)
{
    const struct blocked_by *a = left, *b = right;
    return a->total_ns < b->total_ns ? 1 : -(a->total_ns > b->total_ns);
}

static void blocked_between(const struct loop *old, struct loop *loop)
{
    struct blocked_by *rows = memory_get(loop->blocked_by_count + 1, sizeof(*rows));
    memcpy(rows, loop->blocked_by, loop->blocked_by_count * sizeof(*rows));
    for (size_t i = 0; old && i < loop->blocked_by_count; i++) {
        for (size_t j = 0; j < old->blocked_by_count; j++) {
            const struct blocked_by *was = &old->blocked_by[j];
            if (!same_text(was->module, rows[i].module) || !same_peer(was->peer, rows[i].peer))
                continue;
            rows[i].total_ns = grown(was->total_ns, rows[i].total_ns);
            rows[i].count = grown(was->count, rows[i].count);
            break;
        }
    }
    qsort(rows, loop->blocked_by_count, sizeof(*rows), blocked_compare);
    loop->blocked_by = rows;
}

static void loops_between(const struct report *before, const struct report *now, struct report *out)
{
    out->loops = memory_get(now->loop_count + 1, sizeof(*out->loops));
    out->loop_count = 0;
    for (size_t i = 0; i < now->loop_count; i++) {
        struct loop *row = &out->loops[out->loop_count];
        const struct loop *old = loop_before(before, &now->loops[i]);
        *row = now->loops[i];
        if (old) {
            GROWN(wall_ns);
            GROWN(idle_ns);
            GROWN(oncpu_ns);
            GROWN(blocked_ns);
            GROWN(turns);
            GROWN(runnable_ns);
        }
        if (row->wall_ns == 0)
            continue;
        blocked_between(old, row);
        out->loop_count++;
    }
}

/* ---- endpoints ---- */

static const struct endpoint *endpoint_before(const struct report *before, const struct endpoint *endpoint)
{
    for (size_t i = 0; before && i < before->endpoint_count; i++)
        if (same_peer(&before->endpoints[i].peer, &endpoint->peer))
            return &before->endpoints[i];
    return NULL;
}

static int operation_compare(const void *left, const void *right)
{
    const struct endpoint_operation *a = left, *b = right;
    return a->total_ns < b->total_ns ? 1 : -(a->total_ns > b->total_ns);
}

static void operations_between(const struct endpoint *old, struct endpoint *endpoint)
{
    struct endpoint_operation *rows = memory_get(endpoint->operation_count + 1, sizeof(*rows));
    size_t count = 0;
    for (size_t i = 0; i < endpoint->operation_count; i++) {
        struct endpoint_operation row = endpoint->operations[i];
        for (size_t j = 0; old && j < old->operation_count; j++) {
            if (!same_text(old->operations[j].words, row.words))
                continue;
            row.count = grown(old->operations[j].count, row.count);
            row.total_ns = grown(old->operations[j].total_ns, row.total_ns);
            row.errors = grown(old->operations[j].errors, row.errors);
            break;
        }
        if (row.count > 0)
            rows[count++] = row;
    }
    qsort(rows, count, sizeof(*rows), operation_compare);
    endpoint->operations = rows;
    endpoint->operation_count = count;
}

static int endpoint_compare(const void *left, const void *right)
{
    const struct endpoint *a = left, *b = right;
    uint64_t x = a->wait_ns + a->request_ns, y = b->wait_ns + b->request_ns;
    return x < y ? 1 : -(x > y);
}

static void endpoints_between(const struct report *before, const struct report *now, struct report *out)
{
    out->endpoints = memory_get(now->endpoint_count + 1, sizeof(*out->endpoints));
    out->endpoint_count = 0;
    for (size_t i = 0; i < now->endpoint_count; i++) {
        struct endpoint *row = &out->endpoints[out->endpoint_count];
        const struct endpoint *old = endpoint_before(before, &now->endpoints[i]);
        *row = now->endpoints[i];
        if (old) {
            GROWN(connects);
            GROWN(calls);
            GROWN(wait_ns);
            GROWN(bytes_in);
            GROWN(bytes_out);
            GROWN(connects_failed);
            GROWN(connects_failed_ns);
            GROWN(requests);
            GROWN(request_ns);
            GROWN(request_bytes);
            GROWN(errors);
        }
        if (row->connects + row->calls + row->requests + row->connects_failed == 0)
            continue;
        operations_between(old, row);
        out->endpoint_count++;
    }
    qsort(out->endpoints, out->endpoint_count, sizeof(*out->endpoints), endpoint_compare);
}

/* ---- locks ---- */

static const struct lock *lock_before(const struct report *before, const struct lock *lock)
{
    for (size_t i = 0; before && i < before->lock_count; i++) {
        const struct lock *old = &before->locks[i];
        if (old->process.pid == lock->process.pid && same_text(old->name, lock->name) &&
            same_text(old->kind, lock->kind))
            return old;
    }
    return NULL;
}

static int lock_compare(const void *left, const void *right)
{
    const struct lock *a = left, *b = right;
    return a->wait_ns < b->wait_ns ? 1 : -(a->wait_ns > b->wait_ns);
}

static void locks_between(const struct report *before, const struct report *now, struct report *out)
{
    out->locks = memory_get(now->lock_count + 1, sizeof(*out->locks));
    out->lock_count = 0;
    for (size_t i = 0; i < now->lock_count; i++) {
        struct lock *row = &out->locks[out->lock_count];
        const struct lock *old = lock_before(before, &now->locks[i]);
        *row = now->locks[i];
        if (old) {
            GROWN(acquisitions);
            GROWN(contended);
            GROWN(wait_ns);
        }
        out->lock_count += row->acquisitions + row->contended > 0;
    }
    qsort(out->locks, out->lock_count, sizeof(*out->locks), lock_compare);
}

void interval_between(const struct report *before, const struct report *now, struct interval *out)
{
    memset(out, 0, sizeof(*out));
    out->report = *now;
    findings_between(before, now, out);
    loops_between(before, now, &out->report);
    endpoints_between(before, now, &out->report);
    locks_between(before, now, &out->report);
}

void interval_free(struct interval *interval)
{
    for (size_t i = 0; i < interval->report.loop_count; i++)
        free(interval->report.loops[i].blocked_by);
    for (size_t i = 0; i < interval->report.endpoint_count; i++)
        free(interval->report.endpoints[i].operations);
    free(interval->report.loops);
    free(interval->report.endpoints);
    free(interval->report.locks);
    free(interval->report.findings);
    free(interval->quiet);
    memset(interval, 0, sizeof(*interval));
}
