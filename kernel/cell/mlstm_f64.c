/* SPDX-License-Identifier: Apache-2.0
 *
 * The recurrent form as the paper writes it, wholly in double: nothing is
 * shared with the variants it judges. */
#include <math.h>

#include "kernel/cell/mlstm.h"

static double log_sigmoid(double x)
{
    return x < 0 ? x - log1p(exp(x)) : -log1p(exp(-x));
}

void xl_mlstm_step_f64(const struct xl_mlstm_f64 *cell, const double *q,
                       const double *k, const double *v, double igate,
                       double fgate, double *h)
{
    size_t dk = cell->dk, dv = cell->dv;
    double decay = log_sigmoid(fgate) + *cell->m, m = fmax(decay, igate);
    double keep = exp(decay - m), take = exp(igate - m);
    double scale = 1 / sqrt((double)dk), d = 0;
    for (size_t b = 0; b < dv; b++)
        h[b] = 0;
    for (size_t a = 0; a < dk; a++) {
        double *row = cell->C + a * dv;
        cell->n[a] = keep * cell->n[a] + take * k[a];
        d += scale * q[a] * cell->n[a];
        for (size_t b = 0; b < dv; b++) {
            row[b] = keep * row[b] + take * k[a] * v[b];
            h[b] += scale * q[a] * row[b];
        }
    }
    for (size_t b = 0; b < dv; b++)
        h[b] /= fmax(fabs(d), exp(-m)) + cell->eps;
    *cell->m = m;
}
