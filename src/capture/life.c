/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/life.h"

#include <string.h>
#include <sys/uio.h>

#include "capture/clock.h"
#include "capture/locks.h"
#include "capture/lockset.h"
#include "capture/plain.h"
#include "capture/stack.h"
#include "capture/thread.h"

#define CONFLICTS_MAX 256u   /* written in all, */
#define CONFLICTS_OF_SITE 8u /* and of one site; as many again that are crossed */
#define PAIRS 256u           /* of threads, remembered of one site; each is written once */
#define ASKED_MAX 16u        /* threads asked in one period of 2^24 ns */
#define SITES 1024u
#define OWNS 8u       /* threads and places of a site that freed blocks of their own */
#define LOOKS_MAX 64u /* at such blocks, of one site */
#define FRAMES 64u    /* of a stack whose code is looked at */

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

/* Where a thread freed a block of its own. */
struct own {
    uint32_t tid, stack;
};

/* What is known of a site. All: any thread. */
struct suspicion {
    uint32_t wanted;     /* a conflict was seen: from now on the rest is found out */
    uint32_t code;       /* enum code, of where it allocates */
    uint32_t looks;      /* at blocks that threads freed themselves */
    uint32_t owns;       /* entries of own */
    uint32_t count;      /* pairs */
    uint32_t written[2]; /* conflicts, and those that are crossed */
    struct own own[OWNS];
    struct pair pairs[PAIRS];
};
enum code { CODE_UNKNOWN, CODE_PLAIN, CODE_SPECIAL };

static struct life lives[HEAP_FILTER];
static struct suspicion suspicions[SITES];
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
static bool pair_note(struct suspicion *s, struct pair pair, bool *crossed)
{
    uint32_t seen = load_relaxed(&s->count);
    *crossed = false;
    for (uint32_t i = 0; i < seen && i < PAIRS; i++) {
        if (s->pairs[i].first == pair.first && s->pairs[i].second == pair.second)
            return false;
        *crossed |= s->pairs[i].first == pair.second && s->pairs[i].second == pair.first;
    }
    if (seen >= PAIRS || (seen = add_relaxed(&s->count, 1)) >= PAIRS)
        return false;
    s->pairs[seen] = pair;
    return add_relaxed(&s->written[*crossed], 1) < CONFLICTS_OF_SITE && add_relaxed(&written, 1) < CONFLICTS_MAX;
}

/* ---- what the code could do, and what is each thread's own ---- */

static enum code code_of(const struct thread *t)
{
    uint64_t frames[FRAMES];
    uint16_t flags = 0;
    size_t count = unwind_stack(&t->stack, NULL, frames, FRAMES, &flags);
    return (flags & STACK_COMPLETE) && plain_stack(frames, count) ? CODE_PLAIN : CODE_SPECIAL;
}

void life_look(const struct thread *t, uint32_t site)
{
    struct suspicion *s = &suspicions[site % SITES];
    if (load_relaxed(&s->wanted) && load_relaxed(&s->code) == CODE_UNKNOWN)
        store_relaxed(&s->code, code_of(t));
}

static bool own_has(const struct suspicion *s, struct own own)
{
    uint32_t count = load_acquire(&s->owns);
    for (uint32_t i = 0; i < count && i < OWNS; i++)
        if (s->own[i].tid == own.tid && s->own[i].stack == own.stack)
            return true;
    return false;
}

/* This thread frees a block of its own. Two threads that note theirs at once may lose one. */
static void own_note(struct thread *t, struct suspicion *s)
{
    uint32_t count = load_relaxed(&s->owns);
    if (!load_relaxed(&s->wanted) || load_relaxed(&s->code) == CODE_SPECIAL || count >= OWNS ||
        add_relaxed(&s->looks, 1) >= LOOKS_MAX || !thread_enter(t, FRAME_ADDRESS))
        return;
    struct own own = {heap_self.tid, t->slot || thread_prepare(t, clock_now()) ? stack_capture(t) : 0};
    if (own.stack && !own_has(s, own)) {
        s->own[count] = own;
        store_release(&s->owns, count + 1);
    }
    thread_leave(t);
}

/* ---- conflicts ---- */

static void conflict_write(const struct life *l, const struct watch_range *was, struct event_lifecycle what)
{
    struct event_lifecycle *e = (void *)writer_log_reserve(&recorder.writer, sizeof(*e), 0);
    if (!e)
        return;
    what.header = e->header;
    what.header.time_ns = clock_now();
    what.start = was->start;
    what.first_ns = l->born_ns;
    what.watched = was->number;
    what.site = was->site;
    *e = what;
    writer_log_commit(&e->header, EVENT_LIFECYCLE);
}

/* stack: where the site allocates */
static void conflict_judge(struct thread *t, struct suspicion *s, const struct life *l, const struct watch_range *was,
                           enum lifecycle kind, uint32_t stack)
{
    bool crossed;
    struct pair pair = {l->deeds.tid, heap_self.tid};
    if (!t->slot && !thread_prepare(t, clock_now()))
        return;
    uint32_t here = stack_capture(t), locks = locks_set(0);
    if (!here || !own_has(s, (struct own){pair.second, here}))
        return;
    if (code_of(t) != CODE_PLAIN) {
        store_relaxed(&s->code, CODE_SPECIAL);
        return;
    }
    if (!pair_note(s, pair, &crossed))
        return;
    watchlist_announce(was);
    conflict_write(l, was,
                   (struct event_lifecycle){.first_tid = pair.first,
                                            .tid = pair.second,
                                            .first_stack = stack, /* it held no locks */
                                            .stack = here,
                                            .locks = locks,
                                            .kind = (uint16_t)kind,
                                            .flags = crossed ? LIFECYCLE_CROSSED : 0});
}

/* Of blocks that were allocated without a lock. */
static void foreign_ends(struct thread *t, struct suspicion *s, const struct life *l, const struct watch_range *was,
                         enum lifecycle kind, uint32_t stack)
{
    struct deeds now;
    if (t->start_ns >= l->born_ns || load_relaxed(&s->code) == CODE_SPECIAL || !period_has_room() ||
        !deeds_ask(l, &now) || memcmp(&now, &l->deeds, sizeof(now)) != 0)
        return;
    store_relaxed(&s->wanted, 1);
    if (load_relaxed(&s->code) != CODE_PLAIN || !thread_enter(t, FRAME_ADDRESS))
        return;
    conflict_judge(t, s, l, was, kind, stack);
    thread_leave(t);
}

void life_ends(uint32_t word, const struct watch_range *was, enum lifecycle kind, uint32_t stack)
{
    struct thread *t = &thread_self;
    struct suspicion *s = &suspicions[was->site % SITES];
    struct life l = lives[word];
    if (!heap_self.tid)
        heap_self.tid = (uint32_t)sys_gettid();
    if (l.deeds.depth || !recorder_on() || t->in_vfork || load_relaxed(&s->count) >= PAIRS)
        return;
    if (l.deeds.tid == heap_self.tid)
        own_note(t, s);
    else
        foreign_ends(t, s, &l, was, kind, stack);
}
