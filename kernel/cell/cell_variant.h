/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fast variants of the cell have in common: their steps. A kernel
 * defines the functions that XL_CELL_VARIANT(why_not, name) names. */
#ifndef XL_CELL_VARIANT_H
#define XL_CELL_VARIANT_H

#include "kernel/cell/cell_step_kernel.h"

/* clang-format off */
#define XL_CELL_VARIANT(the_reason, the_name)                                 \
    {                                                                         \
        .name = the_name,                                                     \
        .why_not = the_reason,                                                \
        .scratch_floats = count_scratch,                                      \
        .steps = run_steps,                                                   \
        .step16 = run_step16,                                                 \
        .chunk = run_chunk,                                                   \
    }
/* clang-format on */

#endif
