/* SPDX-License-Identifier: Apache-2.0
 *
 * Two phases. States first: each worker takes bands, or, where there are more
 * workers than bands, slices of the columns of C, and walks their chunks in
 * order, keeping the state at every chunk's start. Then outputs:
 * all (chunk, band) tasks are independent, and workers take them from one
 * counter. The second phase thus has work for more workers than there are
 * bands.
 *
 * Where bands of equal size fall evenly to the workers, nothing is gained by
 * that: a band's outputs then follow each of its states at once, while it is
 * in cache, and none is kept. One worker, 8 heads of 256 x 512, 2048 tokens:
 * 47 ms for 59.
 *
 * The kept states may be large, so a job goes in rounds of as many chunks as
 * fit in STATES_BYTES. Columns of C do not meet in a state, so a slice is a
 * state of its own with fewer columns. No bit depends on who takes what, nor on
 * the slices or rounds. */
#include "kernel/chunk/chunk.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "kernel/chunk/chunk_int.h"

/* Half of a common share of the last-level cache: 7 states of 8 heads of
 * 256 x 512, or hundreds of small ones. */
#define STATES_BYTES ((size_t)32 << 20)

enum {
    SLICE_STEP = 32 /* columns that slices are cut at: whole tiles */
};

/* Counters of one round. */
struct counters {
    _Alignas(64) atomic_size_t walks, tasks;
};

struct run {
    const struct xl_chunk_spec *spec;
    const struct xl_chunk_job *job;
    struct xl_span chunks; /* of this round */
    size_t n_slots, n_slices;
    struct counters *counters;
    char *cells;   /* [workers] cell scratch, then a slice of a state */
    float *starts; /* [heads], m before the round */
    char *states;  /* [n_slots][heads] */
};

/* Have all workers the same share of heads? */
static bool is_even(const struct xl_chunk_spec *spec)
{
    return spec->shape.heads % spec->n_bands == 0 &&
           spec->n_bands % xl_pool_width(spec->pool) == 0;
}

/* Chunks whose states are kept at once. */
static size_t count_slots(const struct xl_chunk_spec *spec)
{
    if (is_even(spec))
        return 0;
    size_t one = spec->shape.heads * xl_chunk_state_bytes(spec);
    size_t fit = STATES_BYTES / one, most = xl_chunk_most(spec);
    fit = fit ? fit : 1;
    return fit < most ? fit : most;
}

/* Slices of a head, so that all workers have a share of the states. */
static size_t count_slices(const struct xl_chunk_spec *spec)
{
    size_t workers = xl_pool_width(spec->pool), bands = spec->n_bands;
    size_t wanted = (workers + bands - 1) / bands;
    size_t most = (spec->shape.dv + SLICE_STEP - 1) / SLICE_STEP;
    return wanted < most ? wanted : most;
}

static size_t worker_bytes(const struct xl_chunk_spec *spec)
{
    return xl_chunk_cell_bytes(spec) + xl_chunk_state_bytes(spec);
}

static size_t starts_bytes(const struct xl_chunk_spec *spec)
{
    return xl_chunk_lines(spec->shape.heads * sizeof(float));
}

static size_t scratch_bytes(const struct xl_chunk_spec *spec)
{
    size_t one = spec->shape.heads * xl_chunk_state_bytes(spec);
    return sizeof(struct counters) +
           xl_pool_width(spec->pool) * worker_bytes(spec) + starts_bytes(spec) +
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
        spec->cell->chunk(&io, tokens.end - tokens.begin, &state, &spec->tiles,
                          XL_CELL_STATE, scratch);
    }
}

/* n columns of C, both ways. */
static void copy_columns(float *to, size_t to_stride, const float *from,
                         size_t from_stride, size_t rows, size_t n)
{
    for (size_t a = 0; a < rows; a++)
        memcpy(to + a * to_stride, from + a * from_stride, n * sizeof *to);
}

/* As walk_states for columns x .. x + n, in a state of their own. n and m,
 * which all slices have, are written by the first. */
static void walk_slice(const struct run *run, size_t head, size_t x, size_t n,
                       float *scratch)
{
    const struct xl_chunk_spec *spec = run->spec;
    size_t dk = spec->shape.dk, dv = spec->shape.dv;
    struct xl_mlstm_state all = xl_chunk_state(spec, run->job, head), kept;
    struct xl_mlstm_state mine =
        xl_chunk_state_at(spec, (char *)scratch + xl_chunk_cell_bytes(spec));
    copy_columns(mine.C, n, all.C + x, dv, dk, n);
    memset(mine.n, 0, dk * sizeof *mine.n);
    if (x == 0)
        memcpy(mine.n, all.n, dk * sizeof *mine.n);
    *mine.m = run->starts[head];
    for (size_t c = run->chunks.begin; c < run->chunks.end; c++) {
        struct xl_span tokens = xl_chunk_tokens(spec, run->job, c);
        struct xl_mlstm_io io = xl_chunk_io(spec, run->job, head, tokens.begin);
        kept = kept_state(run, c, head);
        copy_columns(kept.C + x, dv, mine.C, n, dk, n);
        if (x == 0) {
            memcpy(kept.n, mine.n, dk * sizeof *kept.n);
            *kept.m = *mine.m;
        }
        io.dv = n;
        io.v += x;
        spec->cell->chunk(&io, tokens.end - tokens.begin, &mine, &spec->tiles,
                          XL_CELL_STATE, scratch);
    }
    copy_columns(all.C + x, dv, mine.C, n, dk, n);
    if (x == 0) {
        memcpy(all.n, mine.n, dk * sizeof *all.n);
        *all.m = *mine.m;
    }
}

/* Task i of the first phase: a band, or a slice of one. */
static void walk(const struct run *run, size_t i, float *scratch)
{
    const struct xl_chunk_spec *spec = run->spec;
    size_t n_slices = run->n_slices, dv = spec->shape.dv;
    size_t steps = (dv + SLICE_STEP - 1) / SLICE_STEP;
    struct xl_span band =
        xl_span_of(spec->shape.heads, spec->n_bands, i / n_slices);
    struct xl_span slice = xl_span_of(steps, n_slices, i % n_slices);
    size_t x = slice.begin * SLICE_STEP, end = slice.end * SLICE_STEP;
    for (size_t head = band.begin; head < band.end; head++)
        if (n_slices == 1)
            walk_states(run, head, scratch);
        else
            walk_slice(run, head, x, (end < dv ? end : dv) - x, scratch);
}

static void write_outputs(const struct run *run, size_t chunk, size_t head,
                          float *scratch)
{
    const struct xl_chunk_spec *spec = run->spec;
    struct xl_span tokens = xl_chunk_tokens(spec, run->job, chunk);
    struct xl_mlstm_io io = xl_chunk_io(spec, run->job, head, tokens.begin);
    struct xl_mlstm_state kept = kept_state(run, chunk, head);
    spec->cell->chunk(&io, tokens.end - tokens.begin, &kept, &spec->tiles,
                      XL_CELL_OUTPUTS, scratch);
    xl_chunk_finish_head(run->job, head, tokens);
}

/* All chunks of the band's heads, states and outputs in turn. */
static void advance_band(const struct run *run, size_t i, float *scratch)
{
    const struct xl_chunk_spec *spec = run->spec;
    struct xl_span band = xl_span_of(spec->shape.heads, spec->n_bands, i);
    size_t n_chunks = xl_chunk_count(spec, run->job);
    for (size_t head = band.begin; head < band.end; head++) {
        struct xl_mlstm_state state = xl_chunk_state(spec, run->job, head);
        for (size_t c = 0; c < n_chunks; c++)
            xl_chunk_advance(spec, run->job, head,
                             xl_chunk_tokens(spec, run->job, c), &state,
                             scratch);
    }
}

static float *scratch_of(const struct run *run, size_t worker)
{
    char *mine = run->cells + worker * worker_bytes(run->spec);
    return (float *)(void *)mine;
}

static void work_bands(void *ctx, size_t worker)
{
    const struct run *run = ctx;
    size_t i;
    while ((i = atomic_fetch_add(&run->counters->tasks, 1)) <
           run->spec->n_bands)
        advance_band(run, i, scratch_of(run, worker));
}

static void work(void *ctx, size_t worker)
{
    const struct run *run = ctx;
    const struct xl_chunk_spec *spec = run->spec;
    size_t heads = spec->shape.heads, n_bands = spec->n_bands, i;
    size_t n_tasks = (run->chunks.end - run->chunks.begin) * n_bands;
    float *scratch = scratch_of(run, worker);
    while ((i = atomic_fetch_add(&run->counters->walks, 1)) <
           n_bands * run->n_slices)
        walk(run, i, scratch);
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
    struct run run = { .spec = spec,
                       .job = job,
                       .n_slots = count_slots(spec),
                       .n_slices = count_slices(spec) };
    run.counters = scratch;
    run.cells = (char *)scratch + sizeof *run.counters;
    char *starts = run.cells + xl_pool_width(spec->pool) * worker_bytes(spec);
    run.starts = (float *)(void *)starts;
    run.states = starts + starts_bytes(spec);
    if (is_even(spec)) {
        atomic_init(&run.counters->tasks, 0);
        xl_pool_run(spec->pool, work_bands, &run);
        return;
    }
    for (size_t c = 0; c < n_chunks; c += run.n_slots) {
        size_t left = n_chunks - c;
        run.chunks.begin = c;
        run.chunks.end = left < run.n_slots ? n_chunks : c + run.n_slots;
        memcpy(run.starts, job->m, spec->shape.heads * sizeof *run.starts);
        atomic_init(&run.counters->walks, 0);
        atomic_init(&run.counters->tasks, 0);
        xl_pool_run(spec->pool, work, &run);
    }
}

const struct xl_chunk_backend xl_chunk_parallel = {
    .name = "parallel",
    .knobs = XL_KNOB_CHUNK | XL_KNOB_BAND | XL_KNOB_WORKERS | XL_KNOB_TILES,
    .scratch_bytes = scratch_bytes,
    .run = run_job,
};
