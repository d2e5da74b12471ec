/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "report/flame_sample.h"
#include "report/sample.h"
#include "report/top.h"

#define SECOND UINT64_C(1000000000)

static char *text_of(const struct top_reading *now, const struct top_reading *before, unsigned lines)
{
    const struct report_style style = {false, REPORT_COLUMNS};
    char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);
    top_write(now, before, "cprobe.data", &style, lines, memory);
    fclose(memory);
    return text;
}

static unsigned lines_of(const char *text)
{
    unsigned lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void whole_recording(void **state)
{
    struct flame sample = flame_sample();
    struct top_reading now = {sample_report(), sample.profile, 5 * SECOND};
    (void)state;
    char *text = text_of(&now, NULL, 60);
    assert_non_null(strstr(text, "cprobe top cprobe.data"));
    assert_null(strstr(text, "the last"));
    assert_non_null(strstr(text, " ERROR   libmariadb.so.3 blocks the gevent loop\n"));
    assert_non_null(strstr(text, "    4712 ?                    gevent      12.2 %   48.9 %   38.2 %")); /* no name */
    assert_non_null(strstr(text, "  0x1a2b [libmariadb.so.3]"));
    assert_non_null(strstr(text, "[127.0.0.1:3306]"));
    assert_non_null(strstr(text, "talked to"));
    free(text);
}

/* Three of 20 seconds were waited for the database: 150 ms in each second. */
static void rates_are_of_the_time_between(void **state)
{
    struct flame sample = flame_sample();
    struct top_reading now = {sample_report(), sample.profile, 10 * SECOND};
    struct profile none = *sample.profile;
    struct top_reading before = {sample_report(), &none, 8 * SECOND};
    (void)state;
    char *text = text_of(&now, NULL, 60);
    assert_non_null(strstr(text, "150 ms      1.5  0x1a2b"));
    free(text);
    none.stack_count = 0;
    text = text_of(&now, &before, 60); /* two seconds */
    assert_non_null(strstr(text, "1.50 s       15  0x1a2b"));
    assert_non_null(strstr(text, "the last 2.00 s"));
    free(text);
    before.profile = sample.profile; /* nothing has happened since */
    text = text_of(&now, &before, 60);
    assert_null(strstr(text, "0x1a2b"));
    free(text);
}

static void it_fits(void **state)
{
    struct flame sample = flame_sample();
    struct top_reading now = {sample_report(), sample.profile, 5 * SECOND};
    (void)state;
    for (unsigned lines = 1; lines < 40; lines++) {
        char *text = text_of(&now, NULL, lines);
        assert_true(lines_of(text) <= lines);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_recording),
        cmocka_unit_test(rates_are_of_the_time_between),
        cmocka_unit_test(it_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
