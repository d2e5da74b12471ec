/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/sampler.h"

/* xorshift64*, S. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", 2016 */
static uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(2685821657736338717);
}

/* ln(u) for 0 < u <= 1 without libm: u = m * 2^-k with m in [0.5, 1), ln m = 2 atanh((m - 1) / (m + 1)). |error| <
 * 1e-9. */
static double natural_log(double u)
{
    const double ln2 = 0.69314718055994530942;
    int k = 0;
    while (u < 0.70710678118654752440) {
        u *= 2;
        k++;
    }
    double z = (u - 1) / (u + 1), z2 = z * z, term = z, sum = 0;
    for (int i = 1; i < 24; i += 2, term *= z2)
        sum += term / i;
    return 2 * sum - k * ln2;
}

/* 1 - exp(-x) for 0 <= x < 1 by its Taylor series. */
static double one_minus_exp(double x)
{
    double term = x, sum = x;
    for (int i = 2; i < 16; i++) {
        term *= -x / i;
        sum += term;
    }
    return sum;
}

int64_t sampler_draw(uint64_t *state, uint64_t mean_ns)
{
    double u = ((double)(random_next(state) >> 11) + 1) / 9007199254740992.0; /* (0, 1] */
    return (int64_t)(-natural_log(u) * (double)mean_ns) + 1; /* rounded up: P(draw <= d) is exact for whole d */
}

float sampler_weight(uint64_t duration_ns, uint64_t mean_ns)
{
    if (duration_ns >= mean_ns)
        return 1;
    if (duration_ns == 0)
        duration_ns = 1;
    return (float)(1 / one_minus_exp((double)duration_ns / (double)mean_ns));
}
