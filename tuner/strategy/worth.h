/* SPDX-License-Identifier: Apache-2.0
 *
 * What chosen points were worth beside points drawn uniformly, from what both
 * gave. Included only inside tuner/strategy and by tests.
 *
 *     xl_worth_tell(&worth, record); // each result, in the order of tells
 *     double share = xl_worth_share(&worth);
 *
 * The share of asks that choosing deserves is 1 where chosen points are no
 * worse than drawn ones, and falls fast where they are: a search that
 * follows it loses a handful of trials to a model that is wrong, whatever the
 * space.
 */
#ifndef XL_WORTH_H
#define XL_WORTH_H

#include "tuner/strategy/search.h"

enum {
    XL_WORTH_DRAWN = 64,  /* latest draws that count */
    XL_WORTH_CHOSEN = 16, /* latest choices */
};

/* {0} is one that has seen nothing. */
struct xl_worth {
    double drawn[XL_WORTH_DRAWN];   /* what they gave; -INFINITY = failed */
    double scores[XL_WORTH_CHOSEN]; /* of each choice when it was told */
    size_t n_drawn, n_chosen;       /* ever */
};

void xl_worth_tell(struct xl_worth *worth, const struct xl_record *record);

/* Of asks, above 0 and at most 1. */
double xl_worth_share(const struct xl_worth *worth);

/* Of a value that `better` of n values exceed and `same` equal: the expected
 * order statistics of n + 1 exponentials (Savage), with mean 1 for a value
 * like the others. */
double xl_worth_score(size_t n, size_t better, size_t same);

#endif
