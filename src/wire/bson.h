/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Elements of BSON documents (https://bsonspec.org/spec.html), of which the end may be missing. Pure functions, inline.
 */
#ifndef CPROBE_WIRE_BSON_H
#define CPROBE_WIRE_BSON_H

#include "wire/fields.h"

#define BSON_EMPTY 5 /* the size of a document without elements */

enum bson_type {
    BSON_DOUBLE = 0x01,
    BSON_STRING = 0x02,
    BSON_DOCUMENT = 0x03,
    BSON_ARRAY = 0x04,
    BSON_BINARY = 0x05,
    BSON_UNDEFINED = 0x06,
    BSON_OBJECT_ID = 0x07,
    BSON_BOOL = 0x08,
    BSON_DATE = 0x09,
    BSON_NULL = 0x0a,
    BSON_REGEX = 0x0b,
    BSON_DB_POINTER = 0x0c,
    BSON_CODE = 0x0d,
    BSON_SYMBOL = 0x0e,
    BSON_SCOPED_CODE = 0x0f,
    BSON_INT32 = 0x10,
    BSON_TIMESTAMP = 0x11,
    BSON_INT64 = 0x12,
    BSON_DECIMAL = 0x13,
    BSON_MAX_KEY = 0x7f,
    BSON_MIN_KEY = 0xff,
};

struct bson_element {
    uint8_t type; /* enum bson_type */
    const char *name;
    size_t name_length;
    const uint8_t *value;
    uint64_t size; /* of the value */
    size_t held;   /* how much of it is there */
};

/* What is left of a document: its elements, without its size. */
struct bson {
    const uint8_t *at;
    const uint8_t *end; /* of the document, or of what is there of it */
    bool ended;         /* its last byte was there, and every element before it */
};

/* The elements of the document at `bytes`, of which `held` are there. */
static inline struct bson bson_open(const uint8_t *bytes, size_t held)
{
    uint64_t size = held >= 4 ? field_le32(bytes) : 0;
    if (size < BSON_EMPTY)
        return (struct bson){bytes, bytes, false};
    return (struct bson){bytes + 4, bytes + (size < held ? size : held), false};
}

/* How long the value at `at` is; 0 for none, UINT64_MAX: there is too little of it to tell, or it is no value. */
static inline uint64_t bson_size(uint8_t type, const uint8_t *at, const uint8_t *end)
{
    size_t held = (size_t)(end - at);
    uint64_t prefix = held >= 4 ? field_le32(at) : UINT64_MAX;
    const uint8_t *zero;
    switch (type) {
    case BSON_DOUBLE:
    case BSON_DATE:
    case BSON_TIMESTAMP:
    case BSON_INT64:
        return 8;
    case BSON_INT32:
        return 4;
    case BSON_BOOL:
        return 1;
    case BSON_OBJECT_ID:
        return 12;
    case BSON_DECIMAL:
        return 16;
    case BSON_UNDEFINED:
    case BSON_NULL:
    case BSON_MAX_KEY:
    case BSON_MIN_KEY:
        return 0;
    case BSON_STRING:
    case BSON_CODE:
    case BSON_SYMBOL:
        return prefix > INT32_MAX ? UINT64_MAX : prefix + 4;
    case BSON_BINARY:
        return prefix > INT32_MAX ? UINT64_MAX : prefix + 5;
    case BSON_DB_POINTER:
        return prefix > INT32_MAX ? UINT64_MAX : prefix + 16;
    case BSON_DOCUMENT:
    case BSON_ARRAY:
    case BSON_SCOPED_CODE:
        return prefix > INT32_MAX || prefix < BSON_EMPTY ? UINT64_MAX : prefix;
    case BSON_REGEX:
        if (!(zero = memchr(at, 0, held)) || !(zero = memchr(zero + 1, 0, (size_t)(end - zero - 1))))
            return UINT64_MAX;
        return (uint64_t)(zero + 1 - at);
    default:
        return UINT64_MAX;
    }
}

/* The next element, of whose value all or a part is there; false: there is none, or nothing more can be known. */
static inline bool bson_next(struct bson *b, struct bson_element *e)
{
    if (b->at == b->end)
        return false;
    e->type = *b->at;
    if (e->type == 0) {
        b->ended = true;
        b->at = b->end;
        return false;
    }
    e->name = (const char *)b->at + 1;
    const uint8_t *zero = memchr(e->name, 0, (size_t)(b->end - b->at - 1));
    if (!zero)
        return false;
    e->name_length = (size_t)(zero - (const uint8_t *)e->name);
    e->value = zero + 1;
    e->size = bson_size(e->type, e->value, b->end);
    if (e->size == UINT64_MAX)
        return false;
    size_t left = (size_t)(b->end - e->value);
    e->held = e->size < left ? (size_t)e->size : left;
    b->at = e->value + e->held;
    return true;
}

#define BSON_IS(element, literal) \
    ((element)->name_length == sizeof(literal) - 1 && memcmp((element)->name, literal, sizeof(literal) - 1) == 0)

/* An integer of any type, also true and false; of doubles, whether they are not 0. `otherwise`: it is none, or cut. */
static inline int64_t bson_integer(const struct bson_element *e, int64_t otherwise)
{
    if (e->held < e->size)
        return otherwise;
    switch (e->type) {
    case BSON_INT32:
        return (int32_t)field_le32(e->value);
    case BSON_INT64:
        return (int64_t)field_le64(e->value);
    case BSON_BOOL:
        return e->value[0] != 0;
    case BSON_DOUBLE:
        return field_le64(e->value) << 1 != 0;
    default:
        return otherwise;
    }
}

/* The bytes of a string that is all there, without its final zero; NULL: it is none. */
static inline const char *bson_string(const struct bson_element *e, size_t *length)
{
    if (e->type != BSON_STRING || e->held < e->size || e->size < 5)
        return NULL;
    *length = (size_t)e->size - 5;
    return (const char *)e->value + 4;
}

/* Whether it is a document or an array, and has no elements. */
static inline bool bson_is_empty(const struct bson_element *e)
{
    return (e->type == BSON_DOCUMENT || e->type == BSON_ARRAY) && e->size == BSON_EMPTY;
}

#endif
