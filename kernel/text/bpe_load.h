/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside this folder: what bpe_load.c (vocabulary, merges, added tokens) and
 * bpe_config.c (everything else in tokenizer.json) share.
 */
#ifndef XL_BPE_LOAD_H
#define XL_BPE_LOAD_H

#include <cjson/cJSON.h>

#include "kernel/text/text_int.h"

/* Member key, or NULL when it is missing or null. */
const cJSON *xl_bpe_get(const cJSON *object, const char *key);

/* Refuses what is no object or has members that are none of keys[0..n). */
enum xl_status xl_bpe_check_keys(const cJSON *object, const char *what,
                                 const char *const *keys, size_t n,
                                 struct xl_err *err);
#define XL_CHECK_KEYS(object, what, keys, err)                                 \
    xl_bpe_check_keys((object), (what), (keys), sizeof(keys) / sizeof *(keys), \
                      (err))

/* A boolean that must be there, or may be missing and then keeps *out. */
enum xl_status xl_bpe_flag(const cJSON *object, const char *key, bool *out,
                           struct xl_err *err);
enum xl_status xl_bpe_optional_flag(const cJSON *object, const char *key,
                                    bool *out, struct xl_err *err);

/* The member "type" of an object. */
enum xl_status xl_bpe_type(const cJSON *object, const char *what,
                           const char **type, struct xl_err *err);

/* Everything of the file but model and added tokens. */
enum xl_status xl_bpe_config(struct xl_bpe *bpe, const cJSON *root,
                             struct xl_err *err);

#endif
