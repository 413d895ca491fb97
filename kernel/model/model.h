/* SPDX-License-Identifier: Apache-2.0
 *
 * An open checkpoint: configuration, mapped files, weights by role, and the
 * dtype forms of the weights that plans have asked for.
 *
 * Opened once, then read-only and shared by any number of plans. Thread-safe
 * but for xl_plan_make, which may convert weights.
 */
#ifndef XL_MODEL_H
#define XL_MODEL_H

#include "kernel/base/err.h"
#include "kernel/model/config.h"
#include "kernel/model/safetensors.h"
#include "kernel/model/weights.h"

struct xl_cache;
struct xl_model;
struct xl_packfile;

enum xl_status xl_model_open(struct xl_model **model, const char *dir,
                             struct xl_err *err);
void xl_model_close(struct xl_model *model);

/* Packed weights are found in and added to this cache (cache.h) from now on.
 * There is none before. */
enum xl_status xl_model_set_cache(struct xl_model *model,
                                  const struct xl_cache *cache,
                                  struct xl_err *err);

const struct xl_config *xl_model_config(const struct xl_model *model);
const struct xl_safetensors *xl_model_files(const struct xl_model *model);
const char *xl_model_dir(const struct xl_model *model);

/* Content hash, computed at the first call and kept. */
const char *xl_model_hash(struct xl_model *model);

#endif
