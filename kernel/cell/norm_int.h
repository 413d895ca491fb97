/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to kernel/cell: the variants of norm.h, each at the end of its
 * file norm_<name>.c. */
#ifndef XL_NORM_INT_H
#define XL_NORM_INT_H

#include "kernel/cell/norm.h"

extern const struct xl_row_ops xl_norm_naive;
extern const struct xl_row_ops xl_norm_plain;
extern const struct xl_row_ops xl_norm_avx2;
extern const struct xl_row_ops xl_norm_avx512;

#endif
