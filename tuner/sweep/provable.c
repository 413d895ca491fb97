/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/sweep/provable.h"

#include "judge/panel.h"
#include "kernel/base/alloc.h"

static bool is_format(enum xl_param id)
{
    return id == XL_PARAM_WEIGHT_DTYPE || id == XL_PARAM_HEAD_DTYPE ||
           id == XL_PARAM_STATE_DTYPE;
}

/* The next combination of the number formats of the space, all else at its
 * first value; false when all have been. */
static bool next_formats(const struct xl_param_space *of, uint32_t *point)
{
    const struct xl_space *space = xl_param_space_space(of);
    for (size_t d = 0; d < xl_space_n_dims(space); d++) {
        if (!is_format(xl_param_space_param(of, d)))
            continue;
        if (++point[d] < xl_space_dim(space, d)->n)
            return true;
        point[d] = 0;
    }
    return false;
}

/* Those of the defaults and of whatever the space holds. */
static enum xl_status find_tiers(const struct xl_setup *setup,
                                 bool tiers[XL_TIER_COUNT], struct xl_err *err)
{
    const struct xl_param_space *of = setup->space;
    uint32_t *point = xl_alloc_zero(
        xl_space_n_dims(xl_param_space_space(of)) + 1, sizeof *point);
    if (!point)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    tiers[xl_tier_of(&setup->base)] = true;
    do {
        struct xl_params params;
        xl_param_space_params(of, point, &params);
        tiers[xl_tier_of(&params)] = true;
    } while (next_formats(of, point));
    xl_free(point);
    return XL_OK;
}

enum xl_status xl_sweep_provable(const struct xl_setup *setup,
                                 struct xl_err *err)
{
    bool tiers[XL_TIER_COUNT] = { false };
    size_t most = (size_t)xl_setup_int(setup, XL_SWEEP_JUDGE_TOKENS);
    XL_TRY(find_tiers(setup, tiers, err));
    return xl_panel_check(setup->session.model, setup->session.tokenizer, most,
                          tiers, err);
}

enum xl_status xl_sweep_provable_least(const struct xl_setup *setup,
                                       size_t *tokens, struct xl_err *err)
{
    bool tiers[XL_TIER_COUNT] = { false };
    XL_TRY(find_tiers(setup, tiers, err));
    return xl_panel_least(setup->session.model, setup->session.tokenizer, tiers,
                          tokens, err);
}
