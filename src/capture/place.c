/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/place.h"

#include <sys/mman.h>

#include "base/sys.h"
#include "capture/record.h"
#include "capture/recorder.h"

#ifndef MADV_NOHUGEPAGE
#define MADV_NOHUGEPAGE 15
#endif

/* Free places form a stack (Treiber); `tag` makes a head that comes back look different. */
union head {
    struct {
        uint32_t place; /* + 1; 0: empty */
        uint32_t tag;
    };
    uint64_t word;
};

struct places places;

void conversations_init(void)
{
    uint32_t size = recorder.settings.connections;
    size_t bytes = size * sizeof(struct conversation);
    if (!recorder.settings.wire)
        return;
    void *table = sys_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (sys_is_error(table))
        return;
    sys_madvise(table, bytes, MADV_NOHUGEPAGE); /* memory for those in use only */
    places.table = table;
    places.size = size;
}

static void note_no_room(void)
{
    static const char text[] =
        "more connections at once than are followed: what is said on the others is not known; "
        "CPROBE_CONNECTIONS sets how many are";
    if (!exchange_acq_rel(&places.noted, 1))
        record_note(RECORD_WARNING, text, sizeof(text) - 1);
}

struct conversation *place_take(void)
{
    union head head = {.word = load_acquire(&places.free)}, next;
    while (head.place) {
        next.place = load_relaxed(&places.table[head.place - 1].next_free);
        next.tag = head.tag + 1;
        if (cas_acq_rel(&places.free, &head.word, next.word))
            return &places.table[head.place - 1];
    }
    uint32_t fresh = load_relaxed(&places.fresh);
    while (fresh < places.size)
        if (cas_acq_rel(&places.fresh, &fresh, fresh + 1))
            return &places.table[fresh];
    if (places.table)
        note_no_room();
    return NULL;
}

void place_give(struct conversation *c)
{
    union head head = {.word = load_relaxed(&places.free)}, next;
    do {
        store_relaxed(&c->next_free, head.place);
        next.place = (uint32_t)(c - places.table) + 1;
        next.tag = head.tag + 1;
    } while (!cas_acq_rel(&places.free, &head.word, next.word));
}
