/* SPDX-License-Identifier: Apache-2.0
 *
 * The vector engine's kernel, compiled once per instruction set by
 * gemm_vector_<isa>.c.
 *
 * Both operands have k innermost, so every output is a dot product in sixteen
 * lanes and nothing is packed. A block of outputs shares its loads: rows x
 * columns accumulators need rows + columns loads a step. Each output is
 *
 *     sum over k blocks of K_BLOCK, in order, of tree(lanes)
 *
 * whatever block it is computed in. Its bits therefore depend neither on the
 * column range, nor on the number of rows: prefill and decode agree. */
#ifndef XL_GEMM_VECTOR_KERNEL_H
#define XL_GEMM_VECTOR_KERNEL_H

#include <assert.h>
#include <stdbool.h>

#include "kernel/gemm/gemm_int.h"
#include "kernel/tensor/vec.h"

enum {
    K_BLOCK = 1024, /* with 8 rows of weights: 32 KiB, inside L1 */
    M_BLOCK = 64,   /* rows of x kept in L2 while the weights stream by */
    ROWS = XL_VEC_DOT_ROWS,
    COLUMNS = XL_VEC_DOT_COLUMNS,
    WIDE = 2 * COLUMNS, /* columns at once for a single row */
    MOST = ROWS * COLUMNS > WIDE ? ROWS *COLUMNS : WIDE,
};

/* A block of outputs over one block of k. */
struct block {
    const struct xl_gemm_job *job;
    size_t i, j;   /* first row and column */
    size_t k0, k1; /* k0 is a multiple of K_BLOCK */
};

XL_INLINE struct xl_vec load_w(const struct block *b, size_t column, size_t k,
                               size_t n, bool is_bf16)
{
    size_t at = (b->j + column) * b->job->k + k;
    if (is_bf16) {
        const uint16_t *w = (const uint16_t *)b->job->w + at;
        return n < XL_LANES ? xl_vec_load_bf16_n(w, n) : xl_vec_load_bf16(w);
    }
    const float *w = (const float *)b->job->w + at;
    return n < XL_LANES ? xl_vec_load_n(w, n) : xl_vec_load(w);
}

/* A block's size and weights: constants in every call that is compiled. */
struct form {
    size_t rows, columns;
    bool is_bf16;
};

/* One step of n <= 16 values of k in all accumulators of the block. */
XL_INLINE void step(struct xl_vec *acc, const struct block *b, size_t k,
                    size_t n, struct form form)
{
    struct xl_vec w[WIDE];
    for (size_t c = 0; c < form.columns; c++)
        w[c] = load_w(b, c, k, n, form.is_bf16);
    for (size_t r = 0; r < form.rows; r++) {
        const float *from = b->job->x + (b->i + r) * b->job->ldx + k;
        struct xl_vec x =
            n < XL_LANES ? xl_vec_load_n(from, n) : xl_vec_load(from);
        struct xl_vec *row = acc + r * form.columns;
        for (size_t c = 0; c < form.columns; c++)
            row[c] = xl_vec_fma(x, w[c], row[c]);
    }
}

/* Adds the block's sums to y; the first block of k overwrites it. */
XL_INLINE void finish(const struct xl_vec *acc, const struct block *b,
                      size_t rows, size_t columns)
{
    float sums[MOST + 4];
    struct xl_vec zero = xl_vec_zero();
    size_t count = rows * columns;
    for (size_t i = 0; i < count; i += 4)
        xl_vec_sum4(sums + i, acc[i], i + 1 < count ? acc[i + 1] : zero,
                    i + 2 < count ? acc[i + 2] : zero,
                    i + 3 < count ? acc[i + 3] : zero);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++) {
            float *y = b->job->y + (b->i + r) * b->job->ldy + b->j + c;
            *y = b->k0 ? *y + sums[r * columns + c] : sums[r * columns + c];
        }
}

XL_INLINE void run_block(const struct block *b, struct form form)
{
    struct xl_vec acc[MOST];
    for (size_t i = 0; i < form.rows * form.columns; i++)
        acc[i] = xl_vec_zero();
    size_t k = b->k0;
    for (; k + XL_LANES <= b->k1; k += XL_LANES)
        step(acc, b, k, XL_LANES, form);
    if (k < b->k1)
        step(acc, b, k, b->k1 - k, form);
    finish(acc, b, form.rows, form.columns);
}

typedef void block_run(const struct block *b);

static inline void full_fp32(const struct block *b)
{
    run_block(b, (struct form){ ROWS, COLUMNS, false });
}

static inline void tall_fp32(const struct block *b)
{
    run_block(b, (struct form){ ROWS, 1, false });
}

static inline void wide_fp32(const struct block *b)
{
    run_block(b, (struct form){ 1, WIDE, false });
}

static inline void flat_fp32(const struct block *b)
{
    run_block(b, (struct form){ 1, COLUMNS, false });
}

static inline void one_fp32(const struct block *b)
{
    run_block(b, (struct form){ 1, 1, false });
}

static inline void full_bf16(const struct block *b)
{
    run_block(b, (struct form){ ROWS, COLUMNS, true });
}

static inline void tall_bf16(const struct block *b)
{
    run_block(b, (struct form){ ROWS, 1, true });
}

static inline void wide_bf16(const struct block *b)
{
    run_block(b, (struct form){ 1, WIDE, true });
}

static inline void flat_bf16(const struct block *b)
{
    run_block(b, (struct form){ 1, COLUMNS, true });
}

static inline void one_bf16(const struct block *b)
{
    run_block(b, (struct form){ 1, 1, true });
}

/* The blocks of one weight type. */
struct forms {
    block_run *full, *tall, *wide, *flat, *one;
};

/* All rows i..i_end of the columns j..j+columns, one block of k. */
static inline void run_columns(const struct forms *forms, struct block b,
                               size_t i_end, size_t columns)
{
    block_run *single = columns == 1         ? forms->one
                        : columns == COLUMNS ? forms->flat
                                             : forms->wide;
    if (columns != WIDE)
        for (; b.i + ROWS <= i_end; b.i += ROWS)
            (columns == 1 ? forms->tall : forms->full)(&b);
    for (; b.i < i_end; b.i++)
        single(&b);
}

/* Rows i0..i1, one block of k, columns j..j_end. */
static inline void run_panel(const struct forms *forms, struct block b,
                             size_t i_end, size_t j_end)
{
    bool is_wide = i_end - b.i < ROWS || ROWS == 1;
    while (b.j < j_end) {
        size_t left = j_end - b.j, columns = left < COLUMNS ? 1 : COLUMNS;
        if (is_wide && left >= WIDE)
            columns = WIDE;
        run_columns(forms, b, i_end, columns);
        b.j += columns;
    }
}

/* The whole job. Few rows: all of k for a few columns, so that weights are
 * read in long runs. Many rows: one block of k for all columns, so that the
 * rows stay near. */
static inline void run_vector(const struct xl_gemm_job *job)
{
    static const struct forms fp32 = { full_fp32, tall_fp32, wide_fp32,
                                       flat_fp32, one_fp32 };
    static const struct forms bf16 = { full_bf16, tall_bf16, wide_bf16,
                                       flat_bf16, one_bf16 };
    const struct forms *forms = job->w_dtype == XL_BF16 ? &bf16 : &fp32;
    size_t n = job->n_end - job->n_begin;
    size_t n_block = job->m < 2 * ROWS ? (size_t)WIDE : n;
    assert(job->w_dtype == XL_FP32 || job->w_dtype == XL_BF16);
    struct block b = { .job = job };
    for (size_t i = 0; i < job->m; i += M_BLOCK) {
        size_t i_end = job->m - i < M_BLOCK ? job->m : i + M_BLOCK;
        for (size_t j = job->n_begin; j < job->n_end; j += n_block) {
            size_t j_end = job->n_end - j < n_block ? job->n_end : j + n_block;
            for (size_t k = 0; k < job->k; k += K_BLOCK) {
                b.i = i;
                b.j = j;
                b.k0 = k;
                b.k1 = job->k - k < K_BLOCK ? job->k : k + K_BLOCK;
                run_panel(forms, b, i_end, j_end);
            }
        }
    }
    if (!job->bias)
        return;
    for (size_t i = 0; i < job->m; i++)
        for (size_t j = job->n_begin; j < job->n_end; j++)
            job->y[i * job->ldy + j] += job->bias[j];
}

/* clang-format off */
#define XL_GEMM_OF_VECTOR                                                     \
    {                                                                         \
        .name = "vector",                                                     \
        .reads_rows = 1u << XL_FP32 | 1u << XL_BF16,                          \
        .why_not = xl_vec_why_not,                                            \
        .scratch_floats = xl_gemm_no_scratch,                                 \
        .run = run_vector,                                                    \
    }
/* clang-format on */

#endif
