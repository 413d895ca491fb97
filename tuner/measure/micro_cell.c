/* SPDX-License-Identifier: Apache-2.0
 *
 * The mLSTM cell of one head on one thread: a step (state read and written),
 * and a chunk (outputs and state). Operations are those of the recurrent and
 * the chunkwise form with the full score matrix, so a variant that skips the
 * causal half can pass 100 %; so can a step whose state a near cache holds,
 * where reads and writes overlap and the limit knows reads alone. */
#include "kernel/cell/mlstm.h"
#include "tuner/measure/micro.h"

enum {
    TILE_ROWS = 8,
    TILE_COLUMNS = 32
};

struct job {
    const struct xl_cell *cell;
    struct xl_mlstm_io io;
    struct xl_mlstm_state state;
    struct xl_mlstm_tiles tiles;
    size_t tokens;
    float *scratch;
};

static void call_step(void *ctx, size_t n)
{
    const struct job *j = ctx;
    for (size_t i = 0; i < n; i++)
        j->cell->steps(&j->io, 1, &j->state, j->scratch);
}

static void call_chunk(void *ctx, size_t n)
{
    const struct job *j = ctx;
    for (size_t i = 0; i < n; i++)
        j->cell->chunk(&j->io, j->tokens, &j->state, &j->tiles, XL_CELL_BOTH,
                       j->scratch);
}

static enum xl_status make_job(struct job *j, const struct xl_cell *cell,
                               size_t tokens, size_t dk, size_t dv,
                               struct xl_arena *arena, struct xl_err *err)
{
    float *floats[] = {
        xl_micro_floats(arena, tokens * dk, 1),
        xl_micro_floats(arena, tokens * dk, 2),
        xl_micro_floats(arena, tokens * dv, 3),
        xl_micro_floats(arena, tokens, 4),
        xl_micro_floats(arena, tokens, 5),
        xl_micro_floats(arena, tokens * dv, 6),
        xl_micro_floats(arena, dk * dv, 7),
        xl_micro_floats(arena, dk, 8),
        xl_micro_floats(arena, 1, 9),
        xl_arena_zero(arena, cell->scratch_floats(tokens, dk, dv) + 1,
                      sizeof(float)),
    };
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
        if (!floats[i])
            return xl_fail(err, XL_ENOMEM,
                           "out of memory for a head of %zux"
                           "%zu",
                           dk, dv);
    *j = (struct job){
        .cell = cell,
        .io = { .dk = dk,
                .dv = dv,
                .q = floats[0],
                .k = floats[1],
                .v = floats[2],
                .q_stride = dk,
                .k_stride = dk,
                .v_stride = dv,
                .igate = floats[3],
                .fgate = floats[4],
                .gate_stride = 1,
                .h = floats[5],
                .h_stride = dv,
                .eps = 1e-6f },
        .state = { .C = floats[6], .n = floats[7], .m = floats[8] },
        .tiles = { TILE_ROWS, TILE_COLUMNS, TILE_ROWS, TILE_COLUMNS },
        .tokens = tokens,
        .scratch = floats[9],
    };
    return XL_OK;
}

static enum xl_status make(struct xl_micro_call *out, size_t variant,
                           const size_t shape[3], struct xl_arena *arena,
                           struct xl_err *err)
{
    size_t tokens = shape[0], dk = shape[1], dv = shape[2];
    if (variant >= XL_CELL_COUNT)
        return XL_ENOTFOUND;
    const struct xl_cell *cell = xl_cell_get((enum xl_cell_id)variant);
    struct job *j = xl_arena_zero(arena, 1, sizeof *j);
    if (!j)
        return xl_fail(err, XL_ENOMEM, "out of memory for a cell");
    out->name = cell->name;
    out->why_not = cell->why_not();
    out->ctx = j;
    return out->why_not ? XL_OK : make_job(j, cell, tokens, dk, dv, arena, err);
}

static enum xl_status make_step(struct xl_micro_call *out, size_t variant,
                                const size_t sizes[XL_MICRO_SIZES],
                                struct xl_arena *arena, struct xl_err *err)
{
    size_t shape[] = { 1, sizes[0], sizes[1] };
    double elements = (double)sizes[0] * (double)sizes[1];
    *out = (struct xl_micro_call){ .call = call_step,
                                   .needs = { .flops = 5 * elements,
                                              .bytes = 8 * elements,
                                              .working_set = 4 * elements,
                                              .flops_at = XL_LIMIT_FMA } };
    return make(out, variant, shape, arena, err);
}

static enum xl_status make_chunk(struct xl_micro_call *out, size_t variant,
                                 const size_t sizes[XL_MICRO_SIZES],
                                 struct xl_arena *arena, struct xl_err *err)
{
    double len = (double)sizes[0], dk = (double)sizes[1], dv = (double)sizes[2];
    *out = (struct xl_micro_call){
        .call = call_chunk,
        .needs = { .flops = len * (2 * len * (dk + dv) + 4 * dk * dv),
                   .bytes = 8 * dk * dv,
                   .working_set = 4 * dk * dv,
                   .flops_at = XL_LIMIT_FMA },
    };
    return make(out, variant, sizes, arena, err);
}

static size_t workers(const size_t sizes[XL_MICRO_SIZES])
{
    (void)sizes;
    return 1;
}

const struct xl_micro xl_micro_cell_step = {
    .name = "cell-step",
    .shape = "256x256",
    .what = "one mLSTM step of a head",
    .n_sizes = 2,
    .size_names = "dk x dv",
    .workers = workers,
    .make = make_step,
};

const struct xl_micro xl_micro_cell_chunk = {
    .name = "cell-chunk",
    .shape = "64x256x512",
    .what = "one mLSTM chunk of a head",
    .n_sizes = 3,
    .size_names = "tokens x dk x dv",
    .workers = workers,
    .make = make_chunk,
};
