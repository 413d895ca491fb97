/* SPDX-License-Identifier: Apache-2.0
 *
 * Two phases. States first: each worker takes whole bands and walks their
 * chunks in order, keeping the state at every chunk's start. Then outputs:
 * all (chunk, band) tasks are independent, and workers take them from one
 * counter. The second phase thus has work for more workers than there are
 * bands.
 *
 * The kept states may be large, so a job goes in rounds of as many chunks as
 * fit in STATES_BYTES. No bit depends on who takes what, nor on the rounds. */
#include "kernel/chunk/chunk.h"

#include <stdatomic.h>

#include "kernel/chunk/chunk_int.h"

/* Half of a common share of the last-level cache: 7 states of 8 heads of
 * 256 x 512, or hundreds of small ones. */
#define STATES_BYTES ((size_t)32 << 20)

/* Counters of one round. */
struct counters {
    _Alignas(64) atomic_size_t bands, tasks;
};

struct run {
    const struct xl_chunk_spec *spec;
    const struct xl_chunk_job *job;
    struct xl_span chunks; /* of this round */
    size_t n_slots;
    struct counters *counters;
    char *cells;  /* [workers] cell scratch */
    char *states; /* [n_slots][heads] */
};

/* Chunks whose states are kept at once. */
static size_t count_slots(const struct xl_chunk_spec *spec)
{
    size_t one = spec->shape.heads * xl_chunk_state_bytes(spec);
    size_t fit = STATES_BYTES / one, most = xl_chunk_most(spec);
    fit = fit ? fit : 1;
    return fit < most ? fit : most;
}

static size_t scratch_bytes(const struct xl_chunk_spec *spec)
{
    size_t one = spec->shape.heads * xl_chunk_state_bytes(spec);
    return sizeof(struct counters) +
           xl_pool_width(spec->pool) * xl_chunk_cell_bytes(spec) +
           count_slots(spec) * one;
}

static struct xl_mlstm_state kept_state(const struct run *run, size_t chunk,
                                        size_t head)
{
    size_t slot = chunk - run->chunks.begin;
    size_t index = slot * run->spec->shape.heads + head;
    return xl_chunk_state_at(
        run->spec, run->states + index * xl_chunk_state_bytes(run->spec));
}

static void walk_states(const struct run *run, size_t head, float *scratch)
{
    const struct xl_chunk_spec *spec = run->spec;
    struct xl_mlstm_state state = xl_chunk_state(spec, run->job, head);
    for (size_t c = run->chunks.begin; c < run->chunks.end; c++) {
        struct xl_span tokens = xl_chunk_tokens(spec, run->job, c);
        struct xl_mlstm_io io = xl_chunk_io(spec, run->job, head, tokens.begin);
        struct xl_mlstm_state kept = kept_state(run, c, head);
        xl_chunk_state_copy(spec, &kept, &state);
        spec->cell->chunk_state(&io, tokens.end - tokens.begin, &state,
                                &spec->tiles, scratch);
    }
}

static void write_outputs(const struct run *run, size_t chunk, size_t head,
                          float *scratch)
{
    const struct xl_chunk_spec *spec = run->spec;
    struct xl_span tokens = xl_chunk_tokens(spec, run->job, chunk);
    struct xl_mlstm_io io = xl_chunk_io(spec, run->job, head, tokens.begin);
    struct xl_mlstm_state kept = kept_state(run, chunk, head);
    spec->cell->chunk_output(&io, tokens.end - tokens.begin, &kept,
                             &spec->tiles, scratch);
}

static void work(void *ctx, size_t worker)
{
    const struct run *run = ctx;
    const struct xl_chunk_spec *spec = run->spec;
    size_t heads = spec->shape.heads, n_bands = spec->n_bands, i;
    size_t n_tasks = (run->chunks.end - run->chunks.begin) * n_bands;
    float *scratch =
        (float *)(void *)(run->cells + worker * xl_chunk_cell_bytes(spec));
    while ((i = atomic_fetch_add(&run->counters->bands, 1)) < n_bands) {
        struct xl_span band = xl_span_of(heads, n_bands, i);
        for (size_t head = band.begin; head < band.end; head++)
            walk_states(run, head, scratch);
    }
    xl_pool_barrier(spec->pool);
    while ((i = atomic_fetch_add(&run->counters->tasks, 1)) < n_tasks) {
        struct xl_span band = xl_span_of(heads, n_bands, i % n_bands);
        for (size_t head = band.begin; head < band.end; head++)
            write_outputs(run, run->chunks.begin + i / n_bands, head, scratch);
    }
}

static void run_job(const struct xl_chunk_spec *spec,
                    const struct xl_chunk_job *job, void *scratch)
{
    size_t n_chunks = xl_chunk_count(spec, job);
    struct run run = { .spec = spec, .job = job, .n_slots = count_slots(spec) };
    run.counters = scratch;
    run.cells = (char *)scratch + sizeof *run.counters;
    run.states =
        run.cells + xl_pool_width(spec->pool) * xl_chunk_cell_bytes(spec);
    for (size_t c = 0; c < n_chunks; c += run.n_slots) {
        size_t left = n_chunks - c;
        run.chunks.begin = c;
        run.chunks.end = left < run.n_slots ? n_chunks : c + run.n_slots;
        atomic_init(&run.counters->bands, 0);
        atomic_init(&run.counters->tasks, 0);
        xl_pool_run(spec->pool, work, &run);
    }
}

const struct xl_chunk_backend xl_chunk_parallel = {
    .name = "parallel",
    .summary = "states of all chunks first, then all outputs at once",
    .knobs = XL_KNOB_CHUNK | XL_KNOB_BAND | XL_KNOB_WORKERS | XL_KNOB_TILES,
    .scratch_bytes = scratch_bytes,
    .run = run_job,
};
