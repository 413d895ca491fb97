/* SPDX-License-Identifier: Apache-2.0
 *
 * Rising orders for qsort. Reals must not be NaN. */
#ifndef XL_ORDER_H
#define XL_ORDER_H

#include <stdint.h>
#include <string.h>

static inline int xl_order_reals(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline int xl_order_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static inline int xl_order_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

#endif
