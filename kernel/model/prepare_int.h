/* SPDX-License-Identifier: Apache-2.0
 *
 * What preparing the weights of both architectures shares; for kernel/model
 * only. */
#ifndef XL_PREPARE_INT_H
#define XL_PREPARE_INT_H

#include "kernel/model/prepare.h"

struct xl_build {
    struct xl_prepared *to; /* its arena holds all copies */
    struct xl_pool *pool;   /* that shares the packing */
    struct xl_err *err;
};

/* Gates. */
static const struct xl_form xl_form_exact = { .kind = XL_PACK_FP32 };

/* count items of so many bytes, counted as converted copies. */
enum xl_status xl_build_take(const struct xl_build *b, size_t count,
                             size_t bytes, void **out);

/* The tensor as fp32: the map itself when it is that already. */
enum xl_status xl_build_f32(const struct xl_build *b, const struct xl_tensor *t,
                            const float **out);

/* The embedding, which is looked up by row in the map. */
enum xl_status xl_build_embedding(const struct xl_build *b,
                                  const struct xl_tensor *embedding);

enum {
    XL_SOURCE_NAME = 80
};

/* Linears that become one matrix, under a name that stays the same from run
 * to run and is unique in the model: "block.3.qkvo", "head". What a matrix of
 * that name holds follows from the checkpoint and the form alone. */
struct xl_source {
    char name[XL_SOURCE_NAME];
    size_t n; /* at most XL_MATRIX_PARTS */
    const struct xl_linear *parts[XL_MATRIX_PARTS];
};

/* "block.<block>.<what>" of one linear. */
struct xl_source xl_source_of(size_t block, const char *what,
                              const struct xl_linear *linear);

enum xl_status xl_build_matrix(const struct xl_build *b,
                               const struct xl_source *source,
                               const struct xl_form *form,
                               struct xl_matrix *out);

#endif
