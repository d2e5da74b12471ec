/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The live view: what a finding costs now and has cost, what stands still, the tables of the interval. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/sample.h"
#include "report/top.h"

static char *view(const struct report *before, const struct report *now)
{
    static const struct report_style plain = {false, REPORT_COLUMNS};
    struct interval interval;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    interval_between(before, now, &interval);
    struct top top = {"./cprobe.data", now, &interval, before ? 2000000000 : 0, UINT64_C(1700000031000000000), !before};
    top_write(&top, &plain, out);
    assert_false(ferror(out));
    fclose(out);
    interval_free(&interval);
    return text;
}

static void first_look(void **state)
{
    (void)state;
    char *text = view(NULL, sample_report());
    assert_non_null(strstr(text, "./cprobe.data: 0 processes recording, 1 ended; since the recording began"));
    assert_non_null(strstr(text, "2023-11-14 22:13:51\n"));
    assert_non_null(strstr(text, "The loop of python3 (pid 4711) was blocked 38 % of its time.\n"));
    assert_non_null(strstr(text,
                           "ERROR non-yielding-io: libmariadb.so.3 blocks the gevent loop\n"
                           "    in all 812 times, 4.06 s, for mysql 127.0.0.1:3306\n"
                           "    at View.get /srv/app/views.py:33"));
    assert_non_null(strstr(text, "Event loops\n"));
    assert_null(strstr(text, "now "));
    free(text);
}

static void later_look(void **state)
{
    (void)state;
    struct report *now = sample_report();
    struct finding earlier[2] = {now->findings[0], now->findings[1]};
    struct report before = *now;
    struct process_row process = now->processes[0];
    earlier[0].count -= 100;
    earlier[0].total_ns -= 500000000;
    before.findings = earlier;
    process.state = "recording";
    now->processes[0] = process;
    char *text = view(&before, now);
    assert_non_null(strstr(text, "1 process recording; the last 2.00 s"));
    assert_non_null(strstr(text, "    now 50/s, 25.0 % of the time; in all 812 times, 4.06 s"));
    assert_non_null(strstr(text,
                           "Found earlier, or standing still:\n"
                           "WARNING loop-stall: a turn of the loop took 480 ms\n"));
    assert_null(strstr(text, "Event loops")); /* it did not move */
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(first_look), cmocka_unit_test(later_look)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
