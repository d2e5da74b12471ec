/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks on files (flock, fcntl, lockf): locks like any other (lock.h), whose number is that of the file's endpoint.
 *
 * They belong to processes and open files rather than to threads: any thread may unlock one, and closing its descriptor
 * does. So an entry in a thread's list only counts while nobody unlocked the file since (filelock_held). Ranges and
 * several descriptors of one file are not told apart; the first unlock ends what is known of all of them.
 *
 * Lock-free; any thread; async-signal-safe. errno stays as it was.
 */
#ifndef CPROBE_CAPTURE_FILELOCK_H
#define CPROBE_CAPTURE_FILELOCK_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/lock.h"

/* `fd` is to be locked, which may take as long as it likes. shared: for reading. */
void filelock_wait_begin(struct lock_wait *w, int fd, bool shared);
/* It has to be waited for. Finds out which process has it, which its kind of lock tells: by range (fcntl; NULL: lockf,
   of `size` bytes from where the file stands), by file (flock; at most once a second). Lock-free like all else, but
   system calls. */
void filelock_wait_range(struct lock_wait *w, const struct flock *range, off_t size);
void filelock_wait_whole(struct lock_wait *w);

/* It was, or not: result -1, errno. pc: return address of the hook. */
void filelock_wait_end(struct lock_wait *w, enum call_number call, int result, uintptr_t pc);

/* `fd` was locked without waiting. */
void filelock_taken(int fd, bool shared, uintptr_t pc);
/* `fd` was unlocked, or is about to be. */
void filelock_left(int fd);
/* A descriptor of this file on which there was a lock is closed. */
void filelock_closed(uint32_t endpoint);

/* Whether the lock of a list's entry of kind LOCK_KIND_FILE was not unlocked since. */
bool filelock_held(uintptr_t lock);

/* The number of such a lock: its file's endpoint. */
static inline uint32_t filelock_number(uintptr_t lock)
{
    return (uint32_t)lock;
}

#endif
