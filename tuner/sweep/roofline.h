/* SPDX-License-Identifier: Apache-2.0
 *
 * What configurations could do at most, by what a token costs and what a core
 * of a common machine gives. Only ratios count: speeds of this machine may all
 * be off by one factor, which a search finds as it goes.
 *
 *     struct xl_roofline roofline = { .config = config, .prompt_tokens = 512,
 *                                     .cores = 2 };
 *     XL_TRY(xl_roofline_reading(&roofline, &params, &reading, err));
 */
#ifndef XL_ROOFLINE_H
#define XL_ROOFLINE_H

#include "kernel/model/config.h"
#include "tuner/space/param_space.h"
#include "tuner/strategy/strategy.h"
#include "tuner/sweep/objective.h"

struct xl_roofline {
    const struct xl_config *config;
    size_t prompt_tokens, cores;
};

/* Speeds of both phases and times of a token; the rest is unknown. params:
 * canonical. */
enum xl_status xl_roofline_reading(const struct xl_roofline *roofline,
                                   const struct xl_params *params,
                                   struct xl_reading *reading,
                                   struct xl_err *err);

/* Gives what it says of members spread over the space to a strategy, as a
 * group of hints that are as unsure as knowing nothing. Before the first
 * ask. */
enum xl_status xl_roofline_hint(const struct xl_roofline *roofline,
                                const struct xl_param_space *space,
                                const struct xl_objective *objective,
                                uint32_t group, struct xl_strategy *strategy,
                                size_t *n_hints, struct xl_err *err);

#endif
