/* SPDX-License-Identifier: Apache-2.0
 *
 * The number of samples below the true median is binomial(n, 1/2) whatever
 * the distribution, so the interval between the k-th smallest and the k-th
 * largest covers the median with probability 1 - 2 P(B <= k - 1). With fewer
 * than six samples no pair reaches 95 %; the extremes are given then, and
 * `coverage` says what they are worth. The binomial comes from GSL. */
#include "tuner/measure/stats.h"

#include <math.h>
#include <stdlib.h>

#include <gsl/gsl_cdf.h>

#include "kernel/base/order.h"

static double middle(const double *sorted, size_t n)
{
    if (n == 0)
        return (double)NAN;
    return 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]);
}

double xl_median(double *x, size_t n)
{
    qsort(x, n, sizeof *x, xl_order_reals);
    return middle(x, n);
}

/* Coverage of the k-th smallest to the k-th largest of n, k from 1. */
static double coverage(size_t n, size_t k)
{
    return 1.0 - 2.0 * gsl_cdf_binomial_P((unsigned)(k - 1), 0.5, (unsigned)n);
}

struct xl_estimate xl_estimate_median(double *x, size_t n, double level)
{
    struct xl_estimate e = {
        .median = xl_median(x, n), .lo = (double)NAN, .hi = (double)NAN, .n = n
    };
    if (n == 0)
        return e;
    size_t k = 1;
    while (k + 1 <= n / 2 && coverage(n, k + 1) >= level)
        k++;
    e.lo = x[k - 1];
    e.hi = x[n - k];
    e.coverage = n > 1 ? coverage(n, k) : 0.0;
    return e;
}
