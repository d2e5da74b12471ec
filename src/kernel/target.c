/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/target.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/compiler.h"
#include "kernel/codemap.h"
#include "kernel/deep.h"
#include "kernel/fd_kinds.h"
#include "kernel/list.h"
#include "kernel/python.h"
#include "kernel/target_header.h"
#include "trace/writer.h"

#define SYSCALL_FUTEX_WAIT 455 /* Linux 6.7 */
#define UNWIND_MAX 1024        /* return addresses */
#define PENDING_MAX 64         /* waits of one thread that share a stack; with more they are written without */

struct thread {
    uint32_t number; /* struct offcpu_head */
    uint32_t tid, slot;
    struct segment *ring;
    struct trace_thread_slot *data;
    struct offcpu_wait *pending;
    size_t pending_count, pending_capacity;
    struct frames *python; /* that belong to the next stack; NULL: never had any */
    struct deep *deep;     /* parts of the next stack; NULL: never had any */
};

/* Python frames for a stack that is still to come, if `wanted`. */
struct frames {
    uint64_t list[STACK_MAX_PYTHON];
    size_t count;
    uint32_t sequence;
    uint16_t flags;
    bool wanted;
};

/* What a stack is made of, beside the kernel's frames of each wait. */
struct stack_parts {
    const uint64_t *native;
    size_t native_count;
    const uint64_t *python;
    size_t python_count;
    uint16_t flags;
};

struct target {
    const struct target_options *options;
    pid_t pid;
    uint32_t run;
    uint64_t process_start;
    struct writer writer;
    struct codemap *code;
    struct python *python;
    struct fd_kinds fd_kinds;
    struct thread *threads;
    size_t thread_count, thread_capacity;
};

/* ---- threads ---- */

static void thread_event_write(struct target *t, const struct thread *thread, uint64_t now_ns)
{
    uint32_t cursor = sizeof(struct event_thread);
    size_t length = strnlen(thread->data->name, sizeof(thread->data->name));
    struct event_thread *e = (void *)writer_log_reserve(&t->writer, cursor, (uint32_t)length);
    if (!e)
        return;
    e->header.time_ns = now_ns;
    e->start_ns = thread->data->start_ns;
    e->tid = thread->tid;
    e->slot = thread->slot;
    e->name = writer_log_string(&e->header, &cursor, thread->data->name, length);
    writer_log_commit(&e->header, EVENT_THREAD);
}

/* comm: NULL where the name is not known. */
static struct thread *thread_get(struct target *t, uint32_t number, uint32_t tid, const char *comm, uint64_t now_ns)
{
    for (size_t i = t->thread_count; i-- > 0;)
        if (t->threads[i].number == number)
            return &t->threads[i];
    uint32_t slot = (uint32_t)t->thread_count;
    struct segment *s = writer_segment(&t->writer, SEGMENT_THREAD, THREAD_SEGMENT_SIZE, slot);
    struct thread *thread = s ? list_add(&t->threads, &t->thread_count, &t->thread_capacity, sizeof(*thread)) : NULL;
    if (!thread)
        return NULL;
    thread->number = number;
    thread->tid = tid;
    thread->slot = slot;
    thread->data = (struct trace_thread_slot *)((char *)s + SEGMENT_HEADER_SIZE);
    thread->data->threads = 1;
    thread->data->start_ns = now_ns;
    if (comm)
        memcpy(thread->data->name, comm, strnlen(comm, sizeof(thread->data->name) - 1));
    store_release(&thread->data->tid, tid);
    thread_event_write(t, thread, now_ns);
    return thread;
}

/* ---- waits ---- */

/* 1 / probability that it was recorded; as the recorder's sampler_weight. */
static float wait_weight(const struct offcpu_wait *wait, uint64_t mean_ns)
{
    uint64_t all_ns = wait->blocked_ns + wait->runqueue_ns,
             worth_ns = offcpu_worth(wait->blocked_ns, wait->runqueue_ns);
    double x = (double)(worth_ns ? worth_ns : 1) / ldexp((double)mean_ns, (int)wait->thin);
    bool certain = worth_ns >> wait->thin_all >= mean_ns || (all_ns >= OFFCPU_CERTAIN_NS && all_ns >= mean_ns);
    return certain ? 1 : (float)(1 / -expm1(-x));
}

/* System calls whose first argument is the descriptor that they wait for, or -1. */
static int wait_fd(const struct offcpu_wait *wait)
{
    static const uint16_t calls[] = {
        SYS_read,       SYS_write,    SYS_ioctl,    SYS_pread64,         SYS_pwrite64,       SYS_readv,
        SYS_writev,     SYS_sendfile, SYS_connect,  SYS_accept,          SYS_sendto,         SYS_recvfrom,
        SYS_sendmsg,    SYS_recvmsg,  SYS_fcntl,    SYS_flock,           SYS_fsync,          SYS_fdatasync,
        SYS_epoll_wait, SYS_splice,   SYS_tee,      SYS_sync_file_range, SYS_vmsplice,       SYS_epoll_pwait,
        SYS_fallocate,  SYS_accept4,  SYS_preadv,   SYS_pwritev,         SYS_recvmmsg,       SYS_syncfs,
        SYS_sendmmsg,   SYS_preadv2,  SYS_pwritev2, SYS_epoll_pwait2,    SYS_io_uring_enter,
    };
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
        if (wait->syscall == (int)calls[i])
            return wait->fd;
    return -1;
}

/* The wait's kernel frames, then the program's. 0: there are none, or there was no room. */
static uint32_t stack_enter(struct target *t, const struct offcpu_wait *wait, const struct stack_parts *user)
{
    uint64_t frames[STACK_MAX_NATIVE], hash = UINT64_C(0xcbf29ce484222325) ^ codemap_generation(t->code);
    size_t n = 0;
    for (size_t i = 0; i < wait->kernel_count && i < OFFCPU_KERNEL_FRAMES; i++)
        frames[n++] = wait->kernel[i];
    uint16_t flags = user->flags;
    if (user->native_count > STACK_MAX_NATIVE - n)
        flags = (uint16_t)((flags & ~STACK_COMPLETE) | STACK_TRUNCATED);
    for (size_t i = 0; i < user->native_count && n < STACK_MAX_NATIVE; i++)
        frames[n++] = user->native[i];
    if (n == 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ frames[i]) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < user->python_count; i++)
        hash = (hash ^ user->python[i]) * UINT64_C(0x100000001b3);
    codemap_need(t->code, frames, n);
    uint32_t id = writer_stack(&t->writer, hash, flags, codemap_generation(t->code), frames, (uint16_t)n,
                               user->python_count ? user->python : frames, (uint16_t)user->python_count);
    if (!id)
        writer_lose(&t->writer, TRACE_LOST_STACKS, 1);
    return id;
}

static void wake_write(struct target *t, struct thread *thread, const struct offcpu_wait *wake, uint32_t stack)
{
    struct event_wake *e = writer_ring_reserve(&t->writer, &thread->ring, thread->slot);
    if (!e)
        return;
    memset(e, 0, sizeof(*e));
    e->header = (struct event_header){EVENT_MAGIC, EVENT_WAKE, sizeof(*e), wake->head.time_ns};
    e->wait_ns = wake->woken_ns;
    e->wait_tid = wake->head.other;
    e->tid = thread->tid;
    e->stack = stack;
    e->slot = thread->slot;
    e->flags = wake->flags;
    writer_ring_commit(thread->ring);
}

static void wait_write(struct target *t, struct thread *thread, const struct offcpu_wait *wait, uint32_t stack,
                       uint16_t flags)
{
    struct event_offcpu *e = writer_ring_reserve(&t->writer, &thread->ring, thread->slot);
    if (!e)
        return;
    int fd = wait_fd(wait);
    memset(e, 0, sizeof(*e));
    e->header = (struct event_header){EVENT_MAGIC, EVENT_OFFCPU, sizeof(*e), wait->head.time_ns};
    e->duration_ns = wait->blocked_ns;
    e->runqueue_ns = wait->runqueue_ns;
    e->weight = (wait->flags & OFFCPU_UNFINISHED) ? 1 : wait_weight(wait, t->options->mean_ns);
    e->tid = thread->tid;
    e->stack = stack;
    e->slot = thread->slot;
    e->waker = wait->waker_tid;
    e->fd = fd;
    e->syscall = wait->syscall < 0 ? SYSCALL_NONE : (uint16_t)wait->syscall;
    e->cause = wait->cause;
    e->fd_kind = fd < 0 ? ENDPOINT_NONE : (uint16_t)fd_kinds_get(&t->fd_kinds, t->pid, fd, kernel_now());
    e->flags = wait->flags | flags;
    writer_ring_commit(thread->ring);
}

/* Writes the pending waits up to `sequence`, those of that number with this stack. */
static void pending_write(struct target *t, struct thread *thread, uint32_t sequence, const struct stack_parts *user)
{
    static const struct stack_parts none = {.native_count = 0};
    size_t kept = 0;
    for (size_t i = 0; i < thread->pending_count; i++) {
        const struct offcpu_wait *wait = &thread->pending[i];
        bool own = wait->sequence == sequence;
        if (!own && (int32_t)(wait->sequence - sequence) > 0) {
            thread->pending[kept++] = *wait;
            continue;
        }
        bool has_stack = own && user->native_count > 0;
        uint32_t stack = stack_enter(t, wait, own ? user : &none);
        if (wait->head.kind == OFFCPU_WAKE)
            wake_write(t, thread, wait, stack);
        else
            wait_write(t, thread, wait, stack, has_stack ? 0 : OFFCPU_FLAG_NO_STACK);
    }
    thread->pending_count = kept;
}

static void pending_flush(struct target *t, struct thread *thread)
{
    static const struct stack_parts none = {.native_count = 0};
    if (thread->pending_count)
        pending_write(t, thread, thread->pending[thread->pending_count - 1].sequence, &none);
}

void target_wait(struct target *t, const struct offcpu_wait *wait)
{
    struct thread *thread = thread_get(t, wait->head.thread, wait->head.tid, wait->comm, wait->head.time_ns);
    if (!thread) {
        writer_lose(&t->writer, TRACE_LOST_RING_FULL, 1);
        return;
    }
    if (thread->pending_count == PENDING_MAX)
        pending_flush(t, thread);
    struct offcpu_wait *pending =
        list_add(&thread->pending, &thread->pending_count, &thread->pending_capacity, sizeof(*pending));
    if (pending)
        *pending = *wait;
}

static void code_refreshed(struct target *t)
{
    const struct offcpu_interpreter *found = python_refresh(t->python, codemap_images(t->code));
    if (found)
        t->options->interpreter_found(t->options->context, t->run, found);
}

void target_stack_part(struct target *t, const struct offcpu_stack_part *part)
{
    const struct offcpu_head *head = &part->head;
    struct thread *thread = thread_get(t, head->thread, head->tid, NULL, head->time_ns);
    if (thread)
        deep_add(&thread->deep, part);
}

void target_python(struct target *t, const struct offcpu_python *python)
{
    const struct offcpu_head *head = &python->head;
    struct thread *thread = thread_get(t, head->thread, head->tid, NULL, head->time_ns);
    if (!thread)
        return;
    if (!thread->python)
        thread->python = calloc(1, sizeof(*thread->python));
    struct frames *f = thread->python;
    if (!f)
        return;
    f->flags = 0;
    f->count = python_frames(t->python, python, f->list, STACK_MAX_PYTHON, &f->flags);
    f->sequence = python->sequence;
    f->wanted = true;
}

static void parts_add_python(struct stack_parts *parts, struct frames *python, uint32_t sequence)
{
    if (!python || !python->wanted || python->sequence != sequence)
        return;
    parts->python = python->list;
    parts->python_count = python->count;
    parts->flags |= python->flags;
    python->wanted = false;
}

/* Where a trace may not hold them all below the kernel's, what the reader leaves out is left out. */
static void parts_fit(struct target *t, struct stack_parts *parts, uint64_t *native)
{
    bool fits = parts->native_count <= STACK_MAX_NATIVE - OFFCPU_KERNEL_FRAMES;
    if (!fits && parts->python_count && !(parts->flags & STACK_PYTHON_LOST))
        parts->native_count = python_native_fold(t->python, codemap_images(t->code), native, parts->native_count);
}

void target_stack(struct target *t, const struct offcpu_stack *stack)
{
    uint64_t frames[UNWIND_MAX];
    struct thread *thread = thread_get(t, stack->head.thread, stack->head.tid, NULL, stack->head.time_ns);
    uint64_t registers[OFFCPU_REGISTERS];
    struct images_thread copy = {(pid_t)stack->head.tid, registers, OFFCPU_REGISTERS, NULL, 0};
    bool complete, truncated;
    if (!thread || !thread->pending_count)
        return;
    copy.bytes = deep_bytes(thread->deep, stack, &copy.size);
    for (size_t i = 0; i < OFFCPU_REGISTERS; i++)
        registers[i] = stack->registers[i];
    size_t count = images_unwind(codemap_images(t->code), &copy, frames, UNWIND_MAX, &complete, &truncated);
    if (!complete && !truncated && codemap_refresh_for(t->code, frames, count)) {
        code_refreshed(t);
        count = images_unwind(codemap_images(t->code), &copy, frames, UNWIND_MAX, &complete, &truncated);
    }
    if (count > 0 && thread->pending[0].syscall < 0)
        frames[0]++; /* a fault: the counter is at the instruction, not behind it as in a return address */
    struct stack_parts parts = {.native = frames,
                                .native_count = count,
                                .flags = (complete ? STACK_COMPLETE : 0) | (truncated ? STACK_TRUNCATED : 0)};
    parts_add_python(&parts, thread->python, stack->sequence);
    parts_fit(t, &parts, frames);
    pending_write(t, thread, stack->sequence, &parts);
}

void target_thread_ended(struct target *t, const struct offcpu_head *exit)
{
    struct thread *thread = thread_get(t, exit->thread, exit->tid, NULL, exit->time_ns);
    if (!thread)
        return;
    pending_flush(t, thread);
    thread->data->end_ns = exit->time_ns;
    writer_ring_release(&t->writer, thread->ring);
    thread->ring = NULL;
}

static uint16_t call_cause(int syscall)
{
    switch (syscall) {
    case -1:
        return OFFCPU_CAUSE_FAULT;
    case SYS_futex:
    case SYS_futex_waitv:
    case SYSCALL_FUTEX_WAIT:
        return OFFCPU_CAUSE_LOCK;
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
        return OFFCPU_CAUSE_SLEEP;
    default:
        return OFFCPU_CAUSE_SYSCALL;
    }
}

void target_total(struct target *t, const struct offcpu_call *call, const struct offcpu_total *total, uint64_t now_ns)
{
    uint32_t cursor = sizeof(struct event_syscall);
    struct thread *thread = thread_get(t, call->thread, total->tid, NULL, now_ns);
    struct event_syscall *e = (void *)writer_log_reserve(&t->writer, cursor, sizeof(total->hist));
    if (!e)
        return;
    e->header.time_ns = now_ns;
    e->count = total->count;
    e->total_ns = total->blocked_ns;
    e->runqueue_ns = total->runqueue_ns;
    e->max_ns = total->max_ns;
    e->tid = total->tid;
    e->slot = thread ? thread->slot : UINT32_MAX;
    e->syscall = call->syscall < 0 ? SYSCALL_NONE : (uint16_t)call->syscall;
    e->cause = call_cause(call->syscall);
    e->hist = writer_log_string(&e->header, &cursor, total->hist, sizeof(total->hist));
    writer_log_commit(&e->header, EVENT_SYSCALL);
}

void target_sched(struct target *t, const struct offcpu_sched *sched)
{
    struct thread *thread = thread_get(t, sched->head.thread, sched->head.tid, sched->comm, sched->begin_ns);
    struct event_sched *e = (void *)writer_log_reserve(&t->writer, sizeof(*e), 0);
    if (!e)
        return;
    e->header.time_ns = sched->head.time_ns;
    e->begin_ns = sched->begin_ns;
    e->oncpu_ns = sched->oncpu_ns;
    e->blocked_ns = sched->blocked_ns;
    e->runqueue_ns = sched->runqueue_ns;
    e->preempted_ns = sched->preempted_ns;
    e->waits = sched->waits;
    e->preemptions = sched->preemptions;
    e->tid = sched->head.tid;
    e->slot = thread ? thread->slot : UINT32_MAX;
    writer_log_commit(&e->header, EVENT_SCHED);
}

void target_lose(struct target *t, enum trace_lost cause, uint64_t count)
{
    writer_lose(&t->writer, cause, count);
}

void target_note(struct target *t, const char *text, uint64_t now_ns)
{
    uint32_t cursor = sizeof(struct event_note);
    size_t length = strlen(text);
    struct event_note *e = (void *)writer_log_reserve(&t->writer, cursor, (uint32_t)length);
    if (!e)
        return;
    e->header.time_ns = now_ns;
    e->severity = 1;
    e->text = writer_log_string(&e->header, &cursor, text, length);
    writer_log_commit(&e->header, EVENT_NOTE);
}

/* ---- life ---- */

static int trace_create(struct target *t, struct trace_header *header)
{
    char path[WRITER_PATH_MAX];
    for (uint32_t n = 0; n < 10000; n++) {
        int length = snprintf(path, sizeof(path), "%s/%d-%" PRIx64 "-%" PRIu32 "-kernel" TRACE_SUFFIX,
                              t->options->directory, (int)t->pid, header->process_start, n);
        if (length < 0 || (size_t)length >= sizeof(path))
            return -ENAMETOOLONG;
        header->exec_generation = n;
        int rc = writer_create(&t->writer, path, t->options->capacity, header);
        if (rc != -EEXIST)
            return rc;
    }
    return -EEXIST;
}

static void target_free(struct target *t)
{
    codemap_free(t->code);
    python_free(t->python);
    for (size_t i = 0; i < t->thread_count; i++) {
        free(t->threads[i].pending);
        free(t->threads[i].python);
        deep_free(t->threads[i].deep);
    }
    free(t->threads);
    writer_abandon(&t->writer);
    free(t);
}

int target_open(const struct target_options *options, pid_t pid, uint32_t run, struct target **out)
{
    struct trace_header header;
    int rc = target_header_read(pid, &header);
    struct target *t = rc == 0 ? calloc(1, sizeof(*t)) : NULL;
    if (!t)
        return rc < 0 ? rc : -ENOMEM;
    t->options = options;
    t->pid = pid;
    t->run = run;
    t->process_start = header.process_start;
    header.sample_mean_ns = options->mean_ns;
    t->code = codemap_new(pid, &t->writer, options->ksyms);
    t->python = python_new(pid, &t->writer);
    rc = t->code && t->python ? trace_create(t, &header) : -ENOMEM;
    if (rc < 0) {
        target_free(t);
        return rc;
    }
    if (codemap_refresh(t->code))
        code_refreshed(t);
    *out = t;
    return 0;
}

void target_close(struct target *t, enum trace_reason reason, uint64_t now_ns)
{
    for (size_t i = 0; i < t->thread_count; i++)
        pending_flush(t, &t->threads[i]);
    codemap_finish(t->code);
    writer_finish(&t->writer, TRACE_FINISHED, reason, now_ns);
    target_free(t);
}

uint32_t target_pid(const struct target *t)
{
    return (uint32_t)t->pid;
}

bool target_is_gone(const struct target *t)
{
    return !target_header_alive(t->pid, t->process_start);
}
