/* SPDX-License-Identifier: Apache-2.0
 *
 * How much of the spread of the objective a tunable explains by itself: the
 * share of the variance of its logarithm that lies between the values of the
 * tunable, corrected for the number of values (epsilon squared, Kelley 1935),
 * with a 95% interval from a bootstrap over the trials.
 */
#ifndef XL_SHARE_H
#define XL_SHARE_H

#include "kernel/base/arena.h"
#include "kernel/base/err.h"
#include "plots/tunable.h"

struct xl_share {
    double share, lo, hi; /* 0..1 */
};

/* shares[list->n] in the order of the list; *n trials were used, at most a
 * few thousand, evenly over the run. 0 trials: all shares are NaN. */
enum xl_status xl_shares_of(struct xl_share *shares, size_t *n,
                            const struct xl_record *record,
                            const struct xl_tunables *list,
                            struct xl_arena *arena, struct xl_err *err);

/* Order of the tunables by share, largest first, ties by their place. */
void xl_shares_rank(const struct xl_share *shares, size_t n, size_t *order);

#endif
