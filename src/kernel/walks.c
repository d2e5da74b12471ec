/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/walks.h"

#include <linux/types.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/offcpu.h"
#include "kernel/images.h"

#define BUCKETS 256   /* a power of two */
#define BUCKET_MAX 32 /* walks; the one not used for longest goes */
#define WORDS_MAX 2048
#define FRAMES_MAX 512

/* A word of the stack, or a register. */
struct word {
    uint32_t offset; /* from the stack pointer; a register: its number */
    bool relative;   /* `value` is a distance from the stack pointer */
    uint64_t value;
};

struct walk {
    struct walk *next; /* of the same bucket */
    uint64_t pc;
    uint32_t register_count, word_count, frame_count;
    uint64_t *frames;
    struct word words[]; /* registers first; the frames are behind them */
};

struct walks {
    struct walk *buckets[BUCKETS];
    uint32_t read[WORDS_MAX]; /* offsets, of the walk that is being made */
    size_t read_count;
};

struct walks *walks_new(void)
{
    return calloc(1, sizeof(struct walks));
}

void walks_forget(struct walks *w)
{
    for (size_t i = 0; w && i < BUCKETS; i++) {
        struct walk *walk = w->buckets[i], *next;
        for (; walk; walk = next) {
            next = walk->next;
            free(walk);
        }
        w->buckets[i] = NULL;
    }
}

void walks_free(struct walks *w)
{
    walks_forget(w);
    free(w);
}

static struct walk **bucket_of(struct walks *w, uint64_t pc)
{
    return &w->buckets[(pc ^ pc >> 8 ^ pc >> 16) % BUCKETS];
}

static uint64_t word_read(const struct images_thread *thread, uint32_t offset)
{
    uint64_t value;
    memcpy(&value, thread->bytes + offset, sizeof(value));
    return value;
}

static bool words_equal(const struct walk *walk, const struct images_thread *thread)
{
    uint64_t sp = thread->registers[OFFCPU_RSP];
    for (size_t i = 0; i < walk->word_count; i++) {
        const struct word *word = &walk->words[i];
        bool in_register = i < walk->register_count;
        if (!in_register && word->offset + sizeof(uint64_t) > thread->size)
            return false;
        uint64_t value = in_register ? thread->registers[word->offset] : word_read(thread, word->offset);
        if (value - (word->relative ? sp : 0) != word->value)
            return false;
    }
    return true;
}

size_t walks_find(struct walks *w, const struct images_thread *thread, const uint64_t **frames)
{
    uint64_t pc = thread->registers[OFFCPU_RIP];
    struct walk **first = w ? bucket_of(w, pc) : NULL;
    for (struct walk **at = first; at && *at; at = &(*at)->next) {
        struct walk *walk = *at;
        if (walk->pc != pc || !words_equal(walk, thread))
            continue;
        *at = walk->next; /* the likeliest next time too */
        walk->next = *first;
        *first = walk;
        *frames = walk->frames;
        return walk->frame_count;
    }
    return 0;
}

void walks_begin(struct walks *w)
{
    if (w)
        w->read_count = 0;
}

void walks_read(struct walks *w, uint64_t offset)
{
    if (w && w->read_count <= WORDS_MAX && w->read_count++ < WORDS_MAX)
        w->read[w->read_count - 1] = (uint32_t)offset;
}

/* Whether a value says where a frame or a return address is; then it is added to the walk. */
static bool word_add(struct walk *walk, const struct images_thread *thread, uint32_t offset, uint64_t value)
{
    uint64_t sp = thread->registers[OFFCPU_RSP];
    bool relative = value - sp <= thread->size;
    bool is_return = false;
    for (size_t i = 0; !relative && !is_return && i < walk->frame_count; i++)
        is_return = walk->frames[i] == value;
    if (relative || is_return)
        walk->words[walk->word_count++] = (struct word){offset, relative, value - (relative ? sp : 0)};
    return relative || is_return;
}

static struct walk *walk_new(const struct walks *w, const struct images_thread *thread, const uint64_t *frames,
                             size_t count)
{
    size_t words = (thread->register_count + w->read_count) * sizeof(struct word);
    struct walk *walk = malloc(sizeof(*walk) + words + count * sizeof(*frames));
    if (!walk)
        return NULL;
    *walk = (struct walk){.pc = thread->registers[OFFCPU_RIP], .frame_count = (uint32_t)count};
    walk->frames = (void *)((char *)walk->words + words);
    memcpy(walk->frames, frames, count * sizeof(*frames));
    for (uint32_t i = 0; i < thread->register_count; i++)
        walk->register_count += i != OFFCPU_RSP && word_add(walk, thread, i, thread->registers[i]);
    for (size_t i = 0; i < w->read_count; i++)
        word_add(walk, thread, w->read[i], word_read(thread, w->read[i]));
    return walk;
}

void walks_keep(struct walks *w, const struct images_thread *thread, const uint64_t *frames, size_t count)
{
    struct walk *walk =
        w && w->read_count <= WORDS_MAX && count > 0 && count <= FRAMES_MAX ? walk_new(w, thread, frames, count) : NULL;
    if (!walk)
        return;
    struct walk **first = bucket_of(w, walk->pc), **at = first;
    for (size_t n = 0; *at; n++) {
        if (n + 1 < BUCKET_MAX) {
            at = &(*at)->next;
            continue;
        }
        struct walk *oldest = *at;
        *at = oldest->next;
        free(oldest);
    }
    walk->next = *first;
    *first = walk;
}
