/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/codes.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/memory.h"
#include "kernel/target_header.h"
#include "python/utf8.h"

#define NAME_MAX_BYTES 256u
#define FILE_MAX_BYTES 1024u
#define LINETABLE_MAX (24u << 10) /* with both strings below what a trace record can hold */
#define TEXT_MAX (INT64_C(1) << 24)
#define BYTES_MAX (INT64_C(1) << 28)
#define HEAD_MAX 256u    /* bytes of a code object up to its last member that is read */
#define TABLE_MAX 65536u /* items of one table; then it starts over */

struct item { /* id 0: free */
    uint64_t key[3];
    uint32_t line, id;
    int32_t first_traceable;
};

struct table {
    struct item *items;
    size_t count, capacity; /* capacity: power of two */
};

struct codes {
    pid_t pid;
    const struct interpreter *in;
    struct writer *writer;
    struct table objects;  /* by address and what it was */
    struct table contents; /* by hash of what went into the trace */
    uint32_t last_id;
};

/* ---- tables ---- */

/* Multiply and fold, as in wyhash (https://github.com/wangyi-fudan/wyhash). */
static uint64_t hash_word(uint64_t hash, uint64_t word)
{
    unsigned __int128 product = (unsigned __int128)(hash ^ 0xa0761d6478bd642fu) * (word ^ 0xe7037ed1a0b428dbu);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *at = data;
    uint64_t word;
    hash = hash_word(hash, size);
    for (; size >= sizeof(word); at += sizeof(word), size -= sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        hash = hash_word(hash, word);
    }
    word = 0;
    memcpy(&word, at, size);
    return hash_word(hash, word);
}

static struct item *table_slot(const struct table *t, const struct item *key)
{
    uint64_t hash = hash_bytes(key->line, key->key, sizeof(key->key));
    for (size_t i = hash;; i++) {
        struct item *slot = &t->items[i & (t->capacity - 1)];
        if (!slot->id || (slot->line == key->line && memcmp(slot->key, key->key, sizeof(key->key)) == 0))
            return slot;
    }
}

static const struct item *table_find(const struct table *t, const struct item *key)
{
    const struct item *slot = t->capacity ? table_slot(t, key) : NULL;
    return slot && slot->id ? slot : NULL;
}

static bool table_grow(struct table *t)
{
    struct table larger = {.capacity = t->capacity ? 2 * t->capacity : 256};
    larger.items = calloc(larger.capacity, sizeof(*larger.items));
    if (!larger.items)
        return false;
    for (size_t i = 0; i < t->capacity; i++)
        if (t->items[i].id)
            *table_slot(&larger, &t->items[i]) = t->items[i];
    larger.count = t->count;
    free(t->items);
    *t = larger;
    return true;
}

/* Without memory it is not kept: it will be read once more. */
static void table_add(struct table *t, const struct item *item)
{
    if (t->count == TABLE_MAX) {
        memset(t->items, 0, t->capacity * sizeof(*t->items));
        t->count = 0;
    }
    if (t->count * 4 >= t->capacity * 3 && !table_grow(t))
        return;
    *table_slot(t, item) = *item;
    t->count++;
}

/* ---- another process's objects ---- */

struct content {
    uint32_t first_line;
    size_t name_length, file_length, linetable_size;
    char name[NAME_MAX_BYTES];
    char file[FILE_MAX_BYTES];
    uint8_t linetable[LINETABLE_MAX];
};

static bool type_is_unicode(const struct codes *c, uint64_t type)
{
    uint64_t flags;
    return type == c->in->types.unicode || (memory_read(c->pid, type + PYTHON_TYPE_FLAGS, &flags, sizeof(flags)) &&
                                            (flags & PYTHON_TYPE_UNICODE_SUBCLASS));
}

/* Where the characters of a str are: behind its head, or, in instances of subclasses, elsewhere. 0: unreadable. */
static uint64_t text_data(const struct codes *c, uint64_t object, uint32_t state)
{
    const struct python_layout *l = c->in->layout;
    uint64_t data;
    if (PYTHON_UNICODE_COMPACT(state))
        return object + (PYTHON_UNICODE_ASCII(state) ? l->unicode_ascii : l->unicode_compact);
    return memory_read(c->pid, object + l->unicode_compact, &data, sizeof(data)) ? data : 0;
}

/* The text of the str at `object` as UTF-8, cut to `size` bytes. False: it is none. */
static bool text_read(const struct codes *c, uint64_t object, char *buffer, size_t size, size_t *length)
{
    uint8_t head[PYTHON_UNICODE_STATE + 4], characters[4 * FILE_MAX_BYTES];
    uint64_t type, count;
    uint32_t state;
    if (!memory_read(c->pid, object, head, sizeof(head)))
        return false;
    memcpy(&type, head + PYTHON_OBJECT_TYPE, sizeof(type));
    memcpy(&count, head + PYTHON_UNICODE_LENGTH, sizeof(count));
    memcpy(&state, head + PYTHON_UNICODE_STATE, sizeof(state));
    unsigned kind = PYTHON_UNICODE_KIND(state);
    if (!type_is_unicode(c, type) || (kind != 1 && kind != 2 && kind != 4) || count > TEXT_MAX)
        return false;
    if (count > size) /* a character takes a byte at least */
        count = size;
    uint64_t data = text_data(c, object, state);
    if (!data || (count && !memory_read(c->pid, data, characters, count * kind)))
        return false;
    *length = python_utf8(characters, count, kind, buffer, size);
    return true;
}

static bool linetable_read(const struct codes *c, uint64_t object, struct content *out)
{
    uint8_t head[PYTHON_BYTES_DATA];
    uint64_t type;
    int64_t size;
    if (!memory_read(c->pid, object, head, sizeof(head)))
        return false;
    memcpy(&type, head + PYTHON_OBJECT_TYPE, sizeof(type));
    memcpy(&size, head + PYTHON_VAR_SIZE, sizeof(size));
    if (type != c->in->types.bytes || size < 0 || size > BYTES_MAX)
        return false;
    out->linetable_size = size < (int64_t)LINETABLE_MAX ? (size_t)size : LINETABLE_MAX;
    return !out->linetable_size || memory_read(c->pid, object + PYTHON_BYTES_DATA, out->linetable, out->linetable_size);
}

/* What is known of a code object without following its pointers. */
struct code_head {
    uint64_t type, file, name, linetable;
    uint32_t first_line;
    int32_t first_traceable;
};

static bool head_read(const struct codes *c, uint64_t code, struct code_head *out)
{
    const struct python_layout *l = c->in->layout;
    const size_t members[] = {l->code_file, l->code_name, l->code_linetable, l->code_first_line,
                              l->code_first_traceable == PYTHON_ABSENT ? 0 : l->code_first_traceable};
    uint8_t bytes[HEAD_MAX];
    size_t size = 0;
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        if (members[i] + sizeof(uint64_t) > size)
            size = members[i] + sizeof(uint64_t);
    if (size > sizeof(bytes) || !memory_read(c->pid, code, bytes, size))
        return false;
    memset(out, 0, sizeof(*out));
    memcpy(&out->type, bytes + PYTHON_OBJECT_TYPE, sizeof(out->type));
    memcpy(&out->file, bytes + l->code_file, sizeof(out->file));
    memcpy(&out->name, bytes + l->code_name, sizeof(out->name));
    memcpy(&out->linetable, bytes + l->code_linetable, sizeof(out->linetable));
    memcpy(&out->first_line, bytes + l->code_first_line, sizeof(out->first_line));
    if (l->code_first_traceable != PYTHON_ABSENT)
        memcpy(&out->first_traceable, bytes + l->code_first_traceable, sizeof(out->first_traceable));
    return true;
}

/* ---- into the trace ---- */

static uint32_t content_write(struct codes *c, const struct content *content)
{
    uint32_t cursor = sizeof(struct event_code);
    size_t tail = content->name_length + content->file_length + content->linetable_size;
    struct event_code *e = (void *)writer_log_reserve(c->writer, cursor, (uint32_t)tail);
    if (!e)
        return 0;
    e->header.time_ns = kernel_now();
    e->id = ++c->last_id;
    e->first_line = content->first_line;
    e->name = writer_log_string(&e->header, &cursor, content->name, content->name_length);
    e->file = writer_log_string(&e->header, &cursor, content->file, content->file_length);
    e->linetable = writer_log_string(&e->header, &cursor, content->linetable, content->linetable_size);
    e->version = c->in->version;
    e->flags = 0;
    writer_log_commit(&e->header, EVENT_CODE);
    return c->last_id;
}

static uint32_t content_intern(struct codes *c, const struct content *content)
{
    struct item item = {.line = content->first_line};
    item.key[0] = hash_bytes(1, content->name, content->name_length);
    item.key[1] = hash_bytes(2, content->file, content->file_length);
    item.key[2] = hash_bytes(3, content->linetable, content->linetable_size);
    const struct item *known = table_find(&c->contents, &item);
    if (known)
        return known->id;
    item.id = content_write(c, content);
    if (item.id)
        table_add(&c->contents, &item);
    return item.id;
}

static bool is_same(const struct code_head *head, const struct offcpu_python_frame *frame)
{
    return head->name == frame->name && head->linetable == frame->linetable && head->first_line == frame->first_line;
}

static enum codes_result code_read(struct codes *c, const struct offcpu_python_frame *frame, struct code *out)
{
    struct code_head head, after;
    struct content content;
    if (!head_read(c, frame->code, &head) || head.type != c->in->types.code)
        return CODES_UNREADABLE;
    if (!is_same(&head, frame))
        return CODES_REPLACED;
    if (!text_read(c, head.name, content.name, sizeof(content.name), &content.name_length) ||
        !text_read(c, head.file, content.file, sizeof(content.file), &content.file_length) ||
        !linetable_read(c, head.linetable, &content))
        return CODES_UNREADABLE;
    /* The process runs meanwhile: what was read belongs together if the object is still the same behind it. */
    if (!head_read(c, frame->code, &after) || memcmp(&head, &after, sizeof(head)) != 0)
        return CODES_REPLACED;
    content.first_line = head.first_line;
    out->id = content_intern(c, &content);
    out->first_traceable = head.first_traceable;
    return CODES_FOUND;
}

/* ---- the interface ---- */

struct codes *codes_new(pid_t pid, const struct interpreter *in, struct writer *writer)
{
    struct codes *c = calloc(1, sizeof(*c));
    if (c) {
        c->pid = pid;
        c->in = in;
        c->writer = writer;
    }
    return c;
}

void codes_free(struct codes *c)
{
    if (!c)
        return;
    free(c->objects.items);
    free(c->contents.items);
    free(c);
}

enum codes_result codes_find(struct codes *c, const struct offcpu_python_frame *frame, struct code *out)
{
    struct item item = {.key = {frame->code, frame->name, frame->linetable}, .line = frame->first_line};
    const struct item *known = table_find(&c->objects, &item);
    *out = (struct code){0, 0};
    if (known) {
        *out = (struct code){known->id, known->first_traceable};
        return CODES_FOUND;
    }
    enum codes_result result = code_read(c, frame, out);
    if (result == CODES_FOUND && out->id) {
        item.id = out->id;
        item.first_traceable = out->first_traceable;
        table_add(&c->objects, &item);
    }
    return result;
}
