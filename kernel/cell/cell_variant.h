/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fast variants of the cell have in common: their steps. A kernel
 * defines the functions that XL_CELL_VARIANT(why_not, name, summary) names. */
#ifndef XL_CELL_VARIANT_H
#define XL_CELL_VARIANT_H

#include "kernel/cell/cell_step_kernel.h"

/* clang-format off */
#define XL_CELL_VARIANT(the_reason, the_name, the_summary)                    \
    {                                                                         \
        .name = the_name,                                                     \
        .summary = the_summary,                                               \
        .why_not = the_reason,                                                \
        .scratch_floats = count_scratch,                                      \
        .steps = run_steps,                                                   \
        .step16 = run_step16,                                                 \
        .chunk = run_chunk,                                                   \
    }
/* clang-format on */

#endif
