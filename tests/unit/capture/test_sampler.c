/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "capture/sampler.h"

#define SEED UINT64_C(0x123456789abcdef)
#define MEAN 1000000.0 /* ns */

static int compare_draws(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Mean and quantiles of the exponential distribution: the p-quantile is -ln(1 - p) * mean. */
static void draws_are_exponential(void **state)
{
    (void)state;
    enum { COUNT = 1000000 };
    int64_t *draws = malloc(COUNT * sizeof(*draws));
    uint64_t random = SEED;
    double sum = 0;
    for (int i = 0; i < COUNT; i++) {
        draws[i] = sampler_draw(&random, (uint64_t)MEAN);
        assert_true(draws[i] >= 1);
        sum += (double)draws[i];
    }
    assert_true(fabs(sum / COUNT - MEAN) < 5 * MEAN / sqrt(COUNT));
    qsort(draws, COUNT, sizeof(*draws), compare_draws);
    for (int percent = 5; percent < 100; percent += 5) {
        double p = percent / 100.0, want = -log(1 - p) * MEAN, got = (double)draws[(int)(p * COUNT)];
        double sigma = MEAN * sqrt(p / (1 - p) / COUNT);
        assert_true(fabs(got - want) < 5 * sigma);
    }
    free(draws);
}

static void draws_at_the_extremes(void **state)
{
    (void)state;
    uint64_t means[] = {1, 1000, UINT64_C(10000000000)}, random;
    for (int m = 0; m < 3; m++) {
        random = 1;
        for (int i = 0; i < 100000; i++) {
            int64_t draw = sampler_draw(&random, means[m]);
            assert_true(draw >= 1 && (double)draw <= 37.5 * (double)means[m] + 1); /* -ln(2^-53) = 36.7 */
        }
        assert_int_not_equal(random, 0);
    }
}

static void weights(void **state)
{
    (void)state;
    assert_float_equal(sampler_weight(1000000, 1000000), 1, 0);
    assert_float_equal(sampler_weight(UINT64_MAX, 1000000), 1, 0);
    for (uint64_t d = 1; d < 1000000; d = d * 5 / 4 + 1) {
        double want = 1 / -expm1(-(double)d / MEAN);
        assert_true(fabs((double)sampler_weight(d, 1000000) / want - 1) < 1e-6);
    }
    assert_true(isfinite((double)sampler_weight(0, UINT64_C(10000000000))));
    assert_float_equal(sampler_weight(0, 1000000), sampler_weight(1, 1000000), 0);
}

/* ---- totals estimated from the sampled waits ---- */

struct estimate {
    double count, total; /* true ones */
    double sampled_count, sampled_total;
    double variance_count, variance_total; /* of the estimates: sum of (1 - p) / p [* d^2] */
};

/* As the recorder does: one credit for all waits of a thread, a fresh one only after it is spent. */
static void sample_waits(struct estimate *e, uint64_t (*next)(uint64_t *), int count)
{
    uint64_t random = SEED, durations = SEED + 1;
    int64_t credit = sampler_draw(&random, (uint64_t)MEAN);
    *e = (struct estimate){0};
    for (int i = 0; i < count; i++) {
        uint64_t d = next(&durations);
        bool chosen = d >= (uint64_t)MEAN;
        double p = chosen ? 1 : -expm1(-(double)d / MEAN);
        if (!chosen) {
            credit -= (int64_t)d;
            chosen = credit <= 0;
            if (chosen)
                credit = sampler_draw(&random, (uint64_t)MEAN);
        }
        e->count++;
        e->total += (double)d;
        if (p > 0) {
            e->variance_count += (1 - p) / p;
            e->variance_total += (1 - p) / p * (double)d * (double)d;
        }
        if (!chosen)
            continue;
        double weight = (double)sampler_weight(d, (uint64_t)MEAN);
        e->sampled_count += weight;
        e->sampled_total += weight * (double)d;
    }
}

static uint64_t next_uniform(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 11;
}

static uint64_t constant_5us(uint64_t *state)
{
    (void)state;
    return 5000;
}

static uint64_t constant_300us(uint64_t *state)
{
    (void)state;
    return 300000;
}

static uint64_t uniform_to_2ms(uint64_t *state)
{
    return next_uniform(state) % 2000000;
}

/* Mostly short, rarely very long. */
static uint64_t heavy_tail(uint64_t *state)
{
    uint64_t u = next_uniform(state) % 10000 + 1;
    return 20000000 / u;
}

static uint64_t short_and_long(uint64_t *state)
{
    return next_uniform(state) % 100 ? 2000 : 5000000;
}

static void totals_are_unbiased(void **state)
{
    (void)state;
    uint64_t (*distributions[])(uint64_t *) = {constant_5us, constant_300us, uniform_to_2ms, heavy_tail,
                                               short_and_long};
    for (size_t i = 0; i < sizeof(distributions) / sizeof(distributions[0]); i++) {
        struct estimate e;
        sample_waits(&e, distributions[i], 2000000);
        double off_count = (e.sampled_count - e.count) / sqrt(e.variance_count);
        double off_total = (e.sampled_total - e.total) / sqrt(e.variance_total);
        print_message("distribution %zu: count %+.2f sigma (%+.2f %%), total %+.2f sigma (%+.2f %%)\n", i, off_count,
                      100 * (e.sampled_count / e.count - 1), off_total, 100 * (e.sampled_total / e.total - 1));
        assert_true(fabs(off_count) < 4);
        assert_true(fabs(off_total) < 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_are_exponential),
        cmocka_unit_test(draws_at_the_extremes),
        cmocka_unit_test(weights),
        cmocka_unit_test(totals_are_unbiased),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
