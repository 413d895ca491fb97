/* SPDX-License-Identifier: Apache-2.0
 *
 * Statistics of repeated measurements: medians with intervals that assume
 * nothing about the distribution. NaN means undefined (no samples).
 */
#ifndef XL_STATS_H
#define XL_STATS_H

#include <stddef.h>

struct xl_estimate {
    double median, lo, hi; /* lo, hi: the interval; equal to the extremes when
                              n is too small for the wanted coverage */
    double coverage;       /* what lo..hi really covers, 0..1 */
    size_t n;
};

/* Median of x[0..n); x is sorted in place. */
double xl_median(double *x, size_t n);

/* Median with the narrowest pair of order statistics, symmetric in rank,
 * whose binomial coverage reaches `level` (0.95); x is sorted in place. */
struct xl_estimate xl_estimate_median(double *x, size_t n, double level);

#endif
