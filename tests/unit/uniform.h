/* SPDX-License-Identifier: Apache-2.0
 *
 * Is a draw uniform? Shared by tests. */
#ifndef XL_UNIFORM_H
#define XL_UNIFORM_H

#include <math.h>
#include <stddef.h>

/* Chi-square of n counts with the same expectation, as a normal deviate
 * (Wilson and Hilferty): beyond 4 the draw is not uniform. */
static inline double xl_test_deviate(const size_t *counts, size_t n)
{
    double total = 0, chi = 0, df = (double)(n - 1), w = 2 / (9 * df);
    for (size_t i = 0; i < n; i++)
        total += (double)counts[i];
    double expected = total / (double)n;
    for (size_t i = 0; i < n; i++) {
        double off = (double)counts[i] - expected;
        chi += off * off / expected;
    }
    return (cbrt(chi / df) - (1 - w)) / sqrt(w);
}

#endif
