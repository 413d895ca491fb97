/* SPDX-License-Identifier: Apache-2.0
 *
 * The tiled cell's kernel, compiled once per instruction set by
 * cell_tiled*.c.
 *
 * Weights and denominators are those of cell_weight_kernel.h, known before the
 * output products, whose tiles go from registers to h:
 *
 *     h_j = (w_j (q_j C) + sum over i <= j of S_ji v_i) / d_j
 *
 * Against fp64, tests hold h to 2e-6 of the largest at ordinary gates from an
 * empty state; from a given one, where denominators cancel, 4e-6 was seen, and
 * the bound there follows the denominator. A tile is a panel of C or V in L1
 * times rows of q or S; keys beyond a tile's last token are skipped. */
#ifndef XL_CELL_TILED_KERNEL_H
#define XL_CELL_TILED_KERNEL_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel/cell/cell_int.h"
#include "kernel/cell/cell_small_kernel.h"
#include "kernel/cell/cell_tile_kernel.h"
#include "kernel/cell/cell_variant.h"
#include "kernel/cell/cell_weight_kernel.h"
#include "kernel/cell/mlstm.h"

/* The weights, and what products read. */
struct tiled {
    struct work work;
    float *kb; /* [dk / rows][len][rows], in the place of scores */
    float *state_panel, *value_panel; /* [dk][width], [len][width] */
};

static size_t count_scratch(size_t chunk, size_t dk, size_t dv)
{
    size_t S = most(round_lanes(chunk), dk + TILE_MOST);
    if (is_small(dk))
        return count_small(chunk, dk, dv);
    return count_weights(chunk) + round_lanes(chunk * S) +
           (dk + chunk) * TILE_MOST;
}

static inline struct tiled carve_tiled(float *scratch, size_t len, size_t dk)
{
    struct tiled tiled = { .work = carve_weights(&scratch, len) };
    struct work *work = &tiled.work;
    work->score_width = round_lanes(len);
    work->S = carve(&scratch, len * most(work->score_width, dk + TILE_MOST));
    tiled.kb = work->S;
    tiled.state_panel = carve(&scratch, dk * TILE_MOST);
    tiled.value_panel = scratch;
    return tiled;
}

/* -- scores --------------------------------------------------------------- */

/* rows x columns pairs of q_j . k_i from (j, i) on. */
struct pairs {
    size_t j, i, rows, columns;
};

/* n <= 16 terms from element a on, added to all pairs; the first of them begin
 * the sums, which an array of zeros would force into memory. */
XL_INLINE void dot_step(struct xl_vec *acc, const struct xl_mlstm_io *io,
                        struct pairs p, size_t a, size_t n, bool is_first)
{
    struct xl_vec q, k[XL_VEC_DOT_COLUMNS], zero = xl_vec_zero();
    for (size_t c = 0; c < p.columns; c++) {
        const float *from = io->k + (p.i + c) * io->k_stride + a;
        k[c] = n < XL_LANES ? xl_vec_load_n(from, n) : xl_vec_load(from);
    }
    for (size_t r = 0; r < p.rows; r++) {
        const float *from = io->q + (p.j + r) * io->q_stride + a;
        struct xl_vec *row = acc + r * p.columns;
        q = n < XL_LANES ? xl_vec_load_n(from, n) : xl_vec_load(from);
        for (size_t c = 0; c < p.columns; c++)
            row[c] = xl_vec_fma(q, k[c], is_first ? zero : row[c]);
    }
}

XL_INLINE void dot_block(const struct xl_mlstm_io *io, const struct work *work,
                         struct pairs p)
{
    enum {
        MOST = XL_VEC_DOT_ROWS * XL_VEC_DOT_COLUMNS
    };
    struct xl_vec acc[MOST], zero = xl_vec_zero();
    float sums[MOST + 4];
    size_t count = p.rows * p.columns, a = XL_LANES;
    if (io->dk < XL_LANES)
        dot_step(acc, io, p, 0, io->dk, true);
    else
        dot_step(acc, io, p, 0, XL_LANES, true);
    for (; a + XL_LANES <= io->dk; a += XL_LANES)
        dot_step(acc, io, p, a, XL_LANES, false);
    if (a < io->dk)
        dot_step(acc, io, p, a, io->dk - a, false);
    if (p.rows == 4 && p.columns == 4) {
        xl_vec_sum16(work->S + p.j * work->score_width + p.i, work->score_width,
                     acc);
        return;
    }
    for (size_t x = 0; x < count; x += 4)
        xl_vec_sum4(sums + x, acc[x], x + 1 < count ? acc[x + 1] : zero,
                    x + 2 < count ? acc[x + 2] : zero,
                    x + 3 < count ? acc[x + 3] : zero);
    for (size_t x = 0; x < count; x++)
        work->S[(p.j + x / p.columns) * work->score_width + p.i +
                x % p.columns] = sums[x];
}

static inline void dot_full(const struct xl_mlstm_io *io,
                            const struct work *work, size_t j, size_t i)
{
    dot_block(io, work,
              (struct pairs){ j, i, XL_VEC_DOT_ROWS, XL_VEC_DOT_COLUMNS });
}

static inline void dot_one(const struct xl_mlstm_io *io,
                           const struct work *work, size_t j, size_t i)
{
    dot_block(io, work, (struct pairs){ j, i, 1, 1 });
}

/* All q_j . k_i with i <= j (and a few beyond, which weigh_row clears). */
static inline void dot_all(const struct xl_mlstm_io *io, size_t len,
                           const struct work *work)
{
    for (size_t j = 0; j < len; j += XL_VEC_DOT_ROWS) {
        size_t rows = least(len - j, XL_VEC_DOT_ROWS), end = j + rows, i = 0;
        if (rows == XL_VEC_DOT_ROWS)
            for (; i + XL_VEC_DOT_COLUMNS <= end; i += XL_VEC_DOT_COLUMNS)
                dot_full(io, work, j, i);
        for (; i < end; i++)
            for (size_t r = 0; r < rows; r++)
                dot_one(io, work, j + r, i);
    }
}

/* -- outputs -------------------------------------------------------------- */

/* Copies rows of n columns into a panel of width, the rest of it zero. */
static inline void pack_panel(float *panel, size_t width, const float *from,
                              size_t stride, size_t rows, size_t n)
{
    for (size_t t = 0; t < rows; t++, panel += width, from += stride)
        for (size_t x = 0; x < width; x += XL_LANES) {
            size_t left = x < n ? least(n - x, XL_LANES) : 0;
            xl_vec_store(panel + x, left == XL_LANES
                                        ? xl_vec_load(from + x)
                                        : xl_vec_load_n(from + x, left));
        }
}

/* h of `rows` tokens from j on, columns x .. x + n, from both panels. */
static inline void output_tile(const struct xl_mlstm_io *io,
                               const struct tiled *tiled, size_t j, size_t rows,
                               size_t x, size_t n)
{
    const struct work *work = &tiled->work;
    struct tile t = { .kind = TILE_SCALE,
                      .scale = work->weight + j,
                      .over = work->bound + j,
                      .out = io->h + j * io->h_stride + x,
                      .out_row = io->h_stride,
                      .columns = n };
    t.first = (struct product){ .a = io->q + j * io->q_stride,
                                .a_row = io->q_stride,
                                .a_step = 1,
                                .b = tiled->state_panel,
                                .b_step = round_lanes(n),
                                .depth = io->dk };
    t.second = (struct product){ .a = work->S + j * work->score_width,
                                 .a_row = work->score_width,
                                 .a_step = 1,
                                 .b = tiled->value_panel,
                                 .b_step = round_lanes(n),
                                 .depth = j + rows };
    run_tile(&t, rows);
}

static inline void check_tile(size_t rows, size_t columns)
{
    assert(rows >= 1 && rows <= TILE_MOST);
    assert(columns >= 1 && columns <= TILE_MOST);
    (void)rows;
    (void)columns;
}

static inline void pack_values(const struct xl_mlstm_io *io, size_t len,
                               size_t x, size_t n, const struct tiled *tiled)
{
    pack_panel(tiled->value_panel, round_lanes(n), io->v + x, io->v_stride, len,
               n);
}

static inline void write_outputs(const struct xl_mlstm_io *io, size_t len,
                                 const struct xl_mlstm_state *start,
                                 const struct xl_mlstm_tiles *tiles,
                                 struct tiled *tiled)
{
    check_tile(tiles->av_rows, tiles->av_columns);
    dot_all(io, len, &tiled->work);
    weigh_all(io, len, start, &tiled->work);
    for (size_t x = 0; x < io->dv; x += tiles->av_columns) {
        size_t n = least(io->dv - x, tiles->av_columns);
        pack_panel(tiled->state_panel, round_lanes(n), start->C + x, io->dv,
                   io->dk, n);
        pack_values(io, len, x, n, tiled);
        for (size_t j = 0; j < len; j += tiles->av_rows)
            output_tile(io, tiled, j, least(len - j, tiles->av_rows), x, n);
    }
}

/* -- state ---------------------------------------------------------------- */

/* kb in blocks of `rows` rows of C: kb[(a / rows)][t][rows]. */
static inline void pack_keys(const struct xl_mlstm_io *io, size_t len,
                             size_t rows, const struct tiled *tiled)
{
    float *to = tiled->kb;
    for (size_t a = 0; a < io->dk; a += rows)
        for (size_t t = 0; t < len; t++, to += rows) {
            const float *k = io->k + t * io->k_stride + a;
            size_t n = least(io->dk - a, rows);
            struct xl_vec weight = xl_vec_set1(tiled->work.weight[t]);
            for (size_t r = 0; r < n; r += XL_LANES) {
                size_t left = least(n - r, XL_LANES);
                xl_vec_store_n(to + r,
                               xl_vec_mul(weight, xl_vec_load_n(k + r, left)),
                               left);
            }
        }
}

/* n, C and m. */
static inline void advance_state(const struct xl_mlstm_io *io, size_t len,
                                 const struct xl_mlstm_state *state,
                                 const struct xl_mlstm_tiles *tiles,
                                 bool has_values, const struct tiled *tiled)
{
    size_t rows = tiles->atb_rows;
    float keep = weigh_end(len, state, &tiled->work);
    check_tile(rows, tiles->atb_columns);
    update_n(io, len, state->n, keep, &tiled->work);
    pack_keys(io, len, rows, tiled);
    for (size_t x = 0; x < io->dv; x += tiles->atb_columns) {
        size_t n = least(io->dv - x, tiles->atb_columns);
        struct tile t = {
            .kind = TILE_KEEP, .keep = keep, .out_row = io->dv, .columns = n
        };
        t.first = (struct product){ .a_row = 1, .a_step = rows, .depth = len };
        t.first.b = tiled->value_panel;
        t.first.b_step = round_lanes(n);
        if (!has_values)
            pack_values(io, len, x, n, tiled);
        for (size_t a = 0; a < io->dk; a += rows) {
            t.first.a = tiled->kb + a * len;
            t.out = state->C + a * io->dv + x;
            run_tile(&t, least(io->dk - a, rows));
        }
    }
}

/* Values are packed once where one panel has them all. */
static void run_chunk(const struct xl_mlstm_io *io, size_t len,
                      const struct xl_mlstm_state *state,
                      const struct xl_mlstm_tiles *tiles,
                      enum xl_cell_parts parts, float *scratch)
{
    bool has_values = parts & XL_CELL_OUTPUTS && io->dv <= tiles->av_columns &&
                      io->dv <= tiles->atb_columns;
    if (len == 0)
        return;
    if (is_small(io->dk)) {
        run_spans(io, len, state, tiles, parts, scratch);
        return;
    }
    struct tiled tiled = carve_tiled(scratch, len, io->dk);
    sum_gates(io, len, (double)*state->m, &tiled.work);
    if (parts & XL_CELL_OUTPUTS)
        write_outputs(io, len, state, tiles, &tiled);
    if (parts & XL_CELL_STATE)
        advance_state(io, len, state, tiles, has_values, &tiled);
}

#define XL_CELL_TILED_VARIANT XL_CELL_VARIANT(xl_vec_why_not, "tiled")

#endif
