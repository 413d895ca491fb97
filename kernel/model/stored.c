/* SPDX-License-Identifier: Apache-2.0
 *
 * Choices of weight_dtype stand in the order of enum xl_pack_kind; those of
 * head_dtype too, after "same". */
#include "kernel/model/stored.h"

#include <stdio.h>

#include "kernel/model/packfile.h"

static void store(struct xl_params *params, enum xl_param id, int64_t value)
{
    if (params->origin[id].layer > XL_LAYER_CHECKPOINT)
        return;
    params->value[id] = value;
    params->origin[id].layer = XL_LAYER_CHECKPOINT;
    snprintf(params->origin[id].where, sizeof params->origin[id].where, "%s",
             XL_PACKFILE_NAME);
}

static int64_t stored_head(const struct xl_config *config)
{
    return config->packed_head == config->packed_weights
               ? 0
               : (int64_t)config->packed_head + 1;
}

void xl_stored_apply(const struct xl_config *config, struct xl_params *params)
{
    if (!config->is_packed)
        return;
    store(params, XL_PARAM_WEIGHT_DTYPE, (int64_t)config->packed_weights);
    store(params, XL_PARAM_HEAD_DTYPE, stored_head(config));
}

const char *xl_stored_inert(const struct xl_config *config, enum xl_param id)
{
    bool is_kind = id == XL_PARAM_WEIGHT_DTYPE || id == XL_PARAM_HEAD_DTYPE;
    return config->is_packed && is_kind ? "the checkpoint is packed already"
                                        : NULL;
}

void xl_stored_force(const struct xl_config *config, struct xl_params *params)
{
    if (!config->is_packed)
        return;
    params->value[XL_PARAM_WEIGHT_DTYPE] = (int64_t)config->packed_weights;
    params->value[XL_PARAM_HEAD_DTYPE] = stored_head(config);
}

static enum xl_status refuse(const char *what, const char *flag,
                             enum xl_pack_kind has, enum xl_pack_kind wanted,
                             struct xl_err *err)
{
    return xl_fail(err, XL_EUSAGE,
                   "the checkpoint is packed with its %s as %s, not %s; leave "
                   "it so, or pack the original with 'xltune pack --%s %s'",
                   what, xl_pack_name(has), xl_pack_name(wanted), flag,
                   xl_pack_name(wanted));
}

enum xl_status xl_stored_check(const struct xl_config *config,
                               const struct xl_params *params,
                               struct xl_err *err)
{
    struct xl_params p = *params;
    if (!config->is_packed)
        return XL_OK;
    xl_stored_apply(config, &p);
    enum xl_pack_kind weights =
        (enum xl_pack_kind)p.value[XL_PARAM_WEIGHT_DTYPE];
    int64_t choice = p.value[XL_PARAM_HEAD_DTYPE];
    enum xl_pack_kind head = choice ? (enum xl_pack_kind)(choice - 1) : weights;
    if (weights != config->packed_weights)
        return refuse("weights", "weight-dtype", config->packed_weights,
                      weights, err);
    if (head != config->packed_head)
        return refuse("head", "head-dtype", config->packed_head, head, err);
    return XL_OK;
}
