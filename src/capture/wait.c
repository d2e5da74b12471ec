/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/wait.h"

#include <string.h>

#include "capture/connecting.h"
#include "capture/context.h"
#include "capture/conversation.h"
#include "capture/endpoint.h"
#include "capture/fdtable.h"
#include "capture/locks.h"
#include "capture/lockset.h"
#include "capture/modules.h"
#include "capture/oncpu.h"
#include "capture/put.h"
#include "capture/python.h"
#include "capture/sampler.h"
#include "capture/serving.h"
#include "capture/slots.h"
#include "capture/stack.h"
#include "capture/traffic.h"

#define LOOP_TURNS 8              /* a thread that went round so often is worth watching while it computes */
#define HABIT_MAX 16              /* waits for one descriptor in a row after which a place is no loop's any more */
#define CPU_INTERVAL_NS 10000000u /* how often a loop thread's CPU clock is read */

/* ---- turns of event loops --------------------------------------------------------------------------------------- */

/* Index of the thread's record for this call site and epoll set; those beyond TRACE_SITES share the last. */
static int site_find(struct thread *t, uintptr_t pc, int epoll)
{
    for (int i = 0; i < TRACE_SITES; i++) {
        if (t->turns[i].pc == pc && t->turns[i].epoll == epoll)
            return i;
        if (!t->turns[i].pc) {
            t->turns[i].pc = pc;
            t->turns[i].epoll = epoll;
            return i;
        }
    }
    return TRACE_SITES - 1;
}

bool wait_is_loops_own(uintptr_t site, int fd)
{
    struct thread *t = &thread_self;
    if (t->in_vfork || python_active())
        return false;
    for (int i = 0; i < TRACE_SITES && t->turns[i].pc; i++) {
        struct turn *turn = &t->turns[i];
        if (turn->pc != site || turn->epoll >= 0)
            continue;
        if (turn->habit > -HABIT_MAX)
            turn->habit--;
        return turn->habit >= 0 || fd_is_listener(fd);
    }
    return false;
}

/* The endpoint of a call site: its address, and the number of the epoll descriptor as text. */
static uint32_t site_endpoint(const struct turn *turn)
{
    char text[32];
    size_t length = 0;
    if (turn->epoll >= 0)
        length = (size_t)(put_unsigned(put_text(text, "epoll "), (uint64_t)turn->epoll, 10) - text);
    modules_find(turn->pc); /* a loop that never waits long has no stack to enter its library */
    return endpoint_intern(ENDPOINT_WAITSET, ROLE_NONE, text, length, turn->pc);
}

static void read_cpu(struct thread *t, uint64_t now)
{
    struct trace_thread_slot *slot = t->slot->data;
    uint64_t cpu = clock_thread_cpu();
    if (!slot->cpu_first_at_ns) {
        slot->cpu_first_ns = cpu;
        slot->cpu_first_at_ns = now;
    }
    slot->cpu_last_ns = cpu;
    slot->cpu_last_at_ns = now;
    t->cpu_at_ns = now;
}

/* CPU time since `since`, from the reading before it: exact but for what was used between that reading and `since`,
   which is less than CPU_INTERVAL_NS and taken off as a whole. */
static uint64_t cpu_since(struct thread *t, uint64_t since, uint64_t now)
{
    struct trace_thread_slot *slot = t->slot->data;
    uint64_t before = slot->cpu_last_ns, before_at = slot->cpu_last_at_ns;
    if (!before_at)
        return UINT64_MAX;
    read_cpu(t, now);
    uint64_t used = slot->cpu_last_ns - before;
    uint64_t gap = since > before_at ? since - before_at : 0;
    return used > gap ? used - gap : 0;
}

static void turn_record(struct thread *t, const struct turn *turn, uint64_t end_ns, uint32_t endpoint, uint32_t serving)
{
    uint64_t cpu = cpu_since(t, turn->end_ns, end_ns);
    context_record(t, turn->end_ns, &(struct context){.serving = serving});
    struct event_turn *e = writer_ring_reserve(&recorder.writer, &t->ring, t->slot->number);
    if (!e)
        return;
    memset(e, 0, sizeof(*e));
    e->header = (struct event_header){EVENT_MAGIC, EVENT_TURN, sizeof(*e), turn->end_ns};
    e->duration_ns = end_ns - turn->end_ns;
    e->blocked_ns = t->blocked_ns - turn->blocked_ns;
    e->cpu_ns = cpu;
    e->tid = t->tid;
    e->endpoint = endpoint;
    e->waits = (uint32_t)(t->waits - turn->waits);
    e->slot = t->slot->number;
    writer_ring_commit(t->ring);
}

/* A wait on a set begins at w->begin_ns: the turn since the last one at this site is over. */
static uint32_t site_wait(struct thread *t, const struct wait *w, uint64_t now)
{
    int i = site_find(t, w->site, w->epoll);
    struct turn *turn = &t->turns[i];
    struct trace_site *site = &t->slot->data->sites[i];
    uint32_t serving = serving_turn(t, w->begin_ns);
    if (!site->endpoint) {
        site->first_ns = w->begin_ns;
        site->endpoint = site_endpoint(turn);
    }
    if (turn->end_ns && turn->end_ns <= w->begin_ns) {
        uint64_t duration = w->begin_ns - turn->end_ns;
        site->turns++;
        site->turn_ns += duration;
        site->turn_max_ns = duration > site->turn_max_ns ? duration : site->turn_max_ns;
        site->turn_hist[duration ? 63 - __builtin_clzll(duration) : 0]++;
        if (duration >= recorder.settings.stall_ns)
            turn_record(t, turn, w->begin_ns, site->endpoint, serving);
    }
    if (w->fds >= 2 && turn->habit < HABIT_MAX)
        turn->habit++;
    if (unlikely(!t->watched) && site->turns >= LOOP_TURNS)
        oncpu_watch(t);
    site->max_fds = w->fds > site->max_fds ? w->fds : site->max_fds;
    site->waits++;
    site->idle_ns += now - w->begin_ns;
    site->last_ns = now;
    if (now - t->cpu_at_ns >= CPU_INTERVAL_NS)
        read_cpu(t, now);
    return site->endpoint;
}

/* Where the next turn begins; after the wait itself has been added to the thread's totals. */
static void site_leave(struct thread *t, const struct wait *w, uint64_t now)
{
    struct turn *turn = &t->turns[site_find(t, w->site, w->epoll)];
    turn->end_ns = now;
    turn->blocked_ns = t->blocked_ns;
    turn->waits = t->waits;
}

static bool call_sends(uint16_t call)
{
    switch (call) {
    case CALL_send:
    case CALL_sendto:
    case CALL_sendmsg:
    case CALL_sendmmsg:
    case CALL_write:
    case CALL_writev:
    case CALL_sendfile:
    case CALL_fwrite:
    case CALL_fflush:
        return true;
    default:
        return false;
    }
}

/* ---- counting and sampling ----------------------------------------------------------------------------------------
 */

/* The thread's counter, mostly the one that was used last for this call. */
static struct trace_counter *recent_counter(struct thread *t, uint16_t call, uint16_t flags, uint32_t endpoint)
{
    struct trace_counter **recent = &t->recent[call % THREAD_RECENT];
    struct trace_counter *c = *recent;
    if (likely(c && c->call == call && c->endpoint == endpoint && c->flags == flags))
        return c;
    return *recent = slot_counter(t->slot, call, flags, endpoint);
}

static void count(struct thread *t, const struct wait *w, uint32_t endpoint, uint64_t duration)
{
    struct trace_counter *c = recent_counter(t, w->call, w->flags & (WAIT_WAITSET | WAIT_SERVER_SIDE), endpoint);
    if (unlikely(!c)) {
        writer_lose(&recorder.writer, TRACE_LOST_RING_FULL, 1);
        return;
    }
    if (!c->count)
        c->first_ns = w->begin_ns;
    c->total_ns += duration;
    c->max_ns = duration > c->max_ns ? duration : c->max_ns;
    c->bytes += w->bytes;
    c->failed += (w->flags & WAIT_FAILED) != 0;
    c->last_ns = w->begin_ns + duration;
    store_release(&c->count, c->count + 1);
}

/* What the wait was for, which request the thread was at work on, and which locks it held meanwhile. */
static void sample_context(struct thread *t, const struct wait *w)
{
    const struct fd_entry *e = w->site ? NULL : fd_entry_at(w->fd);
    uint32_t conversation = e ? load_relaxed(&e->conversation) : 0;
    struct context context = {
        .operation = conversation ? conversation_operation(conversation, call_sends(w->call)) : 0,
        .locks = lockset_self.depth ? locks_set(0) : 0,
        .lock = w->owner ? w->endpoint : 0,
        .owner = w->owner,
        .owner_stack = w->owner_stack,
    };
    context.serving = serving_now(t, &context.fiber);
    context_record(t, w->begin_ns, &context);
}

static COLD void sample(struct thread *t, const struct wait *w, uint32_t endpoint, uint64_t duration)
{
    uint16_t flags = w->flags;
    uint32_t stack = stack_capture(t);
    if (!stack)
        flags |= WAIT_NO_STACK;
    if (python_active() && python_gil_held())
        flags |= WAIT_GIL_HELD;
    sample_context(t, w);
    struct event_wait *e = writer_ring_reserve(&recorder.writer, &t->ring, t->slot->number);
    if (!e)
        return;
    memset(e, 0, sizeof(*e));
    e->header = (struct event_header){EVENT_MAGIC, EVENT_WAIT, sizeof(*e), w->begin_ns};
    e->duration_ns = duration;
    e->weight = sampler_weight(duration, recorder.settings.sample_ns);
    e->tid = t->tid;
    e->stack = stack;
    e->endpoint = endpoint;
    e->fd = w->fd;
    e->call = w->call;
    e->flags = flags;
    e->error = w->error;
    e->fds = w->fds;
    e->result = w->result;
    e->slot = t->slot->number;
    writer_ring_commit(t->ring);
}

static bool chosen(struct thread *t, uint64_t duration)
{
    if (duration >= recorder.settings.sample_ns)
        return true; /* the exponential distribution has no memory: the credit stays as it is */
    t->credit_ns -= (int64_t)duration;
    if (likely(t->credit_ns > 0))
        return false;
    t->credit_ns = sampler_draw(&t->random, recorder.settings.sample_ns);
    return true;
}

bool wait_chosen(uint64_t duration_ns)
{
    struct thread *t = &thread_self;
    return !t->slot || t->busy || chosen(t, duration_ns); /* a thread's first wait prepares it */
}

enum draw { DRAW_NOW, DRAW_CHOSEN, DRAW_COUNTED };

static ALWAYS_INLINE void wait_write(const struct wait *w, enum draw draw)
{
    struct thread *t = &thread_self;
    uint64_t now = w->end_ns;
    if (unlikely(!thread_enter(t, FRAME_ADDRESS))) {
        writer_lose(&recorder.writer, TRACE_LOST_NESTED, 1);
        return;
    }
    if (likely(t->slot != NULL) || thread_prepare(t, w->begin_ns)) {
        uint64_t duration = now > w->begin_ns ? now - w->begin_ns : 0;
        uint32_t endpoint = w->site ? site_wait(t, w, now) : w->endpoint;
        if (!w->site) {
            t->blocked_ns += duration;
            t->waits++;
        }
        count(t, w, endpoint, duration);
        if (draw == DRAW_CHOSEN || (draw == DRAW_NOW && chosen(t, duration)))
            sample(t, w, endpoint, duration);
        if (w->site) {
            t->blocked_ns += duration; /* for the turns of other sites */
            site_leave(t, w, now);
        }
    }
    thread_leave(t);
}

HOT void wait_end(const struct wait *w)
{
    if (unlikely(lockset_self.late.begin_ns))
        lock_late();
    wait_write(w, DRAW_NOW);
}

void wait_end_drawn(const struct wait *w, bool chosen_before)
{
    wait_write(w, chosen_before ? DRAW_CHOSEN : DRAW_COUNTED);
}

/* The counter of a call that did not wait. */
static NOINLINE struct trace_counter *recent_find(struct thread *t, enum call_number call, uint16_t flags,
                                                  uint32_t endpoint)
{
    uint64_t now = clock_now();
    if (!t->slot && !thread_prepare(t, now))
        return NULL;
    struct trace_counter *c = recent_counter(t, (uint16_t)call, flags, endpoint);
    if (c && !c->count)
        c->first_ns = c->last_ns = now;
    return c;
}

static void count_none(struct trace_counter *c, long result)
{
    if (likely(result > 0))
        c->bytes += (uint64_t)result;
    else if (result < 0)
        c->failed++;
    store_release(&c->count, c->count + 1);
}

static NOINLINE void wait_none_find(enum call_number call, int fd, long result)
{
    struct thread *t = &thread_self;
    if (!recorder_on() || t->in_vfork || thread_mark_holds(t, t->composite, FRAME_ADDRESS))
        return;
    if (!thread_enter(t, FRAME_ADDRESS)) {
        writer_lose(&recorder.writer, TRACE_LOST_NESTED, 1);
        return;
    }
    struct trace_counter *c = recent_find(t, call, fd_wait_flags(fd), fd_endpoint(fd, false));
    if (c)
        count_none(c, result);
    thread_leave(t);
}

/* This costs every send and receive that did not wait, so the usual case, the same counter as last time, is decided by
 * comparisons alone. */
HOT void wait_none(enum call_number call, int fd, long result)
{
    struct thread *t = &thread_self;
    struct trace_counter *c = t->recent[(unsigned)call % THREAD_RECENT];
    const struct fd_entry *e = fd_entry_at(fd);
    uint16_t flags = likely(e != NULL) ? load_relaxed(&e->flags) : 0;
    uint16_t side = flags & FD_SERVER ? WAIT_SERVER_SIDE : 0;
    if (unlikely(!recorder_on() || !c || !(flags & FD_KNOWN) || c->call != call || c->endpoint != e->endpoint ||
                 c->flags != side || t->busy || t->composite || t->in_vfork)) {
        wait_none_find(call, fd, result);
        return;
    }
    t->busy = FRAME_ADDRESS;
    signal_fence();
    count_none(c, result);
    thread_leave(t);
}

void wait_end_until(enum call_number call, int fd, uint64_t begin_ns, uint64_t end_ns, long result, uint64_t bytes)
{
    if (!begin_ns)
        return;
    bool slow = end_ns - begin_ns >= recorder.settings.sample_ns; /* worth the look-up of a file's path */
    struct wait w = {.begin_ns = begin_ns,
                     .end_ns = end_ns,
                     .bytes = bytes,
                     .endpoint = fd_endpoint(fd, slow),
                     .fd = fd,
                     .result = (int32_t)result,
                     .call = (uint16_t)call,
                     .flags = (uint16_t)(fd_wait_flags(fd) | (result < 0 ? WAIT_FAILED : 0)),
                     .error = (uint16_t)(result < 0 ? errno : 0),
                     .fds = 1};
    wait_end(&w);
}

void wait_end_bytes(enum call_number call, int fd, uint64_t begin_ns, long result, uint64_t bytes)
{
    if (begin_ns)
        wait_end_until(call, fd, begin_ns, clock_now(), result, bytes);
}

void wait_end_fd(enum call_number call, int fd, uint64_t begin_ns, long result)
{
    wait_end_bytes(call, fd, begin_ns, result, result > 0 ? (uint64_t)result : 0);
}

void wait_end_connect(int fd, uint64_t begin_ns, int result, const struct sockaddr *address, socklen_t length,
                      bool waited)
{
    uint64_t end_ns = clock_now();
    int error = result < 0 && errno != EINPROGRESS ? errno : 0;
    uint32_t endpoint = endpoint_address(ROLE_CLIENT, address, length);
    struct wait w = {.begin_ns = begin_ns,
                     .end_ns = waited ? end_ns : begin_ns,
                     .endpoint = endpoint,
                     .fd = fd,
                     .result = result,
                     .call = CALL_connect,
                     .flags = error ? WAIT_FAILED : 0,
                     .error = (uint16_t)error,
                     .fds = 1};
    if (!error)
        fd_connected(fd, endpoint);
    wait_end(&w);
    if (!error)
        traffic_connected(fd, address, length);
    connecting_called(fd, endpoint, begin_ns, end_ns, result < 0 ? errno : 0, waited);
}

void wait_end_ready(enum call_number call, int fd, uint64_t begin_ns, int result)
{
    struct wait w = {
        .begin_ns = begin_ns,
        .end_ns = clock_now(),
        .endpoint = fd >= 0 ? fd_endpoint(fd, false) : 0,
        .fd = fd,
        .result = result,
        .call = (uint16_t)call,
        .flags = (uint16_t)(fd_wait_flags(fd) | (result < 0 ? WAIT_FAILED : 0) | (result == 0 ? WAIT_TIMED_OUT : 0)),
        .error = (uint16_t)(result < 0 ? errno : 0),
        .fds = fd >= 0};
    wait_end(&w);
}

void wait_end_at(enum call_number call, int fd, uint32_t endpoint, uint64_t begin_ns, long result)
{
    if (!begin_ns)
        return;
    struct wait w = {.begin_ns = begin_ns,
                     .end_ns = clock_now(),
                     .endpoint = endpoint,
                     .fd = fd,
                     .result = (int32_t)result,
                     .call = (uint16_t)call,
                     .flags = result < 0 ? WAIT_FAILED : 0,
                     .error = (uint16_t)(result < 0 ? errno : 0),
                     .fds = 1};
    wait_end(&w);
}

void wait_end_plain(enum call_number call, uint64_t begin_ns, long result, int error)
{
    if (!begin_ns)
        return;
    struct wait w = {.begin_ns = begin_ns,
                     .end_ns = clock_now(),
                     .fd = -1,
                     .result = (int32_t)result,
                     .call = (uint16_t)call,
                     .flags = error ? WAIT_FAILED : 0,
                     .error = (uint16_t)error};
    wait_end(&w);
}

void wait_end_named(enum call_number call, uint64_t begin_ns, long result, int error, enum endpoint_kind kind,
                    const char *name)
{
    if (!begin_ns)
        return;
    struct wait w = {.begin_ns = begin_ns,
                     .end_ns = clock_now(),
                     .endpoint = endpoint_intern(kind, ROLE_NONE, name ? name : "", name ? strlen(name) : 0, 0),
                     .fd = -1,
                     .result = (int32_t)result,
                     .call = (uint16_t)call,
                     .flags = error ? WAIT_FAILED : 0,
                     .error = (uint16_t)error};
    wait_end(&w);
}

void wait_end_set(enum call_number call, uintptr_t site, int epoll, uint64_t begin_ns, int result, uint32_t fds)
{
    if (!begin_ns)
        return;
    struct wait w = {.begin_ns = begin_ns,
                     .end_ns = clock_now(),
                     .site = site,
                     .fd = epoll,
                     .result = result,
                     .epoll = epoll,
                     .call = (uint16_t)call,
                     .flags =
                         (uint16_t)(WAIT_WAITSET | (result < 0 ? WAIT_FAILED : 0) | (result == 0 ? WAIT_TIMED_OUT : 0)),
                     .error = (uint16_t)(result < 0 ? errno : 0),
                     .fds = (uint16_t)(fds < UINT16_MAX ? fds : UINT16_MAX)};
    wait_end(&w);
}
