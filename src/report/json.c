/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The report for programs: version 1 of the schema. It may grow; a key that exists keeps its name, type and meaning,
 * and is present in every report, null where the value is unknown.
 */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "report/format.h"
#include "report/lost.h"
#include "report/units.h"
#include "report/utf8.h"

#define JSON_VERSION 1

/* Sets object[key], taking over `value`. Returns the object, or NULL after freeing both when out of memory: calls
   chain, and only the last result is looked at. */
static json_t *with(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) == 0)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *append(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) == 0)
        return array;
    json_decref(array);
    return NULL;
}

static json_t *text_new(const char *text)
{
    if (!text)
        return json_null();
    char *valid = utf8_repair(text);
    json_t *value = valid ? json_string(valid) : NULL;
    free(valid);
    return value;
}

static json_t *number_new(uint64_t number)
{
    return json_integer(number > LLONG_MAX ? LLONG_MAX : (json_int_t)number);
}

static json_t *time_new(uint64_t real_ns)
{
    char text[UNIT_SIZE];
    return real_ns ? json_string(unit_rfc3339(real_ns, text, sizeof(text))) : json_null();
}

static json_t *process_new(const struct process_info *process)
{
    json_t *o = json_object();
    o = with(o, "pid", number_new(process->pid));
    o = with(o, "ppid", number_new(process->ppid));
    o = with(o, "exe", text_new(process->exe));
    o = with(o, "name", text_new(process->name));
    o = with(o, "cmdline", text_new(process->cmdline));
    return with(o, "host", text_new(process->host));
}

static json_t *thread_new(const struct thread_info *thread)
{
    json_t *o = json_object();
    o = with(o, "tid", number_new(thread->tid));
    o = with(o, "name", text_new(thread->name));
    return with(o, "loop", json_boolean(thread->loop));
}

static json_t *peer_new(const struct peer *peer)
{
    if (!peer)
        return json_null();
    json_t *o = json_object();
    o = with(o, "protocol", text_new(peer->protocol));
    o = with(o, "family", text_new(peer->family));
    o = with(o, "address", text_new(peer->address));
    o = with(o, "name", text_new(peer->name));
    return with(o, "tls", json_boolean(peer->tls));
}

static json_t *frame_new(const struct frame *frame)
{
    static const char *const kinds[] = {
        [FRAME_NATIVE] = "native", [FRAME_PYTHON] = "python", [FRAME_KERNEL] = "kernel"};
    json_t *o = json_object();
    o = with(o, "kind", json_string(kinds[frame->kind]));
    o = with(o, "function", text_new(frame->function));
    o = with(o, "module", text_new(frame->module));
    o = with(o, "file", text_new(frame->file));
    o = with(o, "line", frame->line ? number_new(frame->line) : json_null());
    return with(o, "inlined", json_boolean(frame->inlined));
}

static json_t *stack_new(const struct finding_stack *stack)
{
    json_t *frames = json_array();
    for (size_t i = 0; stack->stack && i < stack->stack->count; i++)
        frames = append(frames, frame_new(&stack->stack->frames[i]));

    json_t *o = json_object();
    o = with(o, "role", text_new(stack->role));
    o = with(o, "complete", json_boolean(stack->stack && stack->stack->complete));
    o = with(o, "count", number_new(stack->count));
    o = with(o, "total_ns", number_new(stack->total_ns));
    return with(o, "frames", frames);
}

static json_t *series_new(const struct series *series)
{
    json_t *counts = json_array(), *o = json_object();
    for (size_t i = 0; i < series->count; i++)
        counts = append(counts, number_new(series->counts[i]));
    o = with(o, "start", time_new(series->start_real_ns));
    o = with(o, "step_ns", number_new(series->step_ns));
    return with(o, "counts", counts);
}

static json_t *double_new(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

static json_t *table_new(const struct table *table)
{
    json_t *array = json_array();
    for (size_t i = 0; i < table->rows; i++) {
        json_t *o = with(json_object(), table->name, text_new(table->names[i]));
        for (size_t j = 0; j < table->column_count; j++)
            o = with(o, table->columns[j], double_new(table->cells[i * table->column_count + j]));
        array = append(array, o);
    }
    return array;
}

static json_t *context_new(const struct request_context *context)
{
    if (!context->name)
        return json_null();
    json_t *o = json_object();
    o = with(o, "kind", text_new(context->kind));
    o = with(o, "name", text_new(context->name));
    return with(o, "others", number_new(context->others));
}

static json_t *evidence_value_new(const struct evidence *evidence)
{
    switch (evidence->type) {
    case EVIDENCE_U64:
    case EVIDENCE_NS:
        return number_new(evidence->u64);
    case EVIDENCE_RATIO:
    case EVIDENCE_NUMBER:
        return double_new(evidence->ratio);
    case EVIDENCE_STRING:
        return text_new(evidence->string);
    case EVIDENCE_SERIES:
        return series_new(evidence->series);
    case EVIDENCE_TABLE:
        return table_new(evidence->table);
    }
    return json_null();
}

static json_t *evidence_new(const struct finding *finding)
{
    json_t *o = json_object();
    for (size_t i = 0; i < finding->evidence_count; i++)
        o = with(o, finding->evidence[i].key, evidence_value_new(&finding->evidence[i]));
    return o;
}

static json_t *finding_new(const struct finding *finding)
{
    static const char *const severities[] = {"note", "warning", "error"};
    json_t *stacks = json_array();
    for (size_t i = 0; i < finding->stack_count; i++)
        stacks = append(stacks, stack_new(&finding->stacks[i]));

    json_t *o = json_object();
    o = with(o, "rule", text_new(finding->rule));
    o = with(o, "severity", json_string(severities[finding->severity]));
    o = with(o, "id", json_sprintf("%016llx", (unsigned long long)finding->id));
    o = with(o, "title", text_new(finding->title));
    o = with(o, "remedy", text_new(finding->remedy));
    o = with(o, "count", number_new(finding->count));
    o = with(o, "total_ns", number_new(finding->total_ns));
    o = with(o, "max_ns", number_new(finding->max_ns));
    o = with(o, "p99_ns", number_new(finding->p99_ns));
    o = with(o, "process", process_new(&finding->process));
    o = with(o, "thread", thread_new(&finding->thread));
    o = with(o, "peer", peer_new(finding->peer));
    o = with(o, "operation", text_new(finding->operation));
    o = with(o, "serving", text_new(finding->context.name));
    o = with(o, "context", context_new(&finding->context));
    o = with(o, "stacks", stacks);
    o = with(o, "evidence", evidence_new(finding));
    o = with(o, "first_seen", time_new(finding->first_real_ns));
    return with(o, "last_seen", time_new(finding->last_real_ns));
}

static json_t *blocked_by_new(const struct blocked_by *blocked)
{
    json_t *o = json_object();
    o = with(o, "module", text_new(blocked->module));
    o = with(o, "peer", peer_new(blocked->peer));
    o = with(o, "total_ns", number_new(blocked->total_ns));
    return with(o, "count", number_new(blocked->count));
}

static json_t *loop_new(const struct loop *loop)
{
    static const char *const verdicts[] = {
        [LOOP_IDLE] = "idle", [LOOP_BLOCKED] = "blocked", [LOOP_SATURATED] = "saturated", [LOOP_STARVED] = "starved"};
    json_t *blocked_by = json_array();
    for (size_t i = 0; i < loop->blocked_by_count; i++)
        blocked_by = append(blocked_by, blocked_by_new(&loop->blocked_by[i]));

    json_t *o = json_object();
    o = with(o, "process", process_new(&loop->process));
    o = with(o, "thread", thread_new(&loop->thread));
    o = with(o, "kind", text_new(loop->kind));
    o = with(o, "wall_ns", number_new(loop->wall_ns));
    o = with(o, "idle_ns", number_new(loop->idle_ns));
    o = with(o, "oncpu_ns", number_new(loop->oncpu_ns));
    o = with(o, "blocked_ns", number_new(loop->blocked_ns));
    o = with(o, "runnable_ns", loop->runnable_known ? number_new(loop->runnable_ns) : json_null());
    o = with(o, "turns", number_new(loop->turns));
    o = with(o, "turn_p99_ns", number_new(loop->turn_p99_ns));
    o = with(o, "turn_max_ns", number_new(loop->turn_max_ns));
    o = with(o, "verdict", json_string(verdicts[loop->verdict]));
    return with(o, "blocked_by", blocked_by);
}

static json_t *operations_new(const struct endpoint *endpoint)
{
    json_t *array = json_array();
    for (size_t i = 0; i < endpoint->operation_count; i++) {
        const struct endpoint_operation *operation = &endpoint->operations[i];
        json_t *o = json_object();
        o = with(o, "operation", text_new(operation->words));
        o = with(o, "count", number_new(operation->count));
        o = with(o, "total_ns", number_new(operation->total_ns));
        o = with(o, "max_ns", number_new(operation->max_ns));
        o = with(o, "p50_ns", number_new(operation->p50_ns));
        o = with(o, "p99_ns", number_new(operation->p99_ns));
        array = append(array, with(o, "errors", number_new(operation->errors)));
    }
    return array;
}

static json_t *endpoint_new(const struct endpoint *endpoint)
{
    json_t *o = peer_new(&endpoint->peer);
    o = with(o, "connects", number_new(endpoint->connects));
    o = with(o, "calls", number_new(endpoint->calls));
    o = with(o, "wait_ns", number_new(endpoint->wait_ns));
    o = with(o, "bytes_in", number_new(endpoint->bytes_in));
    o = with(o, "bytes_out", number_new(endpoint->bytes_out));
    o = with(o, "processes", number_new(endpoint->processes));
    o = with(o, "connects_failed", number_new(endpoint->connects_failed));
    o = with(o, "connects_failed_ns", number_new(endpoint->connects_failed_ns));
    o = with(o, "requests", number_new(endpoint->requests));
    o = with(o, "request_ns", number_new(endpoint->request_ns));
    o = with(o, "request_bytes", number_new(endpoint->request_bytes));
    o = with(o, "errors", number_new(endpoint->errors));
    o = with(o, "p50_ns", number_new(endpoint->p50_ns));
    o = with(o, "p99_ns", number_new(endpoint->p99_ns));
    o = with(o, "first_byte_p50_ns", number_new(endpoint->first_byte_p50_ns));
    return with(o, "top_operations", operations_new(endpoint));
}

static json_t *process_row_new(const struct process_row *row)
{
    json_t *o = process_new(&row->info);
    o = with(o, "state", text_new(row->state));
    o = with(o, "threads", number_new(row->threads));
    o = with(o, "started", time_new(row->start_real_ns));
    return with(o, "ended", time_new(row->end_real_ns));
}

static json_t *lost_new(const struct report *report)
{
    json_t *o = json_object();
    for (size_t i = 0; i < lost_cause_count(); i++)
        o = with(o, lost_cause_at(i)->key, number_new(report->lost[lost_cause_at(i)->cause]));
    return o;
}

static json_t *findings_new(const struct report *report)
{
    json_t *array = json_array();
    for (size_t i = 0; i < report->finding_count; i++)
        array = append(array, finding_new(&report->findings[i]));
    return array;
}

static json_t *loops_new(const struct report *report)
{
    json_t *array = json_array();
    for (size_t i = 0; i < report->loop_count; i++)
        array = append(array, loop_new(&report->loops[i]));
    return array;
}

static json_t *endpoints_new(const struct report *report)
{
    json_t *array = json_array();
    for (size_t i = 0; i < report->endpoint_count; i++)
        array = append(array, endpoint_new(&report->endpoints[i]));
    return array;
}

static json_t *lock_new(const struct lock *lock)
{
    json_t *o = json_object();
    o = with(o, "process", process_new(&lock->process));
    o = with(o, "name", text_new(lock->name));
    o = with(o, "kind", text_new(lock->kind));
    o = with(o, "instances", number_new(lock->instances));
    o = with(o, "threads", number_new(lock->threads));
    o = with(o, "acquisitions", number_new(lock->acquisitions));
    o = with(o, "contended", number_new(lock->contended));
    o = with(o, "wait_ns", number_new(lock->wait_ns));
    o = with(o, "wait_p99_ns", number_new(lock->wait_p99_ns));
    o = with(o, "wait_max_ns", number_new(lock->wait_max_ns));
    o = with(o, "hold_p50_ns", number_new(lock->hold_p50_ns));
    o = with(o, "hold_p99_ns", number_new(lock->hold_p99_ns));
    o = with(o, "hold_max_ns", number_new(lock->hold_max_ns));
    return with(o, "queue_max", number_new(lock->queue_max));
}

static json_t *locks_new(const struct report *report)
{
    json_t *array = json_array();
    for (size_t i = 0; i < report->lock_count; i++)
        array = append(array, lock_new(&report->locks[i]));
    return array;
}

static json_t *watched_row_new(const struct watched_row *row)
{
    json_t *o = json_object();
    o = with(o, "process", process_new(&row->process));
    o = with(o, "name", text_new(row->name));
    o = with(o, "objects", number_new(row->objects));
    o = with(o, "operations", number_new(row->operations));
    o = with(o, "changes", number_new(row->changes));
    o = with(o, "threads", number_new(row->threads));
    o = with(o, "overlaps", number_new(row->overlaps));
    o = with(o, "key_errors", number_new(row->key_errors));
    o = with(o, "difference", row->counted ? json_integer(row->difference) : json_null());
    o = with(o, "lock_busy", row->lock_known ? double_new(row->lock_busy) : json_null());
    return with(o, "lock_wait_p99_ns", row->lock_known ? number_new(row->lock_wait_p99_ns) : json_null());
}

static json_t *watched_new(const struct report *report)
{
    json_t *array = json_array();
    for (size_t i = 0; i < report->watched_count; i++)
        array = append(array, watched_row_new(&report->watched[i]));
    return array;
}

static json_t *processes_new(const struct report *report)
{
    json_t *array = json_array();
    for (size_t i = 0; i < report->process_count; i++)
        array = append(array, process_row_new(&report->processes[i]));
    return array;
}

/* [upper bound in ns, how many]; null: no bound */
static json_t *histogram_new(const struct syscall_row *row)
{
    json_t *array = json_array();
    for (size_t i = 0; i < row->histogram_count; i++) {
        const struct syscall_bucket *bucket = &row->histogram[i];
        json_t *pair = json_array();
        pair = append(pair, bucket->end_ns == UINT64_MAX ? json_null() : number_new(bucket->end_ns));
        array = append(array, append(pair, number_new(bucket->count)));
    }
    return array;
}

static json_t *syscall_new(const struct syscall_row *row)
{
    json_t *o = json_object();
    o = with(o, "process", process_new(&row->process));
    o = with(o, "thread", thread_new(&row->thread));
    o = with(o, "name", text_new(row->name));
    o = with(o, "cause", text_new(row->cause));
    o = with(o, "count", number_new(row->count));
    o = with(o, "total_ns", number_new(row->total_ns));
    o = with(o, "max_ns", number_new(row->max_ns));
    o = with(o, "p99_ns", number_new(row->p99_ns));
    o = with(o, "runqueue_ns", number_new(row->runqueue_ns));
    return with(o, "histogram", histogram_new(row));
}

static json_t *syscalls_new(const struct report *report)
{
    json_t *array = json_array();
    for (size_t i = 0; i < report->syscall_count; i++)
        array = append(array, syscall_new(&report->syscalls[i]));
    return array;
}

static json_t *warnings_new(const struct report *report)
{
    json_t *array = json_array();
    for (size_t i = 0; i < report->warning_count; i++)
        array = append(array, text_new(report->warnings[i]));
    return array;
}

static json_t *report_new(const struct report *report)
{
    json_t *o = json_object();
    o = with(o, "version", json_integer(JSON_VERSION));
    o = with(o, "verdict", text_new(report->verdict));
    o = with(o, "findings", findings_new(report));
    o = with(o, "loops", loops_new(report));
    o = with(o, "endpoints", endpoints_new(report));
    o = with(o, "locks", locks_new(report));
    o = with(o, "watched", watched_new(report));
    o = with(o, "processes", processes_new(report));
    o = with(o, "syscalls", syscalls_new(report));
    o = with(o, "warnings", warnings_new(report));
    return with(o, "lost", lost_new(report));
}

int json_write(const struct report *report, const struct report_style *style, FILE *out)
{
    (void)style;
    json_t *document = report_new(report);
    if (!document)
        return -ENOMEM;
    int rc = json_dumpf(document, out, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) == 0 ? 0 : -EIO;
    json_decref(document);
    return fputc('\n', out) == EOF ? -EIO : rc;
}
