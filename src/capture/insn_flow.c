/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * insn_carries: follows a loaded value through registers. An instruction that is not listed here ends the search, so
 * that "yes" is certain for the straight path; conditional jumps are taken as not taken.
 */
#include "capture/insn.h"

#define PATH_MAX_BYTES 256 /* between load and store; compilers put them closer */

enum { MAP_ONE = 1, MAP_0F = 2 };

/* Registers whose contents come from the load, one bit each. */
typedef uint32_t taint_t;

static bool has(taint_t taint, unsigned reg)
{
    return reg < 16 && taint >> reg & 1;
}

static taint_t put(taint_t taint, unsigned reg, bool value)
{
    return value ? taint | 1u << reg : taint & ~(1u << reg);
}

/* Whether what it reads from r/m is, or is found through, the loaded value. */
static bool from_rm(const struct insn *i, taint_t taint)
{
    return i->memory ? has(taint, i->base) || has(taint, i->index) : has(taint, i->modrm_rm);
}

/* add, or, adc, sbb, and, sub, xor, cmp: in both directions and sizes. */
static bool arithmetic(const struct insn *i, taint_t *taint)
{
    unsigned form = i->opcode & 7;
    if (form < 4 && i->opcode < 0x38) {
        unsigned to = form < 2 ? i->modrm_rm : i->modrm_reg;
        bool other = form < 2 ? has(*taint, i->modrm_reg) : from_rm(i, *taint);
        bool same = !i->memory && i->modrm_rm == i->modrm_reg;
        bool clears = same && (i->opcode >> 3 == 5 || i->opcode >> 3 == 6); /* sub, xor */
        if (form < 2 && i->memory)
            return true;
        *taint = put(*taint, to, !clears && (other || has(*taint, to)));
    }
    return true;
}

static bool moves(const struct insn *i, taint_t *taint)
{
    switch (i->opcode) {
    case 0x88:
    case 0x89:
        if (!i->memory)
            *taint = put(*taint, i->modrm_rm, has(*taint, i->modrm_reg));
        return true;
    case 0x8b:
    case 0x63:
    case 0x8d: /* lea: its address is its value */
        *taint = put(*taint, i->modrm_reg, from_rm(i, *taint));
        return true;
    case 0xc6:
    case 0xc7:
        if (!i->memory)
            *taint = put(*taint, i->modrm_rm, false);
        return true;
    case 0x69:
    case 0x6b:
        *taint = put(*taint, i->modrm_reg, from_rm(i, *taint));
        return true;
    default:
        return false;
    }
}

/* What leaves every register as it was, or changes one in place. */
static bool harmless(const struct insn *i)
{
    uint8_t op = i->opcode;
    unsigned reg = i->modrm_reg & 7;
    return (op >= 0x50 && op <= 0x57) || (op >= 0x70 && op <= 0x7f) || op == 0x80 || op == 0x81 || op == 0x83 ||
           op == 0x84 || op == 0x85 || op == 0x90 || op == 0xa8 || op == 0xa9 || op == 0xc0 || op == 0xc1 ||
           (op >= 0xd0 && op <= 0xd3) || ((op == 0xf6 || op == 0xf7) && reg < 4) || (op >= 0xfe && reg < 2);
}

static bool step_one(const struct insn *i, taint_t *taint)
{
    uint8_t op = i->opcode;
    if (op < 0x40 && (op & 7) < 4)
        return arithmetic(i, taint);
    if (op < 0x40 || harmless(i)) /* with al, eax: changes it in place */
        return true;
    if (op >= 0x58 && op <= 0x5f)
        *taint = 0; /* which register is not worth finding out */
    else if (op >= 0xb8 && op <= 0xbf)
        *taint &= ~(0x101u << (op & 7)); /* REX.B is not kept: both */
    else
        return moves(i, taint);
    return true;
}

static bool step_two(const struct insn *i, taint_t *taint)
{
    uint8_t op = i->opcode;
    if ((op >= 0x80 && op <= 0x8f) || op == 0x1f || op == 0x1e || op == 0x18 || op == 0x0d)
        return true; /* jcc, nop, endbr64, prefetch */
    if (op == 0xb6 || op == 0xb7 || op == 0xbe || op == 0xbf)
        *taint = put(*taint, i->modrm_reg, from_rm(i, *taint));
    else if (op == 0xaf)
        *taint = put(*taint, i->modrm_reg, has(*taint, i->modrm_reg) || from_rm(i, *taint));
    else if (op >= 0x90 && op <= 0x9f && i->memory)
        return true;
    else
        return op >= 0x10 && op <= 0x17; /* moves of vectors */
    return true;
}

bool insn_carries(const uint8_t *load_end, unsigned loaded, const uint8_t *store, unsigned stored)
{
    taint_t taint = loaded < 16 ? 1u << loaded : 0;
    if (store < load_end || store - load_end > PATH_MAX_BYTES || stored >= 16)
        return false;
    const uint8_t *at = load_end;
    while (at < store && taint) {
        struct insn i;
        if (insn_decode(at, (size_t)(store - at), &i) < 0)
            return false;
        if (!(i.map == MAP_ONE && step_one(&i, &taint)) && !(i.map == MAP_0F && step_two(&i, &taint)))
            return false;
        at += i.length;
    }
    return at == store && has(taint, stored);
}
