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
#include "report/sample.h"
#include "report/text.h"

static const struct report_style plain = {false, REPORT_COLUMNS};

static const char expected[] =
    "The loop of python3 (pid 4711) was blocked 38 % of its time.\n"
    "2 findings (1 error, 1 warning) in 1 recorded process\n"
    "\n"
    "1/2 ERROR non-yielding-io ────────────────────────────────────────────────────── id 0e3c1a2b9f00d412\n"
    "    libmariadb.so.3 blocks the gevent loop\n"
    "    812 times (27.1/s), 4.06 s in all, 38.2 % of the loop's time; longest 31.0 ms, p99 22.0 ms\n"
    "    process  4711  python3 server.py --port 8000  on web1\n"
    "    thread   4712  MainThread, runs an event loop\n"
    "    peer     mysql 127.0.0.1:3306  db.internal\n"
    "    doing    SELECT ? FROM user\n"
    "    while    serving POST /cards, and 2 others\n"
    "    seen     2023-11-14 22:13:20 to 22:13:50 UTC\n"
    "      poll                               libc.so.6\n"
    "      0x2b1c3                            libmariadb.so.3\n"
    "      _mysql_query                       _mysql.so\n"
    "      Cursor.execute                     /usr/lib/python3/dist-packages/MySQLdb/cursors.py:206\n"
    "    ▶ View.get                           /srv/app/views.py:33\n"
    "      application                        /srv/app/server.py:51\n"
    "      Handler.run                        /usr/lib/python3/dist-packages/gevent/pywsgi.py:999\n"
    "    remedy   Use a driver that yields to the loop.\n"
    "    evidence busy share 91.0 %            gil wait 1.20 ms             processes 4\n"
    "             call poll                    timeline ▁ █▄\n"
    "\n"
    "2/2 WARNING loop-stall ───────────────────────────────────────────────────────── id ffffffffffffffff\n"
    "    a turn of the loop took 480 ms\n"
    "    1 time, 480 ms in all; longest 480 ms, p99 480 ms\n"
    "    process  4711  python3 server.py --port 8000  on web1\n"
    "    thread   4712  MainThread, runs an event loop\n"
    "    seen     2023-11-14 22:13:30 UTC\n"
    "\n"
    "Event loops\n"
    " thread name           kind          time   idle  on CPU blocked   turns     p99\n"
    "   4712 MainThread     gevent      10.6 s 12.2 %  48.9 %  38.2 %   8,123 31.0 ms\n"
    "          blocked by libmariadb.so.3: 4.06 s (38.2 %), 812 times, for mysql 127.0.0.1:3306\n"
    "\n"
    "Talked to\n"
    "  address                          connects  requests     wait      p50      p99\n"
    "  mysql 127.0.0.1:3306                    1       801   4.06 s  5.00 ms  22.0 ms\n"
    "      is db.internal; 2 requests failed; 3 connects failed, which took 9.00 s\n"
    "      SELECT ? FROM user                          800   4.00 s  5.00 ms  22.0 ms\n"
    "\n"
    "Watched objects of several threads (busy, p99 wait: of one lock around them)\n"
    "  name                            operations threads overlaps  drift   busy      p99\n"
    "  …etools.TTLCache of server.py:35    63,223      76    1,126   +374 22.0 %  1.08 ms\n"
    "\n"
    "System calls that waited\n"
    " thread name    call            waits   total     p50     p99     max  4µs…67ms\n"
    "   4712 MainTh… futex               17  250 ms 3.00 µs 67.0 ms 90.0 ms ▂       █\n"
    "                 then waited for a CPU: 50.0 ms (20.0 % as long)\n"
    "\n"
    "Processes\n"
    "     pid threads  recorded  state             command\n"
    "    4711       3    31.0 s  finished          python3 server.py --port 8000\n"
    "\n"
    "Notes\n"
    "    - the symbols of /usr/lib/x.so are missing\n"
    "\n"
    "Lost\n"
    "    overwritten   1,234: older samples made room for newer ones: totals stay exact, older stacks are\n"
    "                  missing (raise CPROBE_MAX_SIZE)\n"
    "\n";

static const char expected_short[] =
    "The loop of python3 (pid 4711) was blocked 38 % of its time.\n"
    "ERROR non-yielding-io: libmariadb.so.3 blocks the gevent loop\n"
    "    812 times, 4.06 s (38.2 % of the loop's time), longest 31.0 ms, for mysql 127.0.0.1:3306\n"
    "    at View.get /srv/app/views.py:33, through libmariadb.so.3 (pid 4711, id 0e3c1a2b9f00d412)\n"
    "WARNING loop-stall: a turn of the loop took 480 ms\n"
    "    1 time, 480 ms, longest 480 ms\n"
    "    (pid 4711, id ffffffffffffffff)\n"
    "- the symbols of /usr/lib/x.so are missing\n"
    "- lost: 1,234 overwritten\n";

static char *text_of(const char *format, const struct report *report, struct report_style style)
{
    return sample_text(report_format_find(format), report, style);
}

static void assert_printed(const char *format, const struct report *report, const char *text)
{
    char *printed = text_of(format, report, plain);
    assert_string_equal(printed, text);
    free(printed);
}

static void the_report_reads_as_designed(void **state)
{
    (void)state;
    assert_printed("text", sample_report(), expected);
}

static void the_short_form_reads_as_designed(void **state)
{
    (void)state;
    assert_printed("short", sample_report(), expected_short);
}

static void a_clean_report_says_so(void **state)
{
    (void)state;
    struct report *report = sample_report();
    report->finding_count = report->loop_count = report->endpoint_count = report->warning_count = 0;
    report->lost[TRACE_LOST_OVERWRITTEN] = 0;
    char *printed = text_of("text", report, plain);
    assert_non_null(strstr(printed, "No findings in 1 recorded process\n"));
    assert_null(strstr(printed, "Lost"));
    assert_null(strstr(printed, "Event loops"));
    assert_null(strstr(printed, "Notes"));
    free(printed);
}

static void colour_is_used_only_when_asked_for(void **state)
{
    (void)state;
    struct report_style coloured = {true, REPORT_COLUMNS};
    char *printed = text_of("text", sample_report(), plain);
    assert_null(strchr(printed, '\033'));
    free(printed);
    printed = text_of("text", sample_report(), coloured);
    assert_non_null(strstr(printed, "\033[0;1;31mERROR non-yielding-io\033[0;2m"));
    free(printed);
}

/* What was not waited for is a conflict of two: both sides are shown. */
static void both_sides_of_a_conflict_are_shown(void **state)
{
    (void)state;
    struct report *report = sample_report();
    struct finding *finding = &report->findings[0];
    struct finding_stack sides[3] = {finding->stacks[0], finding->stacks[0], finding->stacks[0]};
    sides[0].role = "thread 1 began put with no lock";
    sides[1].role = "thread 2 was inside of put with no lock";
    sides[2].role = "the object was made";
    finding->stacks = sides;
    finding->stack_count = 3;
    finding->total_ns = finding->max_ns = 0;
    char *printed = text_of("text", report, plain);
    char *second = strstr(printed, "    thread 2 was inside of put with no lock\n");
    assert_non_null(strstr(printed, "    thread 1 began put with no lock\n"));
    assert_non_null(second);
    assert_non_null(strstr(second, "▶ View.get"));
    assert_non_null(strstr(second, "(1 more stack in the JSON report)"));
    free(printed);
}

static void hostile_names_cannot_steer_the_terminal(void **state)
{
    (void)state;
    struct report *report = sample_report();
    report->findings[0].title =
        "evil \033]0;title\007 \xc2\x9b"
        "31m \xe2\x80\xae back \xff";
    report->findings[0].thread.name = "a\nb\rc";
    char *printed = text_of("text", report, plain);
    assert_non_null(strstr(printed, "evil ?]0;title? ?31m ? back ?\n"));
    assert_non_null(strstr(printed, "a?b?c"));
    assert_null(strchr(printed, '\033'));
    free(printed);
}

/* Long everything: the finding stays on one screen, the lines within the columns, the user's line is shown. */
static void assert_fits(struct report_style style)
{
    static struct frame frames[200];
    static char path[600];
    struct report *report = sample_report();
    struct finding *finding = &report->findings[0];
    struct stack deep = {frames, 200, false};

    memset(path, 'p', sizeof(path) - 1);
    path[0] = '/';
    for (size_t i = 0; i < 200; i++)
        frames[i] = (struct frame){FRAME_PYTHON, path, "m", i == 150 ? "/srv/app/deep.py" : path, 7, false, i != 150};
    finding->stacks[0].stack = &deep;
    finding->title = finding->operation = finding->process.cmdline = finding->evidence[4].string = path;
    finding->remedy =
        "word word word word word word word word word word word word word word word word word word "
        "word word word word word word word word word word word word word word word word word word "
        "word word word word word word word word word word word word word word word word word word "
        "word word word word word word word word word word word word word word word word word word";

    char *printed = text_of("text", report, style);
    char *begin = strstr(printed, "1/2 "), *end = strstr(printed, "2/2 ");
    assert_non_null(strstr(begin, "deep.py:7"));
    assert_non_null(strstr(begin, "▶"));
    assert_non_null(strstr(begin, "more frames"));
    *end = '\0';
    unsigned lines = 0;
    for (char *line = strsep(&begin, "\n"); line; line = strsep(&begin, "\n")) {
        if (line_width(line) > style.columns)
            fail_msg("%u columns: %s", line_width(line), line);
        lines += begin != NULL;
    }
    assert_true(lines <= TEXT_FINDING_LINES);
    free(printed);
}

static void one_finding_is_one_screen(void **state)
{
    (void)state;
    assert_fits(plain);
    assert_fits((struct report_style){false, 80});
    assert_fits((struct report_style){false, 60});
}

static void a_peer_says_what_it_is(void **state)
{
    (void)state;
    char text[100];
    assert_string_equal(text_peer(&(struct peer){.protocol = "mysql", .family = "inet", .address = "10.0.0.1:3306"},
                                  text, sizeof(text)),
                        "mysql 10.0.0.1:3306");
    assert_string_equal(
        text_peer(&(struct peer){.protocol = "unknown", .family = "inet6", .address = "[::1]:1"}, text, sizeof(text)),
        "[::1]:1");
    assert_string_equal(
        text_peer(&(struct peer){.protocol = "unknown", .family = "file", .address = "/tmp/lock"}, text, sizeof(text)),
        "/tmp/lock (file)");
    assert_string_equal(
        text_peer(&(struct peer){.protocol = "unknown", .family = "unix", .address = ""}, text, sizeof(text)),
        "(unnamed) (unix)");
}

static void a_path_is_said_once(void **state)
{
    (void)state;
    struct report *report = sample_report();
    struct peer file = {.protocol = "unknown", .family = "file", .address = "/tmp/journal"};
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    report->findings[0].peer = &file;
    report->findings[0].operation = "/tmp/journal";
    text_finding(report, 0, &plain, out);
    fclose(out);
    assert_non_null(strstr(text, "peer     /tmp/journal (file)\n"));
    assert_null(strstr(text, "doing"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_report_reads_as_designed),
        cmocka_unit_test(the_short_form_reads_as_designed),
        cmocka_unit_test(a_clean_report_says_so),
        cmocka_unit_test(colour_is_used_only_when_asked_for),
        cmocka_unit_test(both_sides_of_a_conflict_are_shown),
        cmocka_unit_test(hostile_names_cannot_steer_the_terminal),
        cmocka_unit_test(one_finding_is_one_screen),
        cmocka_unit_test(a_peer_says_what_it_is),
        cmocka_unit_test(a_path_is_said_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
