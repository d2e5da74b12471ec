/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conflicts in the lives of watched blocks, found without a breakpoint: one thread allocates a block, another one frees
 * or resizes it, and nothing was seen in between by which the second could have learned of it in an orderly way. Such
 * ways are whatever the first thread did after the allocation: took or left a lock, posted a semaphore, signalled a
 * condition, came to a barrier, created a thread, sent into a pipe, eventfd or socket (but to a client that it serves),
 * ended.
 *
 * Silence is preferred: each of these excuses the pair, whether or not the second thread had to do with it. So does
 * code that could order threads by itself (plain.h), where the block was allocated as well as where it is freed. What
 * then cannot be seen is a hand-over by plain stores and loads: a ring between a producer and a consumer. Of a ring one
 * gets the other's blocks only, out of a structure that is shared now this one's and now that one's: the second thread
 * must have freed one of its own at the very same place before. And rings usually go one way; so it is noted whether
 * both have freed each other's (LIFECYCLE_CROSSED). Even so such a conflict is likely, not proven.
 *
 * The first thread is not stopped: what it did since is read from its thread-local storage by process_vm_readv(2),
 * which fails where a pointer would fault. At most some hundreds a second.
 */
#ifndef CPROBE_CAPTURE_LIFE_H
#define CPROBE_CAPTURE_LIFE_H

#include <stdint.h>

#include "capture/fdtable.h"
#include "capture/heap.h"
#include "capture/thread.h"

/* The calling thread told others something by other means than a lock. */
static ALWAYS_INLINE void life_told(void)
{
    heap_self.told++;
}

/* The same by sending on a descriptor with these flags (fdtable.h). */
static ALWAYS_INLINE void life_sent(uint16_t flags)
{
    heap_self.told += !(flags & FD_SERVER);
}

/* The calling thread has allocated the block that has word `word` of heap_filter. */
void life_begins(uint32_t word);

/* Before that: the thread allocates at this site. It has entered the recorder. */
void life_look(const struct thread *t, uint32_t site);

/* It is about to end the life of block `was`, which has that word. stack: of the site's first block, 0 not known */
void life_ends(uint32_t word, const struct watch_range *was, enum lifecycle kind, uint32_t stack);

#endif
