/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/tensor/tensor.h"

size_t xl_tensor_count(const struct xl_tensor *tensor)
{
    size_t count = 1;
    for (size_t i = 0; i < tensor->n_dims; i++)
        count *= tensor->shape[i];
    return count;
}
