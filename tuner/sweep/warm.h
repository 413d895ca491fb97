/* SPDX-License-Identifier: Apache-2.0
 *
 * A search that begins from an earlier run: what that run measured guides it,
 * and that run's best configurations are measured first.
 *
 *     struct xl_warm warm = { .path = "runs/r1/trials.db", .space = space,
 *                             .objective = objective, .model_hash = hash,
 *                             .match = match };
 *     XL_TRY(xl_warm_start(&warm, strategy, err));
 *     printf("%zu hints\n", warm.n_hints);
 *
 * Nothing of the earlier run counts as measured: machines drift, and speeds of
 * another machine, model or context may all be off by one factor. Tunables go
 * by name, so the space may have changed since; what it does not hold is left
 * out. What ran and what failed there says where configurations run, the less
 * the less its machine, model and context are those of today.
 */
#ifndef XL_WARM_H
#define XL_WARM_H

#include "tuner/profile/key.h"
#include "tuner/space/param_space.h"
#include "tuner/strategy/strategy.h"
#include "tuner/sweep/objective.h"

/* In place of a run: those that kin.h finds. */
#define XL_WARM_AUTO "auto"

enum {
    XL_WARM_FIRST = 3, /* configurations of the earlier run measured first */
};

struct xl_warm {
    const char *path; /* of a store */
    const struct xl_param_space *space;
    const struct xl_objective *objective; /* of several, the first counts */
    const char *model_hash;               /* of the model that is tuned now */
    struct xl_match match; /* of the run's key with the one here */
    uint32_t group;        /* each earlier run another one */
    /* out */
    size_t n_hints, n_failed, n_left_out;
    bool is_same_model;
};

/* Before the first ask. XL_ENOTFOUND without the store. */
enum xl_status xl_warm_start(struct xl_warm *warm, struct xl_strategy *strategy,
                             struct xl_err *err);

#endif
