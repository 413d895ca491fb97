/* SPDX-License-Identifier: Apache-2.0
 *
 * Analysis of variance over a sample: the sample falls into the cells of one
 * or two dimensions, and what lies between the means of cells is theirs. In a
 * sample that is not the whole space means differ by chance too; that much is
 * taken off (omega squared, Hays 1963). */
#include <math.h>
#include <string.h>

#include "tuner/strategy/insight_int.h"

enum {
    BINS = 16,     /* of one dimension */
    BINS_PAIR = 8, /* of each of two */
    MOST = 4096,   /* cells; what would be beyond falls into the last */
    PASSES = 3,    /* of taking means off */
};

static size_t bins_of(const struct xl_split *s, size_t d, size_t most)
{
    size_t n = xl_space_dim(s->space, d)->n;
    return s->is_all || n < most ? n : most;
}

static size_t bin_of(const struct xl_split *s, size_t i, size_t d, size_t bins)
{
    return (size_t)s->points[i][d] * bins / xl_space_dim(s->space, d)->n;
}

/* Cells by number: of a alone, or of a and b where bins_b > 1. */
struct cells {
    size_t a, b, bins_a, bins_b;
};

static size_t cell_of(const struct xl_split *s, const struct cells *c, size_t i)
{
    size_t at = bin_of(s, i, c->a, c->bins_a);
    return c->bins_b > 1 ? at * c->bins_b + bin_of(s, i, c->b, c->bins_b) : at;
}

static double variance_of(const double *y, size_t n)
{
    double mean = 0, sum = 0;
    for (size_t i = 0; i < n; i++)
        mean += y[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        sum += (y[i] - mean) * (y[i] - mean);
    return sum / (double)n;
}

/* The means of cells; returns how many are not empty. */
static size_t find_means(const struct xl_split *s, const double *y,
                         const struct cells *c, double means[MOST],
                         size_t counts[MOST])
{
    size_t used = 0;
    for (size_t k = 0; k < MOST; k++)
        means[k] = (double)(counts[k] = 0);
    for (size_t i = 0; i < s->n; i++) {
        size_t at = cell_of(s, c, i);
        means[at] += y[i];
        counts[at]++;
    }
    for (size_t k = 0; k < MOST; k++) {
        means[k] /= counts[k] ? (double)counts[k] : 1;
        used += counts[k] > 0;
    }
    return used;
}

/* The variance that lies between cells. */
static double between(const struct xl_split *s, const double *y,
                      const struct cells *c)
{
    double means[MOST], mean = 0, own = 0;
    size_t counts[MOST], used = find_means(s, y, c, means, counts);
    for (size_t i = 0; i < s->n; i++)
        mean += y[i] / (double)s->n;
    for (size_t k = 0; k < MOST; k++)
        own += (double)counts[k] * (means[k] - mean) * (means[k] - mean) /
               (double)s->n;
    if (!s->is_all && s->n > used)
        own -= ((double)used - 1) * (variance_of(y, s->n) - own) /
               (double)(s->n - used);
    return fmax(0, own);
}

static double share_of(double part, double whole)
{
    return whole > 0 ? fmin(1, part / whole) : 0;
}

double xl_split_main(const struct xl_split *s, const double *y, size_t a)
{
    struct cells c = { .a = a, .bins_a = bins_of(s, a, BINS), .bins_b = 1 };
    return share_of(between(s, y, &c), variance_of(y, s->n));
}

void xl_split_rest(const struct xl_split *s, const double *y, double *rest)
{
    double means[MOST];
    size_t counts[MOST];
    memcpy(rest, y, s->n * sizeof *rest);
    for (size_t pass = 0; pass < PASSES; pass++)
        for (size_t d = 0; d < xl_space_n_dims(s->space); d++) {
            struct cells c = { .a = d,
                               .bins_a = bins_of(s, d, BINS),
                               .bins_b = 1 };
            find_means(s, rest, &c, means, counts);
            for (size_t i = 0; i < s->n; i++)
                rest[i] -= means[cell_of(s, &c, i)];
        }
}

double xl_split_pair(const struct xl_split *s, const double *y,
                     const double *rest, size_t a, size_t b)
{
    struct cells c = { a, b, bins_of(s, a, BINS_PAIR),
                       bins_of(s, b, BINS_PAIR) };
    return share_of(between(s, rest, &c), variance_of(y, s->n));
}
