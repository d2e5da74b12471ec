/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is watched: heap blocks of interesting sites (heap.h), variables of the program, and regions that the program
 * names itself (cprobe.h). A bounded table; what does not fit is not watched.
 *
 * A range is known by its number, which is never given again within a process (but see WATCH_USES): memory that is
 * freed and allocated again becomes another range. Whoever keeps a range asks watchlist_current before he believes it.
 *
 * Lock-free; any thread; async-signal-safe, unless said otherwise. Keeps errno.
 */
#ifndef CPROBE_CAPTURE_WATCHLIST_H
#define CPROBE_CAPTURE_WATCHLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "trace/format.h"

#define WATCH_SLOTS 4096u /* ranges at once */
#define WATCH_SLOT_BITS 12
#define WATCH_USES (1u << (32 - WATCH_SLOT_BITS)) /* uses of one slot after which numbers repeat */
#define WATCH_SIZE_MAX (1u << 30)                 /* bytes of a range; longer ones are cut */

struct watch_range {
    uintptr_t start;
    uint32_t size;       /* bytes */
    uint32_t generation; /* of this slot's use: grows with every range that had it */
    uint32_t number;     /* event_watched.id; never 0 */
    uint32_t site;       /* WATCH_BLOCK: number of the site that allocated it (heap.h), else 0 */
    uint8_t kind;        /* enum watch_kind */
};

/* What was learned of a range by looking at it. */
enum watch_feedback {
    WATCH_BORING = 0,  /* nobody touched it while it was looked at, or one thread only */
    WATCH_WRITTEN = 1, /* it was written */
    WATCH_SHARED = 2,  /* more than one thread touches it, and it is written */
};

/* A range drawn at random in proportion to its priority: shared ones first, then those never looked at, boring ones
   last but not never. False: none. random: any 64 random bits. */
bool watchlist_pick(uint64_t random, struct watch_range *out);

/* Whether the range is still the same use of its memory. */
bool watchlist_current(const struct watch_range *range);

/* Raises or lowers the priority of a range; one that is gone is left alone. */
void watchlist_feedback(uint32_t number, enum watch_feedback feedback);

/* Writes the range's WATCHED event, once, when there is something to say of it. Returns its number, 0: it is gone or
   there was no room. */
uint32_t watchlist_announce(const struct watch_range *range);

/*
 * Set by whoever keeps breakpoints; NULL: nobody. Called without a lock, on any thread, in any hook, also
 * where the thread has entered the recorder.
 * leaving: the memory [start, start + size) is about to be freed or forgotten: nothing may be armed in it afterwards.
 * first: from now on something is watched and there is, or is about to be, more than one thread; once in a process. It
 * may come right before the first pthread_create, on the creating thread.
 */
extern HIDDEN void (*watchlist_leaving)(uintptr_t start, uint32_t size);
extern HIDDEN void (*watchlist_first)(void);

/* ---- for those who find what is to be watched ---- */

struct watch_new {
    uintptr_t start;
    size_t size; /* bytes; 0 is refused */
    enum watch_kind kind;
    uint32_t site;
    uint32_t stack; /* where it was allocated or named, in the trace of this process; 0: not known */
    uint32_t tid;
    const char *name; /* copied, cut to WATCH_NAME_MAX bytes; NULL: none */
};
#define WATCH_NAME_MAX 47u

/* Enters a range; returns its number, 0: no room. */
uint32_t watchlist_add(const struct watch_new *new_range);

/* The range is no more: calls watchlist_leaving. False: it was gone already, or somebody else just did this. */
bool watchlist_remove(uint32_t number);

/* A copy of the range; false: it is gone. */
bool watchlist_get(uint32_t number, struct watch_range *out);

/* Whether it was found to be written, and not twice boring since: it is not to make room for others. */
bool watchlist_promising(uint32_t number);

/* The number of the region (WATCH_REGION) that begins at `start`; 0: none. */
uint32_t watchlist_region(uintptr_t start);

/* The variables that lie in [start, end) are gone: an object was unloaded. */
void watchlist_unloaded(uintptr_t start, uintptr_t end);

/* How many ranges there are. */
uint32_t watchlist_count(void);

/* From now on there is more than one thread: watchlist_first is called as soon as there is something to watch. */
void watchlist_threads_begin(void);

/* In the child after fork: what was announced was so in the parent's trace. */
void watchlist_forked(void);

#endif
