/* SPDX-License-Identifier: Apache-2.0
 *
 * The bests of each phase as one configuration. What only the prompt reads
 * does nothing to decoding and the other way round, so an objective of both
 * phases falls apart where all tunables of both are the same: the prompt's
 * best and decoding's best go together without having met in the search. */
#ifndef XL_MERGE_H
#define XL_MERGE_H

#include "tuner/space/param_space.h"
#include "tuner/sweep/history.h"
#include "tuner/sweep/sweep.h"

enum {
    XL_MERGE_MOST = 2,
};

/* One that nobody measured. */
struct xl_merged {
    struct xl_params params; /* of the trials below; not canonical */
    int64_t prefill, decode; /* trials it is made of */
    double value;            /* of the objective, if they go together */
};

/* The best of them that promise more than all of the history, best first; at
 * most XL_MERGE_MOST, none for an objective of one phase. */
enum xl_status xl_merge_find(const struct xl_history *history,
                             const struct xl_objective *objective,
                             struct xl_merged merged[XL_MERGE_MOST], size_t *n,
                             struct xl_err *err);

/* Measures them, those that are members of the space and that no trial has
 * tried, as long as the sweep has time for searching. Statuses as those of
 * xl_sweep_measure. */
enum xl_status xl_merge_measure(const struct xl_sweep *sweep,
                                const struct xl_param_space *space,
                                size_t *n_measured, struct xl_err *err);

#endif
