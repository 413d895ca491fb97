/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed bf16 and integer weights by matrix tiles (panel_tiles.h). Fewer rows
 * than LEAST_ROWS leave most of a tile empty: the bf16 dot products of
 * gemm_avx512bf16.c do those. */
#include "kernel/gemm/gemm_int.h"
#ifdef XL_TILES /* others, to run whole models where there are none */
#include XL_TILES
#else
#include "kernel/gemm/tiles_amx.h"
#endif
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

const struct xl_gemm xl_gemm_amx = {
    .name = "amx",
    .summary = "packed bf16 and integer weights by bf16 matrix tiles",
    .reads_packed =
        1u << XL_PACK_BF16 | 1u << XL_PACK_INT8 | 1u << XL_PACK_INT4,
    .few_rows = LEAST_ROWS - 1, /* as avx512bf16 */
    .why_not = why_not,
    .scratch_floats = scratch_floats,
    .x_bytes = x_bytes,
    .pack_x = pack_x,
    .x_row_bytes = x_row_bytes,
    .finishes = true,
    .run = run,
};
