/* SPDX-License-Identifier: Apache-2.0
 *
 * One step after another on the calling thread. Heads take turns of
 * inner_tile steps: long turns keep a head's state in cache, short ones keep
 * the rows of q, k, v. The turns change no bit, since heads are independent. */
#include "kernel/chunk/chunk.h"

#include "kernel/chunk/chunk_int.h"

static size_t scratch_bytes(const struct xl_chunk_spec *spec)
{
    const struct xl_chunk_shape *shape = &spec->shape;
    size_t n = spec->cell->scratch_floats(1, shape->dk, shape->dv);
    return xl_chunk_lines(n * sizeof(float));
}

static void run(const struct xl_chunk_spec *spec,
                const struct xl_chunk_job *job, void *scratch)
{
    for (size_t t = 0; t < job->tokens; t += spec->inner_tile) {
        size_t left = job->tokens - t;
        size_t len = left < spec->inner_tile ? left : spec->inner_tile;
        for (size_t head = 0; head < spec->shape.heads; head++) {
            struct xl_mlstm_io io = xl_chunk_io(spec, job, head, t);
            struct xl_mlstm_state state = xl_chunk_state(spec, job, head);
            spec->cell->steps(&io, len, &state, scratch);
            xl_chunk_finish_head(job, head, (struct xl_span){ t, t + len });
        }
    }
}

const struct xl_chunk_backend xl_chunk_native = {
    .name = "native",
    .knobs = XL_KNOB_INNER,
    .scratch_bytes = scratch_bytes,
    .run = run,
};
