/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunk after chunk, band after band, on the calling thread. */
#include "kernel/chunk/chunk.h"

#include "kernel/chunk/chunk_int.h"

static size_t scratch_bytes(const struct xl_chunk_spec *spec)
{
    return xl_chunk_cell_bytes(spec);
}

static void run_band(const struct xl_chunk_spec *spec,
                     const struct xl_chunk_job *job, size_t band,
                     struct xl_span tokens, float *scratch)
{
    struct xl_span heads = xl_span_of(spec->shape.heads, spec->n_bands, band);
    for (size_t head = heads.begin; head < heads.end; head++) {
        struct xl_mlstm_state state = xl_chunk_state(spec, job, head);
        xl_chunk_advance(spec, job, head, tokens, &state, scratch);
    }
}

static void run(const struct xl_chunk_spec *spec,
                const struct xl_chunk_job *job, void *scratch)
{
    size_t n_chunks = xl_chunk_count(spec, job);
    for (size_t c = 0; c < n_chunks; c++)
        for (size_t band = 0; band < spec->n_bands; band++)
            run_band(spec, job, band, xl_chunk_tokens(spec, job, c), scratch);
}

const struct xl_chunk_backend xl_chunk_serial = {
    .name = "serial",
    .knobs = XL_KNOB_CHUNK | XL_KNOB_BAND | XL_KNOB_TILES,
    .scratch_bytes = scratch_bytes,
    .run = run,
};
