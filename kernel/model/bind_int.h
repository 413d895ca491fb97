/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to kernel/model: binding tensors to roles by the names table, for
 * both architectures.
 *
 *     struct xl_bind bind;
 *     XL_TRY(xl_bind_begin(&bind, config, files, arena, err));
 *     xl_bind_roles(&bind, "", xl_roles_top, &weights);
 *     ...
 *     return xl_bind_end(&bind, err);
 *
 * Faults are collected and told together by xl_bind_end.
 */
#ifndef XL_BIND_INT_H
#define XL_BIND_INT_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/arena.h"
#include "kernel/base/buf.h"
#include "kernel/base/err.h"
#include "kernel/model/config.h"
#include "kernel/model/safetensors.h"

/* A dimension of value 0 means that the checkpoint has no such tensor. */
enum xl_dim {
    XL_DIM_NONE, /* the shape ends before it */
    XL_DIM_ONE,
    XL_DIM_WIDTH,
    XL_DIM_WIDTH4,
    XL_DIM_VOCAB,
    XL_DIM_HEAD,     /* vocab; 0 when tied and absent */
    XL_DIM_OUT_NORM, /* width; 0 without an output norm */
    XL_DIM_HEADS,
    XL_DIM_QK,
    XL_DIM_VALUE,
    XL_DIM_FFN,
    XL_DIM_FFN2,
    XL_DIM_FFN_NORM, /* width; 0 without a feed-forward */
    XL_DIM_INNER,
    XL_DIM_INNER2,
    XL_DIM_INNER3,
    XL_DIM_GROUP,
    XL_DIM_GROUPS,
    XL_DIM_CONV,
    XL_DIM_SCONV,
    XL_DIM_SHEADS,
    XL_DIM_SHEAD,
    XL_DIM_SHEAD4,
    XL_DIM_COUNT
};

enum xl_bias {
    XL_BIAS_NEVER,
    XL_BIAS_CONFIG,
    XL_BIAS_ALWAYS,
    XL_BIAS_MAYBE,
    XL_BIAS_BARE,
    XL_BIAS_TURNED
};

/* One row of weights.def. */
struct xl_role {
    const char *name, *other, *fused;
    size_t at; /* offset of the struct xl_linear, xl_norm or xl_tensor */
    enum xl_dim dims[3];
    enum xl_bias bias;
};

struct xl_roles {
    const struct xl_role *rows;
    size_t n;
};

struct xl_bind {
    const struct xl_config *config;
    const struct xl_safetensors *files;
    const char *prefix; /* "backbone." or the like */
    bool has_prefix;    /* do the files use it? for messages */
    size_t dims[XL_DIM_COUNT];
    bool *used;         /* [tensors of files] */
    struct xl_buf text; /* the faults that are told */
    size_t n_faults, n_told;
};

const char *xl_bind_prefix(const struct xl_config *config);
void xl_bind_dims(size_t dims[XL_DIM_COUNT], const struct xl_config *config);

/* Rows of the tensor of that name, or 0. name is whole but for the '@' in
 * front that stands for the optional prefix. */
size_t xl_bind_rows(const struct xl_safetensors *files,
                    const struct xl_config *config, const char *name);

/* Sets what config says of packed weights. */
enum xl_status xl_bind_packed(struct xl_config *config,
                              const struct xl_safetensors *files,
                              struct xl_err *err);

enum xl_status xl_bind_begin(struct xl_bind *bind,
                             const struct xl_config *config,
                             const struct xl_safetensors *files,
                             struct xl_arena *arena, struct xl_err *err);

/* Fills the members of target. scope is "" or "@blocks.3.". */
void xl_bind_roles(struct xl_bind *bind, const char *scope,
                   struct xl_roles roles, void *target);

void xl_bind_fault(struct xl_bind *bind, const char *fmt, ...) XL_PRINTF(2, 3);

/* Makes the head the embedding, for tied models. */
void xl_bind_tie(struct xl_bind *bind, const struct xl_tensor *embedding,
                 struct xl_tensor *head);

/* Adds left-over tensors to the faults, tells all, releases. */
enum xl_status xl_bind_end(struct xl_bind *bind, struct xl_err *err);

/* The lists of weights.def. */
struct xl_roles xl_roles_block(void);
struct xl_roles xl_roles_top(void);
struct xl_roles xl_roles_stack_mlstm(void);
struct xl_roles xl_roles_stack_slstm(void);
struct xl_roles xl_roles_stack_top(void);

#endif
