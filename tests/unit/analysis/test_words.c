/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analysis/words.h"

static void durations_and_shares(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    static const struct {
        uint64_t ns;
        const char *text;
    } cases[] = {{0, "0 ns"},          {999, "999 ns"},        {1000, "1.00 µs"},
                 {81200, "81.2 µs"},   {812000, "812 µs"},     {999600, "1.00 ms"},
                 {4060000, "4.06 ms"}, {4060000000, "4.06 s"}, {UINT64_C(125000000000), "125 s"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(words_duration(cases[i].ns, arena), cases[i].text);
    assert_string_equal(words_share(0.382, arena), "38 %");
    assert_string_equal(words_share(0.0123, arena), "1.2 %");
    assert_string_equal(words_share(1, arena), "100 %");
    arena_free(arena);
}

static void frames(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    struct frame python = {FRAME_PYTHON, "View.get", "app.views", "/srv/app/views.py", 33, false, false};
    struct frame native = {FRAME_NATIVE, "serve", "server", NULL, 0, false, false};
    assert_string_equal(words_frame(&python, arena), "View.get (/srv/app/views.py:33)");
    python.line = 0;
    assert_string_equal(words_frame(&python, arena), "app.views.View.get");
    assert_string_equal(words_frame(&native, arena), "serve (server)");
    native.function = "ns::Pool<int>::run(std::function<void ()> const&) const";
    assert_string_equal(words_frame(&native, arena), "ns::Pool::run (server)");
    arena_free(arena);
}

static void times(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    assert_string_equal(words_time(UINT64_C(1700000000) * 1000000000 + 7000000, arena), "2023-11-14T22:13:20.007Z");
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_and_shares),
        cmocka_unit_test(frames),
        cmocka_unit_test(times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
