/* SPDX-License-Identifier: Apache-2.0
 *
 * The smaller and the larger of two counts. */
#ifndef XL_MINMAX_H
#define XL_MINMAX_H

#include <stddef.h>

static inline size_t xl_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t xl_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

#endif
