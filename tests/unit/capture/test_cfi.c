/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cfi_find against elfutils' reading of the same tables, row by row, for libraries that servers run; and against
 * hand-made and broken tables.
 */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/cfi.h"

#define FUNCTIONS_PER_OBJECT 20000u

/* An object file mapped as the loader would, not relocated, beside elfutils' view of it. */
struct object {
    int fd;
    Elf *elf;
    Dwarf_CFI *cfi;
    char *base; /* address of virtual address 0 */
    char *map;
    size_t map_size;
    const uint8_t *header; /* .eh_frame_hdr */
    uint64_t header_vaddr;
};

static void object_map(struct object *o)
{
    size_t count = 0;
    uint64_t high = 0, low = UINT64_MAX;
    assert_int_equal(elf_getphdrnum(o->elf, &count), 0);
    GElf_Phdr p;
    for (int i = 0; i < (int)count; i++) {
        assert_non_null(gelf_getphdr(o->elf, i, &p));
        if (p.p_type != PT_LOAD)
            continue;
        low = p.p_vaddr < low ? p.p_vaddr & ~UINT64_C(4095) : low;
        high = p.p_vaddr + p.p_memsz > high ? p.p_vaddr + p.p_memsz : high;
    }
    o->map_size = high - low;
    o->map = mmap(NULL, o->map_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(o->map, MAP_FAILED);
    o->base = o->map - low;
    for (int i = 0; i < (int)count; i++) {
        assert_non_null(gelf_getphdr(o->elf, i, &p));
        if (p.p_type == PT_LOAD) {
            uint64_t shift = p.p_vaddr & 4095;
            void *at = mmap(o->base + p.p_vaddr - shift, p.p_filesz + shift, PROT_READ, MAP_PRIVATE | MAP_FIXED, o->fd,
                            (off_t)(p.p_offset - shift));
            assert_ptr_not_equal(at, MAP_FAILED);
        } else if (p.p_type == PT_GNU_EH_FRAME) {
            o->header_vaddr = p.p_vaddr;
            o->header = (const uint8_t *)o->base + p.p_vaddr;
        }
    }
}

static bool object_open(struct object *o, const char *path)
{
    memset(o, 0, sizeof(*o));
    o->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (o->fd < 0)
        return false;
    elf_version(EV_CURRENT);
    o->elf = elf_begin(o->fd, ELF_C_READ, NULL);
    assert_non_null(o->elf);
    o->cfi = dwarf_getcfi_elf(o->elf);
    assert_non_null(o->cfi);
    object_map(o);
    assert_non_null(o->header);
    return true;
}

static void object_close(struct object *o)
{
    dwarf_cfi_end(o->cfi);
    elf_end(o->elf);
    munmap(o->map, o->map_size);
    close(o->fd);
}

/* ---- what elfutils says, in our terms ---- */

enum verdict { AGREE, DIFFER, BEYOND }; /* BEYOND: a form that cfi.h does not claim to know; it must say so */

static bool saved_at(const Dwarf_Op *ops, size_t count, int64_t *offset)
{
    if (count < 1 || count > 2 || ops[0].atom != DW_OP_call_frame_cfa)
        return false;
    if (count == 2 && ops[1].atom != DW_OP_plus_uconst)
        return false;
    *offset = count == 2 ? (int64_t)ops[1].number : 0;
    return true;
}

/* The return address: *end where it is undefined. False: not at CFA - 8. */
static bool ra_usual(Dwarf_Frame *frame, bool *end)
{
    Dwarf_Op memory[3], *ops = NULL;
    size_t count = 0;
    int64_t offset = 0;
    assert_int_equal(dwarf_frame_register(frame, 16, memory, &ops, &count), 0);
    *end = count == 0 && ops == memory;
    return *end || (saved_at(ops, count, &offset) && offset == -8);
}

static bool rbp_usual(Dwarf_Frame *frame, struct cfi_rule *rule)
{
    Dwarf_Op memory[3], *ops = NULL;
    size_t count = 0;
    int64_t offset = 0;
    assert_int_equal(dwarf_frame_register(frame, 6, memory, &ops, &count), 0);
    rule->rbp_saved = count != 0;
    rule->rbp_by_rbp = count == 1 && ops[0].atom == DW_OP_breg6;
    if (rule->rbp_by_rbp)
        offset = (int64_t)ops[0].number;
    else if (count && !saved_at(ops, count, &offset))
        return false;
    rule->rbp_offset = offset;
    return count || ops == NULL; /* NULL: same value */
}

static void cfa_usual(Dwarf_Frame *frame, struct cfi_rule *rule)
{
    Dwarf_Op *ops = NULL;
    size_t count = 0;
    assert_int_equal(dwarf_frame_cfa(frame, &ops, &count), 0);
    rule->kind = CFI_UNKNOWN;
    if (count == 1 && ops[0].atom == DW_OP_bregx && (ops[0].number == 6 || ops[0].number == 7)) {
        rule->kind = ops[0].number == 7 ? CFI_RSP : CFI_RBP;
        rule->cfa_offset = (int64_t)ops[0].number2;
    } else if (count == 2 && ops[0].atom == DW_OP_breg6 && ops[1].atom == DW_OP_deref) {
        rule->kind = CFI_RBP_DEREF;
        rule->cfa_offset = (int64_t)ops[0].number;
    } else if (count == 9 && ops[0].atom == DW_OP_breg7 && ops[1].atom == DW_OP_breg16) {
        rule->kind = CFI_PLT;
        rule->cfa_offset = ops[4].atom - DW_OP_lit0;
    }
}

static struct cfi_rule expected_rule(Dwarf_Frame *frame, bool signal_frame)
{
    struct cfi_rule rule = {.kind = CFI_UNKNOWN};
    bool end = false;
    if (signal_frame)
        return (struct cfi_rule){.kind = CFI_SIGNAL};
    bool ra = ra_usual(frame, &end);
    if (end)
        return (struct cfi_rule){.kind = CFI_END};
    if (!rbp_usual(frame, &rule) || !ra)
        return rule;
    cfa_usual(frame, &rule);
    return rule;
}

static enum verdict compare(const struct object *o, Dwarf_Addr address, Dwarf_Frame *frame, bool signal_frame)
{
    struct cfi_rule want = expected_rule(frame, signal_frame);
    struct cfi_rule got = cfi_find(o->header, (uintptr_t)o->base + address);
    if (got.kind != want.kind)
        return DIFFER;
    if (got.kind == CFI_UNKNOWN)
        return BEYOND;
    if (got.kind == CFI_END || got.kind == CFI_SIGNAL)
        return AGREE;
    bool cfa = got.cfa_offset == want.cfa_offset;
    bool rbp = got.rbp_saved == want.rbp_saved && got.rbp_by_rbp == want.rbp_by_rbp &&
               (!got.rbp_saved || got.rbp_offset == want.rbp_offset);
    return cfa && rbp ? AGREE : DIFFER;
}

static uint32_t function_count(const struct object *o)
{
    uint32_t count;
    assert_int_equal(o->header[2], 0x03); /* udata4 */
    memcpy(&count, o->header + 8, sizeof(count));
    return count;
}

static Dwarf_Addr function_start(const struct object *o, uint32_t i)
{
    int32_t start;
    memcpy(&start, o->header + 12 + (size_t)i * 8, sizeof(start));
    return o->header_vaddr + (uint64_t)(int64_t)start;
}

struct sum {
    size_t points[3]; /* by verdict */
};

/* Compares at the first and last byte of every row between two functions' starts. */
static void compare_function(const struct object *o, Dwarf_Addr start, Dwarf_Addr limit, struct sum *sum)
{
    Dwarf_Frame *frame = NULL;
    for (Dwarf_Addr at = start; at < limit && dwarf_cfi_addrframe(o->cfi, at, &frame) == 0;) {
        Dwarf_Addr points[2] = {at, at}, row_start, end; /* row_start is wrong after DW_CFA_restore_state */
        bool signal_frame;
        dwarf_frame_info(frame, &row_start, &end, &signal_frame);
        points[1] = end - 1;
        for (int i = 0; i < 2; i++) {
            enum verdict v = compare(o, points[i], frame, signal_frame);
            if (v == DIFFER)
                print_message("0x%llx differs\n", (unsigned long long)points[i]);
            sum->points[v]++;
        }
        free(frame);
        at = end > at ? end : limit;
    }
}

/* permille: how many points in a thousand may be of a form that cfi.h does not claim to know. */
static void compare_object(const char *path, unsigned permille)
{
    struct object o;
    struct sum sum = {{0}};
    if (!object_open(&o, path)) {
        print_message("%s is not here\n", path);
        return;
    }
    uint32_t count = function_count(&o);
    uint32_t stride = count / FUNCTIONS_PER_OBJECT + 1;
    for (uint32_t i = 0; i + 1 < count; i += stride)
        compare_function(&o, function_start(&o, i), function_start(&o, i + 1), &sum);
    print_message("%s: %u functions, %zu points agree, %zu of unknown form\n", path, count, sum.points[AGREE],
                  sum.points[BEYOND]);
    assert_int_equal(sum.points[DIFFER], 0);
    assert_true(sum.points[AGREE] > 500);
    assert_true(sum.points[BEYOND] * 1000 <= permille * (sum.points[AGREE] + sum.points[BEYOND]));
    object_close(&o);
}

static void agrees_with_elfutils(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        unsigned permille;
    } objects[] = {
        {"/lib/x86_64-linux-gnu/libc.so.6", 1},
        {"/lib64/ld-linux-x86-64.so.2", 30}, /* its lazy-binding trampolines use rbx */
        {"/usr/lib/x86_64-linux-gnu/libstdc++.so.6", 1},
        {"/usr/lib/x86_64-linux-gnu/libcrypto.so.3", 30}, /* hand-written cipher loops, which call nothing */
        {"/usr/lib/x86_64-linux-gnu/libssl.so.3", 1},
        {"/usr/lib/x86_64-linux-gnu/libmariadb.so.3", 1},
        {"/usr/bin/python3.11", 1},
    };
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
        compare_object(objects[i].path, objects[i].permille);
}

/* ---- tables that are not there or say nothing ---- */

static void no_table_no_rule(void **state)
{
    (void)state;
    assert_int_equal(cfi_find(NULL, (uintptr_t)no_table_no_rule).kind, CFI_NONE);
    uint8_t unknown_version[64] = {2, 0x1b, 0x03, 0x3b};
    assert_int_equal(cfi_find(unknown_version, (uintptr_t)unknown_version).kind, CFI_NONE);
    uint8_t unsorted[64] = {1, 0x1b, 0xff, 0xff}; /* DW_EH_PE_omit: no table */
    assert_int_equal(cfi_find(unsorted, (uintptr_t)unsorted).kind, CFI_NONE);
    uint8_t empty[64] = {1, 0x1b, 0x03, 0x3b};
    assert_int_equal(cfi_find(empty, (uintptr_t)empty + 16).kind, CFI_NONE);
}

/* ---- a table with one function, its instructions chosen by the test ---- */

struct made {
    uint8_t header[20]; /* the last 8: the table's only row */
    uint8_t pad[4];
    uint8_t cie[24];
    uint8_t fde_bytes[64];
    uint8_t code[256];
};

static void put32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof(value));
}

/* augmentation zR, pcrel sdata4; CFA = rsp + 8, return address at CFA - 8 */
static void made_build(struct made *m, const char *augmentation, const uint8_t *program, size_t size)
{
    memset(m, 0, sizeof(*m));
    memcpy(m->header, (uint8_t[]){1, 0x1b, 0x03, 0x3b, 0, 0, 0, 0, 1, 0, 0, 0}, 12);
    uint8_t *table = m->header + 12;
    put32(table, (uint32_t)(m->code - m->header));
    put32(table + 4, (uint32_t)(m->fde_bytes - m->header));
    put32(m->cie, sizeof(m->cie) - 4);
    uint8_t *c = m->cie + 8;
    *c++ = 1;
    memcpy(c, augmentation, strlen(augmentation) + 1);
    c += strlen(augmentation) + 1;
    memcpy(c, (uint8_t[]){1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1}, 10);
    put32(m->fde_bytes, sizeof(m->fde_bytes) - 4);
    put32(m->fde_bytes + 4, (uint32_t)(m->fde_bytes + 4 - m->cie));
    put32(m->fde_bytes + 8, (uint32_t)(m->code - (m->fde_bytes + 8)));
    put32(m->fde_bytes + 12, sizeof(m->code));
    memcpy(m->fde_bytes + 17, program, size);
}

static struct cfi_rule made_find(const struct made *m, size_t offset)
{
    return cfi_find(m->header, (uintptr_t)m->code + offset);
}

static void rows_begin_where_they_say(void **state)
{
    (void)state;
    struct made m;
    /* push %rbp at 0, mov %rsp,%rbp at 1, … leave at 100 (advance by 1, 3, 96) */
    made_build(&m, "zR", (uint8_t[]){0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x02, 96, 0x0c, 7, 8, 0xc6}, 14);
    struct cfi_rule at0 = made_find(&m, 0), at3 = made_find(&m, 3), at4 = made_find(&m, 4), at99 = made_find(&m, 99);
    struct cfi_rule at100 = made_find(&m, 100), at255 = made_find(&m, 255);
    assert_true(at0.kind == CFI_RSP && at0.cfa_offset == 8 && !at0.rbp_saved);
    assert_true(at3.kind == CFI_RSP && at3.cfa_offset == 16 && at3.rbp_saved && at3.rbp_offset == -16);
    assert_true(at4.kind == CFI_RBP && at4.cfa_offset == 16 && at4.rbp_saved);
    assert_true(at99.kind == CFI_RBP);
    assert_true(at100.kind == CFI_RSP && at100.cfa_offset == 8 && !at100.rbp_saved);
    assert_true(at255.kind == CFI_RSP);
    assert_int_equal(made_find(&m, 256).kind, CFI_NONE);
    assert_int_equal(cfi_find(m.header, (uintptr_t)m.code - 1).kind, CFI_NONE);
}

static void state_is_remembered(void **state)
{
    (void)state;
    struct made m;
    /* 10 levels, more than are kept: what lies deeper is lost, what is kept comes back, nothing is overrun */
    uint8_t program[46] = {0};
    size_t n = 0;
    for (int i = 0; i < 10; i++) {
        program[n++] = 0x0a;
        program[n++] = 0x0e;
        program[n++] = (uint8_t)(16 + 8 * i);
    }
    program[n++] = 0x41;
    for (int i = 0; i < 10; i++)
        program[n++] = 0x0b;
    program[n++] = 0x0b; /* one too many */
    made_build(&m, "zR", program, n);
    assert_int_equal(made_find(&m, 0).cfa_offset, 16 + 8 * 9);
    assert_int_equal(made_find(&m, 1).cfa_offset, 8);
}

static void forms_of_the_cfa(void **state)
{
    (void)state;
    struct made m;
    struct cfi_rule r;
    made_build(&m, "zR", (uint8_t[]){0x0f, 3, 0x76, 0x78, 0x06}, 5); /* breg6 -8; deref */
    r = made_find(&m, 0);
    assert_true(r.kind == CFI_RBP_DEREF && r.cfa_offset == -8);
    made_build(&m, "zR", (uint8_t[]){0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3a, 0x2a, 0x33, 0x24, 0x22}, 13);
    r = made_find(&m, 0);
    assert_true(r.kind == CFI_PLT && r.cfa_offset == 10);
    made_build(&m, "zR", (uint8_t[]){0x0f, 3, 0x77, 8, 0x06}, 5); /* breg7 8; deref: nobody's */
    assert_int_equal(made_find(&m, 0).kind, CFI_UNKNOWN);
    made_build(&m, "zR", (uint8_t[]){0x0d, 3}, 2); /* by rbx */
    assert_int_equal(made_find(&m, 0).kind, CFI_UNKNOWN);
    made_build(&m, "zR", (uint8_t[]){0x0e, 0xff, 0xff, 0xff, 0xff, 0x0f}, 6); /* does not fit into a rule */
    assert_int_equal(made_find(&m, 0).kind, CFI_UNKNOWN);
    made_build(&m, "zR", (uint8_t[]){0x10, 6, 2, 0x76, 0x70}, 5); /* rbp: expression breg6 -16 */
    r = made_find(&m, 0);
    assert_true(r.rbp_saved && r.rbp_by_rbp && r.rbp_offset == -16);
    made_build(&m, "zR", (uint8_t[]){0x10, 6, 3, 0x76, 0x70, 0x06}, 6); /* something else for rbp */
    assert_int_equal(made_find(&m, 0).kind, CFI_UNKNOWN);
    made_build(&m, "zR", (uint8_t[]){0x10, 3, 2, 0x76, 0x70}, 5); /* rbx may be where it likes */
    assert_int_equal(made_find(&m, 0).kind, CFI_RSP);
    made_build(&m, "zR", (uint8_t[]){0x07, 16}, 2); /* return address undefined */
    assert_int_equal(made_find(&m, 0).kind, CFI_END);
    made_build(&m, "zR", (uint8_t[]){0x09, 16, 3}, 3); /* return address in rbx */
    assert_int_equal(made_find(&m, 0).kind, CFI_UNKNOWN);
    made_build(&m, "zRS", (uint8_t[]){0}, 1);
    assert_int_equal(made_find(&m, 0).kind, CFI_SIGNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_elfutils),      cmocka_unit_test(no_table_no_rule),
        cmocka_unit_test(rows_begin_where_they_say), cmocka_unit_test(state_is_remembered),
        cmocka_unit_test(forms_of_the_cfa),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
