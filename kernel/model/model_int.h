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
    bool is_prepared[XL_DTYPE_COUNT];
    struct xl_prepared prepared[XL_DTYPE_COUNT];
    char hash[33]; /* "" until asked for */
};

/* The weights with matrices of that dtype; converted at the first call. */
enum xl_status xl_model_prepare(struct xl_model *model, enum xl_dtype dtype,
                                const struct xl_prepared **out,
                                struct xl_err *err);

#endif
