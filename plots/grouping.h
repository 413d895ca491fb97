/* SPDX-License-Identifier: Apache-2.0
 *
 * Grouping measurements by a value, and the Pareto front.
 *
 * Intervals of a median are distribution-free: the order statistics that
 * bracket it with at least 95% confidence. Fewer than six values have none.
 */
#ifndef XL_GROUPING_H
#define XL_GROUPING_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/arena.h"
#include "kernel/base/err.h"

/* One measurement: key is what it is grouped by (NaN = not set), value with
 * its own interval (each NaN when unknown). */
struct xl_grouping_item {
    double key, value, lo, hi;
};

struct xl_grouping_group {
    double from, to;                     /* keys; equal for a single value */
    size_t n;                            /* measurements; may be 0 */
    double max, max_lo, max_hi;          /* the largest, its own interval */
    double median, median_lo, median_hi; /* over the measurements */
};

struct xl_grouping {
    struct xl_grouping_group *groups; /* [n_groups] by key; not set = last */
    size_t n_groups;
    size_t *group_of; /* [n items] group of each item, in their order */
};

/* Groups n items by key. More than max_groups distinct keys are gathered in
 * ranges: doubling ones when the keys span a factor of 16, else equal ones.
 * An item without a value makes its group but is not counted in it. */
enum xl_status xl_grouping_make(struct xl_grouping *table,
                                const struct xl_grouping_item *items, size_t n,
                                size_t max_groups, struct xl_arena *arena,
                                struct xl_err *err);

struct xl_grouping_median {
    double median, lo, hi; /* lo and hi NaN for n < 6 */
};

/* Sorts values[0..n) and tells their median; all NaN for n = 0. */
struct xl_grouping_median xl_grouping_median_of(double *values, size_t n);

/* Rank k (from 1) such that the k-th smallest and k-th largest of n values
 * bracket the median with at least 95% confidence; 0 = there is none. */
size_t xl_grouping_rank(size_t n);

/* Indices of the points that no other point beats in both coordinates (more
 * is better), by ascending x; equal points count once. front holds n. Returns
 * how many; SIZE_MAX without memory. Points with NaN are never on it. */
size_t xl_grouping_front(const double *x, const double *y, size_t n,
                         size_t *front);

#endif
