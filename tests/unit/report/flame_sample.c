/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/flame_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "report/sample.h"

#define SECOND UINT64_C(1000000000)
enum { BLOCKED = 1, LOCK = 4 }; /* rows of profile_kinds.def */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct profile_thread threads[] = {
    {{4711, 1, "/usr/bin/python3.11", "python3 server.py", "testhost", "server.py"}, {4711, "main", true}, "gevent"},
    {{4711, 1, "/usr/bin/python3.11", "python3 server.py", "testhost", "server.py"},
     {4712, "work;er\n<1>", false},
     NULL},
    {{4800, 1, "/usr/bin/python3.11", "python3 server.py", "testhost", "server.py"}, {4800, "main", false}, NULL},
};

static struct profile_frame frames[] = {
    {PROFILE_NATIVE, "main", "python3.11", "/src/main.c", 12, false, true},
    {PROFILE_PYTHON, "View.get", "app.views", "/srv/app/views.py", 33, false, false},
    {PROFILE_NATIVE, "0x1a2b", "libmariadb.so.3", NULL, 0, false, false},
    {PROFILE_NATIVE, "poll", "libc.so.6", NULL, 0, false, true},
    {PROFILE_ENDPOINT, "[127.0.0.1:3306]", "", NULL, 0, false, true},
    {PROFILE_NATIVE, "std::map<int;>::at", "program", "/src/map.cc", 7, true, false},
    {PROFILE_KERNEL, "futex_wait", "[kernel]", NULL, 0, false, true},
    {PROFILE_NOTE, "[idle]", "", NULL, 0, false, true},
    {PROFILE_NATIVE, "</script>\xff<!--", "program", NULL, 0, false, false},
};

static const uint32_t query[] = {0, 1, 2, 3, 4}, idle[] = {7, 0, 3}, lock[] = {0, 5, 6}, odd[] = {0, 8};
static const struct profile_slice whole[] = {{0, 5 * SECOND}}, late[] = {{100, 2 * SECOND}, {101, SECOND}},
                                  early[] = {{10, SECOND}}, end[] = {{199, 400}};

static struct profile_stack stacks[] = {
    {0, BLOCKED, true, idle, COUNT(idle), 50, 5 * SECOND, whole, COUNT(whole)},
    {0, BLOCKED, false, query, COUNT(query), 30, 3 * SECOND, late, COUNT(late)},
    {0, BLOCKED | LOCK, false, lock, COUNT(lock), 10, SECOND, early, COUNT(early)},
    {1, BLOCKED | LOCK, false, lock, COUNT(lock), 10, SECOND, early, COUNT(early)},
    {2, BLOCKED | LOCK, false, lock, COUNT(lock), 10, SECOND, early, COUNT(early)},
    {1, BLOCKED, false, odd, COUNT(odd), 1, 400, end, COUNT(end)},
};

static const uint8_t build_id[] = {0xde, 0xad, 0xbe, 0xef};
static struct profile_module modules[] = {
    {"libmariadb.so.3", "/usr/lib/libmariadb.so.3", 0x7f0000001000, 0x7f0000002000, 0x1000, build_id, sizeof(build_id)},
    {"libc.so.6", "/usr/lib/libc.so.6", 0x7f0000003000, 0x7f0000004000, 0, NULL, 0},
};

static const uint32_t linked[] = {1};
static struct profile_link links[] = {{0, linked, COUNT(linked)}};

static struct profile profile = {.threads = threads,
                                 .thread_count = COUNT(threads),
                                 .frames = frames,
                                 .frame_count = COUNT(frames),
                                 .stacks = stacks,
                                 .stack_count = COUNT(stacks),
                                 .links = links,
                                 .link_count = COUNT(links),
                                 .modules = modules,
                                 .module_count = COUNT(modules),
                                 .start_real_ns = UINT64_C(1767225600) * SECOND,
                                 .span_ns = 20 * SECOND};

struct flame flame_sample(void)
{
    const struct report *report = sample_report();
    links[0].finding_id = report->findings[0].id;
    return (struct flame){&profile, report, 0, false};
}

char *flame_sample_bytes(const struct flame_format *format, const struct flame *flame, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    assert_non_null(out);
    assert_int_equal(format->write(flame, out), 0);
    assert_int_equal(fclose(out), 0);
    return text;
}
