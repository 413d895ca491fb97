/* SPDX-License-Identifier: Apache-2.0
 *
 * A checkpoint's tensors by their role.
 *
 * All name variants and weight modes end in the same struct: fused tensors
 * are cut into views of their rows. Everything that is missing, left over or
 * wrongly shaped is listed in one error. The views point into the mapped
 * files, in the file's own dtype.
 */
#ifndef XL_WEIGHTS_H
#define XL_WEIGHTS_H

#include "kernel/base/arena.h"
#include "kernel/base/err.h"
#include "kernel/model/config.h"
#include "kernel/model/safetensors.h"
#include "kernel/tensor/tensor.h"

/* y = x W^T + b; bias.data NULL = none. */
struct xl_linear {
    struct xl_tensor w; /* [out][in] */
    struct xl_tensor b; /* [out] */
};

struct xl_norm {
    struct xl_tensor w, b; /* [n]; b.data NULL = none */
};

/* Block of xlstm (arXiv 2503.13427): mLSTM layer, then feed-forward. */
struct xl_block {
    struct xl_norm norm_mlstm, norm_ffn; /* [width] */
    struct xl_linear q, k, v, o;         /* [heads*dk | heads*dv][width] */
    struct xl_linear igate, fgate;       /* [heads][width], with bias */
    struct xl_norm head_norm;            /* [heads*dv] */
    struct xl_linear out;                /* [width][heads*dv] */
    struct xl_linear gate, up, down;     /* feed-forward */
};

struct xl_weights {
    struct xl_tensor embedding; /* [vocab][width] */
    struct xl_block *blocks;    /* [config.blocks], memory of the arena */
    struct xl_norm out_norm;    /* w.data NULL = none */
    struct xl_linear head;      /* [vocab][width]; the embedding when tied */
};

/* Finds every tensor, checks every shape, sets config->ffn from the tensors.
 * XL_EFORMAT lists what is wrong (up to a dozen, then a count). */
enum xl_status xl_weights_bind(struct xl_weights *weights,
                               struct xl_config *config,
                               const struct xl_safetensors *files,
                               struct xl_arena *arena, struct xl_err *err);

/* Every tensor that a checkpoint of this configuration holds, for either
 * architecture, under the names of released files: name, shape, type fp32, no
 * data. Memory of the arena. */
enum xl_status xl_weights_list(const struct xl_config *config,
                               struct xl_arena *arena,
                               struct xl_safetensors_entry **entries, size_t *n,
                               struct xl_err *err);

#endif
