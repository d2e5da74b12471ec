/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/ksyms.h"

static struct ksyms *read_text(const char *text)
{
    char path[] = "/tmp/test_ksyms.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    fputs(text, file);
    fclose(file);
    struct ksyms *k = ksyms_read(path);
    unlink(path);
    assert_non_null(k);
    return k;
}

static void expect(const struct ksyms *k, uint64_t pc, const char *name, const char *module)
{
    const struct ksym *s = ksyms_find(k, pc);
    if (!name) {
        assert_null(s);
        return;
    }
    assert_non_null(s);
    assert_string_equal(s->name, name);
    assert_string_equal(s->module, module);
}

static void test_find(void **state)
{
    (void)state;
    struct ksyms *k = read_text(
        "ffffffff81002000 T schedule\n"
        "ffffffff81001000 t do_nothing\n"
        "ffffffff81002800 D jiffies\n" /* data is no function */
        "ffffffff81003000 T last\n"
        "ffffffffc0001000 t ext4_read\t[ext4]\n");
    expect(k, 0xffffffff81000fff, NULL, NULL);
    expect(k, 0xffffffff81001000, "do_nothing", "");
    expect(k, 0xffffffff81001fff, "do_nothing", "");
    expect(k, 0xffffffff81002900, "schedule", "");
    expect(k, 0xffffffff81003000, "last", "");
    expect(k, 0xffffffffa0000000, NULL, NULL); /* far behind the last symbol of its region */
    expect(k, 0xffffffffc0001234, "ext4_read", "ext4");
    ksyms_free(k);
}

/* Without privileges every address reads as 0. */
static void test_hidden_addresses(void **state)
{
    (void)state;
    struct ksyms *k = read_text("0000000000000000 T schedule\nnonsense\n0000000000000000 T do_nothing\n");
    expect(k, 0, NULL, NULL);
    expect(k, 0x10, NULL, NULL);
    ksyms_free(k);
    expect(NULL, 0x10, NULL, NULL);
}

static void test_missing_file(void **state)
{
    (void)state;
    assert_null(ksyms_read("/nonexistent/kallsyms"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_hidden_addresses),
        cmocka_unit_test(test_missing_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
