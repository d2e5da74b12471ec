/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/insn_access.h"

static void set(struct insn *insn, enum insn_access access, unsigned size)
{
    insn->access = access;
    insn->size = (uint8_t)size;
}

static void one_string(struct insn *insn)
{
    static const uint8_t access[16] = {
        [4] = INSN_MODIFY, [5] = INSN_MODIFY, [6] = INSN_READ,  [7] = INSN_READ,  [10] = INSN_WRITE,
        [11] = INSN_WRITE, [12] = INSN_READ,  [13] = INSN_READ, [14] = INSN_READ, [15] = INSN_READ};
    if (insn->opcode < 0xa4 || insn->opcode > 0xaf || !access[insn->opcode & 15])
        return;
    set(insn, access[insn->opcode & 15], 0);
    insn->repeated = true;
}

static void one_x87(struct insn *insn)
{
    static const uint8_t stores[8] = {[1] = 0xcc, [3] = 0x8e, [5] = 0xce, [7] = 0xce}; /* by reg, of D9, DB, DD, DF */
    bool store = stores[insn->opcode & 7] >> (insn->modrm_reg & 7) & 1;
    set(insn, store ? INSN_WRITE : INSN_READ, 0);
}

/* F6, F7, FE, FF, by the reg field. */
static void one_group(struct insn *insn, unsigned size)
{
    unsigned reg = insn->modrm_reg & 7;
    if (insn->opcode >= 0xfe) {
        if (reg < 2)
            set(insn, INSN_MODIFY, size);
        else
            set(insn, INSN_READ, 8); /* call, jmp, push */
        return;
    }
    set(insn, reg == 2 || reg == 3 ? INSN_MODIFY : INSN_READ, size);
}

static void one_moves(struct insn *insn, unsigned size)
{
    switch (insn->opcode) {
    case 0x88:
    case 0x89:
        set(insn, INSN_WRITE, size);
        insn->data = size >= 4 ? insn->modrm_reg : INSN_NO_REG;
        break;
    case 0x8a:
        set(insn, INSN_READ, size);
        break;
    case 0x8b:
        set(insn, INSN_READ, size);
        insn->data = size >= 4 ? insn->modrm_reg : INSN_NO_REG;
        break;
    case 0xc6:
    case 0xc7:
        set(insn, INSN_WRITE, size);
        insn->has_value = true;
        break;
    case 0x86:
    case 0x87:
        set(insn, INSN_MODIFY, size);
        insn->locked = true;
        break;
    case 0x8c:
        set(insn, INSN_WRITE, 2);
        break;
    case 0x8e:
        set(insn, INSN_READ, 2);
        break;
    case 0x8f:
        set(insn, INSN_WRITE, 8);
        break;
    case 0x63:
        set(insn, INSN_READ, 4);
        insn->data = insn->modrm_reg;
        break;
    default:
        break;
    }
}

static void one_access(struct insn *insn)
{
    uint8_t op = insn->opcode;
    unsigned size = op & 1 ? insn->width : 1;
    if (op < 0x40) {
        set(insn, (op & 7) < 2 && op < 0x38 ? INSN_MODIFY : INSN_READ, size);
        return;
    }
    one_moves(insn, size);
    if (op == 0x80 || op == 0x81 || op == 0x83)
        set(insn, (insn->modrm_reg & 7) == 7 ? INSN_READ : INSN_MODIFY, size);
    else if (op == 0x84 || op == 0x85)
        set(insn, INSN_READ, size);
    else if (op == 0x69 || op == 0x6b)
        set(insn, INSN_READ, insn->width);
    else if (op == 0xc0 || op == 0xc1 || (op >= 0xd0 && op <= 0xd3))
        set(insn, INSN_MODIFY, size);
    else if (op >= 0xd8 && op <= 0xdf)
        one_x87(insn);
    else if (op >= 0xf6)
        one_group(insn, size);
}

/* Bytes of a vector operand: all of it, or one float or double (F3, F2). */
static unsigned vector_size(const struct insn_prefixes *p)
{
    return p->repeat == 0xf3 ? 4 : p->repeat == 0xf2 ? 8 : p->vector;
}

static void two_vector(struct insn *insn, const struct insn_prefixes *p)
{
    switch (insn->opcode) {
    case 0x10:
    case 0x11:
        set(insn, insn->opcode & 1 ? INSN_WRITE : INSN_READ, vector_size(p));
        break;
    case 0x12:
    case 0x16:
    case 0x13:
    case 0x17:
        set(insn, insn->opcode & 1 ? INSN_WRITE : INSN_READ, 8);
        break;
    case 0x28:
    case 0x29:
    case 0x2b:
        set(insn, insn->opcode == 0x28 ? INSN_READ : INSN_WRITE, p->vector);
        break;
    case 0x6e:
        set(insn, INSN_READ, p->rex & 8 ? 8 : 4);
        break;
    case 0x7e:
        set(insn, p->repeat ? INSN_READ : INSN_WRITE, p->repeat || p->rex & 8 ? 8 : 4);
        break;
    case 0x6f:
    case 0x7f:
        set(insn, insn->opcode == 0x6f ? INSN_READ : INSN_WRITE, p->narrow || p->repeat ? p->vector : 8);
        break;
    case 0xd6:
        set(insn, INSN_WRITE, 8);
        break;
    case 0xe7:
        set(insn, INSN_WRITE, p->narrow ? p->vector : 8);
        break;
    default:
        set(insn, INSN_READ, 0);
        break;
    }
}

static bool two_is_modify(uint8_t op, unsigned reg)
{
    return op == 0xab || op == 0xb3 || op == 0xbb || op == 0xa4 || op == 0xa5 || op == 0xac || op == 0xad ||
           op == 0xb0 || op == 0xb1 || op == 0xc0 || op == 0xc1 || (op == 0xba && reg > 4) || op == 0xc7;
}

static void two_access(struct insn *insn, const struct insn_prefixes *p)
{
    uint8_t op = insn->opcode;
    if (op < 0x10 || (op >= 0x18 && op <= 0x27) || op == 0xae)
        return; /* system, prefetch, nop, fxsave */
    if (two_is_modify(op, insn->modrm_reg & 7)) {
        set(insn, INSN_MODIFY, op == 0xc7 ? 2u * insn->width : op == 0xb0 || op == 0xc0 ? 1 : insn->width);
    } else if (op >= 0x90 && op <= 0x9f) {
        set(insn, INSN_WRITE, 1);
    } else if (op == 0xc3) {
        set(insn, INSN_WRITE, insn->width);
        insn->data = insn->modrm_reg;
    } else if (op == 0xb6 || op == 0xb7 || op == 0xbe || op == 0xbf) {
        set(insn, INSN_READ, op & 1 ? 2 : 1);
        insn->data = insn->modrm_reg;
    } else if ((op >= 0x40 && op <= 0x4f) || op == 0xa3 || op == 0xaf || op == 0xba || op == 0xb8 || op == 0xbc ||
               op == 0xbd) {
        set(insn, INSN_READ, insn->width);
    } else {
        two_vector(insn, p);
    }
}

static void three_access(struct insn *insn, const struct insn_prefixes *p)
{
    uint8_t op = insn->opcode;
    bool vex = insn->map & MAP_VEX;
    set(insn, INSN_READ, 0);
    if ((insn->map & 15) == MAP_0F38) {
        if (!vex && op >= 0xf0 && op <= 0xf1 && p->repeat != 0xf2)
            set(insn, op & 1 ? INSN_WRITE : INSN_READ, insn->width);
        else if (vex && (op == 0x2e || op == 0x2f || op == 0x8e))
            set(insn, INSN_WRITE, 0);
        else if (vex && p->repeat == 0xf3 && op >= 0x10 && op <= 0x35 && (op & 15) < 6)
            set(insn, INSN_WRITE, 0);
    } else if ((op >= 0x14 && op <= 0x17) || (vex && (op == 0x19 || op == 0x39 || op == 0x1b || op == 0x3b))) {
        set(insn, INSN_WRITE, op < 0x18 ? 0 : 16);
    } else if (vex && op == 0x1d) {
        set(insn, INSN_WRITE, 0);
    }
}

void insn_find_access(struct insn *insn, const struct insn_prefixes *p)
{
    if (insn->map == MAP_ONE && !insn->modrm) {
        one_string(insn);
        if (insn->opcode >= 0xa0 && insn->opcode <= 0xa3) {
            insn->base = INSN_NO_REG;
            set(insn, insn->opcode & 2 ? INSN_WRITE : INSN_READ, insn->opcode & 1 ? insn->width : 1);
        }
        return;
    }
    if (!insn->memory)
        return;
    if (insn->map == MAP_ONE)
        one_access(insn);
    else if (insn->map == MAP_0F)
        two_access(insn, p);
    else if (insn->map == MAP_VEX + MAP_0F)
        two_vector(insn, p);
    else
        three_access(insn, p);
}
