/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/connecting.h"

#include <string.h>
#include <sys/socket.h>

#include "base/compiler.h"
#include "base/sys.h"
#include "capture/fdtable.h"
#include "capture/recorder.h"
#include "capture/slots.h"
#include "capture/stack.h"
#include "capture/thread.h"

#define PENDING_MAX 1024u
#define PROBES 16u
#define ENDPOINTS 8200u /* numbers that endpoint.c gives out, and two */
#define WINDOW_NS UINT64_C(1000000000)
#define WINDOW_MOST 100u /* of one kind with one endpoint that are recorded in a second; then every other one, … */

/* A connect whose outcome is not known. */
struct attempt {
    uint64_t begin_ns;
    uint32_t taken; /* any */
    uint32_t tid;
    uint32_t slot;
    uint32_t stack;
    uint32_t endpoint;
    int32_t fd;
    uint32_t weight; /* how many it stands for; 0: it is not recorded */
};
static struct attempt attempts[PENDING_MAX];
static uint32_t next_attempt; /* any */

/* What was recorded of one kind of connects with an endpoint: every `every`th. Races lose a count, no more. */
struct history {
    uint32_t seen;
    uint32_t every;    /* 0: 1 */
    uint32_t recorded; /* in this window */
    uint32_t unused;
    uint64_t window_ns; /* when it began */
};
enum kind { KIND_SUCCEEDED, KIND_FAILED, KIND_PENDING, KINDS };
static struct history histories[KINDS][ENDPOINTS];

/* How many the next one of this kind stands for, 0: it is not recorded. The choice falls when the stack can be taken,
   before the outcome of pending ones is known. */
static uint32_t choose(enum kind kind, uint32_t endpoint, uint64_t now)
{
    struct history *h = &histories[kind][endpoint < ENDPOINTS ? endpoint : 1];
    if (now - h->window_ns >= WINDOW_NS) {
        h->every = h->recorded < WINDOW_MOST / 4 ? h->every / 2 : h->every;
        h->window_ns = now;
        h->recorded = 0;
    }
    if (h->recorded >= WINDOW_MOST) {
        h->every = h->every ? 2 * h->every : 2;
        h->recorded = 0;
    }
    if (h->every && h->seen++ % h->every)
        return 0;
    h->recorded++;
    return h->every ? h->every : 1;
}

/* The outcome is known. The thread has entered the recorder. */
static void conclude(struct thread *t, const struct attempt *a, uint64_t end_ns, int error, uint16_t flags)
{
    struct event_connect *e = a->weight ? writer_ring_reserve(&recorder.writer, &t->ring, t->slot->number) : NULL;
    if (!e)
        return;
    memset(e, 0, sizeof(*e));
    e->header = (struct event_header){EVENT_MAGIC, EVENT_CONNECT, sizeof(*e), a->begin_ns};
    e->duration_ns = end_ns > a->begin_ns ? end_ns - a->begin_ns : 0;
    e->weight = (float)a->weight;
    e->tid = a->tid;
    e->stack = a->stack;
    e->endpoint = a->endpoint;
    e->fd = a->fd;
    e->slot = a->slot;
    e->error = (uint16_t)error;
    e->flags = flags;
    writer_ring_commit(t->ring);
}

static bool enter(struct thread *t)
{
    if (!recorder_on() || t->in_vfork || !thread_enter(t, FRAME_ADDRESS))
        return false;
    if (t->slot || thread_prepare(t, clock_now()))
        return true;
    thread_leave(t);
    return false;
}

/* Takes the attempt off the descriptor; false: somebody else has. */
static bool attempt_take(struct fd_entry *e, struct attempt *a)
{
    uint32_t place = exchange_acq_rel(&e->connecting, 0);
    fd_flags_clear(e, FD_CONNECTING);
    if (!place)
        return false;
    *a = attempts[place - 1];
    store_release(&attempts[place - 1].taken, 0);
    return true;
}

static void attempt_end(int fd, int error, uint16_t flags)
{
    struct thread *t = &thread_self;
    struct fd_entry *e = fd_entry_at(fd);
    struct attempt a;
    if (!e || !enter(t))
        return;
    if (attempt_take(e, &a))
        conclude(t, &a, clock_now(), error, CONNECT_PENDING | flags);
    thread_leave(t);
}

static void attempt_keep(int fd, const struct attempt *a)
{
    struct fd_entry *e = fd_entry_at(fd);
    for (uint32_t i = 0; e && i < PROBES; i++) {
        uint32_t place = add_relaxed(&next_attempt, 1) % PENDING_MAX;
        uint32_t none = 0;
        if (!cas_acq_rel(&attempts[place].taken, &none, 1))
            continue;
        attempts[place] = *a;
        attempts[place].taken = 1;
        store_release(&e->connecting, place + 1);
        fd_flags_set(e, FD_CONNECTING);
        return;
    }
}

static bool is_connected(int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    return SYS_CALL(SYS_getpeername, fd, &address, &length, 0, 0, 0) == 0;
}

/* A second connect on the same descriptor: it asks for the outcome of the first. True: it was one. */
static bool called_again(int fd, int error)
{
    const struct fd_entry *e = fd_entry_at(fd);
    if (!e || !(load_relaxed(&e->flags) & FD_CONNECTING))
        return false;
    if (error == 0 || error == EISCONN)
        attempt_end(fd, 0, 0);
    else if (error != EALREADY && error != EINPROGRESS && error != EINTR)
        attempt_end(fd, error, 0);
    return true;
}

void connecting_called(int fd, uint32_t endpoint, uint64_t begin_ns, uint64_t end_ns, int error, bool waits)
{
    struct thread *t = &thread_self;
    if (!endpoint || called_again(fd, error) || !enter(t))
        return;
    struct attempt a = {.begin_ns = begin_ns, .tid = t->tid, .slot = t->slot->number, .endpoint = endpoint, .fd = fd};
    bool pending = error == EINPROGRESS || error == EINTR; /* EINTR: it goes on without the program */
    a.weight = choose(pending ? KIND_PENDING : error ? KIND_FAILED : KIND_SUCCEEDED, endpoint, end_ns);
    if (a.weight)
        a.stack = stack_capture(t);
    if (pending)
        attempt_keep(fd, &a);
    else
        conclude(t, &a, end_ns, error, waits ? 0 : CONNECT_PENDING);
    thread_leave(t);
}

void connecting_asked(int fd, int error)
{
    const struct fd_entry *e = fd_entry_at(fd);
    if (!e || !(load_relaxed(&e->flags) & FD_CONNECTING))
        return;
    if (error || is_connected(fd)) /* no error: connected, or not yet */
        attempt_end(fd, error, 0);
}

void connecting_moved(int fd, int error)
{
    switch (error) {
    case EAGAIN:
    case EINTR:
    case ENOTCONN:
    case EINPROGRESS:
    case EALREADY:
    case EFAULT:
        break;
    default:
        attempt_end(fd, error, 0);
    }
}

void connecting_closing(int fd)
{
    const struct fd_entry *e = fd_entry_at(fd);
    int error = 0;
    socklen_t size = sizeof(error);
    if (!e || !(load_relaxed(&e->flags) & FD_CONNECTING) || thread_self.in_vfork)
        return;
    if (!(load_relaxed(&e->flags) & FD_SHARED)) /* whoever asks clears it, and another descriptor may want it */
        SYS_CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, &error, &size, 0);
    if (error || is_connected(fd))
        attempt_end(fd, error, 0);
    else
        attempt_end(fd, ETIMEDOUT, CONNECT_GIVEN_UP);
}

void connecting_lost(uint32_t pending)
{
    if (pending)
        store_release(&attempts[pending - 1].taken, 0);
}
