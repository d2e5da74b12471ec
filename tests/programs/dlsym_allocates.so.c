/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A preload library whose dlsym allocates, as glibc's did before 2.34: whoever interposes malloc and asks dlsym for the
 * real one is asked for memory before it has the answer. The blocks are used, resized, and some are given back, some
 * only at the end.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *kept[64];
static unsigned calls;

static void use(void)
{
    unsigned at = calls++ % 64;
    char *block = calloc(10, 10);
    for (int i = 0; i < 100; i++)
        if (!block || block[i])
            _exit(71);
    memset(block, 0x5a, 100);
    block = realloc(block, 1000);
    if (!block || block[99] != 0x5a)
        _exit(72);
    free(kept[at]);
    kept[at] = block;
}

void *dlsym(void *handle, const char *name)
{
    static void *(*next)(void *, const char *);
    if (!next)
        *(void **)&next = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    use();
    return next(handle, name);
}

__attribute__((destructor)) static void stop(void)
{
    for (int i = 0; i < 64; i++)
        free(kept[i]);
}
