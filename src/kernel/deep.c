/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/deep.h"

#include <stdlib.h>
#include <string.h>

struct deep {
    uint32_t sequence;
    uint32_t parts;                                         /* of that sequence, so far; 0: none */
    size_t size;                                            /* bytes of these */
    uint8_t bytes[OFFCPU_STACK_BYTES * OFFCPU_STACK_PARTS]; /* the first record's place, then the parts */
};

void deep_add(struct deep **deep, const struct offcpu_stack_part *part)
{
    if (!*deep)
        *deep = calloc(1, sizeof(**deep));
    struct deep *d = *deep;
    if (!d || part->part == 0 || part->part >= OFFCPU_STACK_PARTS || part->size > OFFCPU_STACK_BYTES)
        return;
    if (part->part == 1) {
        d->sequence = part->sequence;
        d->parts = 0;
        d->size = 0;
    }
    if (part->sequence != d->sequence || part->part != d->parts + 1 || d->size != OFFCPU_STACK_BYTES * (size_t)d->parts)
        return;
    memcpy(d->bytes + OFFCPU_STACK_BYTES + d->size, part->bytes, part->size);
    d->size += part->size;
    d->parts++;
}

void deep_free(struct deep *deep)
{
    free(deep);
}

const uint8_t *deep_bytes(struct deep *deep, const struct offcpu_stack *stack, size_t *size)
{
    uint64_t above = stack->registers[OFFCPU_RSP] & (OFFCPU_PAGE - 1); /* where in its page the stack pointer is */
    *size = stack->size < OFFCPU_STACK_BYTES ? stack->size : OFFCPU_STACK_BYTES;
    if (!deep || !deep->parts || deep->sequence != stack->sequence || *size + above != OFFCPU_STACK_BYTES)
        return stack->bytes;
    uint8_t *bytes = deep->bytes + above;
    memcpy(bytes, stack->bytes, *size);
    *size += deep->size;
    deep->parts = 0;
    return bytes;
}
