/* SPDX-License-Identifier: Apache-2.0
 *
 * The naive path's rows by the wide engine. Only the products change hands:
 * cells, norms and gates are the naive path's own. */
#include "judge/reference_int.h"

#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/gemm/gemm.h"
#include "kernel/guard/memory.h"
#include "kernel/run/cost.h"

/* Are all matrices of the checkpoint bf16? Packed as that they keep their
 * values and take half the room. */
static bool is_bf16(const struct xl_model *model)
{
    const struct xl_safetensors *files = xl_model_files(model);
    for (size_t i = 0; i < xl_safetensors_count(files); i++) {
        const struct xl_tensor *tensor = xl_safetensors_at(files, i);
        if (tensor->n_dims > 1 && tensor->dtype != XL_BF16)
            return false;
    }
    return true;
}

/* Would a second copy of the weights, of `kind`, leave half of what is free? */
static bool has_room(const struct xl_config *config, enum xl_pack_kind kind)
{
    uint64_t usable;
    struct xl_cost cost;
    if (config->is_packed)
        return true;
    return xl_cost_of(&cost, config, NULL) == XL_OK &&
           (!xl_memory_usable(&usable) ||
            (double)cost.parameters * xl_cost_weight_bytes(xl_pack_name(kind)) <
                (double)usable / 2);
}

/* The naive configuration with other hands, or false when there are none. */
static bool choose(const struct xl_reference_spec *spec,
                   struct xl_params *params)
{
    const struct xl_config *config = xl_model_config(spec->model);
    const struct xl_gemm *wide = xl_gemm_get(XL_GEMM_WIDE);
    int64_t *kind = &params->value[XL_PARAM_WEIGHT_DTYPE];
    *params = *spec->params;
    if (params->value[XL_PARAM_GEMM] != XL_GEMM_NAIVE + 1)
        return false;
    params->value[XL_PARAM_GEMM] = XL_GEMM_WIDE + 1;
    if (*kind == XL_PACK_FP32 && !config->is_packed && is_bf16(spec->model))
        *kind = XL_PACK_BF16;
    return xl_gemm_reads_packed(wide, (enum xl_pack_kind) * kind) &&
           !wide->why_not() && has_room(config, (enum xl_pack_kind) * kind);
}

void xl_quick_make(struct xl_quick *quick, const struct xl_reference_spec *spec)
{
    const struct xl_config *config = xl_model_config(spec->model);
    struct xl_params params;
    *quick = (struct xl_quick){ 0 };
    if (!choose(spec, &params))
        return;
    quick->rows = xl_alloc_floats(XL_QUICK_ROWS, config->vocab);
    if (!quick->rows || xl_state_init(&quick->before, config, NULL) != XL_OK ||
        xl_plan_make(&quick->plan, spec->model, &params, NULL) != XL_OK)
        xl_quick_release(quick);
}

void xl_quick_release(struct xl_quick *quick)
{
    xl_plan_free(quick->plan);
    xl_state_release(&quick->before);
    xl_free(quick->rows);
    *quick = (struct xl_quick){ 0 };
}

bool xl_quick_agrees(struct xl_reference *r, const int32_t *tokens, size_t n,
                     const float *rows)
{
    struct xl_quick *quick = &r->quick;
    n = n < XL_QUICK_ROWS ? n : (size_t)XL_QUICK_ROWS;
    xl_plan_forward(
        r->plan, &quick->before,
        &(struct xl_pass){ .tokens = tokens, .n = n, .logits = quick->rows });
    return memcmp(quick->rows, rows, n * r->vocab * sizeof *rows) == 0;
}
