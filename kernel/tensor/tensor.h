/* SPDX-License-Identifier: Apache-2.0
 *
 * A tensor is a view: pointer, element type, shape. Rows are contiguous,
 * last index fastest. It owns nothing; mapped files and arenas own.
 */
#ifndef XL_TENSOR_H
#define XL_TENSOR_H

#include <stddef.h>

#include "kernel/tensor/dtype.h"

enum {
    XL_TENSOR_DIMS = 4
};

struct xl_tensor {
    const void *data;
    enum xl_dtype dtype;
    size_t n_dims;
    size_t shape[XL_TENSOR_DIMS];
};

/* Product of the shape; 1 for a scalar. */
size_t xl_tensor_count(const struct xl_tensor *tensor);

#endif
