/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/python_code.h"

#include <string.h>

#include "capture/record.h"

#define NAME_MAX_BYTES 256u
#define FILE_MAX_BYTES 1024u
#define LINETABLE_MAX (24u << 10) /* with both strings below what a trace record can hold */
#define BYTES_MAX (INT64_C(1) << 28)
#define CACHE_SETS 1024u
#define CACHE_WAYS 4u
#define CONTENT_SLOTS 16384u
#define CONTENT_PROBES 64u
#define ID_REFUSED UINT32_MAX /* record_code had no room, and never will */

/* A code object as it was when its number was found. Any change means another object at the same address. */
struct code_key {
    uintptr_t code, file, name, linetable;
    uint32_t first_line;
};

/* Written by any thread, one at a time: odd sequence = being written. Readers take no notice of an entry whose sequence
   is odd or has changed after they read it. */
struct cache_entry {
    uint32_t sequence;
    uint32_t id;
    struct code_key key;
};

/* hash is claimed first (0: free); id follows when the code is in the trace. */
struct content_entry {
    uint64_t hash;
    uint32_t id;
};

static struct {
    struct cache_entry cache[CACHE_SETS][CACHE_WAYS];
    struct content_entry contents[CONTENT_SLOTS];
    uint32_t victim; /* any: which way of a full cache set to replace next */
} codes;

/* Multiply and fold, as in wyhash (https://github.com/wangyi-fudan/wyhash); not for hostile input, where two equal
   hashes would merge two names. */
static uint64_t hash_word(uint64_t hash, uint64_t word)
{
    unsigned __int128 product = (unsigned __int128)(hash ^ 0xa0761d6478bd642fu) * (word ^ 0xe7037ed1a0b428dbu);

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *at = data;
    uint64_t word = 0;

    hash = hash_word(hash, size);
    for (; size >= sizeof(word); at += sizeof(word), size -= sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        hash = hash_word(hash, word);
    }
    word = 0;
    memcpy(&word, at, size);
    return hash_word(hash, word);
}

static struct cache_entry *cache_set(uintptr_t code)
{
    return codes.cache[hash_word(0, code) % CACHE_SETS];
}

static bool key_equals(const struct code_key *shared, const struct code_key *key)
{
    return __atomic_load_n(&shared->code, __ATOMIC_RELAXED) == key->code &&
           __atomic_load_n(&shared->file, __ATOMIC_RELAXED) == key->file &&
           __atomic_load_n(&shared->name, __ATOMIC_RELAXED) == key->name &&
           __atomic_load_n(&shared->linetable, __ATOMIC_RELAXED) == key->linetable &&
           __atomic_load_n(&shared->first_line, __ATOMIC_RELAXED) == key->first_line;
}

/* 0: not there. */
static uint32_t cache_find(const struct code_key *key)
{
    struct cache_entry *set = cache_set(key->code);

    for (unsigned i = 0; i < CACHE_WAYS; i++) {
        uint32_t sequence = __atomic_load_n(&set[i].sequence, __ATOMIC_ACQUIRE);
        if ((sequence & 1) || !key_equals(&set[i].key, key))
            continue;
        uint32_t id = __atomic_load_n(&set[i].id, __ATOMIC_RELAXED);
        /* The fields were read before the sequence is read again: pairs with the release in cache_put. */
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(&set[i].sequence, __ATOMIC_RELAXED) == sequence)
            return id;
    }
    return 0;
}

/* The entry that has this address (its code object is gone), else a free one, else one after the other. */
static struct cache_entry *cache_victim(uintptr_t code)
{
    struct cache_entry *set = cache_set(code), *free_entry = NULL;

    for (unsigned i = 0; i < CACHE_WAYS; i++) {
        uintptr_t other = __atomic_load_n(&set[i].key.code, __ATOMIC_RELAXED);
        if (other == code)
            return &set[i];
        if (!other && !free_entry)
            free_entry = &set[i];
    }
    return free_entry ? free_entry : &set[__atomic_fetch_add(&codes.victim, 1, __ATOMIC_RELAXED) % CACHE_WAYS];
}

/* Gives up where another thread, or the code that this signal handler interrupted, is writing the same entry. */
static void cache_put(const struct code_key *key, uint32_t id)
{
    struct cache_entry *e = cache_victim(key->code);
    uint32_t sequence = __atomic_load_n(&e->sequence, __ATOMIC_RELAXED);

    if ((sequence & 1) ||
        !__atomic_compare_exchange_n(&e->sequence, &sequence, sequence + 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    __atomic_thread_fence(__ATOMIC_RELEASE); /* the odd sequence is seen before any new field */
    __atomic_store_n(&e->id, id, __ATOMIC_RELAXED);
    __atomic_store_n(&e->key.code, key->code, __ATOMIC_RELAXED);
    __atomic_store_n(&e->key.file, key->file, __ATOMIC_RELAXED);
    __atomic_store_n(&e->key.name, key->name, __ATOMIC_RELAXED);
    __atomic_store_n(&e->key.linetable, key->linetable, __ATOMIC_RELAXED);
    __atomic_store_n(&e->key.first_line, key->first_line, __ATOMIC_RELAXED);
    __atomic_store_n(&e->sequence, sequence + 2, __ATOMIC_RELEASE);
}

/* What goes into the trace for one code object; strings cut to size. */
struct code_content {
    uint32_t first_line;
    size_t name_length, file_length, linetable_size;
    const uint8_t *linetable; /* inside the code object's own bytes */
    char name[NAME_MAX_BYTES];
    char file[FILE_MAX_BYTES];
};

static bool content_read(const struct python_layout *layout, const struct python_types *types,
                         const struct code_key *key, struct code_content *out)
{
    out->first_line = key->first_line;
    out->name_length = python_text_read(layout, types, key->name, out->name, sizeof(out->name));
    out->file_length = python_text_read(layout, types, key->file, out->file, sizeof(out->file));
    if (out->name_length == SIZE_MAX || out->file_length == SIZE_MAX || !python_pointer_plausible(key->linetable) ||
        python_load_pointer(key->linetable, PYTHON_OBJECT_TYPE) != types->bytes)
        return false;
    int64_t size = (int64_t)python_load_pointer(key->linetable, PYTHON_VAR_SIZE);
    if (size < 0 || size > BYTES_MAX)
        return false;
    out->linetable = (const uint8_t *)(key->linetable + PYTHON_BYTES_DATA);
    out->linetable_size = size < (int64_t)LINETABLE_MAX ? (size_t)size : LINETABLE_MAX;
    return true;
}

static uint64_t content_hash(const struct code_content *c)
{
    uint64_t hash = hash_word(1, c->first_line);

    hash = hash_bytes(hash, c->name, c->name_length);
    hash = hash_bytes(hash, c->file, c->file_length);
    hash = hash_bytes(hash, c->linetable, c->linetable_size);
    return hash ? hash : 1;
}

static uint32_t content_record(const struct code_content *c, uint16_t version)
{
    return record_code(c->first_line, version, c->name, c->name_length, c->file, c->file_length, c->linetable,
                       c->linetable_size);
}

/*
 * Who claims the slot enters the code. A thread that meets a claimed slot without number (its owner is at it just now,
 * or is what this signal handler interrupted) does not wait: it enters the code once more, which costs space but is not
 * wrong.
 */
static uint32_t content_intern(const struct code_content *c, uint16_t version)
{
    uint64_t hash = content_hash(c);

    for (unsigned i = 0; i < CONTENT_PROBES; i++) {
        struct content_entry *e = &codes.contents[(hash + i) % CONTENT_SLOTS];
        uint64_t seen = __atomic_load_n(&e->hash, __ATOMIC_RELAXED);
        if (!seen && __atomic_compare_exchange_n(&e->hash, &seen, hash, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            uint32_t id = content_record(c, version);
            __atomic_store_n(&e->id, id ? id : ID_REFUSED, __ATOMIC_RELEASE);
            return id;
        }
        if (seen != hash)
            continue;
        uint32_t id = __atomic_load_n(&e->id, __ATOMIC_ACQUIRE);
        if (!id)
            return content_record(c, version);
        return id == ID_REFUSED ? 0 : id;
    }
    return 0;
}

bool python_code_find(const struct python_layout *layout, const struct python_types *types, uintptr_t code,
                      uint32_t *id)
{
    struct code_content content;

    if (!python_pointer_plausible(code) || python_load_pointer(code, PYTHON_OBJECT_TYPE) != types->code)
        return false;
    struct code_key key = {
        .code = code,
        .file = python_load_pointer(code, layout->code_file),
        .name = python_load_pointer(code, layout->code_name),
        .linetable = python_load_pointer(code, layout->code_linetable),
        .first_line = (uint32_t)python_load_int(code, layout->code_first_line),
    };
    *id = cache_find(&key);
    if (*id)
        return true;
    if (!content_read(layout, types, &key, &content))
        return false;
    *id = content_intern(&content, layout->version);
    if (*id)
        cache_put(&key, *id);
    return true;
}
