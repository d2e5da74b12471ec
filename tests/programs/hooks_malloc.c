/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Allocation. Expected: see hook_case.h; nothing is counted, and blocks are what they are without the recorder. */
#include "hook_case.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>

#define ROUNDS 3000 /* more than pass before the recorder looks again */

/* Big enough, aligned, and nobody else's. */
static void *filled(void *block, size_t size, size_t align)
{
    if (!block || (uintptr_t)block % align != 0 || malloc_usable_size(block) < size) {
        printf("  a block of %zu bytes at multiples of %zu: %p\n", size, align, block);
        abort();
    }
    return memset(block, 0x5a, size);
}

static void each_size(void *(*allocate)(size_t size), size_t align)
{
    void *kept[64] = {NULL};
    for (size_t i = 0; i < ROUNDS; i++) {
        free(kept[i % 64]);
        kept[i % 64] = filled(allocate(i % 700 + 1), i % 700 + 1, align);
    }
    for (int i = 0; i < 64; i++)
        free(kept[i]);
}

static long refused(void *block)
{
    int error = errno;
    bool none = block == NULL;
    free(block);
    errno = error;
    return none ? -1 : 0;
}

CASE(malloc, "")
{
    each_size(malloc, 8);
    show("refused", refused(malloc(PTRDIFF_MAX)));
}

static void *zeroed(size_t size)
{
    unsigned char *block = calloc(size, 1);
    for (size_t i = 0; i < size; i++)
        if (block[i])
            abort();
    return block;
}

CASE(calloc, "")
{
    volatile size_t half = SIZE_MAX / 2;
    each_size(zeroed, 8);
    show("overflow", refused(calloc(half, 3)));
}

CASE(realloc, "")
{
    unsigned char *block = NULL;
    for (size_t size = 1; size < ROUNDS; size++) {
        block = realloc(block, size);
        block[size - 1] = (unsigned char)size;
    }
    for (size_t i = 0; i < ROUNDS - 1; i++)
        if (block[i] != (unsigned char)(i + 1))
            abort();
    unsigned char *volatile same = block; /* a refused block stays, which the compiler does not believe */
    show("refused", realloc(block, PTRDIFF_MAX) == NULL ? -1 : 0);
    show("still there", same[7]);
    show("freed", realloc(same, 0) == NULL);
}

CASE(reallocarray, "")
{
    volatile size_t half = SIZE_MAX / 2;
    char *block = reallocarray(NULL, 10, 10);
    memset(block, 7, 100);
    block = reallocarray(block, 100, 100);
    show("kept", block[99]);
    char *volatile same = block;
    show("overflow", reallocarray(block, half, 3) == NULL ? -1 : 0);
    free(same);
}

CASE(free, "")
{
    errno = EDOM;
    free(NULL);
    free(malloc(100));
    show("errno kept", errno == EDOM);
}

static void *aligned_64(size_t size)
{
    return aligned_alloc(64, (size + 63) & ~(size_t)63);
}
static void *aligned_128(size_t size)
{
    return memalign(128, size);
}
static void *aligned_256(size_t size)
{
    void *block = NULL;
    return posix_memalign(&block, 256, size) == 0 ? block : NULL;
}
CASE(aligned_alloc, "")
{
    each_size(aligned_64, 64);
}
CASE(memalign, "")
{
    each_size(aligned_128, 128);
}
CASE(posix_memalign, "")
{
    void *block = NULL;
    each_size(aligned_256, 256);
    show_error("odd", posix_memalign(&block, 3, 10));
    show("untouched", block == NULL);
}
CASE(valloc, "")
{
    free(filled(valloc(100), 100, 4096));
}
CASE(pvalloc, "")
{
    free(filled(pvalloc(100), 4096, 4096));
}
