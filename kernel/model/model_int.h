/* SPDX-License-Identifier: Apache-2.0
 *
 * The model's inside, for kernel/model only. */
#ifndef XL_MODEL_INT_H
#define XL_MODEL_INT_H

#include "kernel/base/arena.h"
#include "kernel/model/model.h"
#include "kernel/model/prepare.h"
#include "kernel/model/stack_weights.h"

struct xl_model {
    char *dir;
    struct xl_config config;
    struct xl_safetensors *files;
    struct xl_weights weights;     /* of xlstm */
    struct xl_stack_weights stack; /* of a block stack */
    struct xl_arena arena; /* of weights */
    struct xl_prepared *blocks[XL_PACK_COUNT][2]; /* by form, or NULL */
    struct xl_prepared *heads[XL_PACK_COUNT][2];
    char hash[33]; /* "" until asked for */
};

/* The blocks' weights with matrices of that form, and the output head;
 * converted at the first call by the workers of the pool. */
enum xl_status xl_model_prepare(struct xl_model *model,
                                const struct xl_form *form,
                                struct xl_pool *pool,
                                const struct xl_prepared **out,
                                struct xl_err *err);
enum xl_status xl_model_prepare_head(struct xl_model *model,
                                     const struct xl_form *form,
                                     struct xl_pool *pool,
                                     const struct xl_prepared **out,
                                     struct xl_err *err);

#endif
