/* SPDX-License-Identifier: Apache-2.0
 *
 * config.json of a checkpoint.
 *
 * Known keys are checked, unknown ones ignored; keys that would change the
 * arithmetic and are not supported (add_qk_norm, add_post_norm, a sigmoid
 * input gate) are refused by name.
 */
#ifndef XL_CONFIG_H
#define XL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "kernel/gemm/pack.h"

enum xl_arch {
    XL_ARCH_XLSTM,
    XL_ARCH_BLOCK_STACK
};

enum {
    XL_MAX_BLOCKS = 1024
};

struct xl_config {
    enum xl_arch arch;
    size_t vocab, width, blocks, heads; /* width = embedding_dim */
    size_t dk, dv;                      /* of one mLSTM head */
    size_t ffn; /* inner width of the feed-forward; from the tensors */
    bool use_bias, tied, out_norm, fused;
    float norm_eps, cell_eps;
    float gate_cap, logit_cap; /* 0 = none */
    bool has_bos, has_eos;
    int64_t bos, eos;
    size_t chunk_size; /* the checkpoint's own hint, 0 = none */

    /* What the files of a packed checkpoint hold; from the tensors. */
    bool is_packed;
    enum xl_pack_kind packed_weights, packed_head;

    /* block stack only */
    size_t slstm_heads, conv_kernel, slstm_conv_kernel, qkv_block;
    size_t inner; /* mLSTM block's inner width */
    bool is_slstm[XL_MAX_BLOCKS];
    bool post_norm;
    char ffn_act[16];
};

/* Reads DIR/config.json. Sizes are bounded and consistent on XL_OK; ffn is
 * what the config says and is corrected from the tensors by the loader. */
enum xl_status xl_config_load(struct xl_config *config, const char *dir,
                              struct xl_err *err);

/* Same, from text; name stands in messages. */
enum xl_status xl_config_parse(struct xl_config *config, const char *text,
                               size_t n, const char *name, struct xl_err *err);

#endif
