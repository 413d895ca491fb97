/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to kernel/cell: the variants, each at the end of its file.
 */
#ifndef XL_CELL_INT_H
#define XL_CELL_INT_H

#include <math.h>

#include "kernel/cell/mlstm.h"

#define XL_CELL(id, name, summary) extern const struct xl_cell xl_cell_##name;
#include "kernel/cell/cell.def"
#undef XL_CELL

/* xl_cell_tiled and xl_cell_bf16 are the variants for any processor; these
 * stand in for them where they can. */
extern const struct xl_cell xl_cell_tiled_avx2;
extern const struct xl_cell xl_cell_tiled_avx512;
extern const struct xl_cell xl_cell_bf16_avx512;
extern const struct xl_cell xl_cell_bf16_amx;

/* log(sigmoid(x)) without overflow or cancellation. */
static inline double xl_log_sigmoid(double x)
{
    return fmin(x, 0) - log1p(exp(-fabs(x)));
}

#endif
