/* SPDX-License-Identifier: Apache-2.0
 *
 * Several objectives: the configurations of a run that no other beats in all
 * of them, and how much of what is possible they cover.
 *
 *     XL_TRY(xl_pareto_find(&pareto, &history, n_objectives, err));
 *     for (size_t i = 0; i < pareto.n; i++)
 *         ... history.rows[pareto.rows[i]] ...
 *     xl_pareto_release(&pareto);
 */
#ifndef XL_PARETO_H
#define XL_PARETO_H

#include "kernel/base/err.h"
#include "tuner/sweep/history.h"

struct xl_pareto {
    size_t n;
    size_t *rows;  /* [n] of the history, best in the first objective first */
    double volume; /* hypervolume: share, 0..1, of the box between the worst
                      and the best measured in each objective; 1 where one
                      configuration is best in all */
};

/* Measured rows only; none makes an empty front of volume 0. */
enum xl_status xl_pareto_find(struct xl_pareto *pareto,
                              const struct xl_history *history,
                              size_t n_objectives, struct xl_err *err);
void xl_pareto_release(struct xl_pareto *pareto);

#endif
