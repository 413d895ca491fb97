/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/model/fault.h"

#include "kernel/model/plan_int.h"

struct xl_weights *xl_fault_weights(struct xl_model *model)
{
    return model->config.arch == XL_ARCH_XLSTM ? &model->weights : NULL;
}

/* The scales are read-only where they lie, so a changed copy takes over. */
static bool scale_matrix(struct xl_arena *arena, struct xl_matrix *matrix,
                         float factor)
{
    const struct xl_packed *packed = &matrix->packed;
    struct xl_pack_sizes sizes;
    if (!matrix->is_packed || !packed->scales ||
        !xl_pack_sizes(&sizes, packed->kind, packed->out, packed->in))
        return false;
    uint16_t *scales = xl_arena_alloc(arena, sizes.scale_bytes);
    if (!scales)
        return false;
    for (size_t i = 0; i < sizes.scale_bytes / sizeof *scales; i++)
        scales[i] = xl_f32_to_bf16(xl_bf16_to_f32(packed->scales[i]) * factor);
    matrix->packed.scales = scales;
    return true;
}

bool xl_fault_scales(struct xl_plan *plan, size_t block, float factor)
{
    if (!plan->weights->blocks || block >= plan->config->blocks)
        return false;
    struct xl_prepared_block *b = &plan->weights->blocks[block];
    struct xl_matrix *const all[] = { &b->qk,    &b->in,  &b->igate,
                                      &b->fgate, &b->out, &b->gate_up,
                                      &b->down };
    bool done = false;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        done = scale_matrix(&plan->arena, all[i], factor) || done;
    return done;
}
