/* SPDX-License-Identifier: Apache-2.0
 *
 * Plain loops, the same bits on every processor. Each worker rounds the rows
 * of a product for itself, before the engine sees them. */
#include "kernel/model/rounding.h"

#include <math.h>

#include "kernel/model/products_int.h"

static void round_group(float *to, const float *from, size_t n)
{
    enum {
        MOST = 127
    };
    const float least = 1e-30f; /* whose inverse is finite */
    float largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmaxf(largest, fabsf(from[i]));
    float scale = largest / MOST,
          inverse = largest < least ? 0 : MOST / largest;
    for (size_t i = 0; i < n; i++)
        to[i] = scale * rintf(from[i] * inverse);
}

void xl_round_inputs(enum xl_rounding rounding, float *to, const float *from,
                     size_t n)
{
    size_t step = rounding == XL_ROUNDING_INT8 ? (size_t)XL_PACK_GROUP : 1;
    for (size_t i = 0; i < n; i += step) {
        if (rounding == XL_ROUNDING_INT8)
            round_group(to + i, from + i, n - i < step ? n - i : step);
        else if (rounding == XL_ROUNDING_BF16)
            to[i] = xl_bf16_round(from[i]);
        else
            to[i] = from[i];
    }
}

static size_t widest_input(const struct xl_config *c)
{
    const size_t widths[] = { c->width, c->heads * c->dv, c->ffn,
                              3 * c->inner };
    size_t most = 0;
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        most = widths[i] > most ? widths[i] : most;
    return most;
}

enum xl_status xl_plan_round_inputs(struct xl_plan *plan,
                                    enum xl_rounding rounding,
                                    struct xl_err *err)
{
    size_t each = plan->block_tokens * widest_input(plan->config);
    plan->rounding = rounding;
    if (plan->rounded)
        return XL_OK;
    plan->rounded = xl_arena_zero(&plan->arena, plan->workers * each,
                                  sizeof *plan->rounded);
    plan->rounded_each = each;
    return plan->rounded ? XL_OK
                         : xl_fail(err, XL_ENOMEM,
                                   "out of memory for the rounded inputs of "
                                   "%zu tokens",
                                   plan->block_tokens);
}

void xl_product_round(const struct xl_plan *plan, size_t worker,
                      const struct xl_matrix *w, struct xl_gemm_job *job)
{
    bool is_exact =
        w->is_packed ? w->packed.kind == XL_PACK_FP32 : w->dtype == XL_FP32;
    if (!plan->rounded || is_exact)
        return;
    float *rows = plan->rounded + worker * plan->rounded_each;
    for (size_t i = 0; i < job->m; i++)
        xl_round_inputs(plan->rounding, rows + i * job->k,
                        job->x + i * job->ldx, job->k);
    job->x = rows;
    job->ldx = job->k;
    job->rounds_w = plan->rounding == XL_ROUNDING_BF16;
}
