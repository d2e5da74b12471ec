/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers, letters and hashes in the bytes of a message. Pure functions, inline: they run for every message.
 */
#ifndef CPROBE_WIRE_FIELDS_H
#define CPROBE_WIRE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t field_be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t field_be24(const uint8_t *p)
{
    return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static inline uint32_t field_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | field_be24(p + 1);
}

static inline uint64_t field_be64(const uint8_t *p)
{
    return (uint64_t)field_be32(p) << 32 | field_be32(p + 4);
}

static inline uint16_t field_le16(const uint8_t *p)
{
    return (uint16_t)(p[1] << 8 | p[0]);
}

static inline uint32_t field_le24(const uint8_t *p)
{
    return (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static inline uint32_t field_le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | field_le24(p);
}

static inline uint64_t field_le64(const uint8_t *p)
{
    return (uint64_t)field_le32(p + 4) << 32 | field_le32(p);
}

/* FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/. Begin with FIELD_HASH_START to hash in parts. */
#define FIELD_HASH_START 0xcbf29ce484222325u
static inline uint64_t field_hash_more(uint64_t hash, const void *bytes, size_t length)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

static inline uint64_t field_hash(const void *bytes, size_t length)
{
    return field_hash_more(FIELD_HASH_START, bytes, length);
}

static inline bool field_is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static inline bool field_is_letter(uint8_t c)
{
    return (uint8_t)((c | 0x20) - 'a') < 26;
}

static inline char field_upper(uint8_t c)
{
    return (char)(c - ((uint8_t)(c - 'a') < 26 ? 0x20 : 0));
}

/* Decimal digits, all of them; false: none, other characters, or more than 64 bits. */
static inline bool field_decimal(const void *bytes, size_t length, uint64_t *value)
{
    const uint8_t *p = bytes;
    uint64_t v = 0;
    if (length == 0 || length > 20)
        return false;
    for (size_t i = 0; i < length; i++) {
        uint64_t digit = (uint64_t)p[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v))
            return false;
    }
    *value = v;
    return true;
}

/* Likewise with an optional minus sign. */
static inline bool field_signed(const void *bytes, size_t length, int64_t *value)
{
    const uint8_t *p = bytes;
    bool minus = length > 0 && p[0] == '-';
    uint64_t v;
    if (!field_decimal(p + minus, length - minus, &v) || v > INT64_MAX)
        return false;
    *value = minus ? -(int64_t)v : (int64_t)v;
    return true;
}

/* Whether `bytes` are `upper`, case ignored; `upper` holds upper-case letters only. */
static inline bool field_same(const void *bytes, const char *upper, size_t length)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < length; i++)
        if (field_upper(p[i]) != upper[i])
            return false;
    return true;
}

/* Likewise for a string literal, whose length must agree. */
#define FIELD_IS(bytes, length, literal) \
    ((length) == sizeof(literal) - 1 && field_same((bytes), (literal), sizeof(literal) - 1))

/* Whether the first min(length, sizeof literal) bytes are the literal's: what a guess compares. */
#define FIELD_BEGINS(bytes, length, literal) \
    (memcmp((bytes), (literal), (length) < sizeof(literal) - 1 ? (length) : sizeof(literal) - 1) == 0)

#endif
