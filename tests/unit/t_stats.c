/* SPDX-License-Identifier: Apache-2.0
 *
 * Statistics held to exact binomials summed here from factorials, to counts
 * over many simulated experiments, and to what order statistics must do. */
#include <math.h>
#include <string.h>

#include "kernel/base/rng.h"
#include "tests/harness/test.h"
#include "tuner/measure/stats.h"

enum {
    MOST = 64,
    EXPERIMENTS = 4000
};

/* P(B <= k) for B binomial(n, 1/2), by Pascal's rule. */
static double binomial_cdf(size_t n, size_t k)
{
    double row[MOST + 1] = { 1.0 }, sum = 0;
    for (size_t i = 1; i <= n; i++)
        for (size_t j = i; j > 0; j--)
            row[j] += row[j - 1];
    for (size_t j = 0; j <= k; j++)
        sum += row[j];
    return sum / pow(2.0, (double)n);
}

static double true_coverage(size_t n, size_t k)
{
    return 1.0 - 2.0 * binomial_cdf(n, k - 1);
}

/* x[i] = i + 1, so that an order statistic is its own rank. */
static void ranks(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (double)((i * 7 + 3) % n) + 1;
}

static size_t gcd(size_t a, size_t b)
{
    return b ? gcd(b, a % b) : a;
}

/* The rank is the largest whose exact coverage reaches the level, or 1. */
static void rank_is_the_narrowest(struct xl_test *t)
{
    const double levels[] = { 0.95, 1.0 - 0.05 / 3, 0.9 };
    for (size_t n = 2; n <= MOST; n++) {
        double x[MOST];
        if (gcd(7, n) != 1)
            continue; /* ranks() is a permutation for these n only */
        for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
            ranks(x, n);
            struct xl_estimate e = xl_estimate_median(x, n, levels[l]);
            size_t k = (size_t)e.lo;
            XL_CHECK_EQ(t, (size_t)e.hi, n + 1 - k);
            XL_CHECK_NEAR(t, e.coverage, true_coverage(n, k), 1e-12);
            XL_CHECK(t, k == 1 || e.coverage >= levels[l]);
            XL_CHECK(t, k + 1 > n / 2 || true_coverage(n, k + 1) < levels[l]);
        }
    }
}

/* Ranks of the published table for 95 %. */
static void ranks_of_the_table(struct xl_test *t)
{
    static const struct {
        size_t n, k;
    } rows[] = { { 6, 1 },  { 8, 1 },   { 10, 2 },  { 16, 4 },  { 20, 6 },
                 { 24, 7 }, { 32, 10 }, { 40, 14 }, { 52, 19 }, { 64, 24 } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double x[MOST];
        for (size_t j = 0; j < rows[i].n; j++)
            x[j] = (double)(rows[i].n - j);
        struct xl_estimate e = xl_estimate_median(x, rows[i].n, 0.95);
        XL_CHECK_EQ(t, (size_t)e.lo, rows[i].k);
    }
}

/* With fewer than six samples nothing covers 95 %, and it says so. */
static void few_samples_say_what_they_are_worth(struct xl_test *t)
{
    for (size_t n = 2; n < 6; n++) {
        double x[] = { 3, 1, 2, 5, 4 };
        struct xl_estimate e = xl_estimate_median(x, n, 0.95);
        XL_CHECK(t, e.coverage < 0.95);
        XL_CHECK_NEAR(t, e.coverage, 1 - pow(0.5, (double)n - 1), 1e-12);
    }
    double one[] = { 7 };
    struct xl_estimate e = xl_estimate_median(one, 1, 0.95);
    XL_CHECK(t, e.coverage <= 0 && e.median >= 7 && e.median <= 7);
    e = xl_estimate_median(one, 0, 0.95);
    XL_CHECK(t, isnan(e.median) && isnan(e.lo) && isnan(e.hi) && e.n == 0);
}

static void median_halves(struct xl_test *t)
{
    double odd[] = { 9, 1, 5 }, even[] = { 4, 1, 3, 2 };
    XL_CHECK_NEAR(t, xl_median(odd, 3), 5, 0);
    XL_CHECK_NEAR(t, xl_median(even, 4), 2.5, 0);
    XL_CHECK(t, isnan(xl_median(odd, 0)));
}

/* A skewed distribution whose median is known: ln 2 for the exponential. */
static double draw(struct xl_rng *rng)
{
    return -log(1 - xl_rng_unit(rng));
}

/* Share of experiments whose interval holds the true median. */
static double simulated(size_t n, double level, double *promised)
{
    struct xl_rng rng;
    size_t held = 0;
    xl_rng_seed(&rng, 11 + n);
    for (size_t i = 0; i < EXPERIMENTS; i++) {
        double x[MOST];
        for (size_t j = 0; j < n; j++)
            x[j] = draw(&rng);
        struct xl_estimate e = xl_estimate_median(x, n, level);
        held += e.lo <= log(2.0) && log(2.0) <= e.hi;
        *promised = e.coverage;
    }
    return (double)held / EXPERIMENTS;
}

static void interval_covers_as_promised(struct xl_test *t)
{
    const size_t counts[] = { 5, 9, 16, 33 };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        double promised = 0;
        double seen = simulated(counts[i], 0.95, &promised);
        double sigma = sqrt(promised * (1 - promised) / EXPERIMENTS);
        XL_CHECK_NEAR(t, seen, promised, 4 * sigma);
        /* The check is able to fail: a promise 3 % higher is refused. */
        XL_CHECK(t, fabs(seen - (promised + 0.03)) > 4 * sigma);
    }
}

const struct xl_test_case xl_suite_stats[] = {
    XL_CASE(rank_is_the_narrowest),
    XL_CASE(ranks_of_the_table),
    XL_CASE(few_samples_say_what_they_are_worth),
    XL_CASE(median_halves),
    XL_CASE(interval_covers_as_promised),
    { 0 },
};
