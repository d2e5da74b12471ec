/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/hpack.h"

#include <string.h>

#include "base/compiler.h"

#define NUMBER_MAX (1u << 24)
#define STATIC_ENTRIES 61 /* RFC 7541, appendix A */

enum hpack_step {
    STEP_FIELD,
    STEP_INDEX_MORE,
    STEP_NAME_LENGTH,
    STEP_NAME_LENGTH_MORE,
    STEP_NAME,
    STEP_VALUE_LENGTH,
    STEP_VALUE_LENGTH_MORE,
    STEP_VALUE,
};

enum hpack_flags {
    FLAG_INDEXED = 0x01, /* name and value are an entry's */
    FLAG_KEPT = 0x02,    /* the field becomes an entry */
    FLAG_SIZE = 0x04,    /* no field, but the table's new size */
    FLAG_HUFFMAN = 0x08,
    FLAG_CUT = 0x10,
};

/* Of the static table, what is of use: index, name, value. */
#define STATIC(index, name, value) [index] = {(name), sizeof(value) - 1, (value)}
static const struct {
    uint8_t name; /* enum hpack_name */
    uint8_t length;
    char value[12];
} fixed[STATIC_ENTRIES + 1] = {
    STATIC(1, HPACK_AUTHORITY, ""),  STATIC(2, HPACK_METHOD, "GET"),       STATIC(3, HPACK_METHOD, "POST"),
    STATIC(4, HPACK_PATH, "/"),      STATIC(5, HPACK_PATH, "/index.html"), STATIC(8, HPACK_STATUS, "200"),
    STATIC(9, HPACK_STATUS, "204"),  STATIC(10, HPACK_STATUS, "206"),      STATIC(11, HPACK_STATUS, "304"),
    STATIC(12, HPACK_STATUS, "400"), STATIC(13, HPACK_STATUS, "404"),      STATIC(14, HPACK_STATUS, "500"),
};

static void entry_add(struct hpack *d, uint8_t code)
{
    d->entry[d->next] = code;
    d->next = (uint8_t)((d->next + 1) % HPACK_ENTRIES);
    if (d->entries < HPACK_ENTRIES)
        d->entries++;
}

/* What stands at `index` behind the static table; 0: not known. */
static uint8_t entry_find(const struct hpack *d, uint32_t index)
{
    uint32_t age = index - STATIC_ENTRIES - 1;
    return age < d->entries ? d->entry[(d->next + 2 * HPACK_ENTRIES - 1 - age) % HPACK_ENTRIES] : 0;
}

static bool field_indexed(struct hpack *d, const struct hpack_reader *reader, void *context)
{
    uint32_t index = d->number;
    d->step = STEP_FIELD;
    if (index == 0)
        return false;
    if (index > STATIC_ENTRIES)
        reader->entry(context, entry_find(d, index));
    else if (fixed[index].length > 0)
        reader->field(context, fixed[index].name, (const uint8_t *)fixed[index].value, fixed[index].length, false,
                      false);
    return true;
}

/* The number that a field begins with is complete. */
static bool field_begin(struct hpack *d, const struct hpack_reader *reader, void *context)
{
    if (d->flags & FLAG_INDEXED)
        return field_indexed(d, reader, context);
    if (d->flags & FLAG_SIZE) {
        d->step = STEP_FIELD;
    } else if (d->number == 0) {
        d->step = STEP_NAME_LENGTH;
    } else {
        d->name = d->number > STATIC_ENTRIES ? (uint8_t)reader->name(context, entry_find(d, d->number))
                                             : fixed[d->number].name;
        d->step = STEP_VALUE_LENGTH;
    }
    return true;
}

static void field_end(struct hpack *d, const struct hpack_reader *reader, void *context)
{
    size_t room;
    const uint8_t *value = reader->room(context, &room);
    uint8_t code = reader->field(context, d->name, value, d->used, d->flags & FLAG_CUT, d->flags & FLAG_KEPT);
    if (d->flags & FLAG_KEPT)
        entry_add(d, code);
    d->step = STEP_FIELD;
}

static void name_end(struct hpack *d, const struct hpack_reader *reader, void *context)
{
    static const struct {
        uint8_t name, length;
        char text[12];
    } names[] = {
        {HPACK_METHOD, 7, ":method"},           {HPACK_PATH, 5, ":path"},
        {HPACK_AUTHORITY, 10, ":authority"},    {HPACK_STATUS, 7, ":status"},
        {HPACK_GRPC_STATUS, 11, "grpc-status"},
    };
    size_t room;
    const uint8_t *text = reader->room(context, &room);
    d->name = HPACK_OTHER;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (d->used == names[i].length && !(d->flags & FLAG_CUT) && memcmp(text, names[i].text, d->used) == 0)
            d->name = names[i].name;
    d->step = STEP_VALUE_LENGTH;
}

static void string_end(struct hpack *d, const struct hpack_reader *reader, void *context)
{
    if (d->step == STEP_NAME)
        name_end(d, reader, context);
    else
        field_end(d, reader, context);
}

/* A string's length is known. */
static void string_begin(struct hpack *d, const struct hpack_reader *reader, void *context)
{
    d->step = d->step < STEP_NAME ? STEP_NAME : STEP_VALUE;
    d->used = 0;
    d->flags &= (uint8_t)~FLAG_CUT;
    d->huffman = (struct huffman){0};
    if (d->number == 0)
        string_end(d, reader, context);
}

/* The first byte of a number: `bits` of it. True: that is all of it. */
static bool number_begin(struct hpack *d, uint8_t byte, unsigned bits)
{
    uint8_t mask = (uint8_t)((1u << bits) - 1);
    d->number = byte & mask;
    d->shift = 0;
    return d->number < mask;
}

/* A further byte of it (section 5.1); 1: the last; -1: absurd. */
static int number_more(struct hpack *d, uint8_t byte)
{
    if (d->shift > 21)
        return -1;
    d->number += (uint32_t)(byte & 0x7f) << d->shift;
    d->shift = (uint8_t)(d->shift + 7);
    if (d->number > NUMBER_MAX)
        return -1;
    return !(byte & 0x80);
}

/* The first byte of a field (section 6). */
static bool field_first(struct hpack *d, uint8_t byte, const struct hpack_reader *reader, void *context)
{
    unsigned bits;
    if (byte & 0x80)
        d->flags = FLAG_INDEXED, bits = 7;
    else if (byte & 0x40)
        d->flags = FLAG_KEPT, bits = 6;
    else if (byte & 0x20)
        d->flags = FLAG_SIZE, bits = 5;
    else
        d->flags = 0, bits = 4;
    if (number_begin(d, byte, bits))
        return field_begin(d, reader, context);
    d->step = STEP_INDEX_MORE;
    return true;
}

static void length_first(struct hpack *d, uint8_t byte, const struct hpack_reader *reader, void *context)
{
    d->flags &= (uint8_t)~FLAG_HUFFMAN;
    d->flags |= byte & 0x80 ? FLAG_HUFFMAN : 0;
    if (number_begin(d, byte, 7))
        string_begin(d, reader, context);
    else
        d->step++;
}

static void string_put(struct hpack *d, const uint8_t *bytes, size_t n, uint8_t *text, size_t room)
{
    size_t left = room > d->used ? room - d->used : 0;
    size_t copied = n < left ? n : left;
    memcpy(text + d->used, bytes, copied);
    d->used = (uint16_t)(d->used + copied);
    d->flags |= copied < n ? FLAG_CUT : 0;
}

/* As many bytes of a string as there are; *bytes moves on. */
static bool string_take(struct hpack *d, const uint8_t **bytes, const uint8_t *end, const struct hpack_reader *reader,
                        void *context)
{
    size_t n = (size_t)(end - *bytes) < d->number ? (size_t)(end - *bytes) : d->number;
    const uint8_t *at = *bytes;
    size_t room;
    uint8_t *text = reader->room(context, &room), out[HUFFMAN_OUT];
    *bytes += n;
    d->number -= (uint32_t)n;
    if (d->step == STEP_NAME || d->name != HPACK_OTHER) {
        if (!(d->flags & FLAG_HUFFMAN))
            string_put(d, at, n, text, room);
        for (; d->flags & FLAG_HUFFMAN && at < *bytes && !(d->flags & FLAG_CUT); at++) {
            int decoded = huffman_decode(&d->huffman, *at, out);
            if (decoded < 0)
                return false;
            string_put(d, out, (size_t)decoded, text, room);
        }
    }
    if (d->number == 0)
        string_end(d, reader, context);
    return true;
}

bool hpack_decode(struct hpack *d, const uint8_t *bytes, size_t length, const struct hpack_reader *reader,
                  void *context)
{
    const uint8_t *end = bytes + length;
    bool right = true;
    while (bytes < end && right) {
        int last = 0;
        switch ((enum hpack_step)d->step) {
        case STEP_FIELD:
            right = field_first(d, *bytes++, reader, context);
            break;
        case STEP_INDEX_MORE:
            last = number_more(d, *bytes++);
            right = last == 0 || (last > 0 && field_begin(d, reader, context));
            break;
        case STEP_NAME_LENGTH:
        case STEP_VALUE_LENGTH:
            length_first(d, *bytes++, reader, context);
            break;
        case STEP_NAME_LENGTH_MORE:
        case STEP_VALUE_LENGTH_MORE:
            last = number_more(d, *bytes++);
            right = last >= 0;
            if (last > 0)
                string_begin(d, reader, context);
            break;
        default:
            right = string_take(d, &bytes, end, reader, context);
        }
    }
    return right;
}

bool hpack_is_complete(const struct hpack *d)
{
    return d->step == STEP_FIELD;
}

void hpack_reset(struct hpack *d)
{
    d->step = STEP_FIELD;
    d->entries = 0;
}
