/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an x86-64 instruction does to memory. A data breakpoint is reported after the access, with the address of the
 * next instruction; instructions cannot be read backwards, so the one that ended there is found by reading forward from
 * the beginning of its function.
 *
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2: chapter 2 (formats, prefixes, VEX,
 * EVEX) and appendix A (opcode maps). Lengths are known for all of the maps 0F, 0F38, 0F3A, VEX and EVEX; XOP and 3DNow
 * are not. What is accessed is known for what compilers and libc make of loads and stores; the rest says so (size 0).
 *
 * Pure: reads only the bytes that it is given, keeps nothing. Any thread, any context.
 */
#ifndef CPROBE_CAPTURE_INSN_H
#define CPROBE_CAPTURE_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INSN_MAX 15u     /* bytes of the longest instruction */
#define INSN_NO_REG 0xff /* else 0 rax, 1 rcx, 2 rdx, 3 rbx, 4 rsp, 5 rbp, 6 rsi, 7 rdi, 8 r8 … 15 r15 */
#define INSN_RIP 0x10    /* base: the address of the next instruction */

enum insn_access { INSN_NONE = 0, INSN_READ = 1, INSN_WRITE = 2, INSN_MODIFY = 3 };

struct insn {
    uint8_t length;
    uint8_t access; /* enum insn_access of its memory operand; the stack is none */
    uint8_t size;   /* bytes accessed; 0: not known */
    bool locked;    /* one access, whatever other processors do: lock prefix, or xchg */
    bool repeated;  /* a string instruction, with or without rep: its addresses are not in base and index */
    bool has_value; /* the value stored is `value` */
    uint8_t data;   /* general register that is loaded or stored whole; INSN_NO_REG: another or none */
    uint8_t base;   /* of the memory operand; INSN_NO_REG: none */
    uint8_t index;  /* likewise */
    uint8_t scale;  /* index is multiplied by this */
    bool segment;   /* relative to fs or gs */
    uint8_t map;    /* 1: one byte, 2: 0F, 3: 0F38, 4: 0F3A; VEX and EVEX: 16 more */
    uint8_t opcode;
    uint8_t modrm_reg; /* with REX.R */
    uint8_t modrm_rm;  /* with REX.B; a register where `memory` is false */
    uint8_t width;     /* bytes of its general operands */
    bool modrm;
    bool memory; /* it has a memory operand */
    int32_t displacement;
    int64_t value;
};

/* The instruction that begins at `code`, of which `available` bytes may be read. 0, or -EINVAL: none that is known. */
int insn_decode(const uint8_t *code, size_t available, struct insn *out);

/* The instruction that ends right before `end` in code that begins, with an instruction, at `start`. 0, or -EINVAL. */
int insn_before(const uint8_t *start, const uint8_t *end, struct insn *out);

/* Whether what the instruction that ends at `load_end` loaded into register `loaded` certainly goes into what is in
   register `stored` before the instruction at `store`, where execution went straight from one to the other. False: it
   does not, or it is not known. */
bool insn_carries(const uint8_t *load_end, unsigned loaded, const uint8_t *store, unsigned stored);

#endif
