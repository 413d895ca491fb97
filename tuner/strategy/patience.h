/* SPDX-License-Identifier: Apache-2.0
 *
 * When a search has stopped getting better: so many results in a row without
 * one that is better than all before it by more than the machine resolves.
 *
 *     struct xl_patience patience = { .most = 30, .least = 0.01 };
 *     XL_TRY(xl_patience_tell(&patience, values, 1, err));   // NULL = failed
 *     if (xl_patience_is_out(&patience)) ...
 *     xl_patience_release(&patience);
 *
 * It has no clock and does no I/O: the same results in the same order end at
 * the same one, whether they were measured now or come from the store. Gains
 * too small to be resolved add up: each result is held against the last one
 * that was better, not against the best so far. Of several objectives a result
 * is better when none of those before it is as good in all of them.
 */
#ifndef XL_PATIENCE_H
#define XL_PATIENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/err.h"
#include "tuner/strategy/strategy.h"

struct xl_patience {
    size_t most;  /* results without a better one; 0 = any number */
    double least; /* relative; a gain up to this is none */
    /* private */
    size_t since;                        /* the last better one */
    double (*marks)[XL_STRATEGY_VALUES]; /* [n]: those that were better */
    size_t n, room;
};

/* One more result: n values, larger is better, or NULL when there are none. */
enum xl_status xl_patience_tell(struct xl_patience *patience,
                                const double *values, size_t n,
                                struct xl_err *err);

bool xl_patience_is_out(const struct xl_patience *patience);

void xl_patience_release(struct xl_patience *patience);

#endif
