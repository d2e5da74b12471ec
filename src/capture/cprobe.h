/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cprobe.h: tells cprobe which memory to watch for changes without a lock. C99 and C++.
 *
 *     #include <cprobe.h>
 *     cprobe_watch(&table, sizeof(table), "routing table");
 *
 * Nothing needs to be linked. Where the program is not being recorded (or statically linked, or CPROBE_WATCH is off)
 * both functions only ask once whether the recorder is there; from then on a call costs one comparison.
 */
#ifndef CPROBE_H
#define CPROBE_H

#include <dlfcn.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Watches [start, start + size): which threads write there, holding which locks. The memory stays the caller's; it must
 * remain mapped until cprobe_unwatch(start). A block of the heap that begins at `start` is unwatched by itself when it
 * is freed or resized. Watching the same start again takes the place of what was said before.
 *
 *   size   bytes, from 1 to 1 GiB; of large regions a few words are looked at at a time
 *   name   what reports call it; copied, at most 47 bytes are kept. NULL: it has no name
 *
 * Returns 0; -1: not recorded, nothing to be watched, or no room (4096 ranges in all). errno is left alone. Any thread;
 * not in a signal handler.
 */
static inline int cprobe_watch(const volatile void *start, size_t size, const char *name);

/* The region that begins at `start` is not watched any more. Otherwise as above; -1 also where it was not watched. Call
   it before the memory is given back. */
static inline int cprobe_unwatch(const volatile void *start);

/* Of the implementation. GCC's and Clang's __atomic built-ins, since C and C++ have different headers. */

static inline void *cprobe_function(void **known, const char *name)
{
    void *found = __atomic_load_n(known, __ATOMIC_RELAXED);
    if (__builtin_expect(!found, 0)) {
        found = dlsym((void *)0 /* RTLD_DEFAULT */, name);
        found = found ? found : (void *)known; /* asked: it is not there */
        __atomic_store_n(known, found, __ATOMIC_RELAXED);
    }
    return found == (void *)known ? (void *)0 : found;
}

static inline int cprobe_watch(const volatile void *start, size_t size, const char *name)
{
    static void *known;
    int (*function)(const volatile void *, size_t, const char *);
    *(void **)&function = cprobe_function(&known, "cprobe_watch_region");
    return function ? function(start, size, name) : -1;
}

static inline int cprobe_unwatch(const volatile void *start)
{
    static void *known;
    int (*function)(const volatile void *);
    *(void **)&function = cprobe_function(&known, "cprobe_unwatch_region");
    return function ? function(start) : -1;
}

#ifdef __cplusplus
}
#endif

#endif
