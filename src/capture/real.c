/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/real.h"

#include <dlfcn.h>

struct real_table real_table;

static const struct {
    const char *symbol;
    const char *version; /* NULL: the default one */
} reals[REAL_COUNT] = {
#define HOOK(ret, name, params, version, symbol, call) {symbol, version},
#include "capture/hooks.def"
#include "capture/reals.def"
#undef HOOK
};

_Static_assert(sizeof(struct real_table) == REAL_COUNT * sizeof(void *), "one pointer a row");

/* dlsym and dlvsym neither allocate nor lock anything that a hook may hold as long as the symbol exists. */
void *real_resolve(enum real_index index)
{
    void **pointer = (void **)&real_table + index;
    void *found = reals[index].version ? dlvsym(RTLD_NEXT, reals[index].symbol, reals[index].version) : NULL;
    if (!found) /* another libc, or a preload that defines the name without versions */
        found = dlsym(RTLD_NEXT, reals[index].symbol);
    store_release(pointer, found);
    return found;
}

void real_init(void)
{
    for (int i = 0; i < REAL_COUNT; i++)
        if (!((void **)&real_table)[i])
            real_resolve((enum real_index)i);
}
