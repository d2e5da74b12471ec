/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/shared.h"

#include <pthread.h>

#include "capture/procfile.h"
#include "trace/format.h"

#define MUTEX_SHARED 128   /* PTHREAD_MUTEX_PSHARED_BIT, nptl/pthreadP.h */
#define CONDITION_SHARED 1 /* of __wrefs, nptl/pthread_cond_common.c */
#define SEMAPHORE_SHARED 2 /* word of struct new_sem that is 0 where it is private, nptl/semaphoreP.h */

bool shared_kind(uintptr_t lock, unsigned kind)
{
    const void *p = (const void *)lock; // NOLINT(performance-no-int-to-ptr)
    switch (kind) {
    case LOCK_KIND_MUTEX:
        return ((const pthread_mutex_t *)p)->__data.__kind & MUTEX_SHARED;
    case LOCK_KIND_RWLOCK:
        return ((const pthread_rwlock_t *)p)->__data.__shared != 0;
    case LOCK_KIND_CONDITION:
        return ((const pthread_cond_t *)p)->__data.__wrefs & CONDITION_SHARED;
    case LOCK_KIND_SEMAPHORE:
        return ((const uint32_t *)p)[SEMAPHORE_SHARED] != 0;
    default:
        return false;
    }
}

/* start-end perms offset major:minor inode path */
bool shared_parse(const char *line, uintptr_t address, struct shared_place *out)
{
    uint64_t start, end, offset, major, minor;
    const char *p = procfile_number(line, 16, '-', &start);
    if (!p || !(p = procfile_number(p, 16, ' ', &end)) || address < start || address >= end)
        return false;
    if (!p[0] || !p[1] || !p[2] || p[3] != 's' || p[4] != ' ')
        return false;
    if (!(p = procfile_number(p + 5, 16, ' ', &offset)) || !(p = procfile_number(p, 16, ':', &major)) ||
        !(p = procfile_number(p, 16, ' ', &minor)) || !procfile_number(p, 10, ' ', &out->inode))
        return false;
    out->device = major << 32 | minor;
    out->offset = offset + (address - start);
    return true;
}

struct search {
    uintptr_t address;
    struct shared_place *out;
};

static bool search_line(void *context, const char *line)
{
    struct search *s = context;
    return shared_parse(line, s->address, s->out);
}

bool shared_find(uintptr_t address, struct shared_place *out)
{
    return procfile_lines("/proc/self/maps", search_line, &(struct search){address, out});
}
