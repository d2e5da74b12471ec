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
#include "kernel/images.h"
#include "kernel/target_header.h"
#include "trace/writer.h"

#define SYSCALL_FUTEX_WAIT 455         /* Linux 6.7 */
#define PENDING_MAX 64                 /* waits of one thread that share a stack; with more they are written without */
#define REFRESH_NS UINT64_C(100000000) /* mappings are read again at most this often */

struct thread {
    uint32_t number; /* struct offcpu_head */
    uint32_t tid, slot;
    struct segment *ring;
    struct trace_thread_slot *data;
    struct offcpu_wait *pending;
    size_t pending_count, pending_capacity;
};

struct known_image {
    uint64_t start, end;
    char *path;
    bool there; /* in the latest look at the mappings */
};

struct target {
    const struct target_options *options;
    pid_t pid;
    uint64_t process_start;
    struct writer writer;
    struct images *images;
    uint64_t refreshed_ns;
    uint32_t generation; /* of modules */
    struct thread *threads;
    size_t thread_count, thread_capacity;
    struct known_image *known;
    size_t known_count, known_capacity;
    uint64_t *ksyms; /* starts of those that the trace has */
    size_t ksym_count, ksym_capacity;
};

/* Room for one more item; NULL: no memory, the list stays. */
static void *list_add(void *items, size_t *count, size_t *capacity, size_t size)
{
    void **list = items;
    if (*count == *capacity) {
        size_t more = *capacity ? 2 * *capacity : 16;
        void *larger = reallocarray(*list, more, size);
        if (!larger)
            return NULL;
        *list = larger;
        *capacity = more;
    }
    return memset((char *)*list + (*count)++ * size, 0, size);
}

/* ---- modules ---- */

static void unload_write(struct target *t, uint64_t start, uint64_t now_ns)
{
    struct event_unload *e = (void *)writer_log_reserve(&t->writer, sizeof(*e), 0);
    if (!e)
        return;
    e->header.time_ns = now_ns;
    e->start = start;
    e->unloaded = t->generation;
    writer_log_commit(&e->header, EVENT_UNLOAD);
}

static void module_write(struct target *t, const struct image *image)
{
    uint32_t cursor = sizeof(struct event_module);
    size_t length = strlen(image->path);
    struct event_module *e = (void *)writer_log_reserve(&t->writer, cursor, (uint32_t)(length + image->build_id_size));
    if (!e)
        return;
    e->header.time_ns = t->refreshed_ns;
    e->start = image->start;
    e->end = image->end;
    e->bias = image->bias;
    e->loaded = t->generation;
    e->path = writer_log_string(&e->header, &cursor, image->path, length);
    e->build_id = writer_log_string(&e->header, &cursor, image->build_id ? image->build_id : (const uint8_t *)"",
                                    image->build_id_size);
    writer_log_commit(&e->header, EVENT_MODULE);
}

static void image_take(void *context, const struct image *image)
{
    struct target *t = context;
    for (size_t i = 0; i < t->known_count; i++) {
        struct known_image *k = &t->known[i];
        if (k->start == image->start && k->end == image->end && strcmp(k->path, image->path) == 0) {
            k->there = true;
            return;
        }
    }
    char *path = strdup(image->path);
    struct known_image *k = path ? list_add(&t->known, &t->known_count, &t->known_capacity, sizeof(*k)) : NULL;
    if (!k) {
        free(path);
        return;
    }
    *k = (struct known_image){image->start, image->end, path, true};
    module_write(t, image);
}

static void modules_refresh(struct target *t)
{
    t->refreshed_ns = kernel_now();
    if (images_refresh(t->images) != 1)
        return;
    t->generation++;
    for (size_t i = 0; i < t->known_count; i++)
        t->known[i].there = false;
    images_each(t->images, image_take, t);
    for (size_t i = 0; i < t->known_count;) {
        if (t->known[i].there) {
            i++;
            continue;
        }
        unload_write(t, t->known[i].start, t->refreshed_ns);
        free(t->known[i].path);
        t->known[i] = t->known[--t->known_count];
    }
}

/* ---- kernel symbols ---- */

static void ksym_write(struct target *t, const struct ksym *symbol)
{
    uint32_t cursor = sizeof(struct event_ksym);
    size_t name = strlen(symbol->name), module = strlen(symbol->module);
    struct event_ksym *e = (void *)writer_log_reserve(&t->writer, cursor, (uint32_t)(name + module));
    if (!e)
        return;
    e->header.time_ns = kernel_now();
    e->start = symbol->start;
    e->end = symbol->end;
    e->name = writer_log_string(&e->header, &cursor, symbol->name, name);
    e->module = writer_log_string(&e->header, &cursor, symbol->module, module);
    writer_log_commit(&e->header, EVENT_KSYM);
}

static void ksym_need(struct target *t, uint64_t pc)
{
    const struct ksym *symbol = ksyms_find(t->options->ksyms, pc - 1);
    if (!symbol)
        return;
    for (size_t i = 0; i < t->ksym_count; i++)
        if (t->ksyms[i] == symbol->start)
            return;
    uint64_t *start = list_add(&t->ksyms, &t->ksym_count, &t->ksym_capacity, sizeof(*start));
    if (!start)
        return;
    *start = symbol->start;
    ksym_write(t, symbol);
}

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

/* 1 / probability that a wait of this length was recorded; as the recorder's sampler_weight. */
static float wait_weight(uint64_t duration_ns, uint64_t mean_ns)
{
    if (duration_ns >= mean_ns)
        return 1;
    double x = (double)(duration_ns ? duration_ns : 1) / (double)mean_ns;
    return (float)(1 / -expm1(-x));
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

/* A stack of kernel frames, then `count` user frames. 0: there are none, or there was no room. */
static uint32_t stack_enter(struct target *t, const struct offcpu_wait *wait, const uint64_t *user, size_t count,
                            uint16_t flags)
{
    uint64_t frames[STACK_MAX_NATIVE], hash = UINT64_C(0xcbf29ce484222325) ^ t->generation;
    size_t n = 0;
    for (size_t i = 0; i < wait->kernel_count && i < OFFCPU_KERNEL_FRAMES; i++) {
        frames[n++] = wait->kernel[i];
        ksym_need(t, wait->kernel[i]);
    }
    for (size_t i = 0; i < count && n < STACK_MAX_NATIVE; i++)
        frames[n++] = user[i];
    if (n == 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ frames[i]) * UINT64_C(0x100000001b3);
    uint32_t id = writer_stack(&t->writer, hash, flags, t->generation, frames, (uint16_t)n, frames, 0);
    if (!id)
        writer_lose(&t->writer, TRACE_LOST_STACKS, 1);
    return id;
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
    e->weight =
        (wait->flags & OFFCPU_UNFINISHED) ? 1 : wait_weight(wait->blocked_ns + wait->runqueue_ns, t->options->mean_ns);
    e->tid = thread->tid;
    e->stack = stack;
    e->slot = thread->slot;
    e->waker = wait->waker_tid;
    e->fd = fd;
    e->syscall = wait->syscall < 0 ? SYSCALL_NONE : (uint16_t)wait->syscall;
    e->cause = wait->cause;
    e->fd_kind = fd < 0 ? ENDPOINT_NONE : (uint16_t)target_fd_kind(t->pid, fd);
    e->flags = wait->flags | flags;
    writer_ring_commit(thread->ring);
}

/* Writes the pending waits up to `sequence` with this stack. */
static void pending_write(struct target *t, struct thread *thread, uint32_t sequence, const uint64_t *user,
                          size_t count, uint16_t stack_flags)
{
    size_t kept = 0;
    for (size_t i = 0; i < thread->pending_count; i++) {
        const struct offcpu_wait *wait = &thread->pending[i];
        bool own = wait->sequence == sequence;
        if (!own && (int32_t)(wait->sequence - sequence) > 0) {
            thread->pending[kept++] = *wait;
            continue;
        }
        bool has_stack = own && count > 0;
        uint32_t stack = stack_enter(t, wait, user, own ? count : 0, own ? stack_flags : 0);
        wait_write(t, thread, wait, stack, has_stack ? 0 : OFFCPU_FLAG_NO_STACK);
    }
    thread->pending_count = kept;
}

static void pending_flush(struct target *t, struct thread *thread)
{
    if (thread->pending_count)
        pending_write(t, thread, thread->pending[thread->pending_count - 1].sequence, NULL, 0, 0);
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

/* A program counter in no known image: a library was loaded, or the program is new. */
static bool frames_known(const struct target *t, const uint64_t *frames, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!images_has(t->images, frames[i]))
            return false;
    return true;
}

void target_stack(struct target *t, const struct offcpu_stack *stack)
{
    uint64_t frames[STACK_MAX_NATIVE];
    struct thread *thread = thread_get(t, stack->head.thread, stack->head.tid, NULL, stack->head.time_ns);
    uint64_t registers[OFFCPU_REGISTERS];
    struct images_thread copy = {(pid_t)stack->head.tid, registers, OFFCPU_REGISTERS, stack->bytes,
                                 stack->size < OFFCPU_STACK_BYTES ? stack->size : OFFCPU_STACK_BYTES};
    bool complete, truncated;
    if (!thread || !thread->pending_count)
        return;
    for (size_t i = 0; i < OFFCPU_REGISTERS; i++)
        registers[i] = stack->registers[i];
    size_t room = STACK_MAX_NATIVE - OFFCPU_KERNEL_FRAMES;
    size_t count = images_unwind(t->images, &copy, frames, room, &complete, &truncated);
    if (!complete && !truncated && !frames_known(t, frames, count) && kernel_now() > t->refreshed_ns + REFRESH_NS) {
        modules_refresh(t);
        count = images_unwind(t->images, &copy, frames, room, &complete, &truncated);
    }
    if (count > 0 && thread->pending[0].syscall < 0)
        frames[0]++; /* a fault: the counter is at the instruction, not behind it as in a return address */
    pending_write(t, thread, stack->sequence, frames, count,
                  (complete ? STACK_COMPLETE : 0) | (truncated ? STACK_TRUNCATED : 0));
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
    images_free(t->images);
    for (size_t i = 0; i < t->thread_count; i++)
        free(t->threads[i].pending);
    for (size_t i = 0; i < t->known_count; i++)
        free(t->known[i].path);
    free(t->threads);
    free(t->known);
    free(t->ksyms);
    writer_abandon(&t->writer);
    free(t);
}

int target_open(const struct target_options *options, pid_t pid, struct target **out)
{
    struct trace_header header;
    int rc = target_header_read(pid, &header);
    struct target *t = rc == 0 ? calloc(1, sizeof(*t)) : NULL;
    if (!t)
        return rc < 0 ? rc : -ENOMEM;
    t->options = options;
    t->pid = pid;
    t->process_start = header.process_start;
    header.sample_mean_ns = options->mean_ns;
    t->images = images_new(pid);
    rc = t->images ? trace_create(t, &header) : -ENOMEM;
    if (rc < 0) {
        target_free(t);
        return rc;
    }
    modules_refresh(t);
    *out = t;
    return 0;
}

void target_close(struct target *t, enum trace_reason reason, uint64_t now_ns)
{
    for (size_t i = 0; i < t->thread_count; i++)
        pending_flush(t, &t->threads[i]);
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
