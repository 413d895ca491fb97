/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine of matrix tiles on tiles in plain C. */
#include "tests/cross/gemm_emulated.h"

#ifdef XL_X86_VARIANTS
#include "kernel/gemm/gemm_int.h"
#include "tests/cross/tiles_emulated.h"
/* which come first */
#include "kernel/gemm/panel_tiles.h"

static const char *why_not(void)
{
    const char *why = xl_gemm_avx512bf16.why_not();
    return why ? why : tiles_why_not();
}

static size_t scratch_floats(size_t k)
{
    size_t few = xl_gemm_avx512bf16.scratch_floats(k);
    size_t tiles = tiles_scratch_floats(k);
    return few > tiles ? few : tiles;
}

static void run(const struct xl_gemm_job *job)
{
    if (job->m < LEAST_ROWS)
        xl_gemm_avx512bf16.run(job);
    else if (job->n_begin < job->n_end)
        run_tiles(job);
}

const struct xl_gemm xl_gemm_emulated = {
    .name = "emulated",
    .summary = "the engine of matrix tiles on tiles in plain C",
    .reads_packed =
        1u << XL_PACK_BF16 | 1u << XL_PACK_INT8 | 1u << XL_PACK_INT4,
    .few_rows = LEAST_ROWS - 1,
    .why_not = why_not,
    .scratch_floats = scratch_floats,
    .x_bytes = x_bytes,
    .pack_x = pack_x,
    .x_row_bytes = x_row_bytes,
    .finishes = true,
    .run = run,
};
#endif
