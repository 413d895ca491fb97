/* SPDX-License-Identifier: Apache-2.0
 *
 * The error of a ratio from blocks (a cluster-robust linearisation): with
 * block sums s_g of the values and b_g of the weights, R = sum s / sum b,
 *
 *     e_g = s_g - R b_g,   SE = sqrt(G / (G - 1) sum e_g^2) / sum b
 *
 * and Student's t with G - 1 degrees. On autocorrelated losses (coefficient
 * 0.4, 65536 values, blocks of 512) the 95 % interval covers 94.5 %; the
 * formula for independent values covers 81 %. A last block that is shorter
 * than half a block joins the one before it. */
#include "judge/interval.h"

#include <gsl/gsl_cdf.h>
#include <assert.h>
#include <math.h>

enum {
    LONGEST = 512,
    SHORTEST = 16,
    WANTED = 20
};

#define TWO_SIDED 0.975
#define ONE_SIDED 0.05

size_t xl_block_auto(size_t n)
{
    size_t block = LONGEST;
    while (block > SHORTEST && n / block < WANTED)
        block /= 2;
    return block;
}

static size_t count_blocks(size_t n, size_t block)
{
    size_t g = n / block;
    if (n % block * 2 >= block)
        g++;
    return g ? g : 1;
}

struct sums {
    double x, weight;
};

static struct sums sum_of(const double *x, const double *weight, size_t begin,
                          size_t end)
{
    struct sums s = { 0 };
    for (size_t i = begin; i < end; i++) {
        s.x += x[i];
        s.weight += weight ? weight[i] : 1.0;
    }
    return s;
}

double xl_interval_level(size_t looks)
{
    return ONE_SIDED / (double)(looks ? looks : 1);
}

static void set_spans(struct xl_score *out, double degrees, double level)
{
    assert(level > 0 && level < 1);
    double two = gsl_cdf_tdist_Pinv(TWO_SIDED, degrees) * out->se;
    double one = gsl_cdf_tdist_Pinv(1 - level, degrees) * out->se;
    out->has_interval = true;
    out->lo = out->value - two;
    out->hi = out->value + two;
    out->lower = out->value - one;
    out->upper = out->value + one;
}

struct xl_score xl_block_ratio(const double *x, const double *weight, size_t n,
                               size_t block, double level)
{
    if (n == 0)
        return xl_score_unknown("no tokens");
    struct sums all = sum_of(x, weight, 0, n);
    struct xl_score out = xl_score_point(all.x / all.weight, n);
    if (!out.is_known)
        return out;
    size_t blocks = count_blocks(n, block);
    double squares = 0;
    for (size_t g = 0; g < blocks; g++) {
        size_t end = g + 1 == blocks ? n : (g + 1) * block;
        struct sums s = sum_of(x, weight, g * block, end);
        double e = s.x - out.value * s.weight;
        squares += e * e;
    }
    out.blocks = blocks;
    if (blocks < 2)
        return out;
    double count = (double)blocks;
    out.se = sqrt(count / (count - 1) * squares) / all.weight;
    set_spans(&out, count - 1, level);
    return out;
}

/* Both ends are far apart, so their errors are taken as independent; the
 * degrees are those of the end with fewer blocks, which is cautious. */
struct xl_score xl_block_rise(const double *x, size_t n, double level)
{
    size_t quarter = n / 4;
    if (quarter == 0)
        return xl_score_unknown("the text is too short");
    size_t block = xl_block_auto(quarter);
    struct xl_score first = xl_block_ratio(x, NULL, quarter, block, level);
    struct xl_score last =
        xl_block_ratio(x + n - quarter, NULL, quarter, block, level);
    if (!first.is_known || !last.is_known)
        return xl_score_unknown("not a finite number");
    struct xl_score out = xl_score_point(last.value - first.value, n);
    out.blocks = last.blocks < first.blocks ? last.blocks : first.blocks;
    if (out.blocks < 2)
        return out;
    out.se = hypot(first.se, last.se);
    set_spans(&out, (double)out.blocks - 1, level);
    return out;
}

/* Centre and half width of Wilson's interval for a share of n values. */
static void wilson(double share, double n, double z, double *lo, double *hi)
{
    double z2n = z * z / n;
    double centre = (share + z2n / 2) / (1 + z2n);
    double half = z / (1 + z2n) * sqrt(share * (1 - share) / n + z2n / (4 * n));
    *lo = fmax(0.0, centre - half);
    *hi = fmin(1.0, centre + half);
}

struct xl_score xl_block_share(const double *hits, size_t n, size_t block,
                               double level)
{
    struct xl_score out = xl_block_ratio(hits, NULL, n, block, level);
    if (!out.is_known)
        return out;
    double share = out.value, count = (double)n;
    double independent = share * (1 - share) / count;
    double effect = independent > 0 ? out.se * out.se / independent : 1.0;
    double n_eff = count / fmax(effect, 1.0);
    out.has_interval = true;
    wilson(share, n_eff, gsl_cdf_ugaussian_Pinv(TWO_SIDED), &out.lo, &out.hi);
    wilson(share, n_eff, gsl_cdf_ugaussian_Pinv(1 - level), &out.lower,
           &out.upper);
    return out;
}
