/* SPDX-License-Identifier: Apache-2.0
 *
 * The mLSTM cells of one layer as each backend schedules them: all heads, all
 * tokens, chunks of 64, a band for each head. Operations are those of the
 * chunkwise form with the full score matrix (micro_cell.c), whatever the
 * backend does in their place. */
#include "kernel/chunk/chunk.h"
#include "tuner/measure/micro.h"

enum {
    CHUNK = 64,
    INNER_TILE = 8,
    TILE_ROWS = 8,
    TILE_COLUMNS = 32
};

/* Places in the shape. */
enum {
    HEADS,
    TOKENS,
    DK,
    DV,
    WORKERS
};

struct job {
    const struct xl_chunk_backend *backend;
    struct xl_chunk_spec spec;
    struct xl_chunk_job job;
    void *scratch;
};

static void call_layer(void *ctx, size_t n)
{
    const struct job *j = ctx;
    for (size_t i = 0; i < n; i++)
        j->backend->run(&j->spec, &j->job, j->scratch);
}

static void release(void *ctx)
{
    const struct job *j = ctx;
    xl_pool_free(j->spec.pool);
}

/* Inputs, outputs and states of all heads; false without memory. */
static bool make_inputs(struct xl_chunk_job *job, const size_t *sizes,
                        struct xl_arena *arena)
{
    size_t heads = sizes[HEADS], tokens = sizes[TOKENS];
    size_t dk = heads * sizes[DK], dv = heads * sizes[DV];
    *job = (struct xl_chunk_job){
        .tokens = tokens,
        .q = xl_micro_floats(arena, tokens * dk, 1),
        .k = xl_micro_floats(arena, tokens * dk, 2),
        .v = xl_micro_floats(arena, tokens * dv, 3),
        .q_stride = dk,
        .k_stride = dk,
        .v_stride = dv,
        .igate = xl_micro_floats(arena, tokens * heads, 4),
        .fgate = xl_micro_floats(arena, tokens * heads, 5),
        .gate_stride = heads,
        .h = xl_micro_floats(arena, tokens * dv, 6),
        .h_stride = dv,
        .eps = 1e-6f,
        .C = xl_micro_floats(arena, dk * sizes[DV], 7),
        .n = xl_micro_floats(arena, dk, 8),
        .m = xl_micro_floats(arena, heads, 9),
    };
    return job->q && job->k && job->v && job->igate && job->fgate && job->h &&
           job->C && job->n && job->m;
}

static enum xl_status make_job(struct job *j, const size_t *sizes,
                               struct xl_arena *arena, struct xl_err *err)
{
    j->spec = (struct xl_chunk_spec){
        .cell = xl_cell_get(XL_CELL_TILED),
        .shape = { sizes[HEADS], sizes[DK], sizes[DV], sizes[TOKENS] },
        .chunk = CHUNK,
        .n_bands = sizes[HEADS],
        .streams = sizes[WORKERS],
        .inner_tile = INNER_TILE,
        .tiles = { TILE_ROWS, TILE_COLUMNS, TILE_ROWS, TILE_COLUMNS },
    };
    XL_TRY(xl_pool_make(&j->spec.pool,
                        &(struct xl_pool_options){ .width = sizes[WORKERS] },
                        err));
    j->scratch =
        xl_arena_zero(arena, j->backend->scratch_bytes(&j->spec) + 1, 1);
    if (j->scratch && make_inputs(&j->job, sizes, arena))
        return XL_OK;
    xl_pool_free(j->spec.pool);
    return xl_fail(err, XL_ENOMEM, "out of memory for %zu heads of %zux%zu",
                   sizes[HEADS], sizes[DK], sizes[DV]);
}

static enum xl_status make(struct xl_micro_call *out, size_t variant,
                           const size_t sizes[XL_MICRO_SIZES],
                           struct xl_arena *arena, struct xl_err *err)
{
    if (variant >= XL_CHUNK_COUNT)
        return XL_ENOTFOUND;
    struct job *j = xl_arena_zero(arena, 1, sizeof *j);
    if (!j)
        return xl_fail(err, XL_ENOMEM, "out of memory for a layer");
    j->backend = xl_chunk_get((enum xl_chunk_id)variant);
    double dk = (double)sizes[DK], dv = (double)sizes[DV];
    double rows = (double)sizes[HEADS] * (double)sizes[TOKENS];
    *out = (struct xl_micro_call){
        .name = j->backend->name,
        .why_not = xl_cell_get(XL_CELL_TILED)->why_not(),
        .ctx = j,
        .call = call_layer,
        .release = release,
        .needs = { .flops = rows * (2 * CHUNK * (dk + dv) + 4 * dk * dv),
                   .bytes = 8 * (double)sizes[HEADS] * dk * dv,
                   .working_set = 4 * (double)sizes[HEADS] * dk * dv,
                   .flops_at = XL_LIMIT_FMA },
    };
    if (out->why_not)
        out->release = NULL;
    return out->why_not ? XL_OK : make_job(j, sizes, arena, err);
}

static size_t workers(const size_t sizes[XL_MICRO_SIZES])
{
    return sizes[WORKERS];
}

const struct xl_micro xl_micro_layer = {
    .name = "layer",
    .shape = "8x2048x256x512x1",
    .what = "the mLSTM cells of one layer",
    .n_sizes = 5,
    .size_names = "heads x tokens x dk x dv x workers",
    .workers = workers,
    .make = make,
};
