/* SPDX-License-Identifier: Apache-2.0
 *
 * What a measured configuration is good for: a kind of machine, a shape of
 * model, the dtype of its files and a length of context.
 *
 *     struct xl_key key;
 *     xl_key_hardware(&key.hardware, &cpu);
 *     xl_key_model(&key.model, config, xl_key_dtype(files));
 *     key.context = xl_key_context(n_prompt_tokens);
 *
 * A key is a plain value. Its JSON form holds the fields and a short hash of
 * each part; reading it back checks the hash. Names of processors are no part
 * of it: two machines that compute alike are alike.
 */
#ifndef XL_KEY_H
#define XL_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "kernel/base/cpu.h"
#include "kernel/base/err.h"
#include "kernel/model/config.h"
#include "kernel/tensor/dtype.h"

struct xl_safetensors;

enum {
    XL_KEY_HASH = 13,
    XL_KEY_NAME = 64,
    XL_KEY_DTYPE = 24
};

struct xl_hardware_key {
    bool isa[XL_ISA_COUNT];
    uint64_t l1d_kib, l2_kib, l3_kib; /* 0 = could not be read */
    uint64_t cores;                   /* usable */
    uint64_t memory_gib;              /* rounded; 0 = could not be read */
};

struct xl_model_key {
    enum xl_arch arch;
    uint64_t width, blocks, heads, dk, dv, ffn, vocab;
    uint64_t slstm_blocks; /* of a block stack; else 0 */
    /* Of the weights in the files, "bf16"; of packed ones their kind and, when
     * it is another, the head's: "packed-int4", "packed-int4-int8". */
    char dtype[XL_KEY_DTYPE];
};

struct xl_key {
    struct xl_hardware_key hardware;
    struct xl_model_key model;
    size_t context; /* bucket, see xl_key_context; 0 = unknown */
};

void xl_key_hardware(struct xl_hardware_key *key, const struct xl_cpu *cpu);
/* dtype: of the files; a packed checkpoint's config knows better. */
void xl_key_model(struct xl_model_key *key, const struct xl_config *config,
                  enum xl_dtype dtype);

/* The dtype that holds most bytes of the files. */
enum xl_dtype xl_key_dtype(const struct xl_safetensors *files);

/* The bucket of a context: the least power of two that holds it. */
size_t xl_key_context(size_t tokens);

/* 12 hexadecimal digits and a zero byte. */
enum xl_status xl_key_hardware_hash(const struct xl_hardware_key *key,
                                    char out[XL_KEY_HASH], struct xl_err *err);
enum xl_status xl_key_model_hash(const struct xl_model_key *key,
                                 char out[XL_KEY_HASH], struct xl_err *err);

/* "hardware-model-context", the name a profile is published under. */
enum xl_status xl_key_name(const struct xl_key *key, char out[XL_KEY_NAME],
                           struct xl_err *err);

/* {"hardware": {..., "hash":}, "model": {..., "hash":}, "dtype":,
 * "context":}. NULL without memory. */
cJSON *xl_key_to_json(const struct xl_key *key);

/* XL_EFORMAT names the field that is missing, wrong or not covered by the
 * hash beside it. */
enum xl_status xl_key_from_json(struct xl_key *key, const cJSON *object,
                                struct xl_err *err);

/* How well a profile fits, best last. */
enum xl_grade {
    XL_GRADE_NONE,     /* another model, or other instruction sets */
    XL_GRADE_FEATURES, /* same instruction sets, other caches */
    XL_GRADE_CACHES,   /* same caches too, other cores or memory */
    XL_GRADE_EXACT,
};

/* The result of comparing a profile's key (theirs) with the one here. */
struct xl_match {
    enum xl_grade grade;
    size_t context_steps; /* doublings between the buckets; 64 = unknown */
    char differs[160];    /* first field that differs, "cores is 4, here 2";
                             "" when none does */
};
void xl_key_match(const struct xl_key *theirs, const struct xl_key *here,
                  struct xl_match *match);

/* "exact" and the like; static storage. */
const char *xl_grade_name(enum xl_grade grade);

#endif
