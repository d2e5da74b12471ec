/* SPDX-License-Identifier: GPL-2.0-or-later */
/* insn_decode against objdump for every instruction of libc, and by hand for what it says of accesses; insn_carries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "capture/insn.h"

static const struct row {
    const char *bytes; /* hexadecimal */
    const char *text;
    enum insn_access access;
    unsigned size, data;
    bool locked;
} rows[] = {
    {"48 8b 07", "mov (%rdi),%rax", INSN_READ, 8, 0, false},
    {"8b 47 08", "mov 8(%rdi),%eax", INSN_READ, 4, 0, false},
    {"4c 89 44 d1 10", "mov %r8,16(%rcx,%rdx,8)", INSN_WRITE, 8, 8, false},
    {"66 89 07", "mov %ax,(%rdi)", INSN_WRITE, 2, INSN_NO_REG, false},
    {"88 07", "mov %al,(%rdi)", INSN_WRITE, 1, INSN_NO_REG, false},
    {"48 c7 07 05 00 00 00", "movq $5,(%rdi)", INSN_WRITE, 8, INSN_NO_REG, false},
    {"ff 07", "incl (%rdi)", INSN_MODIFY, 4, INSN_NO_REG, false},
    {"f0 48 ff 07", "lock incq (%rdi)", INSN_MODIFY, 8, INSN_NO_REG, true},
    {"48 87 07", "xchg %rax,(%rdi)", INSN_MODIFY, 8, INSN_NO_REG, true},
    {"48 83 05 10 00 00 00 01", "addq $1,16(%rip)", INSN_MODIFY, 8, INSN_NO_REG, false},
    {"48 39 07", "cmp %rax,(%rdi)", INSN_READ, 8, INSN_NO_REG, false},
    {"48 3b 07", "cmp (%rdi),%rax", INSN_READ, 8, INSN_NO_REG, false},
    {"f0 48 0f b1 0f", "lock cmpxchg %rcx,(%rdi)", INSN_MODIFY, 8, INSN_NO_REG, true},
    {"0f b6 07", "movzbl (%rdi),%eax", INSN_READ, 1, 0, false},
    {"0f 94 07", "sete (%rdi)", INSN_WRITE, 1, INSN_NO_REG, false},
    {"0f 11 07", "movups %xmm0,(%rdi)", INSN_WRITE, 16, INSN_NO_REG, false},
    {"c5 fe 7f 07", "vmovdqu %ymm0,(%rdi)", INSN_WRITE, 32, INSN_NO_REG, false},
    {"62 f1 7e 48 7f 07", "vmovdqu32 %zmm0,(%rdi)", INSN_WRITE, 64, INSN_NO_REG, false},
    {"f2 0f 10 07", "movsd (%rdi),%xmm0", INSN_READ, 8, INSN_NO_REG, false},
    {"48 8d 47 08", "lea 8(%rdi),%rax", INSN_NONE, 0, INSN_NO_REG, false},
    {"0f 1f 40 00", "nopl (%rax)", INSN_NONE, 0, INSN_NO_REG, false},
};

static size_t parse(const char *text, uint8_t *out)
{
    size_t n = 0;
    for (const char *p = text; *p && n < 32;) {
        char *end;
        unsigned long value = strtoul(p, &end, 16);
        if (end == p)
            break;
        out[n++] = (uint8_t)value;
        p = end + strspn(end, " ");
    }
    return n;
}

static void accesses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint8_t bytes[32];
        struct insn insn;
        size_t n = parse(rows[i].bytes, bytes);
        if (insn_decode(bytes, n, &insn) != 0 || insn.length != n || insn.access != rows[i].access ||
            insn.size != rows[i].size || insn.data != rows[i].data || insn.locked != rows[i].locked)
            fail_msg("%s: length %u access %u size %u data %u locked %d", rows[i].text, insn.length, insn.access,
                     insn.size, insn.data, insn.locked);
    }
}

static void operands(void **state)
{
    (void)state;
    struct insn i;
    uint8_t bytes[32];
    insn_decode(bytes, parse("4c 89 44 d1 10", bytes), &i);
    assert_int_equal(i.base, 1);
    assert_int_equal(i.index, 2);
    assert_int_equal(i.scale, 8);
    assert_int_equal(i.displacement, 16);
    insn_decode(bytes, parse("48 83 05 f0 ff ff ff 01", bytes), &i);
    assert_int_equal(i.base, INSN_RIP);
    assert_int_equal(i.displacement, -16);
    insn_decode(bytes, parse("48 c7 07 05 00 00 00", bytes), &i);
    assert_true(i.has_value);
    assert_int_equal(i.value, 5);
    insn_decode(bytes, parse("64 48 8b 04 25 28 00 00 00", bytes), &i);
    assert_true(i.segment);
    assert_int_equal(i.base, INSN_NO_REG);
    insn_decode(bytes, parse("f3 48 ab", bytes), &i);
    assert_true(i.repeated);
}

static void broken(void **state)
{
    (void)state;
    struct insn i;
    const uint8_t cut[] = {0x48, 0x8b, 0x84}, prefixes[32] = {[0 ... 31] = 0x66};
    for (size_t n = 0; n <= sizeof(cut); n++)
        assert_true(insn_decode(cut, n, &i) < 0);
    assert_true(insn_decode(prefixes, sizeof(prefixes), &i) < 0);
    assert_true(insn_decode((const uint8_t[]){0x06}, 1, &i) < 0);
}

/* Lines of objdump: "  address:\tbytes\ttext". Instructions of data in code are "(bad)". */
static void lengths_of_libc(void **state)
{
    (void)state;
    FILE *f = popen("objdump -d -w /lib/x86_64-linux-gnu/libc.so.6 2>/dev/null", "r");
    char line[1024];
    unsigned long count = 0;
    while (f && fgets(line, sizeof(line), f)) {
        char *bytes_text = strchr(line, '\t'), *text = bytes_text ? strchr(bytes_text + 1, '\t') : NULL;
        uint8_t bytes[32];
        struct insn insn;
        if (!text || strstr(text, "(bad)"))
            continue;
        *text = '\0';
        size_t n = parse(bytes_text + 1, bytes);
        if (insn_decode(bytes, n, &insn) != 0 || insn.length != n)
            fail_msg("%s:%s: %u bytes", bytes_text + 1, text + 1, insn.length);
        count++;
    }
    if (f)
        pclose(f);
    if (count < 1000)
        skip();
}

static void found_backwards(void **state)
{
    (void)state;
    uint8_t code[64];
    struct insn i;
    /* push rbp; mov rsp,rbp; mov (rdi),rax; add $1,rax; mov rax,(rdi) */
    size_t n = parse("55 48 89 e5 48 8b 07 48 83 c0 01 48 89 07", code);
    assert_int_equal(insn_before(code, code + n, &i), 0);
    assert_int_equal(i.length, 3);
    assert_int_equal(i.access, INSN_WRITE);
    assert_int_equal(insn_before(code, code + 7, &i), 0);
    assert_int_equal(i.access, INSN_READ);
    assert_true(insn_before(code, code + 6, &i) < 0); /* in the middle of one */
}

/* From rax, loaded, to the register that is stored. */
static bool carries(const char *between, unsigned stored)
{
    uint8_t code[64];
    size_t n = parse(between, code);
    return insn_carries(code, 0, code + n, stored);
}

static void carried(void **state)
{
    (void)state;
    assert_true(carries("", 0));
    assert_true(carries("48 83 c0 01", 0));             /* add $1,rax */
    assert_true(carries("48 8d 50 01", 2));             /* lea 1(rax),rdx */
    assert_true(carries("48 89 c2 48 ff c2", 2));       /* mov rax,rdx; inc rdx */
    assert_true(carries("48 8b 50 08", 2));             /* mov 8(rax),rdx: the next node */
    assert_true(carries("48 01 c2", 2));                /* add rax,rdx */
    assert_true(carries("48 85 c0 74 10 48 ff c0", 0)); /* test; je; inc */
    assert_false(carries("", 2));
    assert_false(carries("b8 05 00 00 00", 0)); /* mov $5,eax */
    assert_false(carries("31 c0", 0));          /* xor eax,eax */
    assert_false(carries("48 89 d0", 0));       /* mov rdx,rax */
    assert_false(carries("48 39 c2", 2));       /* cmp rax,rdx */
    assert_false(carries("e8 00 00 00 00", 0)); /* call: anything may have happened */
    assert_false(carries("eb 00", 0));          /* jmp */
    assert_false(carries("48 89 07 5b", 3));    /* stored elsewhere; pop rbx */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accesses),        cmocka_unit_test(operands),        cmocka_unit_test(broken),
        cmocka_unit_test(lengths_of_libc), cmocka_unit_test(found_backwards), cmocka_unit_test(carried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
