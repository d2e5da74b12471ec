/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <math.h>

#include "report/units.h"

static char text[UNIT_SIZE];

static void durations_have_three_digits_then_whole_units(void **state)
{
    (void)state;
    static const struct {
        uint64_t ns;
        const char *text;
    } cases[] = {
        {0, "0 ns"},
        {999, "999 ns"},
        {1000, "1.00 µs"},
        {812000, "812 µs"},
        {999499, "999 µs"},
        {999500, "1.00 ms"},
        {9994999, "9.99 ms"},
        {9995000, "10.0 ms"},
        {99950000, "100 ms"},
        {4060000000, "4.06 s"},
        {119000000000, "119 s"},
        {119499999999, "119 s"},
        {119500000000, "2 min 00 s"},
        {125000000000, "2 min 05 s"},
        {7199000000000, "119 min 59 s"},
        {10920000000000, "3 h 02 min"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(unit_duration(cases[i].ns, text, sizeof(text)), cases[i].text);
    unit_duration(UINT64_MAX, text, sizeof(text));
}

static void shares_are_percent(void **state)
{
    (void)state;
    assert_string_equal(unit_share(0.382, text, sizeof(text)), "38.2 %");
    assert_string_equal(unit_share(1, text, sizeof(text)), "100 %");
    assert_string_equal(unit_share(0.00001, text, sizeof(text)), "< 0.1 %");
    assert_string_equal(unit_share(0, text, sizeof(text)), "0.0 %");
    assert_string_equal(unit_share(NAN, text, sizeof(text)), "?");
    assert_string_equal(unit_part(1, 3, text, sizeof(text)), "33.3 %");
    assert_string_equal(unit_part(1, 0, text, sizeof(text)), "-");
}

static void counts_are_short(void **state)
{
    (void)state;
    assert_string_equal(unit_count(812, text, sizeof(text)), "812");
    assert_string_equal(unit_count(81034, text, sizeof(text)), "81,034");
    assert_string_equal(unit_count(12345678, text, sizeof(text)), "12.3 M");
    assert_string_equal(unit_count(5000000000, text, sizeof(text)), "5.00 G");
}

static void times_are_utc(void **state)
{
    (void)state;
    assert_string_equal(unit_rfc3339(UINT64_C(1700000000007900000), text, sizeof(text)), "2023-11-14T22:13:20.007Z");
    assert_string_equal(unit_date(UINT64_C(1700000000007900000), text, sizeof(text)), "2023-11-14 22:13:20");
    unit_rfc3339(UINT64_MAX, text, sizeof(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_have_three_digits_then_whole_units),
        cmocka_unit_test(shares_are_percent),
        cmocka_unit_test(counts_are_short),
        cmocka_unit_test(times_are_utc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
