/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/life.h"

#include <string.h>
#include <sys/uio.h>

#include "capture/clock.h"
#include "capture/locks.h"
#include "capture/lockset.h"
#include "capture/stack.h"
#include "capture/thread.h"

#define CONFLICTS_MAX 256u   /* written in all, */
#define CONFLICTS_OF_SITE 8u /* and of one site */
#define SAME_PAIR 2u         /* and of one site and the same two threads in the same roles */
#define ASKED_MAX 16u        /* threads asked in one period of 2^24 ns */
#define SITES 1024u

/* What a thread has done, as far as it shows. The same twice: nothing in between. */
struct deeds {
    uint64_t last_ns; /* lockset.last_ns, .ticks: one of them changes whenever a lock is taken */
    int32_t ticks;
    uint32_t told;
    uint32_t depth; /* locks held */
    uint32_t tid;
};

struct life {
    const struct lockset *lockset; /* of the thread that allocated it */
    const struct heap_thread *thread;
    uint64_t born_ns;
    struct deeds deeds;
};

struct pair {
    uint32_t first, second;
};

static struct life lives[HEAP_FILTER];
static struct {
    uint32_t count; /* any: conflicts written */
    struct pair pairs[CONFLICTS_OF_SITE];
} conflicts[SITES];
static uint32_t written, period, asked; /* any */

static struct deeds deeds_of(const struct lockset *s, const struct heap_thread *h)
{
    return (struct deeds){s->last_ns, s->ticks, h->told, s->depth, h->tid};
}

void life_begins(uint32_t word)
{
    lives[word] = (struct life){&lockset_self, &heap_self, clock_now(), deeds_of(&lockset_self, &heap_self)};
}

/* What the thread has done by now. False: it is no more, or may not be asked. */
static bool deeds_ask(const struct life *l, struct deeds *out)
{
    struct lockset lockset;
    struct heap_thread thread;
    struct iovec here[] = {{&lockset, sizeof(lockset)}, {&thread, sizeof(thread)}};
    struct iovec there[] = {{(void *)l->lockset, sizeof(lockset)}, {(void *)l->thread, sizeof(thread)}};
    int pid = sys_getpid();
    if (SYS_CALL(SYS_process_vm_readv, pid, here, 2, there, 2, 0) != sizeof(lockset) + sizeof(thread) ||
        SYS_CALL(SYS_tgkill, pid, l->deeds.tid, 0, 0, 0, 0) < 0)
        return false;
    *out = deeds_of(&lockset, &thread);
    return true;
}

static bool period_has_room(void)
{
    uint32_t now = (uint32_t)(clock_now() >> 24);
    if (exchange_acq_rel(&period, now) != now)
        store_relaxed(&asked, 0);
    return add_relaxed(&asked, 1) < ASKED_MAX;
}

/* Notes the pair of threads; *crossed: the same two were seen the other way round. False: these two, or the site, have
   had their share. */
static bool pair_note(uint32_t site, struct pair pair, bool *crossed)
{
    struct pair *pairs = conflicts[site % SITES].pairs;
    uint32_t *count = &conflicts[site % SITES].count, seen = load_relaxed(count), same = 0;
    *crossed = false;
    for (uint32_t i = 0; i < seen && i < CONFLICTS_OF_SITE; i++) {
        *crossed |= pairs[i].first == pair.second && pairs[i].second == pair.first;
        same += pairs[i].first == pair.first && pairs[i].second == pair.second;
    }
    if (same >= SAME_PAIR || seen >= CONFLICTS_OF_SITE || (seen = add_relaxed(count, 1)) >= CONFLICTS_OF_SITE)
        return false;
    pairs[seen] = pair;
    return true;
}

static void conflict_write(struct thread *t, const struct life *l, const struct watch_range *was, enum lifecycle kind,
                           uint32_t stack)
{
    bool crossed;
    struct pair pair = {l->deeds.tid, heap_self.tid};
    if (!pair_note(was->site, pair, &crossed) || add_relaxed(&written, 1) >= CONFLICTS_MAX ||
        (!t->slot && !thread_prepare(t, clock_now())))
        return;
    uint32_t here = stack_capture(t), locks = locks_set(0);
    watchlist_announce(was);
    struct event_lifecycle *e = (void *)writer_log_reserve(&recorder.writer, sizeof(*e), 0);
    if (!e)
        return;
    e->header.time_ns = clock_now();
    e->start = was->start;
    e->first_ns = l->born_ns;
    e->watched = was->number;
    e->site = was->site;
    e->first_tid = pair.first;
    e->tid = pair.second;
    e->first_stack = stack;
    e->stack = here;
    e->first_locks = 0; /* it held none */
    e->locks = locks;
    e->kind = (uint16_t)kind;
    e->flags = crossed ? LIFECYCLE_CROSSED : 0;
    e->reserved = 0;
    writer_log_commit(&e->header, EVENT_LIFECYCLE);
}

void life_ends(uint32_t word, const struct watch_range *was, enum lifecycle kind, uint32_t stack)
{
    struct thread *t = &thread_self;
    struct life l = lives[word];
    struct deeds now;
    if (!heap_self.tid)
        heap_self.tid = (uint32_t)sys_gettid();
    if (l.deeds.tid == heap_self.tid || l.deeds.depth || t->start_ns >= l.born_ns || !recorder_on() || t->in_vfork ||
        load_relaxed(&conflicts[was->site % SITES].count) >= CONFLICTS_OF_SITE || !period_has_room())
        return;
    if (!deeds_ask(&l, &now) || memcmp(&now, &l.deeds, sizeof(now)) != 0 || !thread_enter(t, FRAME_ADDRESS))
        return;
    conflict_write(t, &l, was, kind, stack);
    thread_leave(t);
}
