/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/mutex.h"

#include <errno.h>
#include <link.h>

#include "base/sys.h"
#include "capture/elf.h"
#include "capture/real.h"

static bool glibc_as_expected;

static const struct link_map *libc_find(void)
{
    for (const struct link_map *map = _r_debug.r_map; map; map = map->l_next)
        if (elf_symbol(map, "gnu_get_libc_version"))
            return map;
    return NULL;
}

static bool words_are(const pthread_mutex_t *mutex, int word, int owner, unsigned users)
{
    return mutex->__data.__lock == word && mutex->__data.__owner == owner && mutex->__data.__nusers == users &&
           mutex_ordinary(mutex) && mutex->__data.__count == 0;
}

/* glibc's functions and those here have to be able to take turns. */
static bool turns_agree(pthread_mutex_t mutex, int self)
{
    return REAL(pthread_mutex_lock)(&mutex) == 0 && words_are(&mutex, 1, self, 1) &&
           REAL(pthread_mutex_unlock)(&mutex) == 0 && words_are(&mutex, 0, 0, 0) &&
           REAL(pthread_mutex_trylock)(&mutex) == 0 && words_are(&mutex, 1, self, 1) &&
           mutex_leave(&mutex, (uint32_t)self) && words_are(&mutex, 0, 0, 0) && mutex_take(&mutex, (uint32_t)self) &&
           words_are(&mutex, 1, self, 1) && REAL(pthread_mutex_trylock)(&mutex) == EBUSY &&
           REAL(pthread_mutex_unlock)(&mutex) == 0 && words_are(&mutex, 0, 0, 0);
}

void mutex_init(void)
{
    const struct link_map *libc = libc_find();
    glibc_as_expected = libc && elf_symbol(libc, "pthread_mutex_lock") == (void *)REAL(pthread_mutex_lock) &&
                        elf_symbol(libc, "pthread_mutex_trylock") == (void *)REAL(pthread_mutex_trylock) &&
                        elf_symbol(libc, "pthread_mutex_unlock") == (void *)REAL(pthread_mutex_unlock) &&
                        turns_agree((pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER, sys_gettid()) &&
                        turns_agree((pthread_mutex_t)PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP, sys_gettid());
}

uint32_t mutex_self(void)
{
    return glibc_as_expected ? (uint32_t)sys_gettid() : 0;
}
