/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/filelock.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "capture/fdtable.h"
#include "capture/fileholder.h"

#define FILES 1024u
#define UNLOCKS 0x7fffu
#define HOLDERS_NS 1000000000u /* at most so often the kernel's list of locks is read */

/* What stands for an address: not one of user space, and within the 48 bits that lock.c keeps of it. */
#define FILE_LOCK (UINT64_C(1) << 47)

static uint32_t unlocks[FILES]; /* by endpoint modulo FILES: how often files were unlocked */

static uintptr_t filelock_of(uint32_t endpoint)
{
    uint64_t count = load_relaxed(&unlocks[endpoint % FILES]) & UNLOCKS;
    return FILE_LOCK | count << 32 | endpoint;
}

bool filelock_held(uintptr_t lock)
{
    return lock == filelock_of(filelock_number(lock));
}

/* False: when the descriptor is closed nobody will know. */
static bool mark(int fd)
{
    struct fd_entry *e = thread_self.in_vfork ? NULL : fd_entry_at(fd);
    if (!e || !(load_relaxed(&e->flags) & FD_KNOWN))
        return false;
    store_relaxed(&e->flags, (uint16_t)(load_relaxed(&e->flags) | FD_LOCKED));
    return true;
}

void filelock_wait_begin(struct lock_wait *w, int fd, bool shared)
{
    uint32_t endpoint = recorder_on() ? fd_endpoint(fd, true) : 0;
    lock_wait_begin(w, (const void *)filelock_of(endpoint), LOCK_KIND_FILE, shared ? HELD_SHARED : 0, 0);
    w->fd = fd;
}

void filelock_wait_range(struct lock_wait *w, const struct flock *range, off_t size)
{
    struct flock question = {.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_len = size};
    if (range)
        question = *range;
    question.l_pid = 0;
    if (w->begin_ns && SYS_CALL(SYS_fcntl, w->fd, F_GETLK, &question, 0, 0, 0) == 0 && question.l_type != F_UNLCK &&
        question.l_pid > 0) /* -1: it belongs to an open file, not to a process */
        lock_wait_owner(w, (uint32_t)question.l_pid);
}

void filelock_wait_whole(struct lock_wait *w)
{
    static uint64_t asked_ns;
    uint64_t last = load_relaxed(&asked_ns);
    struct stat file;
    if (!w->begin_ns || w->begin_ns - last < HOLDERS_NS || !cas_acq_rel(&asked_ns, &last, w->begin_ns) ||
        SYS_CALL(SYS_fstat, w->fd, &file, 0, 0, 0, 0) != 0)
        return;
    uint32_t holder = fileholder_find(file.st_dev, file.st_ino);
    if (holder != recorder.pid) /* which thread of this one is not known */
        lock_wait_owner(w, holder);
}

void filelock_wait_end(struct lock_wait *w, enum call_number call, int result, uintptr_t pc)
{
    w->lock = filelock_of(filelock_number(w->lock)); /* its holder was another thread of this process, perhaps */
    if (result == 0)
        lockset_drop((const void *)w->lock); /* converted, or another range */
    lock_wait_end(w, call, result < 0 ? errno : 0, pc);
    if (result == 0 && !mark(w->fd))
        lockset_drop((const void *)w->lock);
}

void filelock_taken(int fd, bool shared, uintptr_t pc)
{
    int saved = errno;
    if (recorder_on()) {
        const void *lock = (const void *)filelock_of(fd_endpoint(fd, true));
        lockset_drop(lock);
        if (mark(fd))
            lockset_push(lock, pc, LOCK_KIND_FILE, HELD_TRIED | (shared ? HELD_SHARED : 0));
    }
    errno = saved;
}

void filelock_closed(uint32_t endpoint)
{
    lockset_pop((const void *)filelock_of(endpoint));
    add_relaxed(&unlocks[endpoint % FILES], 1);
}

void filelock_left(int fd)
{
    struct fd_entry *e = fd_entry_at(fd);
    if (!e || thread_self.in_vfork || !(load_relaxed(&e->flags) & FD_LOCKED))
        return;
    store_relaxed(&e->flags, (uint16_t)(load_relaxed(&e->flags) & ~FD_LOCKED));
    filelock_closed(load_relaxed(&e->endpoint));
}
