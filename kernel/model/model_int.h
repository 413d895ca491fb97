/* SPDX-License-Identifier: Apache-2.0
 *
 * The model's inside, for kernel/model only. */
#ifndef XL_MODEL_INT_H
#define XL_MODEL_INT_H

#include "kernel/base/arena.h"
#include "kernel/model/cache.h"
#include "kernel/model/drawn_int.h"
#include "kernel/model/model.h"
#include "kernel/model/packfile_int.h"
#include "kernel/model/prepare.h"
#include "kernel/model/stack_weights.h"

/* Weights of one form; prepared at the first demand. */
struct xl_model_form {
    struct xl_prepared *weights; /* or NULL */
    struct xl_packs packs;
    struct xl_cached cached; /* what packs are found in */
};

struct xl_model {
    char *dir;
    struct xl_config config;
    struct xl_safetensors *files;
    struct xl_packfile *packed;    /* of a packed checkpoint, else NULL */
    struct xl_drawn *drawn;        /* of a model without files, else NULL */
    struct xl_cache cache;         /* dir NULL = none */
    struct xl_weights weights;     /* of xlstm */
    struct xl_stack_weights stack; /* of a block stack */
    struct xl_arena arena;         /* of weights */
    /* [kind][is_packed][has_small_pages] */
    struct xl_model_form blocks[XL_PACK_COUNT][2][2];
    struct xl_model_form heads[XL_PACK_COUNT][2][2];
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

/* The same, not kept: the caller releases. */
enum xl_status xl_model_prepare_blocks(struct xl_model *model,
                                       const struct xl_form *form,
                                       struct xl_pool *pool,
                                       struct xl_prepared *out,
                                       struct xl_err *err);
enum xl_status xl_model_prepare_output(struct xl_model *model,
                                       const struct xl_form *form,
                                       struct xl_pool *pool,
                                       struct xl_prepared *out,
                                       struct xl_err *err);

#endif
