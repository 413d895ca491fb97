/* SPDX-License-Identifier: Apache-2.0
 *
 * What chunk kernels of the cell compute besides their products, compiled once
 * per instruction set: sums of gates, the weights of keys and of the start
 * state, denominators, n.
 *
 * With b the sum of log forget gates inside the chunk (double), c_i =
 * igate_i - b_i and M_j = max(m, c_0 .. c_j), the stabiliser is m_j = b_j +
 * M_j, and b_j drops out of every weight:
 *
 *     decay of key i for token j    D_ji = exp(c_i - M_j)
 *     weight of the start state     w_j  = s exp(m - M_j)
 *     at the end of the chunk       kb_t = exp(c_t + b_end - m') k_t
 *
 * The differences are double and only then rounded. */
#ifndef XL_CELL_WEIGHT_KERNEL_H
#define XL_CELL_WEIGHT_KERNEL_H

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

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

static inline size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Of one chunk. S is placed by the file that multiplies. */
struct work {
    double *c, *M; /* [len], see above; to whole vectors */
    double *m;     /* [len] m_j */
    double total;  /* b_end */
    float *weight; /* [len] w_j; or exp(..) of kb */
    float *bound;  /* [len] exp(-m_j), then 1 / denominator */
    float *S;      /* [len][score_width], whole vectors */
    size_t score_width;
};

static inline float *carve(float **at, size_t n)
{
    float *piece = *at;
    *at += round_lanes(n);
    return piece;
}

static inline size_t count_weights(size_t len)
{
    return 8 * round_lanes(len);
}

static inline struct work carve_weights(float **scratch, size_t len)
{
    struct work work = { 0 };
    assert((uintptr_t)*scratch % sizeof(double) == 0);
    work.c = (double *)(void *)carve(scratch, 2 * round_lanes(len));
    work.M = (double *)(void *)carve(scratch, 2 * round_lanes(len));
    work.m = (double *)(void *)carve(scratch, 2 * round_lanes(len));
    work.weight = carve(scratch, len);
    work.bound = carve(scratch, len);
    return work;
}

/* Eight gates from token t on, `rest` where there are no tokens. */
static inline xl_wide load_gates(const float *gates, size_t stride, size_t t,
                                 size_t len, float rest)
{
    const float *g = gates + t * stride;
    float lanes[XL_WIDE];
    if (len - t >= XL_WIDE)
        return __builtin_convertvector(
            ((xl_narrow){ g[0], g[stride], g[2 * stride], g[3 * stride],
                          g[4 * stride], g[5 * stride], g[6 * stride],
                          g[7 * stride] }),
            xl_wide);
    for (size_t i = 0; i < XL_WIDE; i++)
        lanes[i] = t + i < len ? g[i * stride] : rest;
    return xl_wide_load_f32(lanes);
}

/* Fills c, M, m and total. A NaN gate shows in c, and by it in every result. */
static inline void sum_gates(const struct xl_mlstm_io *io, size_t len, double m,
                             struct work *work)
{
    const float open = 1000; /* a forget gate that keeps all */
    double b = 0, top = m;
    for (size_t t = 0; t < len; t += XL_WIDE) {
        xl_wide f = load_gates(io->fgate, io->gate_stride, t, len, open);
        xl_wide c = load_gates(io->igate, io->gate_stride, t, len, -INFINITY);
        xl_wide sums = xl_wide_sums(xl_wide_log_sigmoid(f)) + xl_wide_set1(b);
        xl_wide tops = xl_wide_maxima(c -= sums);
        tops = xl_wide_max(tops, xl_wide_set1(top));
        b = sums[XL_WIDE - 1];
        top = tops[XL_WIDE - 1];
        xl_wide_store(work->c + t, c);
        xl_wide_store(work->M + t, tops);
        xl_wide_store(work->m + t, sums + tops);
    }
    for (size_t t = (len + XL_WIDE - 1) / XL_WIDE * XL_WIDE;
         t < round_lanes(len); t += XL_WIDE) {
        xl_wide_store(work->c + t, xl_wide_set1((double)-INFINITY));
        xl_wide_store(work->M + t, xl_wide_set1(top));
        xl_wide_store(work->m + t, xl_wide_set1(b + top));
    }
    work->total = b;
}

/* From token j on: weight = scale exp(m - M), bound = exp(-m_j) as far as fp32
 * goes. */
static inline void weigh_start(size_t j, size_t len, double m, double scale,
                               const struct work *work)
{
    const xl_wide most = xl_wide_set1(88);
    for (size_t t = j; t < j + len; t += XL_WIDE) {
        xl_wide w = xl_wide_exp(xl_wide_set1(m) - xl_wide_load(work->M + t));
        xl_wide bound = -xl_wide_load(work->m + t);
        bound = xl_wide_exp(xl_wide_choose(bound > most, most, bound));
        xl_wide_store_f32(work->weight + t, w * xl_wide_set1(scale));
        xl_wide_store_f32(work->bound + t, bound);
    }
}

static inline double scale_of(const struct xl_mlstm_io *io)
{
    return 1 / sqrt((double)io->dk);
}

/* -- scores --------------------------------------------------------------- */

/* D_ji of sixteen keys from i on. */
XL_INLINE struct xl_vec decay_lanes(const struct work *work, size_t j, size_t i)
{
    const double *c = work->c + i;
    const xl_wide M = xl_wide_set1(work->M[j]);
    return xl_vec_exp(
        xl_vec_from_wide(xl_wide_load(c) - M, xl_wide_load(c + XL_WIDE) - M));
}

/* n <= 16 scores of row j from key i on, weighted. */
XL_INLINE struct xl_vec weigh_scores(const struct work *work, size_t j,
                                     size_t i, size_t n, float scale)
{
    float *row = work->S + j * work->score_width + i;
    struct xl_vec S = xl_vec_mul(xl_vec_load(row), decay_lanes(work, j, i));
    S = xl_vec_mul(S, xl_vec_set1(scale));
    if (n < XL_LANES)
        S = xl_vec_first(S, n);
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

/* 1 / denominator of sixteen rows from j on in the place of their bounds. */
static inline void finish_rows(const struct xl_mlstm_io *io, size_t j,
                               const struct xl_vec parts[XL_LANES],
                               const struct work *work)
{
    float sums[XL_LANES];
    xl_vec_sum16(sums, 4, parts);
    struct xl_vec d = xl_vec_abs(xl_vec_load(sums));
    d = xl_vec_max(d, xl_vec_load(work->bound + j));
    d = xl_vec_div(xl_vec_set1(1), xl_vec_add(d, xl_vec_set1(io->eps)));
    xl_vec_store(work->bound + j, d);
}

/* Sixteen rows from j on, those that are there: their scores, and 1 /
 * denominator of each. */
static inline void weigh_rows(const struct xl_mlstm_io *io, size_t j,
                              size_t rows, const float *n, float scale,
                              const struct work *work)
{
    struct xl_vec parts[XL_LANES];
    for (size_t r = 0; r < XL_LANES; r++)
        parts[r] = xl_vec_zero();
    for (size_t r = 0; r < rows; r++)
        parts[r] = weigh_row(work, j + r, scale,
                             start_part(io, j + r, n, work->weight[j + r]));
    finish_rows(io, j, parts, work);
}

/* Weights of the start; all scores q_j . k_i become weights, all bounds 1 /
 * denominators. */
static inline void weigh_all(const struct xl_mlstm_io *io, size_t len,
                             const struct xl_mlstm_state *start,
                             const struct work *work)
{
    weigh_start(0, len, (double)*start->m, scale_of(io), work);
    for (size_t j = 0; j < len; j += XL_LANES)
        weigh_rows(io, j, least(len - j, XL_LANES), start->n,
                   (float)scale_of(io), work);
}

/* -- state ---------------------------------------------------------------- */

/* weight[t] = exp(c_t + total - m') from sums of gates; returns the start
 * state's factor. */
static inline float weigh_end(size_t len, const struct xl_mlstm_state *state,
                              const struct work *work)
{
    double before = (double)*state->m;
    *state->m = (float)work->m[len - 1];
    double end = work->total - (double)*state->m;
    for (size_t t = 0; t < len; t += XL_WIDE)
        xl_wide_store_f32(
            work->weight + t,
            xl_wide_exp(xl_wide_load(work->c + t) + xl_wide_set1(end)));
    return (float)exp(before + end);
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

#endif
