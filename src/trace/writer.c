/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/compiler.h"
#include "base/sys.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14, madvise(2) */
#endif

#define INDEX_SIZE ALIGN_UP(SEGMENT_HEADER_SIZE + TRACE_STACK_BUCKETS * (uint32_t)sizeof(uint32_t), TRACE_PAGE)
#define LOCK_SPINS 64
#define LOCK_YIELDS 500
#define GROW_NAP_NS 100000
#define GROW_NAPS 1000

static char *payload_of(struct segment *s)
{
    return (char *)s + SEGMENT_HEADER_SIZE;
}

static uint64_t offset_of(const struct writer *w, const void *p)
{
    return (uint64_t)((const char *)p - (const char *)w->header);
}

/* Tries for a bounded time: a thread may be interrupted by a signal handler that wants the same lock. */
static bool spin_lock(const struct writer *w, uint32_t *lock)
{
    for (int i = 0; i < LOCK_SPINS + LOCK_YIELDS; i++) {
        if (!exchange_acq_rel(lock, 1))
            return true;
        if (i < LOCK_SPINS || load_relaxed(&w->frozen))
            __builtin_ia32_pause();
        else
            SYS_CALL(SYS_sched_yield, 0, 0, 0, 0, 0, 0); /* its holder is waiting for a processor */
    }
    return false;
}

static void spin_unlock(uint32_t *lock)
{
    store_release(lock, 0);
}

uint64_t writer_budget(const struct writer *w, enum writer_share share)
{
    return (w->capacity - TRACE_PAGE - INDEX_SIZE) / WRITER_WHOLE * share;
}

void writer_lose(struct writer *w, enum trace_lost cause, uint64_t count)
{
    /* What a process still does after its end, in other libraries' destructors, is no part of the recording. */
    if (w->header && load_relaxed(&w->header->state) != TRACE_FINISHED)
        add_relaxed(&w->header->lost[cause], count);
}

/* Makes [offset, offset + size) of the mapping safe to write. On kernels without MADV_POPULATE_WRITE the blocks are
   allocated through the path, which is as good a promise. */
static int back_range(struct writer *w, uint64_t offset, uint64_t size)
{
    int r = sys_madvise((char *)w->header + offset, size, MADV_POPULATE_WRITE);
    if (likely(r != -EINVAL))
        return r;
    int fd = sys_open(w->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
    if (fd < 0)
        return fd;
    r = sys_fallocate(fd, offset, size);
    sys_close(fd);
    return r;
}

/* Reserves `size` bytes of the file; 0: none left. */
static uint64_t reserve_bytes(struct writer *w, uint32_t size)
{
    uint64_t used = load_relaxed(&w->header->used);
    do {
        if ((used & TRACE_USED_CLOSED) || used + size > w->capacity)
            return 0;
    } while (!cas_acq_rel(&w->header->used, &used, used + size));
    return used;
}

struct segment *writer_segment(struct writer *w, enum segment_kind kind, uint32_t size, uint32_t owner)
{
    if (!w->header || load_relaxed(&w->frozen) || load_relaxed(&w->out_of_space))
        return NULL;
    uint64_t offset = reserve_bytes(w, size);
    if (!offset)
        return NULL;
    if (back_range(w, offset, size) < 0) {
        store_relaxed(&w->out_of_space, 1);
        store_relaxed(&w->header->reason, TRACE_REASON_SPACE);
        return NULL;
    }
    struct segment *s = (struct segment *)((char *)w->header + offset);
    s->kind = (uint16_t)kind;
    s->size = size;
    s->owner = owner;
    store_release(&s->magic, SEGMENT_MAGIC);
    return s;
}

static int map_file(struct writer *w, const char *path, uint64_t capacity)
{
    int fd = sys_open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fd;
    int r = sys_ftruncate(fd, capacity);
    if (r == 0) {
        void *base = sys_mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (sys_is_error(base))
            r = (int)(long)base;
        else
            w->header = base;
    }
    sys_close(fd);
    if (r < 0)
        sys_unlink(path);
    return r;
}

/* The list of full ring segments lives in private memory of the process: it is only needed while recording. */
static int full_list_create(struct writer *w)
{
    uint64_t entries = writer_budget(w, WRITER_RINGS) / RING_SEGMENT_SIZE + 1;
    void *list = sys_mmap(NULL, entries * sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (sys_is_error(list))
        return (int)(long)list;
    w->full = list;
    w->full_size = (uint32_t)entries;
    return 0;
}

int writer_create(struct writer *w, const char *path, uint64_t capacity, const struct trace_header *header)
{
    memset(w, 0, sizeof(*w));
    size_t length = strlen(path);
    if (length >= sizeof(w->path))
        return -ENAMETOOLONG;
    memcpy(w->path, path, length + 1);
    w->capacity = capacity & ~(uint64_t)(TRACE_PAGE - 1);
    int r = map_file(w, path, w->capacity);
    if (r < 0)
        return r;
    r = back_range(w, 0, TRACE_PAGE);
    if (r == 0)
        r = full_list_create(w);
    if (r < 0) {
        sys_unlink(path);
        writer_abandon(w);
        return r == -EFAULT ? -ENOSPC : r;
    }
    struct trace_header *h = w->header;
    *h = *header;
    h->version = TRACE_VERSION;
    h->endian = TRACE_ENDIAN;
    h->header_size = TRACE_PAGE;
    h->capacity = w->capacity;
    h->used = TRACE_PAGE;
    h->state = TRACE_RECORDING;
    signal_fence();
    memcpy(h->magic, TRACE_MAGIC, sizeof(h->magic)); /* last: now it is a trace */

    struct segment *index = writer_segment(w, SEGMENT_INDEX, INDEX_SIZE, 0);
    if (!index) { /* not even room for this: the disk is full */
        sys_unlink(path);
        writer_abandon(w);
        return -ENOSPC;
    }
    h->stack_buckets = (uint32_t)(offset_of(w, payload_of(index)) / 8);
    return 0;
}

void writer_finish(struct writer *w, enum trace_state state, enum trace_reason reason, uint64_t now_ns)
{
    struct trace_header *h = w->header;
    if (!h)
        return;
    h->end_mono_ns = now_ns;
    if (reason != TRACE_REASON_NONE)
        h->reason = reason;
    store_release(&h->state, state);
    /* From here on nobody can reserve bytes beyond `used`, so they may be cut off. */
    uint64_t used = __atomic_fetch_or(&h->used, TRACE_USED_CLOSED, __ATOMIC_ACQ_REL) & ~TRACE_USED_CLOSED;
    if (!exchange_acq_rel(&w->frozen, 1))
        sys_truncate(w->path, used);
}

void writer_abandon(struct writer *w)
{
    if (w->header)
        sys_munmap(w->header, w->capacity);
    if (w->full)
        sys_munmap(w->full, w->full_size * sizeof(uint32_t));
    memset(w, 0, sizeof(*w));
}

/* ---- rings ------------------------------------------------------------------------------------------------ */

/* Appends to the list; the lock is held. There is room: the list has a place for every segment that the budget allows.
 */
static void full_append(struct writer *w, uint32_t page)
{
    w->full[(w->full_head + w->full_count) % w->full_size] = page;
    w->full_count++;
}

/* Takes in what threads that found the lock taken have left; the lock is held. */
static void full_gather(struct writer *w)
{
    for (int i = 0; i < WRITER_STRAYS; i++) {
        uint32_t page = load_relaxed(&w->strays[i]) ? exchange_acq_rel(&w->strays[i], 0) : 0;
        if (page)
            full_append(w, page);
    }
}

/* Leaves a segment for the next thread that has the lock. Where there is no place either it keeps its records, but is
   not used again. */
static void full_stray(struct writer *w, uint32_t page)
{
    for (int i = 0; i < WRITER_STRAYS; i++) {
        uint32_t none = 0;
        if (cas_acq_rel(&w->strays[i], &none, page))
            return;
    }
}

/* Queues a filled segment for recycling. Its pages are dropped from the process (they stay in the file), which keeps
   the recorder's resident memory at one segment a thread. */
static void full_push(struct writer *w, struct segment *s)
{
    uint32_t page = (uint32_t)(offset_of(w, s) / TRACE_PAGE);
    if (!load_relaxed(&w->frozen))
        sys_madvise(s, s->size, MADV_DONTNEED);
    if (!spin_lock(w, &w->full_lock)) {
        full_stray(w, page);
        return;
    }
    full_append(w, page);
    full_gather(w);
    spin_unlock(&w->full_lock);
}

static struct segment *full_pop(struct writer *w)
{
    struct segment *s = NULL;
    if (!spin_lock(w, &w->full_lock))
        return NULL;
    full_gather(w);
    if (w->full_count) {
        s = (struct segment *)((char *)w->header + (uint64_t)w->full[w->full_head] * TRACE_PAGE);
        w->full_head = (w->full_head + 1) % w->full_size;
        w->full_count--;
    }
    spin_unlock(&w->full_lock);
    return s;
}

/* Starts `s` over for `owner`. Generation changes before anything else does: a reader that copied the old content sees
 * it. */
static void ring_restart(struct writer *w, struct segment *s, uint32_t owner)
{
    uint64_t records = s->used / RING_RECORD_SIZE;
    if (records)
        writer_lose(w, TRACE_LOST_OVERWRITTEN, records);
    store_release(&s->generation, add_relaxed(&w->ring_generation, 1) + 1);
    store_release(&s->used, 0);
    s->owner = owner;
}

static bool take_share(const struct writer *w, uint64_t *bytes, enum writer_share share, uint32_t size)
{
    if (add_relaxed(bytes, size) + size <= writer_budget(w, share))
        return true;
    add_relaxed(bytes, -(uint64_t)size);
    return false;
}

static struct segment *ring_next(struct writer *w, struct segment *current, uint32_t owner)
{
    struct segment *s = NULL;
    if (take_share(w, &w->ring_bytes, WRITER_RINGS, RING_SEGMENT_SIZE)) {
        s = writer_segment(w, SEGMENT_RING, RING_SEGMENT_SIZE, owner);
        if (!s)
            add_relaxed(&w->ring_bytes, -(uint64_t)RING_SEGMENT_SIZE);
    }
    if (!s && !load_relaxed(&w->frozen))
        s = full_pop(w);
    if (s && current)
        full_push(w, current);
    else if (!s)
        s = current; /* no other one: the thread overwrites its own */
    if (s)
        ring_restart(w, s, owner);
    return s;
}

void *writer_ring_reserve(struct writer *w, struct segment **segment, uint32_t owner)
{
    struct segment *s = *segment;
    if (unlikely(!s || SEGMENT_HEADER_SIZE + s->used + RING_RECORD_SIZE > RING_SEGMENT_SIZE)) {
        s = ring_next(w, s, owner);
        if (!s) {
            writer_lose(w, TRACE_LOST_RING_FULL, 1);
            return NULL;
        }
        *segment = s;
    }
    return payload_of(s) + s->used;
}

void writer_ring_commit(struct segment *segment)
{
    store_release(&segment->used, segment->used + RING_RECORD_SIZE); /* pairs with the reader's load of used */
}

void writer_ring_release(struct writer *w, struct segment *segment)
{
    if (segment && w->header)
        full_push(w, segment);
}

/* ---- segments with many writers: LOG and STACKS ----------------------------------------------------------------- */

static struct segment *shared_segment(struct writer *w, struct writer_shared *shared, enum segment_kind kind,
                                      uint32_t size, enum writer_share share)
{
    if (!take_share(w, &shared->bytes, share, size))
        return NULL;
    struct segment *s = writer_segment(w, kind, size, 0);
    if (!s)
        add_relaxed(&shared->bytes, -(uint64_t)size);
    return s;
}

/* Waits while another thread makes the segment after `full`. False: it is there, or this thread was making it, and is
   now below a signal handler. A thread that does not get on (it may have been cancelled) is replaced. */
static bool grow_begin(struct writer *w, struct writer_shared *shared, const struct segment *full)
{
    const struct timespec nap = {0, GROW_NAP_NS};
    uint32_t own = (uint32_t)sys_gettid();
    for (int i = 0; load_acquire(&shared->current) == full; i++) {
        uint32_t maker = 0;
        if (cas_acq_rel(&shared->growing, &maker, own))
            return true;
        if (maker == own)
            return false;
        if (i == LOCK_SPINS + GROW_NAPS)
            return cas_acq_rel(&shared->growing, &maker, own);
        if (i < LOCK_SPINS || load_relaxed(&w->frozen))
            __builtin_ia32_pause();
        else
            SYS_CALL(SYS_nanosleep, &nap, NULL, 0, 0, 0, 0);
    }
    return false;
}

static void grow_end(struct writer_shared *shared)
{
    uint32_t own = (uint32_t)sys_gettid();
    cas_acq_rel(&shared->growing, &own, 0);
}

/* The segment after `full`; NULL: budget or disk exhausted. Threads that want it at once wait for the one that makes
   it: segments that each made for itself would be wasted. */
static struct segment *shared_grow(struct writer *w, struct writer_shared *shared, enum segment_kind kind,
                                   uint32_t size, enum writer_share share, struct segment *full)
{
    bool begun = grow_begin(w, shared, full);
    struct segment *s = load_acquire(&shared->current);
    if (s == full) {
        struct segment *fresh = shared_segment(w, shared, kind, size, share);
        if (fresh && cas_acq_rel(&shared->current, &s, fresh))
            s = fresh;
    }
    if (begun)
        grow_end(shared);
    return s == full ? NULL : s;
}

/* Bytes in the shared segment, a new one where it is full. NULL: budget or disk exhausted. */
static void *shared_reserve(struct writer *w, struct writer_shared *shared, enum segment_kind kind,
                            uint32_t segment_size, enum writer_share share, uint32_t size)
{
    struct segment *s = load_acquire(&shared->current);
    do {
        uint32_t used = s ? load_relaxed(&s->used) : 0;
        while (s && SEGMENT_HEADER_SIZE + used + size <= s->size)
            if (cas_acq_rel(&s->used, &used, used + size))
                return payload_of(s) + used;
        s = shared_grow(w, shared, kind, segment_size, share, s);
    } while (s);
    return NULL;
}

bool writer_log_scarce(const struct writer *w)
{
    const struct segment *s = load_acquire(&w->log.current);
    uint64_t filled = load_relaxed(&w->log.bytes) - (s ? s->size - load_relaxed(&s->used) : 0);
    return filled > writer_budget(w, WRITER_LOG) / 2;
}

struct event_header *writer_log_reserve(struct writer *w, uint32_t size, uint32_t tail)
{
    uint32_t total = ALIGN_UP(size + tail, EVENT_ALIGN);
    if (!w->header)
        return NULL;
    if (total > LOG_RECORD_MAX) {
        writer_lose(w, TRACE_LOST_TOO_BIG, 1);
        return NULL;
    }
    struct event_header *e = shared_reserve(w, &w->log, SEGMENT_LOG, LOG_SEGMENT_SIZE, WRITER_LOG, total);
    if (!e) {
        writer_lose(w, TRACE_LOST_RING_FULL, 1);
        return NULL;
    }
    store_release(&e->size, total); /* first: a reader can step over it whatever happens next */
    e->magic = EVENT_MAGIC;
    return e;
}

event_str_t writer_log_string(struct event_header *record, uint32_t *cursor, const void *bytes, size_t length)
{
    event_str_t s = {(uint16_t)*cursor, (uint16_t)length};
    memcpy((char *)record + *cursor, bytes, length);
    *cursor += (uint32_t)length;
    return s;
}

void writer_log_commit(struct event_header *record, enum event_type type)
{
    store_release(&record->type, (uint16_t)type); /* pairs with the reader: type != 0 means complete */
}

static uint32_t stack_find(const struct writer *w, uint32_t id, uint64_t hash)
{
    while (id) {
        const struct trace_stack *e = (const struct trace_stack *)((const char *)w->header + (uint64_t)id * 8);
        if (e->hash == hash)
            return id;
        id = e->next;
    }
    return 0;
}

uint32_t writer_stack(struct writer *w, uint64_t hash, uint16_t flags, uint32_t modules, const uint64_t *native,
                      uint16_t native_count, const uint64_t *python, uint16_t python_count)
{
    if (!w->header || !w->header->stack_buckets)
        return 0;
    uint32_t *buckets = (uint32_t *)((char *)w->header + (uint64_t)w->header->stack_buckets * 8);
    uint32_t *bucket = &buckets[hash % TRACE_STACK_BUCKETS];
    uint32_t head = load_acquire(bucket);
    uint32_t id = stack_find(w, head, hash);
    if (id)
        return id;
    uint32_t size = (uint32_t)(sizeof(struct trace_stack) + 8u * (native_count + python_count));
    struct trace_stack *e = shared_reserve(w, &w->stacks, SEGMENT_STACKS, STACKS_SEGMENT_SIZE, WRITER_STACKS, size);
    if (!e)
        return 0;
    e->flags = flags;
    e->native = native_count;
    e->python = python_count;
    e->modules = modules;
    e->hash = hash;
    memcpy(e->frames, native, 8u * native_count);
    memcpy(e->frames + native_count, python, 8u * python_count);
    store_release(&e->magic, STACK_MAGIC);
    id = (uint32_t)(offset_of(w, e) / 8);
    do /* two threads may enter the same stack at once: both entries are valid */
        e->next = head;
    while (!cas_acq_rel(bucket, &head, id));
    return id;
}
