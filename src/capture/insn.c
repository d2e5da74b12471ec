/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/insn.h"

#include <errno.h>
#include <string.h>

#include "capture/insn_access.h"

enum { IMM_NONE, IMM_1, IMM_2, IMM_3, IMM_Z, IMM_V, IMM_ADDRESS };

struct cursor {
    const uint8_t *at, *end;
    bool bad;
    struct insn_prefixes p;
};

static uint8_t next(struct cursor *c)
{
    if (c->at < c->end)
        return *c->at++;
    c->bad = true;
    return 0;
}

static int64_t next_signed(struct cursor *c, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)next(c) << (8 * i);
    unsigned shift = 64 - 8 * size;
    return size ? (int64_t)(value << shift) >> shift : 0;
}

/* ---- prefixes ---- */

static void read_prefixes(struct cursor *c, struct insn *insn)
{
    for (; c->at < c->end; c->at++) {
        switch (*c->at) {
        case 0x66:
            c->p.narrow = true;
            break;
        case 0x67:
            c->p.address32 = true;
            break;
        case 0xf0:
            c->p.lock = true;
            break;
        case 0xf2:
        case 0xf3:
            c->p.repeat = *c->at;
            break;
        case 0x64:
        case 0x65:
            insn->segment = true;
            break;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
            break;
        default:
            if ((*c->at & 0xf0) == 0x40) /* counts only right before the opcode */
                c->p.rex = *c->at++ & 0x0f;
            return;
        }
    }
}

static void take_prefix_bits(struct cursor *c, unsigned pp)
{
    c->p.narrow = pp == 1;
    c->p.repeat = pp == 2 ? 0xf3 : pp == 3 ? 0xf2 : 0;
}

/* C5, C4: the low bits of the first byte after it are inverted (volume 2, 2.3.5). */
static void read_vex(struct cursor *c, struct insn *insn, bool three)
{
    uint8_t first = next(c), last = three ? next(c) : first;
    insn->map = (uint8_t)(MAP_VEX + (three ? (first & 0x1f) + 1u : MAP_0F));
    c->p.rex = (uint8_t)(~first >> 5) & (three ? 7 : 4);
    c->p.rex |= three ? (last >> 4) & 8 : 0;
    c->p.vector = last & 4 ? 32 : 16;
    take_prefix_bits(c, last & 3);
    insn->opcode = next(c);
}

static void read_evex(struct cursor *c, struct insn *insn)
{
    uint8_t first = next(c), second = next(c), third = next(c);
    insn->map = (uint8_t)(MAP_VEX + (first & 7) + 1u);
    c->p.rex = (uint8_t)((~first >> 5) & 7) | ((second >> 4) & 8);
    c->p.vector = (uint8_t)(16u << ((third >> 5) & 3));
    take_prefix_bits(c, second & 3);
    insn->opcode = next(c);
}

static void read_opcode(struct cursor *c, struct insn *insn)
{
    uint8_t byte = next(c);
    insn->map = MAP_ONE;
    insn->opcode = byte;
    if (byte == 0xc5 || byte == 0xc4) {
        read_vex(c, insn, byte == 0xc4);
    } else if (byte == 0x62) {
        read_evex(c, insn);
    } else if (byte == 0x0f) {
        byte = next(c);
        insn->map = byte == 0x38 ? MAP_0F38 : byte == 0x3a ? MAP_0F3A : MAP_0F;
        insn->opcode = insn->map == MAP_0F ? byte : next(c);
    }
}

/* ---- lengths: appendix A, tables A-2 to A-5 ---- */

static const uint8_t invalid_one[] = {0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37,
                                      0x3f, 0x60, 0x61, 0x82, 0x9a, 0xce, 0xd4, 0xd5, 0xd6, 0xea};

static bool one_has_modrm(uint8_t op)
{
    if (op < 0x40)
        return (op & 7) < 4;
    return op == 0x63 || op == 0x69 || op == 0x6b || (op >= 0x80 && op <= 0x8f) || op == 0xc0 || op == 0xc1 ||
           op == 0xc6 || op == 0xc7 || (op >= 0xd0 && op <= 0xd3) || (op >= 0xd8 && op <= 0xdf) || op == 0xf6 ||
           op == 0xf7 || op >= 0xfe;
}

static int one_immediate(uint8_t op, unsigned reg)
{
    if (op < 0x40)
        return (op & 7) == 4 ? IMM_1 : (op & 7) == 5 ? IMM_Z : IMM_NONE;
    if ((op >= 0x70 && op <= 0x7f) || (op >= 0xb0 && op <= 0xb7) || (op >= 0xe0 && op <= 0xe7))
        return IMM_1;
    if (op >= 0xb8 && op <= 0xbf)
        return IMM_V;
    if (op >= 0xa0 && op <= 0xa3)
        return IMM_ADDRESS;
    switch (op) {
    case 0x6a:
    case 0x6b:
    case 0x80:
    case 0x83:
    case 0xa8:
    case 0xc0:
    case 0xc1:
    case 0xc6:
    case 0xcd:
    case 0xeb:
        return IMM_1;
    case 0x68:
    case 0x69:
    case 0x81:
    case 0xa9:
    case 0xc7:
        return IMM_Z;
    case 0xc2:
    case 0xca:
        return IMM_2;
    case 0xc8:
        return IMM_3;
    case 0xf6:
        return reg < 2 ? IMM_1 : IMM_NONE;
    case 0xf7:
        return reg < 2 ? IMM_Z : IMM_NONE;
    default:
        return IMM_NONE;
    }
}

static bool two_has_modrm(uint8_t op)
{
    return !((op >= 0x05 && op <= 0x09) || op == 0x0b || op == 0x0e || (op >= 0x30 && op <= 0x37) || op == 0x77 ||
             (op >= 0x80 && op <= 0x8f) || (op >= 0xa0 && op <= 0xa2) || (op >= 0xa8 && op <= 0xaa) ||
             (op >= 0xc8 && op <= 0xcf));
}

static bool two_has_immediate(uint8_t op)
{
    return (op >= 0x70 && op <= 0x73) || op == 0xa4 || op == 0xac || op == 0xba || op == 0xc2 ||
           (op >= 0xc4 && op <= 0xc6) || op == 0x0f;
}

static bool has_modrm(const struct insn *insn)
{
    if (insn->map == MAP_ONE)
        return one_has_modrm(insn->opcode);
    if (insn->map == MAP_0F)
        return two_has_modrm(insn->opcode);
    return insn->map != MAP_VEX + MAP_0F || insn->opcode != 0x77;
}

static int immediate_of(const struct insn *insn)
{
    switch (insn->map) {
    case MAP_ONE:
        /* e8, e9: relative, always four bytes */
        return insn->opcode == 0xe8 || insn->opcode == 0xe9 ? IMM_Z : one_immediate(insn->opcode, insn->modrm_reg & 7);
    case MAP_0F:
        if (insn->opcode >= 0x80 && insn->opcode <= 0x8f)
            return IMM_Z;
        return two_has_immediate(insn->opcode) ? IMM_1 : IMM_NONE;
    case MAP_VEX + MAP_0F:
        return two_has_immediate(insn->opcode) && insn->opcode != 0x0f ? IMM_1 : IMM_NONE;
    case MAP_0F3A:
    case MAP_VEX + MAP_0F3A:
        return IMM_1;
    default:
        return IMM_NONE;
    }
}

static bool is_branch(const struct insn *insn)
{
    return (insn->map == MAP_ONE && (insn->opcode == 0xe8 || insn->opcode == 0xe9)) ||
           (insn->map == MAP_0F && insn->opcode >= 0x80 && insn->opcode <= 0x8f);
}

static void read_immediate(struct cursor *c, struct insn *insn)
{
    bool wide = c->p.rex & 8;
    switch (immediate_of(insn)) {
    case IMM_1:
        insn->value = next_signed(c, 1);
        break;
    case IMM_2:
        insn->value = next_signed(c, 2);
        break;
    case IMM_3:
        insn->value = next_signed(c, 3);
        break;
    case IMM_Z:
        insn->value = next_signed(c, c->p.narrow && !wide && !is_branch(insn) ? 2 : 4);
        break;
    case IMM_V:
        insn->value = next_signed(c, wide ? 8 : c->p.narrow ? 2 : 4);
        break;
    case IMM_ADDRESS:
        insn->value = next_signed(c, c->p.address32 ? 4 : 8);
        break;
    default:
        break;
    }
}

/* Volume 2, 2.1.5: ModR/M and SIB. */
static void read_modrm(struct cursor *c, struct insn *insn)
{
    uint8_t modrm = next(c);
    unsigned mod = modrm >> 6, rm = modrm & 7;
    insn->modrm = true;
    insn->modrm_reg = (uint8_t)((modrm >> 3 & 7) | (c->p.rex & 4) << 1);
    insn->modrm_rm = (uint8_t)(rm | (c->p.rex & 1) << 3);
    if (mod == 3)
        return;
    insn->memory = true;
    insn->base = insn->modrm_rm;
    if (rm == 4) {
        uint8_t sib = next(c);
        unsigned index = (sib >> 3 & 7) | (c->p.rex & 2u) << 2;
        insn->base = (uint8_t)((sib & 7) | (c->p.rex & 1) << 3);
        insn->index = index == 4 ? INSN_NO_REG : (uint8_t)index;
        insn->scale = (uint8_t)(1u << (sib >> 6));
        rm = sib & 7;
        if (mod == 0 && rm == 5)
            insn->base = INSN_NO_REG;
    } else if (mod == 0 && rm == 5) {
        insn->base = INSN_RIP;
    }
    if (mod == 1)
        insn->displacement = (int32_t)next_signed(c, 1);
    else if (mod == 2 || (mod == 0 && rm == 5))
        insn->displacement = (int32_t)next_signed(c, 4);
}

static void invalid_check(struct cursor *c, const struct insn *insn)
{
    if (insn->map == MAP_ONE && memchr(invalid_one, insn->opcode, sizeof(invalid_one)))
        c->bad = true;
    if ((insn->map & MAP_VEX) && (insn->map == MAP_VEX + MAP_ONE || insn->map > MAP_VEX + 7))
        c->bad = true;
    if (insn->map == MAP_ONE && insn->opcode == 0x8f && (insn->modrm_reg & 7)) /* XOP */
        c->bad = true;
}

int insn_decode(const uint8_t *code, size_t available, struct insn *out)
{
    struct cursor c = {.at = code, .end = code + (available < INSN_MAX ? available : INSN_MAX), .p.vector = 16};
    *out = (struct insn){.data = INSN_NO_REG, .base = INSN_NO_REG, .index = INSN_NO_REG, .scale = 1};
    read_prefixes(&c, out);
    read_opcode(&c, out);
    if (has_modrm(out))
        read_modrm(&c, out);
    read_immediate(&c, out);
    invalid_check(&c, out);
    if (c.bad)
        return -EINVAL;
    out->width = c.p.rex & 8 ? 8 : c.p.narrow ? 2 : 4;
    out->length = (uint8_t)(c.at - code);
    insn_find_access(out, &c.p);
    out->locked |= c.p.lock;
    return 0;
}

int insn_before(const uint8_t *start, const uint8_t *end, struct insn *out)
{
    for (const uint8_t *at = start; at < end; at += out->length)
        if (insn_decode(at, (size_t)(end - at), out) < 0)
            return -EINVAL;
        else if (at + out->length == end)
            return 0;
    return -EINVAL;
}
