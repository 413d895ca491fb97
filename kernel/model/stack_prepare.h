/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights of a block stack as its stages read them; for kernel/model only.
 * Norms carry their whole scale, 1 + w. What feeds exponential gates stays
 * fp32 whatever weight_dtype says. */
#ifndef XL_STACK_PREPARE_H
#define XL_STACK_PREPARE_H

#include <stdbool.h>

#include "kernel/cell/conv.h"
#include "kernel/model/prepare.h"

enum {
    XL_SLSTM_GATES = 4 /* i, f, z, o */
};

struct xl_ready_mlstm {
    struct xl_matrix up; /* x rows, then z rows */
    struct xl_conv conv;
    struct xl_blocks q, k, v;
    struct xl_matrix igate, fgate;
    struct xl_vector head_norm;
    const float *skip; /* [inner] */
    struct xl_matrix down;
};

struct xl_ready_slstm {
    struct xl_conv conv;     /* kernel 0 = none */
    struct xl_matrix *in;    /* [heads][gates], each [DH][DH] with bias */
    const float **recurrent; /* [heads], packed */
    struct xl_vector head_norm;
    struct xl_vector norm_ffn; /* w NULL = no feed-forward */
    struct xl_matrix up, down; /* of the feed-forward; gate rows first */
};

struct xl_stack_ready {
    bool is_slstm;
    struct xl_vector norm;
    struct xl_ready_mlstm m; /* when not is_slstm */
    struct xl_ready_slstm s; /* when is_slstm */
};

#endif
