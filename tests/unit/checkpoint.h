/* SPDX-License-Identifier: Apache-2.0
 *
 * What the checkpoint suites share: loading as a run does, comparing two
 * loaded checkpoints, and writing changed copies of a test model. */
#ifndef XL_TEST_CHECKPOINT_H
#define XL_TEST_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/arena.h"
#include "kernel/base/err.h"
#include "kernel/model/config.h"
#include "kernel/model/safetensors.h"
#include "kernel/model/stack_weights.h"
#include "kernel/model/weights.h"
#include "tests/harness/test.h"

enum {
    CHECKPOINT_MODELS = 6
};
extern const char *const checkpoint_models[CHECKPOINT_MODELS];

struct checkpoint {
    struct xl_config config;
    struct xl_safetensors *files;
    struct xl_arena arena;
    struct xl_weights weights;     /* of xlstm */
    struct xl_stack_weights stack; /* of xlstm_block_stack */
};

/* "<tests>/data/models/<name>" in out. */
const char *checkpoint_dir(const char *model, char out[1024]);

/* Nothing to release when it fails. */
enum xl_status checkpoint_load(struct checkpoint *c, const char *dir,
                               struct xl_err *err);
void checkpoint_unload(struct checkpoint *c);

/* All roles of both: same shapes; with values, the same numbers. */
bool checkpoint_same(const struct checkpoint *a, const struct checkpoint *b,
                     bool values);

/* A test model's list of tensors, being changed before it is written. */
struct draft {
    struct checkpoint of; /* the model as it was */
    struct xl_safetensors_entry entries[256];
    size_t n;
    struct xl_arena arena; /* of names and new data */
};

/* Checks that the model loads; false: there is nothing to release. */
bool draft_init(struct draft *d, struct xl_test *t, const char *model);
void draft_release(struct draft *d);

/* Replaces `from` by `to` in every name that holds it; the count. */
size_t draft_rename(struct draft *d, const char *from, const char *to);
struct xl_safetensors_entry *draft_find(struct draft *d, const char *name);
void draft_remove(struct draft *d, const char *name);
void draft_add(struct draft *d, const char *name, struct xl_tensor tensor);

/* Writes dir/model.safetensors, and config.json: that of `model` with the
 * first `from` replaced by `to` (NULL = as it is). */
void draft_write(struct xl_test *t, const struct draft *d, const char *dir,
                 const char *model, const char *from, const char *to);

#endif
