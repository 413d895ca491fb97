/* SPDX-License-Identifier: Apache-2.0
 *
 * What judges and subjects are made of: the reference's configuration, and a
 * plan with all its ways in. */
#include "judge/judge.h"

#include <assert.h>

#include "kernel/base/io.h"
#include "kernel/model/cache.h"

void xl_judge_reference(struct xl_params *params)
{
    static const struct {
        enum xl_param id;
        const char *value;
    } naive[] = {
        { XL_PARAM_BACKEND, "native" },   { XL_PARAM_CELL, "naive" },
        { XL_PARAM_GEMM, "naive" },       { XL_PARAM_WEIGHT_DTYPE, "fp32" },
        { XL_PARAM_STATE_DTYPE, "fp32" }, { XL_PARAM_PREFILL_BLOCK, "64" },
    };
    xl_params_init(params);
    for (size_t i = 0; i < sizeof naive / sizeof *naive; i++) {
        enum xl_status rc = xl_param_parse(naive[i].id, naive[i].value,
                                           &params->value[naive[i].id], NULL);
        assert(rc == XL_OK);
        (void)rc;
    }
}

char *xl_judge_folder(void)
{
    struct xl_cache cache;
    if (xl_cache_init(&cache, NULL) != XL_OK || !cache.dir)
        return NULL;
    char *folder = xl_io_join(cache.dir, "reference");
    xl_cache_release(&cache);
    return folder;
}

static void forward_plan(void *ctx, struct xl_state *state,
                         const struct xl_pass *pass)
{
    xl_plan_forward(ctx, state, pass);
}

static void step_plan(void *ctx, struct xl_state *const *states,
                      const struct xl_batch *batch)
{
    xl_plan_forward_batch(ctx, states, batch);
}

struct xl_subject xl_subject_of_plan(struct xl_plan *plan,
                                     const struct xl_config *config)
{
    const struct xl_params *params = xl_plan_effective(plan);
    return (struct xl_subject){
        .ctx = plan,
        .forward = forward_plan,
        .prompt = forward_plan,
        .batch = step_plan,
        .config = config,
        .params = params,
        .inputs = xl_plan_inputs(config, params),
        .piece = (size_t)params->value[XL_PARAM_PREFILL_BLOCK],
    };
}
