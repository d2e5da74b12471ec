/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an instruction does to its memory operand; a part of insn.c. */
#ifndef CPROBE_CAPTURE_INSN_ACCESS_H
#define CPROBE_CAPTURE_INSN_ACCESS_H

#include "capture/insn.h"

#define MAP_VEX 16u
enum { MAP_ONE = 1, MAP_0F = 2, MAP_0F38 = 3, MAP_0F3A = 4 };

struct insn_prefixes {
    bool narrow;    /* 66 */
    bool address32; /* 67 */
    bool lock;
    uint8_t repeat; /* F2 or F3 */
    uint8_t rex;    /* WRXB, also of VEX and EVEX */
    uint8_t vector; /* bytes of a vector register */
};

/* Fills in access, size, locked, repeated, has_value and data of an instruction whose other members are known. */
void insn_find_access(struct insn *insn, const struct insn_prefixes *p);

#endif
