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

/* Gates, and what is summed in double. */
static const struct xl_form xl_form_exact = { .kind = XL_PACK_FP32 };

/* count items of so many bytes, counted as converted copies. */
enum xl_status xl_build_take(const struct xl_build *b, size_t count,
                             size_t bytes, void **out);

/* The tensor as fp32: the map itself when it is that already. */
enum xl_status xl_build_f32(const struct xl_build *b, const struct xl_tensor *t,
                            const float **out);

enum xl_status xl_build_matrix(const struct xl_build *b,
                               const struct xl_linear *linear,
                               const struct xl_form *form,
                               struct xl_matrix *out);

#endif
