/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The quick clock beside the real one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "capture/clock.h"

#define ERROR_NS 2000 /* far more than it is off, and far less than a reading that was interrupted would be */

static void between(struct clock_tick *tick)
{
    uint64_t before = clock_now(), quick = clock_quick(tick), after = clock_now();
    assert_in_range(quick + ERROR_NS, before, after + 2 * ERROR_NS);
}

/* Whatever happens to the thread in between: each is between what the clock says before and after it. */
static void as_the_clock(void **state)
{
    const struct timespec nap = {0, 300000};
    struct clock_tick tick = {0, 0};
    uint64_t begin = clock_now();
    (void)state;
    while (clock_now() - begin < 300000000)
        between(&tick);
    for (int i = 0; i < 100; i++) {
        nanosleep(&nap, NULL);
        between(&tick);
        between(&tick);
    }
}

/* It goes on from a reading only where the kernel does the same. */
static void where_the_kernel_does(void **state)
{
    char name[32] = "";
    FILE *f = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "r");
    (void)state;
    if (f) {
        assert_non_null(fgets(name, sizeof(name), f));
        fclose(f);
    }
    assert_int_equal(clock_ticks != 0, strcmp(name, "tsc\n") == 0);
    struct clock_tick tick = {0, 0};
    clock_ticks = 0; /* the machine slept */
    between(&tick);
    between(&tick);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_clock),
        cmocka_unit_test(where_the_kernel_does),
    };
    clock_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
