/* SPDX-License-Identifier: Apache-2.0
 *
 * Random-weight checkpoints of a named size, for benchmarks: HuggingFace
 * layout, streamed to disk. The same preset, type and seed give the same
 * bytes on every machine; the values do not depend on how the tensors are
 * spread over files. Integer kinds give a packed checkpoint, as if that of
 * bf16 had been packed, which needs memory for the packed weights alone.
 *
 *     struct xl_synth_options options = {
 *         .preset = "125m", .dir = "out", .kind = XL_PACK_BF16, .seed = 1
 *     };
 *     XL_TRY(xl_synth_write(&options, err));
 */
#ifndef XL_SYNTH_H
#define XL_SYNTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "kernel/gemm/pack.h"
#include "kernel/model/config.h"

/* Called after each tensor. */
typedef void xl_synth_progress(void *ctx, uint64_t bytes, uint64_t total);

struct xl_synth_options {
    const char *preset; /* one of xl_synth_preset_name */
    const char *dir;    /* made when missing; must hold no checkpoint */
    enum xl_pack_kind kind;
    uint64_t seed;
    size_t shards;               /* files; 0 and 1 = one file */
    xl_synth_progress *progress; /* or NULL */
    void *progress_ctx;
};

/* config.json is written last: without it the folder is not a checkpoint. */
enum xl_status xl_synth_write(const struct xl_synth_options *options,
                              struct xl_err *err);

/* XL_EUSAGE names the nearest preset when there is none of that name. */
enum xl_status xl_synth_config(struct xl_config *config, const char *preset,
                               struct xl_err *err);

#endif
