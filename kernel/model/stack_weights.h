/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors of an xLSTM block stack (arXiv 2405.04517) by their role: mLSTM and
 * sLSTM blocks, told apart by config.is_slstm. Views into the mapped files.
 *
 * Norm weights are stored as offsets: the scale is 1 + w. The files name the
 * sLSTM weights of the input gate `fgate` and those of the forget gate
 * `igate`; here each stands under the gate that it feeds.
 */
#ifndef XL_STACK_WEIGHTS_H
#define XL_STACK_WEIGHTS_H

#include <stdbool.h>

#include "kernel/base/arena.h"
#include "kernel/base/err.h"
#include "kernel/model/config.h"
#include "kernel/model/safetensors.h"
#include "kernel/model/weights.h"
#include "kernel/tensor/tensor.h"

/* I = config.inner, KS = the block's kernel size, QB = config.qkv_block,
 * NH = config.heads. */
struct xl_stack_mlstm {
    struct xl_norm norm;           /* [width] */
    struct xl_linear up;           /* [2 I][width]: x rows, then z rows */
    struct xl_linear conv;         /* w [I][1][KS], b [I] */
    struct xl_linear q, k, v;      /* w [I / QB][QB out][QB in], b [I] */
    struct xl_linear igate, fgate; /* [NH][3 I], with bias */
    struct xl_norm head_norm;      /* [I] */
    struct xl_tensor skip;         /* [I] */
    struct xl_linear down;         /* [width][I] */
};

/* DH = width / NH, NH = config.slstm_heads, gates in the order i, f, z, o. */
struct xl_stack_slstm {
    struct xl_norm norm;   /* [width] */
    struct xl_linear conv; /* w [width][1][KS], b; data NULL without one */
    struct xl_linear in_i, in_f, in_z, in_o; /* w [NH][DH][DH] */
    struct xl_tensor recurrent;              /* [NH][4 DH][DH in], or turned */
    struct xl_tensor bias;                   /* [4][NH][DH], or turned */
    /* Saved by the CUDA backend: recurrent is [NH][DH in][4 DH] and bias is
     * [NH][4][DH]. */
    bool is_turned;
    struct xl_norm head_norm;  /* [width] */
    struct xl_norm norm_ffn;   /* [width]; data NULL without feed-forward */
    struct xl_linear ffn_up;   /* [2 ffn][width]: gate rows, then up rows */
    struct xl_linear ffn_down; /* [width][ffn] */
};

struct xl_stack_block {
    bool is_slstm;
    struct xl_stack_mlstm m; /* when not is_slstm */
    struct xl_stack_slstm s; /* when is_slstm */
};

struct xl_stack_weights {
    struct xl_tensor embedding;    /* [vocab][width] */
    struct xl_stack_block *blocks; /* [config.blocks], memory of the arena */
    struct xl_norm post_norm;      /* w.data NULL = none */
    struct xl_linear head;         /* [vocab][width] */
};

/* As xl_weights_bind, for config.arch XL_ARCH_BLOCK_STACK. */
enum xl_status xl_stack_weights_bind(struct xl_stack_weights *weights,
                                     struct xl_config *config,
                                     const struct xl_safetensors *files,
                                     struct xl_arena *arena,
                                     struct xl_err *err);

#endif
