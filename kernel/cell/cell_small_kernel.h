/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunks of small heads, compiled once per instruction set by cell_*.c.
 *
 * A score takes as many multiply-adds as the head is wide, a token's part in
 * the state as many as C has elements: where heads are small, long stretches
 * cost more than they save. So a chunk goes in spans of one vector of tokens,
 * the state along with them:
 *
 *     h_j = (w_j (q_j C) + sum over i <= j of S_ji v_i) / d_j
 *     C   = keep C + sum over i of exp(c_i - E) k_i v_i
 *
 * with E the stabiliser (as M, see cell_weight_kernel.h) at the span's end and
 * keep = exp(E before - E). Decays inside a span are products of what is there
 * for each token,
 *
 *     D_ji = exp(c_i - M_j) = exp(c_i - E) exp(E - M_j)
 *
 * unless M rises so far in it that the factors would leave fp32. */
#ifndef XL_CELL_SMALL_KERNEL_H
#define XL_CELL_SMALL_KERNEL_H

#include <stdbool.h>
#include <string.h>

#include "kernel/cell/cell_tile_kernel.h"
#include "kernel/cell/cell_variant.h"
#include "kernel/cell/cell_weight_kernel.h"

enum {
    SMALL_DK = 64, /* the widest small head */
    SPAN = XL_LANES,
    NEAR = 40 /* how far M may rise: e^40 leaves fp32 room for products */
};

struct small {
    struct work work;   /* S of one span: [SPAN][SPAN] */
    float *take, *give; /* [SPAN] exp(c - E), exp(E - M) / sqrt(dk) */
    float *turned;      /* [dk][SPAN] K' */
    float *kb;          /* [SPAN][dk_width] exp(c_i - E) k_i */
    float *panel;       /* [SPAN][width], see values_of */
    float *C, *n;       /* [dk][width], [dk]: the state on its way */
    size_t dk_width, width;
    bool is_whole; /* v and C are read where they are: rows of whole vectors */
};

/* Tokens j .. j + rows. */
struct span {
    size_t j, rows;
    bool is_near;
    float keep;
    double end; /* E */
};

static inline bool is_small(size_t dk)
{
    return dk <= SMALL_DK;
}

/* Tiles of odd widths read up to a vector behind the last row. */
static inline size_t count_small(size_t chunk, size_t dk, size_t dv)
{
    size_t width = round_lanes(dv), dk_width = round_lanes(dk);
    return count_weights(chunk) + SPAN * SPAN + 2 * SPAN + dk * SPAN +
           SPAN * dk_width + SPAN * width + XL_LANES + dk * width + XL_LANES +
           dk_width;
}

static inline struct small carve_small(float *scratch, size_t len,
                                       const struct xl_mlstm_io *io,
                                       const struct xl_mlstm_tiles *tiles)
{
    struct small s = { .work = carve_weights(&scratch, len),
                       .dk_width = round_lanes(io->dk),
                       .width = round_lanes(io->dv) };
    s.is_whole = io->dv % XL_LANES == 0 && tiles->av_columns % XL_LANES == 0 &&
                 tiles->atb_columns % XL_LANES == 0;
    s.work.score_width = SPAN;
    s.work.S = carve(&scratch, SPAN * SPAN);
    s.take = carve(&scratch, SPAN);
    s.give = carve(&scratch, SPAN);
    s.turned = carve(&scratch, io->dk * SPAN);
    s.kb = carve(&scratch, SPAN * s.dk_width);
    s.panel = carve(&scratch, SPAN * s.width + XL_LANES);
    s.n = carve(&scratch, io->dk);
    s.C = scratch;
    return s;
}

/* -- weights -------------------------------------------------------------- */

/* take, give and the start's weights of a span that begins with stabiliser
 * `before`. The last ends with the m that is stored, which is rounded. */
static inline struct span weigh_span(const struct xl_mlstm_io *io, size_t len,
                                     size_t j, double before,
                                     const struct small *s)
{
    const struct work *work = &s->work;
    struct span span = { .j = j, .rows = least(len - j, SPAN) };
    const xl_wide scale = xl_wide_set1(scale_of(io));
    span.end = j + SPAN < len ? work->M[j + SPAN - 1]
                              : (double)(float)work->m[len - 1] - work->total;
    span.is_near = span.end - work->M[j] <= NEAR;
    for (size_t t = 0; t < SPAN; t += XL_WIDE) {
        xl_wide c = xl_wide_load(work->c + j + t), end = xl_wide_set1(span.end);
        xl_wide M = xl_wide_load(work->M + j + t);
        xl_wide_store_f32(s->take + t, xl_wide_exp(c - end));
        if (span.is_near)
            xl_wide_store_f32(s->give + t, scale * xl_wide_exp(end - M));
    }
    span.keep = (float)xl_wide_exp(xl_wide_set1(before - span.end))[0];
    return span;
}

/* -- outputs -------------------------------------------------------------- */

/* turned = K' of the span, zeros beyond its tokens. */
static inline void turn_keys(const struct xl_mlstm_io *io,
                             const struct span *span, float *turned)
{
    for (size_t a = 0; a < io->dk; a += XL_LANES) {
        size_t columns = least(io->dk - a, XL_LANES);
        const float *from = io->k + span->j * io->k_stride + a;
        struct xl_vec rows[SPAN];
        for (size_t r = 0; r < SPAN; r++)
            rows[r] = r < span->rows
                          ? xl_vec_load_n(from + r * io->k_stride, columns)
                          : xl_vec_zero();
        xl_vec_transpose(turned + a * SPAN, SPAN, columns, rows);
    }
}

/* S = Q K'. Sums of at most TERMS each are added up: a longer chain loses bits
 * that lanes side by side keep. */
static inline void score_span(const struct xl_mlstm_io *io,
                              const struct span *span, const struct small *s)
{
    enum {
        TERMS = 32
    };
    struct tile t = {
        .keep = 1, .out = s->work.S, .out_row = SPAN, .columns = SPAN
    };
    turn_keys(io, span, s->turned);
    for (size_t a = 0; a < io->dk; a += TERMS) {
        t.kind = a ? TILE_KEEP : TILE_STORE;
        t.first = (struct product){ .a = io->q + span->j * io->q_stride + a,
                                    .a_row = io->q_stride,
                                    .a_step = 1,
                                    .b = s->turned + a * SPAN,
                                    .b_step = SPAN,
                                    .depth = least(io->dk - a, TERMS) };
        run_tile(&t, span->rows);
    }
}

/* D of row r and 1 / sqrt(dk). */
static inline struct xl_vec decay_row(const struct xl_mlstm_io *io,
                                      const struct span *span, size_t r,
                                      const struct small *s)
{
    const struct work *work = &s->work;
    if (span->is_near)
        return xl_vec_mul(xl_vec_load(s->take), xl_vec_set1(s->give[r]));
    return xl_vec_mul(decay_lanes(work, span->j + r, span->j),
                      xl_vec_set1((float)scale_of(io)));
}

/* Scores become weights, bounds 1 / denominators. */
static inline void weigh_scores_of(const struct xl_mlstm_io *io,
                                   const struct span *span,
                                   const struct small *s)
{
    const struct work *work = &s->work;
    struct xl_vec parts[SPAN];
    for (size_t r = 0; r < SPAN; r++)
        parts[r] = xl_vec_zero();
    for (size_t r = 0; r < span->rows; r++) {
        float *row = work->S + r * SPAN;
        struct xl_vec S =
            xl_vec_mul(xl_vec_load(row), decay_row(io, span, r, s));
        S = xl_vec_first(S, r + 1);
        xl_vec_store(row, S);
        parts[r] = xl_vec_add(
            S, start_part(io, span->j + r, s->n, work->weight[span->j + r]));
    }
    finish_rows(io, span->j, parts, work);
}

/* The span's values as a panel, from column x on. */
static inline struct product values_of(const struct xl_mlstm_io *io,
                                       const struct span *span, size_t x,
                                       const struct small *s)
{
    return s->is_whole
               ? (struct product){ .b = io->v + span->j * io->v_stride + x,
                                   .b_step = io->v_stride }
               : (struct product){ .b = s->panel + x, .b_step = s->width };
}

static inline void write_span(const struct xl_mlstm_io *io,
                              const struct xl_mlstm_tiles *tiles,
                              const struct span *span, const struct small *s)
{
    const struct work *work = &s->work;
    size_t step = tiles->av_rows;
    for (size_t x = 0; x < io->dv; x += tiles->av_columns)
        for (size_t r = 0; r < span->rows; r += step) {
            size_t j = span->j + r, rows = least(span->rows - r, step);
            struct tile t = { .kind = TILE_SCALE,
                              .scale = work->weight + j,
                              .over = work->bound + j,
                              .out = io->h + j * io->h_stride + x,
                              .out_row = io->h_stride,
                              .columns = least(io->dv - x, tiles->av_columns) };
            t.first = (struct product){ .a = io->q + j * io->q_stride,
                                        .a_row = io->q_stride,
                                        .a_step = 1,
                                        .b = s->C + x,
                                        .b_step = s->width,
                                        .depth = io->dk };
            t.second = values_of(io, span, x, s);
            t.second.a = work->S + r * SPAN;
            t.second.a_row = SPAN;
            t.second.a_step = 1;
            t.second.depth = r + rows;
            run_tile(&t, rows);
        }
}

/* -- state ---------------------------------------------------------------- */

/* kb, and n with it. Four chains of sums: one would wait for itself. */
static inline void weigh_keys(const struct xl_mlstm_io *io,
                              const struct span *span, const struct small *s)
{
    for (size_t a = 0; a < io->dk; a += XL_LANES) {
        size_t left = least(io->dk - a, XL_LANES);
        const float *k = io->k + span->j * io->k_stride + a;
        struct xl_vec zero = xl_vec_zero(), sums[4] = { zero, zero, zero };
        sums[3] =
            xl_vec_mul(xl_vec_load_n(s->n + a, left), xl_vec_set1(span->keep));
        for (size_t t = 0; t < span->rows; t++) {
            struct xl_vec row =
                xl_vec_mul(xl_vec_load_n(k + t * io->k_stride, left),
                           xl_vec_set1(s->take[t]));
            xl_vec_store(s->kb + t * s->dk_width + a, row);
            sums[t % 4] = xl_vec_add(sums[t % 4], row);
        }
        xl_vec_store_n(s->n + a,
                       xl_vec_add(xl_vec_add(sums[0], sums[1]),
                                  xl_vec_add(sums[2], sums[3])),
                       left);
    }
}

static inline void advance_span(const struct xl_mlstm_io *io,
                                const struct xl_mlstm_tiles *tiles,
                                const struct span *span, const struct small *s)
{
    size_t step = tiles->atb_rows;
    weigh_keys(io, span, s);
    for (size_t x = 0; x < io->dv; x += tiles->atb_columns)
        for (size_t a = 0; a < io->dk; a += step) {
            struct tile t = { .kind = TILE_KEEP,
                              .keep = span->keep,
                              .first = values_of(io, span, x, s),
                              .out = s->C + a * s->width + x,
                              .out_row = s->width,
                              .columns =
                                  least(io->dv - x, tiles->atb_columns) };
            t.first.a = s->kb + a;
            t.first.a_row = 1;
            t.first.a_step = s->dk_width;
            t.first.depth = span->rows;
            run_tile(&t, least(io->dk - a, step));
        }
}

/* -- the chunk ------------------------------------------------------------ */

static inline void copy_rows(float *to, size_t to_row, const float *from,
                             size_t from_row, size_t rows, size_t n)
{
    for (size_t a = 0; a < rows; a++, to += to_row, from += from_row)
        memcpy(to, from, n * sizeof *to);
}

/* The state on its way is the caller's own where it may be. */
static inline void take_state(const struct xl_mlstm_io *io,
                              const struct xl_mlstm_state *state, bool is_own,
                              struct small *s)
{
    if (is_own && s->is_whole) {
        s->C = state->C;
        s->n = state->n;
        return;
    }
    copy_rows(s->C, s->width, state->C, io->dv, io->dk, io->dv);
    memcpy(s->n, state->n, io->dk * sizeof *s->n);
}

static inline void give_state(const struct xl_mlstm_io *io, size_t len,
                              const struct xl_mlstm_state *state,
                              const struct small *s)
{
    *state->m = (float)s->work.m[len - 1];
    if (s->C == state->C)
        return;
    copy_rows(state->C, io->dv, s->C, s->width, io->dk, io->dv);
    memcpy(state->n, s->n, io->dk * sizeof *s->n);
}

/* What is wanted of a chunk of at least one token. */
static void run_spans(const struct xl_mlstm_io *io, size_t len,
                      const struct xl_mlstm_state *state,
                      const struct xl_mlstm_tiles *tiles,
                      enum xl_cell_parts parts, float *scratch)
{
    struct small s = carve_small(scratch, len, io, tiles);
    double before = (double)*state->m;
    sum_gates(io, len, before, &s.work);
    take_state(io, state, parts & XL_CELL_STATE, &s);
    for (size_t j = 0; j < len; j += SPAN) {
        struct span span = weigh_span(io, len, j, before, &s);
        if (!s.is_whole)
            copy_rows(s.panel, s.width, io->v + j * io->v_stride, io->v_stride,
                      span.rows, io->dv);
        if (parts & XL_CELL_OUTPUTS) {
            weigh_start(j, span.rows, before, scale_of(io), &s.work);
            score_span(io, &span, &s);
            weigh_scores_of(io, &span, &s);
            write_span(io, tiles, &span, &s);
        }
        if (parts & XL_CELL_STATE || j + SPAN < len)
            advance_span(io, tiles, &span, &s);
        before = span.end;
    }
    if (parts & XL_CELL_STATE)
        give_state(io, len, state, &s);
}

#endif
