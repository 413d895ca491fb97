/* SPDX-License-Identifier: Apache-2.0
 *
 * From the words of `xltune sweep` to everything a sweep needs: model, prompt,
 * base values, space, strategy. A resumed sweep takes words, base values and
 * prompt from its run_meta.json, so it is the same sweep wherever and whenever
 * it goes on.
 */
#ifndef XL_SETUP_H
#define XL_SETUP_H

#include "kernel/base/cmd.h"
#include "kernel/run/session.h"
#include "tuner/profile/key.h"
#include "tuner/space/param_space.h"
#include "tuner/strategy/strategy.h"
#include "tuner/sweep/objective.h"

enum xl_sweep_opt {
#define XL_SWEEP_OPT(id, name, kind, arg, fallback, lo, hi, help) XL_SWEEP_##id,
#include "tuner/sweep/option.def"
#undef XL_SWEEP_OPT
    XL_SWEEP_OPTS
};
extern const struct xl_opt xl_sweep_rows[XL_SWEEP_OPTS];

struct xl_setup {
    const struct xl_opts *opts; /* the sweep's own words */
    struct xl_session session;
    struct xl_ids prompt;
    char *prompt_text; /* NULL when it came as ids or is long */
    struct xl_params base;
    struct xl_objective *objective;
    struct xl_param_space *space;
    const struct xl_strategy_kind *kind;
    struct xl_strategy *strategy;
    struct xl_key key;
    size_t n_roofline; /* hints of the roofline */
    cJSON *warm; /* earlier runs it begins from: [{"run", "hints", "left_out",
                    "same_model", "differs" or "fault"}, ...] */
};

/* Release also on failure. resumed: run_meta.json of the run that goes on, or
 * NULL. */
enum xl_status xl_setup_make(struct xl_setup *setup,
                             const struct xl_cmd_ctx *ctx,
                             const struct xl_opts *opts, const cJSON *resumed,
                             struct xl_err *err);
void xl_setup_release(struct xl_setup *setup);

/* Shorthands for the sweep's own options. */
int64_t xl_setup_int(const struct xl_setup *setup, enum xl_sweep_opt opt);
const char *xl_setup_text(const struct xl_setup *setup, enum xl_sweep_opt opt);

/* Name of the backend for the run folder: the one, or "all". */
const char *xl_setup_backend(const struct xl_setup *setup);

/* run_meta.json of this sweep; NULL without memory. */
cJSON *xl_setup_meta(const struct xl_setup *setup,
                     const struct xl_cmd_ctx *ctx);

#endif
