/* SPDX-License-Identifier: Apache-2.0
 *
 * Values as costs for models: smaller is better, and logarithms where all
 * values have one sign, so that a model sees ratios. Included only inside
 * tuner/strategy and by tests. */
#ifndef XL_SCALE_H
#define XL_SCALE_H

#include <math.h>

#include "tuner/strategy/search.h"

enum xl_scale {
    XL_SCALE_NONE,  /* no value yet */
    XL_SCALE_PLAIN, /* -value */
    XL_SCALE_LOSS,  /* all values negative: log(-value) */
    XL_SCALE_GAIN,  /* all values positive: -log(value) */
};

/* The scale of the history so far; a later value can change it. */
static inline enum xl_scale xl_scale_find(const struct xl_search *search)
{
    bool above = false, below = false, zero = false;
    for (size_t i = 0; i < search->n_records; i++) {
        const struct xl_record *r = &search->records[i];
        if (!xl_record_is_ok(r))
            continue;
        above |= r->outcome.values[0] > 0;
        below |= r->outcome.values[0] < 0;
        zero |= r->outcome.values[0] == 0;
    }
    if (!above && !below && !zero)
        return XL_SCALE_NONE;
    if (zero || (above && below))
        return XL_SCALE_PLAIN;
    return above ? XL_SCALE_GAIN : XL_SCALE_LOSS;
}

static inline double xl_scale_cost(enum xl_scale scale,
                                   const struct xl_record *r)
{
    double value = r->outcome.values[0];
    if (scale == XL_SCALE_LOSS)
        return log(-value);
    return scale == XL_SCALE_GAIN ? -log(value) : -value;
}

#endif
