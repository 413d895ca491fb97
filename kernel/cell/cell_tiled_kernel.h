/* SPDX-License-Identifier: Apache-2.0
 *
 * The tiled cell's kernel, compiled once per instruction set by
 * cell_tiled*.c.
 *
 * With b the sum of log forget gates inside the chunk (double), c_i =
 * igate_i - b_i and M_j = max(m, c_0 .. c_j), the stabiliser is m_j = b_j +
 * M_j, and b_j drops out of every weight:
 *
 *     decay of key i for token j    D_ji = exp(c_i - M_j)
 *     weight of the start state     w_j  = s exp(m - M_j)
 *     at the end of the chunk       kb_t = exp(c_t + b_end - m') k_t
 *
 * The differences are double and only then rounded. Denominators d_j are known
 * before the output products, whose tiles go from registers to h:
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
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel/cell/cell_int.h"
#include "kernel/cell/cell_step_kernel.h"
#include "kernel/cell/cell_tile_kernel.h"
#include "kernel/cell/mlstm.h"
#include "kernel/tensor/vec_wide.h"

static inline size_t round_lanes(size_t n)
{
    return (n + XL_LANES - 1) / XL_LANES * XL_LANES;
}

static inline size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

enum {
    SMALL_DK = 64 /* up to which scores are products with K', see below */
};

/* All that a chunk needs, carved from scratch. */
struct work {
    double *c, *M; /* [len], see above; zeros behind it, to whole vectors */
    double *m;     /* [len] m_j */
    double total;  /* b_end */
    float *weight; /* [len] w_j; or exp(..) of kb */
    float *bound;  /* [len] exp(-m_j), then 1 / denominator */
    float *S;      /* [len][score_width]; or packed kb [dk / rows][len][rows] */
    float *keys;   /* [dk][score_width], K' of a small head */
    float *state_panel, *value_panel; /* [dk][width], [len][width] */
    size_t score_width;
};

static inline float *carve(float **at, size_t n)
{
    float *piece = *at;
    *at += round_lanes(n);
    return piece;
}

static inline size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t count_scratch(size_t chunk, size_t dk, size_t dv)
{
    (void)dv;
    size_t S = most(round_lanes(chunk), dk + TILE_MOST);
    return 6 * round_lanes(chunk) + 2 * round_lanes(chunk) +
           round_lanes(chunk * S) + (dk + chunk) * TILE_MOST +
           least(dk, SMALL_DK) * round_lanes(chunk);
}

static inline struct work carve_work(float *scratch, size_t len, size_t dk)
{
    struct work work = { .score_width = round_lanes(len) };
    assert((uintptr_t)scratch % sizeof(double) == 0);
    work.c = (double *)(void *)carve(&scratch, 2 * round_lanes(len));
    work.M = (double *)(void *)carve(&scratch, 2 * round_lanes(len));
    work.m = (double *)(void *)carve(&scratch, 2 * round_lanes(len));
    work.weight = carve(&scratch, len);
    work.bound = carve(&scratch, len);
    work.S = carve(&scratch, len * most(work.score_width, dk + TILE_MOST));
    work.state_panel = carve(&scratch, dk * TILE_MOST);
    work.value_panel = carve(&scratch, len * TILE_MOST);
    work.keys = scratch;
    return work;
}

/* M = the gates' logarithms, c = the input gates, of the chunk. */
static inline void take_gates(const struct xl_mlstm_io *io, size_t len,
                              const struct work *work)
{
    for (size_t t = 0; t < round_lanes(len); t++) {
        bool is_in = t < len;
        work->M[t] = is_in ? (double)io->fgate[t * io->gate_stride] : 0;
        work->c[t] = is_in ? (double)io->igate[t * io->gate_stride] : 0;
    }
    for (size_t t = 0; t < len; t += XL_WIDE)
        xl_wide_store(work->M + t,
                      xl_wide_log_sigmoid(xl_wide_load(work->M + t)));
}

/* Fills c, M, m and total. A NaN gate shows in c, and by it in every result. */
static inline void sum_gates(const struct xl_mlstm_io *io, size_t len, double m,
                             struct work *work)
{
    double b = 0, top = m;
    take_gates(io, len, work);
    for (size_t t = 0; t < len; t++) {
        b += work->M[t];
        work->c[t] -= b;
        top = work->c[t] > top ? work->c[t] : top;
        work->M[t] = top;
        work->m[t] = b + top;
    }
    work->total = b;
}

/* weight = scale exp(m - M), bound = exp(-m_j) as far as fp32 goes. */
static inline void weigh_start(size_t len, double m, double scale,
                               const struct work *work)
{
    const xl_wide most = xl_wide_set1(88);
    for (size_t t = 0; t < len; t += XL_WIDE) {
        xl_wide w = xl_wide_exp(xl_wide_set1(m) - xl_wide_load(work->M + t));
        xl_wide bound = -xl_wide_load(work->m + t);
        bound = xl_wide_exp(xl_wide_choose(bound > most, most, bound));
        xl_wide_store_f32(work->weight + t, w * xl_wide_set1(scale));
        xl_wide_store_f32(work->bound + t, bound);
    }
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

/* keys = K', zeros beyond len. */
static inline void transpose_keys(const struct xl_mlstm_io *io, size_t len,
                                  const struct work *work)
{
    size_t width = work->score_width;
    for (size_t a = 0; a < io->dk; a += XL_LANES)
        for (size_t t = 0; t < width; t += XL_LANES) {
            size_t columns = least(io->dk - a, XL_LANES);
            const float *from = io->k + t * io->k_stride + a;
            struct xl_vec rows[XL_LANES];
            for (size_t r = 0; r < XL_LANES; r++)
                rows[r] = t + r < len
                              ? xl_vec_load_n(from + r * io->k_stride, columns)
                              : xl_vec_zero();
            xl_vec_transpose(work->keys + a * width + t, width, columns, rows);
        }
}

/* Scores as a product with K': where heads are small, adding up lanes takes
 * longer than the products. Sums of at most TERMS each are added up: a longer
 * chain loses bits that lanes side by side keep. */
static inline void multiply_all(const struct xl_mlstm_io *io, size_t len,
                                const struct work *work)
{
    enum {
        ROWS = 8,
        TERMS = 32
    };
    size_t width = work->score_width;
    transpose_keys(io, len, work);
    for (size_t j = 0; j < len; j += ROWS) {
        size_t rows = least(len - j, ROWS);
        struct tile t = { .out = work->S + j * width, .out_row = width };
        t.columns = round_lanes(j + rows);
        for (size_t a = 0; a < io->dk; a += TERMS) {
            t.kind = a ? TILE_KEEP : TILE_STORE;
            t.keep = 1;
            t.first = (struct product){ .a = io->q + j * io->q_stride + a,
                                        .a_row = io->q_stride,
                                        .a_step = 1,
                                        .b = work->keys + a * width,
                                        .b_step = width,
                                        .depth = least(io->dk - a, TERMS) };
            run_tile(&t, rows);
        }
    }
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

/* n <= 16 scores of row j from key i on, weighted. */
XL_INLINE struct xl_vec weigh_scores(const struct work *work, size_t j,
                                     size_t i, size_t n, float scale)
{
    float *row = work->S + j * work->score_width + i;
    const double *c = work->c + i;
    const xl_wide M = xl_wide_set1(work->M[j]);
    struct xl_vec x =
        xl_vec_from_wide(xl_wide_load(c) - M, xl_wide_load(c + XL_WIDE) - M);
    struct xl_vec S = xl_vec_load(row);
    if (n < XL_LANES) {
        x = xl_vec_first(x, n);
        S = xl_vec_first(S, n);
    }
    S = xl_vec_mul(xl_vec_mul(S, xl_vec_exp(x)), xl_vec_set1(scale));
    xl_vec_store(row, S);
    return S;
}

/* Row j of scores: S_ji = s (q_j . k_i) D_ji, zero beyond j. Its sum by lanes,
 * added to `sum`. */
static inline struct xl_vec weigh_row(const struct work *work, size_t j,
                                      float scale, struct xl_vec sum)
{
    size_t i = 0;
    for (; i + XL_LANES <= j + 1; i += XL_LANES)
        sum = xl_vec_add(sum, weigh_scores(work, j, i, XL_LANES, scale));
    if (i <= j)
        sum = xl_vec_add(sum, weigh_scores(work, j, i, j + 1 - i, scale));
    for (i = round_lanes(j + 1); i < work->score_width; i += XL_LANES)
        xl_vec_store(work->S + j * work->score_width + i, xl_vec_zero());
    return sum;
}

/* w_j (q_j . n) by lanes. */
static inline struct xl_vec start_part(const struct xl_mlstm_io *io, size_t j,
                                       const float *n, float w)
{
    const float *q = io->q + j * io->q_stride;
    struct xl_vec sum = xl_vec_zero();
    size_t a = 0;
    for (; a + XL_LANES <= io->dk; a += XL_LANES)
        sum = xl_vec_fma(xl_vec_load(q + a), xl_vec_load(n + a), sum);
    if (a < io->dk)
        sum = xl_vec_fma(xl_vec_load_n(q + a, io->dk - a),
                         xl_vec_load_n(n + a, io->dk - a), sum);
    return xl_vec_mul(sum, xl_vec_set1(w));
}

/* Sixteen rows from j on, those that are there: their scores, and 1 /
 * denominator of each in the place of its bound. */
static inline void weigh_rows(const struct xl_mlstm_io *io, size_t j,
                              size_t rows, const float *n, float scale,
                              const struct work *work)
{
    struct xl_vec parts[XL_LANES];
    float sums[XL_LANES];
    for (size_t r = 0; r < XL_LANES; r++)
        parts[r] = xl_vec_zero();
    for (size_t r = 0; r < rows; r++)
        parts[r] = weigh_row(work, j + r, scale,
                             start_part(io, j + r, n, work->weight[j + r]));
    xl_vec_sum16(sums, 4, parts);
    struct xl_vec d = xl_vec_abs(xl_vec_load(sums));
    d = xl_vec_max(d, xl_vec_load(work->bound + j));
    d = xl_vec_div(xl_vec_set1(1), xl_vec_add(d, xl_vec_set1(io->eps)));
    xl_vec_store(work->bound + j, d);
}

/* Scores, start weights and 1 / denominators. */
static inline void weigh(const struct xl_mlstm_io *io, size_t len,
                         const struct xl_mlstm_state *start, struct work *work)
{
    double scale = 1 / sqrt((double)io->dk), m = (double)*start->m;
    sum_gates(io, len, m, work);
    weigh_start(len, m, scale, work);
    if (io->dk <= SMALL_DK)
        multiply_all(io, len, work);
    else
        dot_all(io, len, work);
    for (size_t j = 0; j < len; j += XL_LANES)
        weigh_rows(io, j, least(len - j, XL_LANES), start->n, (float)scale,
                   work);
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
                               const struct work *work, size_t j, size_t rows,
                               size_t x, size_t n)
{
    struct tile t = { .kind = TILE_SCALE,
                      .scale = work->weight + j,
                      .over = work->bound + j,
                      .out = io->h + j * io->h_stride + x,
                      .out_row = io->h_stride,
                      .columns = n };
    t.first = (struct product){ .a = io->q + j * io->q_stride,
                                .a_row = io->q_stride,
                                .a_step = 1,
                                .b = work->state_panel,
                                .b_step = round_lanes(n),
                                .depth = io->dk };
    t.second = (struct product){ .a = work->S + j * work->score_width,
                                 .a_row = work->score_width,
                                 .a_step = 1,
                                 .b = work->value_panel,
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

static void output_chunk(const struct xl_mlstm_io *io, size_t len,
                         const struct xl_mlstm_state *start,
                         const struct xl_mlstm_tiles *tiles, float *scratch)
{
    struct work work = carve_work(scratch, len, io->dk);
    check_tile(tiles->av_rows, tiles->av_columns);
    weigh(io, len, start, &work);
    for (size_t x = 0; x < io->dv; x += tiles->av_columns) {
        size_t n = least(io->dv - x, tiles->av_columns);
        size_t width = round_lanes(n);
        pack_panel(work.state_panel, width, start->C + x, io->dv, io->dk, n);
        pack_panel(work.value_panel, width, io->v + x, io->v_stride, len, n);
        for (size_t j = 0; j < len; j += tiles->av_rows)
            output_tile(io, &work, j, least(len - j, tiles->av_rows), x, n);
    }
}

/* -- state ---------------------------------------------------------------- */

/* weight[t] = exp(c_t + total - m'); returns the start state's factor. */
static inline float weigh_state(const struct xl_mlstm_io *io, size_t len,
                                const struct xl_mlstm_state *state,
                                struct work *work)
{
    double before = (double)*state->m;
    sum_gates(io, len, before, work);
    *state->m = (float)work->m[len - 1];
    double end = work->total - (double)*state->m;
    for (size_t t = 0; t < len; t += XL_WIDE)
        xl_wide_store_f32(
            work->weight + t,
            xl_wide_exp(xl_wide_load(work->c + t) + xl_wide_set1(end)));
    return (float)exp(before + end);
}

/* kb in blocks of `rows` rows of C: S[(a / rows)][t][rows]. */
static inline void pack_keys(const struct xl_mlstm_io *io, size_t len,
                             size_t rows, const struct work *work)
{
    float *to = work->S;
    for (size_t a = 0; a < io->dk; a += rows)
        for (size_t t = 0; t < len; t++, to += rows) {
            const float *k = io->k + t * io->k_stride + a;
            size_t n = least(io->dk - a, rows);
            struct xl_vec weight = xl_vec_set1(work->weight[t]);
            for (size_t r = 0; r < n; r += XL_LANES) {
                size_t left = least(n - r, XL_LANES);
                xl_vec_store_n(to + r,
                               xl_vec_mul(weight, xl_vec_load_n(k + r, left)),
                               left);
            }
        }
}

/* Four chains of sums: one would wait for its own additions. */
static inline void update_n(const struct xl_mlstm_io *io, size_t len, float *n,
                            float keep, const struct work *work)
{
    for (size_t a = 0; a < io->dk; a += XL_LANES) {
        size_t left = least(io->dk - a, XL_LANES), t = 0;
        const float *k = io->k + a;
        struct xl_vec zero = xl_vec_zero(), sums[4] = { zero, zero, zero };
        sums[3] = xl_vec_mul(xl_vec_load_n(n + a, left), xl_vec_set1(keep));
        for (; t + 4 <= len; t += 4)
            for (size_t i = 0; i < 4; i++)
                sums[i] =
                    xl_vec_fma(xl_vec_load_n(k + (t + i) * io->k_stride, left),
                               xl_vec_set1(work->weight[t + i]), sums[i]);
        for (; t < len; t++)
            sums[0] = xl_vec_fma(xl_vec_load_n(k + t * io->k_stride, left),
                                 xl_vec_set1(work->weight[t]), sums[0]);
        xl_vec_store_n(n + a,
                       xl_vec_add(xl_vec_add(sums[0], sums[1]),
                                  xl_vec_add(sums[2], sums[3])),
                       left);
    }
}

static void advance_chunk(const struct xl_mlstm_io *io, size_t len,
                          const struct xl_mlstm_state *state,
                          const struct xl_mlstm_tiles *tiles, float *scratch)
{
    struct work work = carve_work(scratch, len, io->dk);
    size_t rows = tiles->atb_rows;
    check_tile(rows, tiles->atb_columns);
    if (len == 0)
        return;
    float keep = weigh_state(io, len, state, &work);
    update_n(io, len, state->n, keep, &work);
    pack_keys(io, len, rows, &work);
    for (size_t x = 0; x < io->dv; x += tiles->atb_columns) {
        size_t n = least(io->dv - x, tiles->atb_columns);
        size_t width = round_lanes(n);
        struct tile t = {
            .kind = TILE_KEEP, .keep = keep, .out_row = io->dv, .columns = n
        };
        t.first = (struct product){ .a_row = 1, .a_step = rows, .depth = len };
        t.first.b = work.value_panel;
        t.first.b_step = width;
        pack_panel(work.value_panel, width, io->v + x, io->v_stride, len, n);
        for (size_t a = 0; a < io->dk; a += rows) {
            t.first.a = work.S + a * len;
            t.out = state->C + a * io->dv + x;
            run_tile(&t, least(io->dk - a, rows));
        }
    }
}

/* -- the variant ---------------------------------------------------------- */

/* clang-format off */
#define XL_CELL_TILED_VARIANT                                                 \
    {                                                                         \
        .name = "tiled",                                                      \
        .summary = "fp32 chunk products in register tiles of tile_av and "    \
                   "tile_atb",                                                \
        .why_not = xl_vec_why_not,                                            \
        .scratch_floats = count_scratch,                                      \
        .steps = run_steps,                                                   \
        .step16 = run_step16,                                                 \
        .chunk_output = output_chunk,                                         \
        .chunk_state = advance_chunk,                                         \
    }
/* clang-format on */

#endif
