/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/cfi.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { REG_RBP = 6, REG_RSP = 7, REG_RA = 16 }; /* DWARF numbers, System V ABI x86_64, figure 3.36 */

/* Pointer encodings, LSB 5.0 table "DWARF Exception Header Encoding" */
enum {
    PE_ABSPTR = 0x00,
    PE_ULEB128 = 0x01,
    PE_UDATA2 = 0x02,
    PE_UDATA4 = 0x03,
    PE_UDATA8 = 0x04,
    PE_SLEB128 = 0x09,
    PE_SDATA2 = 0x0a,
    PE_SDATA4 = 0x0b,
    PE_SDATA8 = 0x0c,
    PE_PCREL = 0x10,
    PE_DATAREL = 0x30,
    PE_INDIRECT = 0x80,
    PE_OMIT = 0xff,
};

#define REMEMBER_DEPTH 8

struct cursor {
    const uint8_t *at, *end;
};

struct cie {
    uint64_t code_align;
    int64_t data_align;
    uint8_t fde_encoding;
    bool signal_frame;
    bool augmented; /* 'z': FDEs carry augmentation data */
    struct cursor program;
};

struct fde {
    uintptr_t begin, end;
    struct cursor program;
};

/* The columns that matter for finding callers. */
struct row {
    int cfa_register; /* -1: an expression */
    int64_t cfa_offset;
    bool cfa_deref; /* expression of the form breg6 offset; deref */
    bool cfa_plt;
    bool rbp_saved, rbp_by_rbp, rbp_unknown, ra_undefined, ra_unknown;
    int64_t rbp_offset;
};

static uint64_t read_bytes(struct cursor *c, size_t n)
{
    uint64_t value = 0;
    if ((size_t)(c->end - c->at) < n) {
        c->at = c->end;
        return 0;
    }
    memcpy(&value, c->at, n);
    c->at += n;
    return value;
}

static uint64_t read_uleb(struct cursor *c)
{
    uint64_t value = 0;
    for (unsigned shift = 0; c->at < c->end; shift += 7) {
        uint8_t byte = *c->at++;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    return value;
}

static int64_t read_sleb(struct cursor *c)
{
    uint64_t value = 0;
    unsigned shift = 0;
    while (c->at < c->end) {
        uint8_t byte = *c->at++;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        if (!(byte & 0x80)) {
            if ((byte & 0x40) && shift < 64)
                value |= ~UINT64_C(0) << shift;
            break;
        }
    }
    return (int64_t)value;
}

static uint64_t read_encoded(struct cursor *c, uint8_t encoding)
{
    uintptr_t base = (encoding & 0x70) == PE_PCREL ? (uintptr_t)c->at : 0;
    uint64_t value = 0;
    switch (encoding & 0x0f) {
    case PE_ABSPTR:
    case PE_UDATA8:
    case PE_SDATA8:
        value = read_bytes(c, 8);
        break;
    case PE_UDATA4:
        value = read_bytes(c, 4);
        break;
    case PE_SDATA4:
        value = (uint64_t)(int64_t)(int32_t)read_bytes(c, 4);
        break;
    case PE_UDATA2:
        value = read_bytes(c, 2);
        break;
    case PE_SDATA2:
        value = (uint64_t)(int64_t)(int16_t)read_bytes(c, 2);
        break;
    case PE_ULEB128:
        value = read_uleb(c);
        break;
    case PE_SLEB128:
        value = (uint64_t)read_sleb(c);
        break;
    default:
        c->at = c->end;
        return 0;
    }
    return value ? value + base : 0;
}

/* A CIE or FDE: sets *body to what follows the length. False at the section's end; the 64-bit form is never emitted. */
static bool read_entry(const uint8_t *at, struct cursor *body)
{
    uint32_t length;
    memcpy(&length, at, sizeof(length));
    if (length == 0 || length == 0xffffffffu)
        return false;
    body->at = at + 4;
    body->end = at + 4 + length;
    return true;
}

static bool cie_parse(const uint8_t *at, struct cie *cie)
{
    struct cursor c;
    if (!read_entry(at, &c) || read_bytes(&c, 4) != 0)
        return false;
    uint8_t version = (uint8_t)read_bytes(&c, 1);
    const char *augmentation = (const char *)c.at;
    while (c.at < c.end && *c.at++)
        ;
    *cie = (struct cie){.fde_encoding = PE_ABSPTR};
    cie->code_align = read_uleb(&c);
    cie->data_align = read_sleb(&c);
    uint64_t ra = version == 1 ? read_bytes(&c, 1) : read_uleb(&c);
    if (ra != REG_RA)
        return false;
    if (*augmentation == 'z') {
        uint64_t size = read_uleb(&c);
        struct cursor data = {c.at, c.at + size};
        cie->augmented = true;
        for (const char *a = augmentation + 1; *a; a++) {
            if (*a == 'R')
                cie->fde_encoding = (uint8_t)read_bytes(&data, 1);
            else if (*a == 'L')
                read_bytes(&data, 1);
            else if (*a == 'P')
                read_encoded(&data, (uint8_t)read_bytes(&data, 1) & 0x7f);
            else if (*a == 'S')
                cie->signal_frame = true;
        }
        c.at += size;
    }
    cie->program = c;
    return c.at <= c.end;
}

static bool fde_parse(const uint8_t *at, struct fde *fde, struct cie *cie)
{
    struct cursor c;
    if (!read_entry(at, &c))
        return false;
    const uint8_t *cie_field = c.at;
    uint32_t cie_distance = (uint32_t)read_bytes(&c, 4);
    if (cie_distance == 0 || !cie_parse(cie_field - cie_distance, cie))
        return false;
    fde->begin = read_encoded(&c, cie->fde_encoding);
    fde->end = fde->begin + read_encoded(&c, cie->fde_encoding & 0x0f);
    if (cie->augmented)
        c.at += read_uleb(&c);
    fde->program = c;
    return c.at <= c.end;
}

/* Binary search in .eh_frame_hdr's table of (function start, FDE), both 32 bits relative to the header. */
static const uint8_t *fde_search(const uint8_t *header, uintptr_t pc)
{
    if (!header || header[0] != 1 || header[3] != (PE_DATAREL | PE_SDATA4))
        return NULL;
    struct cursor c = {header + 4, header + 64};
    read_encoded(&c, header[1]);
    uint64_t count = header[2] == PE_OMIT ? 0 : read_encoded(&c, header[2]);
    const uint8_t *table = c.at;
    int64_t key = (int64_t)(pc - (uintptr_t)header);
    uint64_t low = 0, high = count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int32_t start;
        memcpy(&start, table + middle * 8, sizeof(start));
        if (start <= key)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    int32_t offset;
    memcpy(&offset, table + (low - 1) * 8 + 4, sizeof(offset));
    return header + offset;
}

enum { OP_DEREF = 0x06, OP_BREG6 = 0x76, OP_BREG7 = 0x77 }; /* DWARF 5, section 7.7.1 */

/* The two expressions that compilers and linkers use for a CFA at a call: "breg6 n; deref", and the .plt one. */
static void set_cfa_expression(struct row *row, struct cursor expression)
{
    /* breg7 8; breg16 0; lit15; and; lit11 (10 with .plt.sec); ge; lit3; shl; plus */
    static const uint8_t plt[] = {OP_BREG7, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22};
    const size_t plt_limit = 6;
    struct cursor c = expression;
    uint8_t op = (uint8_t)read_bytes(&c, 1);
    row->cfa_register = -1;
    row->cfa_deref = row->cfa_plt = false;
    if (op == OP_BREG6) {
        row->cfa_offset = read_sleb(&c);
        row->cfa_deref = c.end - c.at == 1 && *c.at == OP_DEREF;
    } else if (op == OP_BREG7 && (size_t)(expression.end - expression.at) == sizeof(plt)) {
        row->cfa_plt = memcmp(expression.at, plt, plt_limit) == 0 &&
                       memcmp(expression.at + plt_limit + 1, plt + plt_limit + 1, sizeof(plt) - plt_limit - 1) == 0;
        row->cfa_offset = expression.at[plt_limit] - 0x30; /* DW_OP_lit0 */
    }
}

static void set_saved(struct row *row, uint64_t reg, int64_t offset)
{
    if (reg == REG_RBP) {
        row->rbp_saved = true;
        row->rbp_unknown = row->rbp_by_rbp = false;
        row->rbp_offset = offset;
    } else if (reg == REG_RA) {
        row->ra_undefined = false;
        row->ra_unknown = offset != -8;
    }
}

static void set_unknown(struct row *row, uint64_t reg)
{
    if (reg == REG_RBP)
        row->rbp_unknown = true;
    else if (reg == REG_RA)
        row->ra_unknown = true;
}

static void set_restored(struct row *row, const struct row *initial, uint64_t reg)
{
    if (reg == REG_RBP) {
        row->rbp_saved = initial->rbp_saved;
        row->rbp_by_rbp = initial->rbp_by_rbp;
        row->rbp_unknown = initial->rbp_unknown;
        row->rbp_offset = initial->rbp_offset;
    } else if (reg == REG_RA) {
        row->ra_undefined = initial->ra_undefined;
        row->ra_unknown = initial->ra_unknown;
    }
}

/* A length and so many bytes, of which a cursor is returned. */
static struct cursor read_block(struct cursor *c)
{
    uint64_t size = read_uleb(c), left = (uint64_t)(c->end - c->at);
    struct cursor block = {c->at, c->at + (size < left ? size : left)};
    c->at = block.end;
    return block;
}

/* DW_CFA_expression: "breg6 n" for rbp is what goes with a realigned stack. */
static void set_saved_expression(struct row *row, uint64_t reg, struct cursor expression)
{
    bool by_rbp = reg == REG_RBP && read_bytes(&expression, 1) == OP_BREG6;
    int64_t offset = read_sleb(&expression);
    if (!by_rbp || expression.at != expression.end) {
        set_unknown(row, reg);
        return;
    }
    set_saved(row, reg, offset);
    row->rbp_by_rbp = true;
}

/* Instructions that define the CFA. False: `op` is another one. */
static bool run_cfa(struct row *row, const struct cie *cie, uint8_t op, struct cursor *c)
{
    switch (op) {
    case 0x0c: /* DW_CFA_def_cfa */
        row->cfa_register = (int)read_uleb(c);
        row->cfa_offset = (int64_t)read_uleb(c);
        return true;
    case 0x12: /* DW_CFA_def_cfa_sf */
        row->cfa_register = (int)read_uleb(c);
        row->cfa_offset = read_sleb(c) * cie->data_align;
        return true;
    case 0x0d: /* DW_CFA_def_cfa_register */
        row->cfa_register = (int)read_uleb(c);
        return true;
    case 0x0e: /* DW_CFA_def_cfa_offset */
        row->cfa_offset = (int64_t)read_uleb(c);
        return true;
    case 0x13: /* DW_CFA_def_cfa_offset_sf */
        row->cfa_offset = read_sleb(c) * cie->data_align;
        return true;
    case 0x0f: /* DW_CFA_def_cfa_expression */
        set_cfa_expression(row, read_block(c));
        return true;
    default:
        return false;
    }
}

/* Instructions that say where a register is. */
static void run_register(struct row *row, const struct row *initial, const struct cie *cie, uint8_t op,
                         struct cursor *c)
{
    uint64_t reg;
    switch (op) {
    case 0x05: /* DW_CFA_offset_extended */
        reg = read_uleb(c);
        set_saved(row, reg, (int64_t)read_uleb(c) * cie->data_align);
        break;
    case 0x11: /* DW_CFA_offset_extended_sf */
        reg = read_uleb(c);
        set_saved(row, reg, read_sleb(c) * cie->data_align);
        break;
    case 0x2f: /* DW_CFA_GNU_negative_offset_extended */
        reg = read_uleb(c);
        set_saved(row, reg, -(int64_t)read_uleb(c) * cie->data_align);
        break;
    case 0x06: /* DW_CFA_restore_extended */
        set_restored(row, initial, read_uleb(c));
        break;
    case 0x07: /* DW_CFA_undefined */
        reg = read_uleb(c);
        if (reg == REG_RA)
            row->ra_undefined = true;
        else
            set_unknown(row, reg);
        break;
    case 0x08: /* DW_CFA_same_value */
        if (read_uleb(c) == REG_RBP)
            row->rbp_saved = row->rbp_unknown = false;
        break;
    case 0x09: /* DW_CFA_register */
    case 0x14: /* DW_CFA_val_offset */
    case 0x15: /* DW_CFA_val_offset_sf */
        set_unknown(row, read_uleb(c));
        read_uleb(c);
        break;
    case 0x10: /* DW_CFA_expression */
        reg = read_uleb(c);
        set_saved_expression(row, reg, read_block(c));
        break;
    case 0x16: /* DW_CFA_val_expression */
        set_unknown(row, read_uleb(c));
        read_block(c);
        break;
    case 0x2e: /* DW_CFA_GNU_args_size */
        read_uleb(c);
        break;
    default:
        if (op != 0) /* DW_CFA_nop; anything else ends the program here */
            c->at = c->end;
    }
}

/* The location after an advance instruction, or `location` for another. */
static uintptr_t run_advance(const struct cie *cie, uint8_t op, struct cursor *c, uintptr_t location)
{
    switch (op) {
    case 0x01: /* DW_CFA_set_loc */
        return read_encoded(c, cie->fde_encoding);
    case 0x02: /* DW_CFA_advance_loc1, 2, 4 */
    case 0x03:
    case 0x04:
        return location + read_bytes(c, 1u << (op - 2)) * cie->code_align;
    default:
        return location;
    }
}

/* Runs a call frame program from `location` up to `pc`. `initial`: the row after the CIE's program, NULL while running
 * that. */
static void run_program(struct row *row, const struct row *initial, const struct cie *cie, struct cursor c,
                        uintptr_t location, uintptr_t pc)
{
    struct row saved[REMEMBER_DEPTH];
    unsigned depth = 0;
    struct row start = initial ? *initial : *row;
    while (c.at < c.end) {
        uint8_t op = *c.at++;
        uint8_t low = op & 0x3f;
        switch (op >> 6) {
        case 1: /* DW_CFA_advance_loc */
            location += low * cie->code_align;
            break;
        case 2: /* DW_CFA_offset */
            set_saved(row, low, (int64_t)read_uleb(&c) * cie->data_align);
            continue;
        case 3: /* DW_CFA_restore */
            set_restored(row, &start, low);
            continue;
        default:
            if (op >= 0x01 && op <= 0x04) {
                location = run_advance(cie, op, &c, location);
            } else if (op == 0x0a) { /* DW_CFA_remember_state */
                if (depth < REMEMBER_DEPTH)
                    saved[depth] = *row;
                depth++;
                continue;
            } else if (op == 0x0b) { /* DW_CFA_restore_state */
                if (depth > 0 && --depth < REMEMBER_DEPTH)
                    *row = saved[depth];
                continue;
            } else {
                if (!run_cfa(row, cie, op, &c))
                    run_register(row, &start, cie, op, &c);
                continue;
            }
        }
        if (location > pc)
            return;
    }
}

static struct cfi_rule row_to_rule(const struct row *row, bool signal_frame)
{
    struct cfi_rule rule = {.kind = CFI_UNKNOWN};
    if (signal_frame) {
        rule.kind = CFI_SIGNAL;
        return rule;
    }
    if (row->ra_undefined) {
        rule.kind = CFI_END;
        return rule;
    }
    if (row->ra_unknown || row->rbp_unknown)
        return rule;
    if (row->cfa_register == REG_RSP)
        rule.kind = CFI_RSP;
    else if (row->cfa_register == REG_RBP)
        rule.kind = CFI_RBP;
    else if (row->cfa_deref)
        rule.kind = CFI_RBP_DEREF;
    else if (row->cfa_plt)
        rule.kind = CFI_PLT;
    rule.cfa_offset = row->cfa_offset;
    rule.rbp_saved = row->rbp_saved;
    rule.rbp_by_rbp = row->rbp_by_rbp;
    rule.rbp_offset = row->rbp_offset;
    if (rule.cfa_offset != row->cfa_offset || rule.rbp_offset != row->rbp_offset) /* does not fit into 28 bits */
        rule.kind = CFI_UNKNOWN;
    return rule;
}

struct cfi_rule cfi_find(const void *eh_frame_hdr, uintptr_t pc)
{
    struct cie cie;
    struct fde fde;
    const uint8_t *at = fde_search(eh_frame_hdr, pc);
    if (!at || !fde_parse(at, &fde, &cie) || pc < fde.begin || pc >= fde.end)
        return (struct cfi_rule){.kind = CFI_NONE};
    struct row row = {.cfa_register = -1};
    run_program(&row, NULL, &cie, cie.program, 0, UINTPTR_MAX);
    struct row initial = row;
    run_program(&row, &initial, &cie, fde.program, fde.begin, pc);
    return row_to_rule(&row, cie.signal_frame);
}

uintptr_t cfi_function(const void *eh_frame_hdr, uintptr_t pc, uintptr_t *end)
{
    struct fde fde;
    struct cie cie;
    const uint8_t *at = fde_search(eh_frame_hdr, pc);
    bool known = at && fde_parse(at, &fde, &cie) && pc >= fde.begin && pc < fde.end;
    *end = known ? fde.end : 0;
    return known ? fde.begin : 0;
}
