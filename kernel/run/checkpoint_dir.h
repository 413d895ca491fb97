/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders that become checkpoints. config.json is written last: a folder
 * without it is no checkpoint, so one that was left half done is not taken
 * for a whole. */
#ifndef XL_CHECKPOINT_DIR_H
#define XL_CHECKPOINT_DIR_H

#include <stdbool.h>

#include "kernel/base/err.h"
#include "kernel/model/pack_model.h"

/* Makes the folder. XL_EUSAGE when it holds a checkpoint already, whose files
 * could be taken for part of the new one. */
enum xl_status xl_checkpoint_dir_make(const char *dir, struct xl_err *err);

struct xl_pack_out {
    const char *dir;
    bool force; /* replace a packed checkpoint that is there */
};

/* Packs the model into a folder that runs by itself: packed weights, then the
 * tokenizer's files, then config.json. On failure the folder holds no
 * checkpoint, and nothing that was not there before but what --force gave
 * up. */
enum xl_status xl_checkpoint_dir_pack(struct xl_model *model,
                                      const struct xl_pack_order *order,
                                      const struct xl_pack_out *to,
                                      struct xl_err *err);

#endif
