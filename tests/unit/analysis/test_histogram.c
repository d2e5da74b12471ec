/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analysis/histogram.h"

static void assert_close(uint64_t value, double expected)
{
    assert_true((double)value >= expected * 0.968 && (double)value <= expected * 1.032);
}

static void quantiles(void **state)
{
    (void)state;
    struct histogram h = {NULL, 0, 0};
    assert_int_equal(histogram_quantile(&h, 0.5), 0);
    for (uint64_t i = 1; i <= 100000; i++)
        histogram_add(&h, i * 1000, 1);
    assert_close(histogram_quantile(&h, 0.5), 50e6);
    assert_close(histogram_quantile(&h, 0.99), 99e6);
    assert_true(histogram_weight(&h) == 100000);
    histogram_free(&h);
}

/* 90 long waits that stand for themselves, one short one that stands for 910. */
static void weights_count(void **state)
{
    (void)state;
    struct histogram h = {NULL, 0, 0};
    for (int i = 0; i < 90; i++)
        histogram_add(&h, 5000000, 1);
    histogram_add(&h, 40000, 910);
    assert_close(histogram_quantile(&h, 0.5), 40000);
    assert_close(histogram_quantile(&h, 0.90), 40000);
    assert_close(histogram_quantile(&h, 0.92), 5e6);
    histogram_free(&h);
}

static void merge_scales(void **state)
{
    (void)state;
    struct histogram a = {NULL, 0, 0}, b = {NULL, 0, 0};
    histogram_add(&a, 1000, 10);
    histogram_add(&b, 9000, 1);
    histogram_merge(&a, &b, 30);
    assert_true(histogram_weight(&a) == 40);
    assert_close(histogram_quantile(&a, 0.5), 9000);
    histogram_free(&a);
    histogram_free(&b);
}

static void extremes(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 1, 15, 16, 17, 31, 32, 1023, UINT64_C(1) << 40, UINT64_MAX};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct histogram h = {NULL, 0, 0};
        histogram_add(&h, values[i], 1);
        assert_close(histogram_quantile(&h, 0.99), (double)values[i]);
        histogram_free(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles),
        cmocka_unit_test(weights_count),
        cmocka_unit_test(merge_scales),
        cmocka_unit_test(extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
