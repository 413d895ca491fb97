/* SPDX-License-Identifier: Apache-2.0
 *
 * What a process can foresee of its own rows. Leaving row i out of a process
 * with covariance K predicts y_i - a_i / (K^-1)_ii with a = K^-1 y, so one
 * inverse of the factor L gives all of them: (K^-1)_ii is the square of column
 * i of L^-1. The rows of L^-1 are built from those above them, along memory. */
#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "tuner/strategy/surrogate.h"

/* inverse = L^-1, lower, rows of s->n. */
static void invert(const struct xl_surrogate *s, double *inverse)
{
    size_t n = s->n;
    memset(inverse, 0, n * n * sizeof *inverse);
    for (size_t i = 0; i < n; i++) {
        const double *row = s->factor + i * s->room;
        double *own = inverse + i * n;
        for (size_t k = 0; k < i; k++)
            s->lanes->subtract(own, row[k], inverse + k * n, k + 1);
        own[i] = 1;
        for (size_t k = 0; k <= i; k++)
            own[k] /= row[i];
    }
}

/* Of each row: (K^-1)_ii and (K^-1 y)_i. */
struct sums {
    double square, solved;
};

static void add_up(const struct xl_surrogate *s, const double *inverse,
                   struct sums *sums)
{
    for (size_t j = 0; j < s->n; j++) {
        const double *row = inverse + j * s->n;
        double cost = xl_surrogate_solved(s, j);
        for (size_t i = 0; i <= j; i++) {
            sums[i].square += row[i] * row[i];
            sums[i].solved += row[i] * cost;
        }
    }
}

enum xl_status xl_surrogate_skill(const struct xl_surrogate *s, double *skill,
                                  struct xl_err *err)
{
    size_t n = s->n;
    double missed = 0, spread = 0, others = (double)s->n_ok - 1;
    *skill = 0;
    if (s->n_ok < 3)
        return XL_OK;
    double *inverse = xl_alloc(n * n * sizeof *inverse);
    struct sums *sums = xl_alloc_zero(n, sizeof *sums);
    if (inverse && sums) {
        invert(s, inverse);
        add_up(s, inverse, sums);
    }
    for (size_t i = 0; i < n && inverse && sums; i++) {
        const struct xl_sight *sight = &s->rows[i].sight;
        if (sight->kind != XL_SIGHT_OK)
            continue;
        double z = (sight->y - s->mean) / s->deviation;
        double by_process = sums[i].solved / sums[i].square;
        double by_mean = z * (1 + 1 / others); /* of the others */
        missed += by_process * by_process;
        spread += by_mean * by_mean;
    }
    bool is_done = inverse && sums;
    xl_free(inverse);
    xl_free(sums);
    *skill = spread > 0 ? fmax(0, 1 - missed / spread) : 0;
    return is_done
               ? XL_OK
               : xl_fail(err, XL_ENOMEM, "no memory for %zu observations", n);
}
