/* SPDX-License-Identifier: Apache-2.0
 *
 * Roles of the xlstm architecture. What the configuration may get wrong and
 * the tensors say for certain is taken from the tensors: the feed-forward
 * width (released files do not follow the rounding rule of the code), fused
 * or single weights, and whether there is an output norm. */
#include "kernel/model/weights.h"

#include <stdio.h>

#include "kernel/model/bind_int.h"

enum {
    SCOPE_ROOM = 48
};

/* Tensor of that name in block 0, prefixed or not: its rows, or 0. */
static size_t rows_in_block_0(const struct xl_safetensors *files,
                              const struct xl_config *config, const char *name)
{
    char full[96];
    snprintf(full, sizeof full, "@blocks.0.%s.weight", name);
    return xl_bind_rows(files, config, full);
}

static void correct_config(struct xl_config *config,
                           const struct xl_safetensors *files)
{
    size_t up = rows_in_block_0(files, config, "ffn.proj_up");
    size_t fused_up = rows_in_block_0(files, config, "ffn.proj_up_gate_z");
    size_t fused =
        rows_in_block_0(files, config, "mlstm_layer.qkv_opreact") + fused_up;
    if (fused)
        config->fused = true;
    else if (rows_in_block_0(files, config, "mlstm_layer.out_proj"))
        config->fused = false;
    if (config->fused && fused_up / 2)
        config->ffn = fused_up / 2;
    else if (!config->fused && up)
        config->ffn = up;
    if (config->ffn == 0)
        config->ffn = 1;
    if (xl_bind_rows(files, config, "@out_norm.weight"))
        config->out_norm = true;
}

enum xl_status xl_weights_bind(struct xl_weights *weights,
                               struct xl_config *config,
                               const struct xl_safetensors *files,
                               struct xl_arena *arena, struct xl_err *err)
{
    struct xl_bind bind;
    *weights = (struct xl_weights){ 0 };
    if (config->arch != XL_ARCH_XLSTM)
        return xl_fail(err, XL_EFORMAT,
                       "a block stack's tensors have other roles than those "
                       "of 'xlstm'");
    weights->blocks =
        xl_arena_zero(arena, config->blocks, sizeof *weights->blocks);
    if (!weights->blocks)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    correct_config(config, files);
    XL_TRY(xl_bind_packed(config, files, err));
    XL_TRY(xl_bind_begin(&bind, config, files, arena, err));
    if (config->tied && xl_bind_rows(files, config, "lm_head.weight"))
        bind.dims[XL_DIM_HEAD] = config->vocab;
    xl_bind_roles(&bind, "", xl_roles_top(), weights);
    for (size_t i = 0; i < config->blocks; i++) {
        char scope[SCOPE_ROOM];
        snprintf(scope, sizeof scope, "@blocks.%zu.", i);
        xl_bind_roles(&bind, scope, xl_roles_block(), &weights->blocks[i]);
    }
    if (config->tied)
        xl_bind_tie(&bind, &weights->embedding, &weights->head.w);
    return xl_bind_end(&bind, err);
}
