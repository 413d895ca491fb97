/* SPDX-License-Identifier: Apache-2.0
 *
 * Roles of the block stack. The recurrent kernel is stored in one of two
 * layouts, depending on the backend that saved it; its shape tells which, and
 * the bias, whose shape does not tell, follows it. */
#include "kernel/model/stack_weights.h"

#include <stdio.h>

#include "kernel/model/bind_int.h"

enum {
    SCOPE_ROOM = 48
};

static void correct_config(struct xl_config *config,
                           const struct xl_safetensors *files)
{
    for (size_t i = 0; i < config->blocks; i++) {
        char name[SCOPE_ROOM];
        if (!config->is_slstm[i] || config->ffn == 0)
            continue;
        snprintf(name, sizeof name, "@blocks.%zu.ffn.proj_up.weight", i);
        size_t rows = xl_bind_rows(files, config, name);
        if (rows / 2)
            config->ffn = rows / 2;
        return;
    }
}

static void bind_block(struct xl_bind *bind, struct xl_stack_block *block,
                       size_t i)
{
    char scope[SCOPE_ROOM];
    snprintf(scope, sizeof scope, "@blocks.%zu.", i);
    block->is_slstm = bind->config->is_slstm[i];
    if (!block->is_slstm) {
        xl_bind_roles(bind, scope, xl_roles_stack_mlstm(), &block->m);
        return;
    }
    xl_bind_roles(bind, scope, xl_roles_stack_slstm(), &block->s);
    block->s.is_turned =
        block->s.recurrent.data &&
        block->s.recurrent.shape[1] == bind->dims[XL_DIM_SHEAD];
}

enum xl_status xl_stack_weights_bind(struct xl_stack_weights *weights,
                                     struct xl_config *config,
                                     const struct xl_safetensors *files,
                                     struct xl_arena *arena, struct xl_err *err)
{
    struct xl_bind bind;
    *weights = (struct xl_stack_weights){ 0 };
    if (config->arch != XL_ARCH_BLOCK_STACK)
        return xl_fail(err, XL_EFORMAT, "'xlstm' is not a block stack");
    weights->blocks =
        xl_arena_zero(arena, config->blocks, sizeof *weights->blocks);
    if (!weights->blocks)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    correct_config(config, files);
    XL_TRY(xl_bind_packed(config, files, err));
    XL_TRY(xl_bind_begin(&bind, config, files, arena, err));
    if (config->tied && xl_bind_rows(files, config, "lm_head.weight"))
        bind.dims[XL_DIM_HEAD] = config->vocab;
    xl_bind_roles(&bind, "", xl_roles_stack_top(), weights);
    for (size_t i = 0; i < config->blocks; i++)
        bind_block(&bind, &weights->blocks[i], i);
    if (config->tied)
        xl_bind_tie(&bind, &weights->embedding, &weights->head.w);
    return xl_bind_end(&bind, err);
}
