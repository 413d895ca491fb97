/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/profile/recheck.h"

#include <math.h>
#include <stdio.h>

#include "kernel/base/alloc.h"
#include "kernel/base/json.h"
#include "kernel/base/rng.h"
#include "kernel/model/plan.h"
#include "tuner/measure/bench_duel.h"
#include "tuner/sweep/lap.h"

enum {
    PROMPT = 512, /* of a profile that does not say */
    NEW = 64,
    SEED = 1337
};

const char *xl_recheck_name(enum xl_recheck_verdict verdict)
{
    static const char *const names[] = { [XL_RECHECK_BEST] = "still best",
                                         [XL_RECHECK_DRIFTED] = "drifted",
                                         [XL_RECHECK_SLOWER] = "slower" };
    return names[verdict];
}

/* -- what the profile says ------------------------------------------------ */

static const cJSON *versus_of(const struct xl_best *best)
{
    const cJSON *from = xl_json_member(best->root, "provenance");
    return xl_json_member(from, "versus");
}

/* What it once beat; the defaults when it does not say. */
static enum xl_status read_opponent(const struct xl_best *best,
                                    struct xl_params *params,
                                    struct xl_err *err)
{
    const cJSON *json = xl_json_member(versus_of(best), "params");
    xl_params_init(params);
    if (!json)
        return XL_OK;
    return xl_params_from_json(params, json, XL_LAYER_MACHINE,
                               "the profile's opponent", err);
}

static enum xl_status read_objective(const struct xl_best *best,
                                     struct xl_recheck_end *end,
                                     struct xl_objective **objective,
                                     struct xl_err *err)
{
    const cJSON *metrics = xl_json_member(best->root, "metrics");
    const cJSON *ratio = xl_json_member(versus_of(best), "objective_ratio");
    const char *name = "balanced";
    xl_json_get_text(metrics, "objective", &name, NULL);
    snprintf(end->objective, sizeof end->objective, "%s", name);
    end->recorded = (double)NAN;
    xl_json_get_real(ratio, "median", 0, 1e9, &end->recorded, NULL);
    return xl_objective_parse(objective, name, err);
}

/* -- the duel ------------------------------------------------------------- */

static double value_of(void *ctx, const struct xl_run_sample *sample)
{
    struct xl_lap lap;
    xl_lap_of_run(&lap, sample);
    return xl_reading_gain(ctx, &lap.reading);
}

static enum xl_status hold(const struct xl_bench_duel_job *job,
                           struct xl_recheck_end *end, struct xl_err *err)
{
    struct xl_duel duel;
    enum xl_status rc = xl_bench_duel_run(job, &duel, err);
    enum xl_duel_verdict verdict = duel.verdicts[XL_DUEL_VALUE];
    end->ratio = duel.ratio[XL_DUEL_VALUE];
    end->verdict = verdict == XL_DUEL_FASTER   ? XL_RECHECK_BEST
                   : verdict == XL_DUEL_SLOWER ? XL_RECHECK_SLOWER
                                               : XL_RECHECK_DRIFTED;
    xl_duel_release(&duel);
    return rc;
}

static enum xl_status hold_on_prompt(const struct xl_recheck *r,
                                     const struct xl_params sides[XL_SIDES],
                                     const struct xl_objective *objective,
                                     struct xl_recheck_end *end,
                                     struct xl_err *err)
{
    size_t n = r->context                                 ? r->context
               : r->best->has_key && r->best->key.context ? r->best->key.context
                                                          : PROMPT;
    struct xl_bench_duel_job job = { .model = r->model,
                                     .rounds = r->rounds,
                                     .is_challenge = true,
                                     .value = value_of,
                                     .value_ctx = (void *)(size_t)objective };
    struct xl_fastest fastest = { 0 };
    struct xl_rng rng;
    enum xl_status rc;
    int32_t *prompt = xl_alloc_zero(n, sizeof *prompt);
    if (!prompt)
        return xl_fail(err, XL_ENOMEM, "out of memory for %zu tokens", n);
    xl_rng_seed(&rng, SEED);
    for (size_t i = 0; i < n; i++)
        prompt[i] =
            (int32_t)xl_rng_below(&rng, xl_model_config(r->model)->vocab);
    job.workload = (struct xl_trial_load){
        .prompt = prompt, .n_prompt = n, .new_tokens = NEW, .fastest = &fastest
    };
    XL_TRY_DONE(rc, xl_plan_make(&job.plans[0], r->model, &sides[0], err));
    XL_TRY_DONE(rc, xl_plan_make(&job.plans[1], r->model, &sides[1], err));
    rc = hold(&job, end, err);
done:
    for (size_t i = 0; i < XL_SIDES; i++)
        xl_plan_free(job.plans[i]);
    xl_free(prompt);
    return rc;
}

enum xl_status xl_recheck_run(const struct xl_recheck *r,
                              struct xl_recheck_end *end, struct xl_err *err)
{
    const struct xl_config *config = xl_model_config(r->model);
    struct xl_params sides[XL_SIDES];
    struct xl_objective *objective = NULL;
    *end = (struct xl_recheck_end){ .verdict = XL_RECHECK_BEST };
    sides[0] = r->best->params;
    XL_TRY(read_opponent(r->best, &sides[1], err));
    for (size_t i = 0; i < XL_SIDES; i++)
        xl_plan_canonical(config, &sides[i]);
    enum xl_status rc = read_objective(r->best, end, &objective, err);
    end->is_same = xl_params_equal(&sides[0], &sides[1]);
    if (rc == XL_OK && !end->is_same)
        rc = hold_on_prompt(r, sides, objective, end, err);
    xl_objective_free(objective);
    return rc;
}
