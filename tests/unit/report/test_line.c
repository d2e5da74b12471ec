/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "report/line.h"
#include "report/utf8.h"

static struct line line;
static const struct report_style plain = {false, 20};

static void assert_line(const char *text)
{
    line.bytes[line.length] = '\0';
    assert_string_equal(line.bytes, text);
}

static void text_is_cut_where_asked(void **state)
{
    (void)state;
    line_begin(&line, &plain);
    line_text(&line, "/srv/application/views.py", 10, LINE_CUT_START);
    assert_line("…/views.py");
    assert_int_equal(line.columns, 10);
    line_begin(&line, &plain);
    line_text(&line, "function_name", 8, LINE_CUT_END);
    assert_line("functio…");
    line_begin(&line, &plain);
    line_text(&line, "exactly8", 8, LINE_CUT_END);
    assert_line("exactly8");
}

static void the_limit_holds(void **state)
{
    (void)state;
    line_begin(&line, &plain);
    line_print(&line, "%s", "0123456789");
    line_print(&line, "%s", "abcdefghijklm");
    assert_line("0123456789abcdefghi…");
    line_print(&line, "more");
    line_pad(&line, 30);
    assert_int_equal(line.columns, 20);
}

static void wide_characters_take_two_columns(void **state)
{
    (void)state;
    line_begin(&line, &plain);
    line_text(&line, "漢字漢字", 5, LINE_CUT_END);
    assert_line("漢字…");
    assert_int_equal(line.columns, 5);
    assert_int_equal(line_width("e\xcc\x81"), 1);
}

static void right_aligned_text_ends_at_its_column(void **state)
{
    (void)state;
    line_begin(&line, &plain);
    line_right(&line, "42", 6);
    line_right(&line, "7", 8);
    assert_line("    42 7");
}

static void a_line_longer_than_its_buffer_is_harmless(void **state)
{
    (void)state;
    struct report_style endless = {true, 100000};
    line_begin(&line, &endless);
    for (int i = 0; i < 3000; i++) {
        line_ink(&line, INK_ERROR);
        line_print(&line, "漢");
    }
    assert_true(line.length <= sizeof(line.bytes));
}

static void wrapping_breaks_at_spaces(void **state)
{
    (void)state;
    char part[32];
    const char *text = "one two three  abcdefghijklmnop";
    assert_true(line_wrap(&text, 8, part, sizeof(part)));
    assert_string_equal(part, "one two");
    assert_true(line_wrap(&text, 8, part, sizeof(part)));
    assert_string_equal(part, "three ");
    assert_true(line_wrap(&text, 8, part, sizeof(part)));
    assert_string_equal(part, "abcdefgh");
    assert_true(line_wrap(&text, 8, part, sizeof(part)));
    assert_string_equal(part, "ijklmnop");
    assert_false(line_wrap(&text, 8, part, sizeof(part)));
}

static void wrapping_respects_the_buffer(void **state)
{
    (void)state;
    char part[4];
    const char *text = "abcdefgh";
    assert_true(line_wrap(&text, 80, part, sizeof(part)));
    assert_string_equal(part, "abc");
    assert_true(line_wrap(&text, 80, part, sizeof(part)));
    assert_string_equal(part, "def");
}

static void assert_decoded(const char *bytes, size_t left, uint32_t code, size_t used)
{
    uint32_t found;
    assert_int_equal(utf8_decode(bytes, left, &found), used);
    assert_int_equal(found, code);
}

static void utf8_is_decoded_strictly(void **state)
{
    (void)state;
    assert_decoded("a", 1, 'a', 1);
    assert_decoded("\xc2\xb5", 2, 0xb5, 2);
    assert_decoded("\xe2\x82\xac", 3, 0x20ac, 3);
    assert_decoded("\xf4\x8f\xbf\xbf", 4, 0x10ffff, 4);
    assert_decoded("\xc0\x80", 2, UTF8_REPLACEMENT, 1);         /* overlong */
    assert_decoded("\xe0\x80\x80", 3, UTF8_REPLACEMENT, 1);     /* overlong */
    assert_decoded("\xed\xa0\x80", 3, UTF8_REPLACEMENT, 1);     /* surrogate */
    assert_decoded("\xf4\x90\x80\x80", 4, UTF8_REPLACEMENT, 1); /* beyond Unicode */
    assert_decoded("\xf8\x88\x80\x80", 4, UTF8_REPLACEMENT, 1);
    assert_decoded("\x80", 1, UTF8_REPLACEMENT, 1);
    assert_decoded("\xe2\x82", 2, UTF8_REPLACEMENT, 1); /* cut short */
    assert_decoded("\xe2(a", 3, UTF8_REPLACEMENT, 1);
}

static void encoding_reverses_decoding(void **state)
{
    (void)state;
    static const uint32_t codes[] = {1, 0x7f, 0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        char bytes[4];
        assert_decoded(bytes, 4, codes[i], utf8_encode(codes[i], bytes));
    }
    char *repaired = utf8_repair("ok \xff µ");
    assert_string_equal(repaired, "ok \xef\xbf\xbd µ");
    free(repaired);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_cut_where_asked),
        cmocka_unit_test(the_limit_holds),
        cmocka_unit_test(wide_characters_take_two_columns),
        cmocka_unit_test(right_aligned_text_ends_at_its_column),
        cmocka_unit_test(a_line_longer_than_its_buffer_is_harmless),
        cmocka_unit_test(wrapping_breaks_at_spaces),
        cmocka_unit_test(wrapping_respects_the_buffer),
        cmocka_unit_test(utf8_is_decoded_strictly),
        cmocka_unit_test(encoding_reverses_decoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
