/* SPDX-License-Identifier: Apache-2.0
 *
 * The step as the paper writes it, wholly in double: nothing is shared with
 * the variants that it judges. */
#include <math.h>

#include "kernel/cell/slstm.h"

static double log_sigmoid(double x)
{
    return x < 0 ? x - log1p(exp(x)) : -log1p(exp(-x));
}

static void advance(const struct xl_slstm_f64 *cell, size_t j)
{
    size_t dim = cell->dim;
    double i = cell->r[j], f = cell->r[dim + j];
    double decay = log_sigmoid(f) + cell->m[j], m = i;
    if (cell->n[j] != 0.0)
        m = fmax(i, decay);
    double keep = fmin(1, exp(decay - m)), take = fmin(1, exp(i - m));
    cell->c[j] = keep * cell->c[j] + take * tanh(cell->r[2 * dim + j]);
    cell->n[j] = keep * cell->n[j] + take;
    cell->m[j] = m;
    double open = 1 / (1 + exp(-cell->r[3 * dim + j]));
    cell->h[j] = open * cell->c[j] / cell->n[j];
}

void xl_slstm_step_f64(const struct xl_slstm_f64 *cell, const double *in,
                       const double *R)
{
    size_t dim = cell->dim;
    for (size_t o = 0; o < 4 * dim; o++) {
        cell->r[o] = in[o];
        for (size_t d = 0; d < dim; d++)
            cell->r[o] += R[o * dim + d] * cell->h[d];
    }
    for (size_t j = 0; j < dim; j++)
        advance(cell, j);
}
