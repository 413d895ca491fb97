/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fast variants of the cell have in common: steps, and what may be
 * wanted of a chunk. A kernel defines the functions that
 * XL_CELL_VARIANT(why_not, name, summary) names. */
#ifndef XL_CELL_VARIANT_H
#define XL_CELL_VARIANT_H

#include <stdbool.h>

#include "kernel/cell/cell_step_kernel.h"

/* What is wanted of a chunk. */
struct parts {
    bool outputs, state;
};

/* clang-format off */
#define XL_CELL_VARIANT(the_reason, the_name, the_summary)                    \
    {                                                                         \
        .name = the_name,                                                     \
        .summary = the_summary,                                               \
        .why_not = the_reason,                                                \
        .scratch_floats = count_scratch,                                      \
        .steps = run_steps,                                                   \
        .step16 = run_step16,                                                 \
        .chunk_output = output_chunk,                                         \
        .chunk_state = advance_chunk,                                         \
        .chunk = whole_chunk,                                                 \
    }
/* clang-format on */

#endif
