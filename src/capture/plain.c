/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/plain.h"

#include <string.h>
#include <unistd.h>

#include "capture/cfi.h"
#include "capture/insn.h"
#include "capture/modules.h"
#include "capture/sites.h"

enum { MAP_ONE = 1, MAP_0F = 2 };

struct question {
    const uint64_t *frames;
    size_t frame_count;
    uintptr_t functions[PLAIN_FUNCTIONS]; /* where they begin; [0, done) were read */
    uint32_t count, done;
    size_t bytes;
};

/* Enters the function that contains `pc`. False: it cannot be looked at. */
static bool function_enter(struct question *q, uintptr_t pc)
{
    const struct module *m = modules_find(pc);
    uintptr_t end;
    if (!m)
        return false;
    if (modules_own(pc))
        return pc != (uintptr_t)syscall; /* by which futexes are reached */
    if (sites_runtime(m))
        return true;
    uintptr_t begin = cfi_function(m->eh_frame_hdr, pc, &end);
    for (uint32_t i = 0; i < q->count; i++)
        if (q->functions[i] == begin)
            return true;
    if (!begin || q->count == PLAIN_FUNCTIONS)
        return false;
    q->functions[q->count++] = begin;
    return true;
}

/* What makes an instruction more than a load, a store, or a computation. */
static bool is_special(const struct insn *i, const uint8_t *at)
{
    if (i->map == MAP_0F)
        return i->locked || i->opcode == 0x05 ||                                   /* syscall */
               (i->opcode == 0xae && !i->memory && (i->modrm_reg & 7) > 5);        /* mfence, sfence */
    return i->locked || (i->map == MAP_ONE && i->opcode == 0x90 && at[0] == 0xf3); /* pause */
}

static bool leads_to_frame(const struct question *q, uintptr_t next)
{
    for (size_t i = 0; i < q->frame_count; i++)
        if (q->frames[i] == next)
            return true;
    return false;
}

static bool is_indirect(const struct insn *i)
{
    unsigned reg = i->modrm_reg & 7;
    return i->map == MAP_ONE && i->opcode == 0xff && reg >= 2 && reg <= 5;
}

/* call and jmp by way of a register or memory. Slots of the linkage table and variables can be read; a slot that still
   leads back to its entry (the next instruction) was never used. */
static bool indirect_follow(struct question *q, const struct insn *i, uintptr_t next)
{
    uintptr_t target;
    if (!i->memory || i->base != INSN_RIP)
        return (i->modrm_reg & 7) == 2 && leads_to_frame(q, next);
    memcpy(&target, (const void *)(next + (uintptr_t)(intptr_t)i->displacement), sizeof(target));
    return target == 0 || target == next || function_enter(q, target);
}

/* An entry of the linkage table stands for the function that it leads to; its own neighbours are of no interest. */
static bool target_enter(struct question *q, uintptr_t target)
{
    struct insn i;
    if (modules_find(target) && insn_decode((const uint8_t *)target, 6, &i) == 0 && is_indirect(&i))
        return indirect_follow(q, &i, target + i.length);
    return function_enter(q, target);
}

/* The instruction at [next - length, next) of the function [begin, end). False: nobody knows where it leads to. */
static bool branch_follow(struct question *q, const struct insn *i, uintptr_t next, uintptr_t begin, uintptr_t end)
{
    uint8_t op = i->opcode;
    bool relative = i->map == MAP_ONE ? (op >= 0x70 && op <= 0x7f) || (op >= 0xe0 && op <= 0xe3) ||
                                            (op >= 0xe8 && op <= 0xeb && op != 0xea)
                                      : i->map == MAP_0F && op >= 0x80 && op <= 0x8f;
    if (is_indirect(i))
        return indirect_follow(q, i, next);
    uintptr_t target = next + (uintptr_t)i->value;
    return !relative || (target >= begin && target < end) || target_enter(q, target);
}

static bool function_read(struct question *q, uintptr_t begin)
{
    uintptr_t end = 0;
    struct insn i;
    if (!cfi_function(modules_find(begin)->eh_frame_hdr, begin, &end))
        return false;
    q->bytes += end - begin;
    if (q->bytes > PLAIN_BYTES)
        return false;
    for (uintptr_t at = begin; at < end; at += i.length) {
        const uint8_t *code = (const uint8_t *)at;
        if (insn_decode(code, end - at, &i) < 0 || is_special(&i, code) ||
            !branch_follow(q, &i, at + i.length, begin, end))
            return false;
    }
    return true;
}

bool plain_stack(const uint64_t *frames, size_t count)
{
    struct question q = {.frames = frames, .frame_count = count};
    for (size_t i = 0; i < count; i++)
        if (!function_enter(&q, frames[i] - 1))
            return false;
    while (q.done < q.count)
        if (!function_read(&q, q.functions[q.done++]))
            return false;
    return true;
}
