/* SPDX-License-Identifier: Apache-2.0
 *
 * The tiled cell, one AVX-512 register a vector: the kernel is
 * cell_tiled_kernel.h, the compiler flags stand in kernel/CMakeLists.txt. */
#include "kernel/cell/mlstm.h"

#include "kernel/base/cpu.h"
#include "kernel/cell/cell_int.h"
#include "kernel/cell/cell_tiled_kernel.h"

static const char *why_not(void)
{
    return xl_cpu_has(XL_ISA_AVX512F) ? NULL : "the processor has no avx512f";
}

static size_t scratch_floats(size_t chunk, size_t dk, size_t dv)
{
    (void)dv;
    return count_scratch(chunk, dk);
}

static void steps(const struct xl_mlstm_io *io, size_t len,
                  const struct xl_mlstm_state *state, float *scratch)
{
    (void)scratch;
    run_steps(io, len, state);
}

static void step16(const struct xl_mlstm_io *io,
                   const struct xl_mlstm_state16 *state, float *scratch)
{
    (void)scratch;
    run_step16(io, state);
}

static void chunk_output(const struct xl_mlstm_io *io, size_t len,
                         const struct xl_mlstm_state *start,
                         const struct xl_mlstm_tiles *tiles, float *scratch)
{
    output_chunk(io, len, start, tiles, scratch);
}

static void chunk_state(const struct xl_mlstm_io *io, size_t len,
                        const struct xl_mlstm_state *state,
                        const struct xl_mlstm_tiles *tiles, float *scratch)
{
    advance_chunk(io, len, state, tiles, scratch);
}

const struct xl_cell xl_cell_tiled_avx512 = {
    .name = "tiled",
    .summary = "fp32 chunk products in register tiles of tile_av and tile_atb",
    .why_not = why_not,
    .scratch_floats = scratch_floats,
    .steps = steps,
    .step16 = step16,
    .chunk_output = chunk_output,
    .chunk_state = chunk_state,
};
