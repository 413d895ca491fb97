/* SPDX-License-Identifier: Apache-2.0
 *
 * The wide engine's kernel, compiled once per instruction set by
 * gemm_wide_<isa>.c: fp32 operands, sums in double.
 *
 * The product of two floats is exact in double, so a fused and an unfused
 * multiply-add give the same bits, and every variant sums the same eight
 * lanes in the same order. It costs a little over twice the fp32 engine and
 * is for the few products whose rounding the model amplifies: with a query
 * nearly orthogonal to all keys, fp32 sums moved a logit by 1.4e-4 where
 * these moved it by 1e-5. */
#ifndef XL_GEMM_WIDE_KERNEL_H
#define XL_GEMM_WIDE_KERNEL_H

#include <string.h>

#include "kernel/gemm/gemm.h"

enum {
    LANES = 8,
    ROWS = 4,
    COLUMNS = 2
};

typedef float narrow __attribute__((vector_size(LANES * sizeof(float))));
typedef double wide __attribute__((vector_size(LANES * sizeof(double))));

static inline wide load(const float *from)
{
    narrow x;
    memcpy(&x, from, sizeof x);
    return __builtin_convertvector(x, wide);
}

static inline wide load_w(const struct xl_gemm_job *job, size_t at)
{
    if (job->w_dtype == XL_FP32)
        return load((const float *)job->w + at);
    float x[LANES];
    const uint16_t *w = (const uint16_t *)job->w + at;
    for (int l = 0; l < LANES; l++)
        x[l] = xl_bf16_to_f32(w[l]);
    return load(x);
}

static inline double w_at(const struct xl_gemm_job *job, size_t at)
{
    if (job->w_dtype == XL_FP32)
        return (double)((const float *)job->w)[at];
    return (double)xl_bf16_to_f32(((const uint16_t *)job->w)[at]);
}

static inline double fold(wide x)
{
    return ((x[0] + x[4]) + (x[1] + x[5])) + ((x[2] + x[6]) + (x[3] + x[7]));
}

/* Outputs i.. x j.. of a block of at most ROWS x COLUMNS. */
static inline void run_block(const struct xl_gemm_job *job, size_t i, size_t j,
                             size_t rows, size_t columns)
{
    wide acc[ROWS][COLUMNS] = { { { 0 } } };
    size_t whole = job->k / LANES * LANES;
    for (size_t k = 0; k < whole; k += LANES) {
        wide w[COLUMNS];
        for (size_t c = 0; c < columns; c++)
            w[c] = load_w(job, (j + c) * job->k + k);
        for (size_t r = 0; r < rows; r++) {
            wide x = load(job->x + (i + r) * job->ldx + k);
            for (size_t c = 0; c < columns; c++)
                acc[r][c] += x * w[c];
        }
    }
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < columns; c++) {
            double sum = fold(acc[r][c]);
            for (size_t k = whole; k < job->k; k++)
                sum += (double)job->x[(i + r) * job->ldx + k] *
                       w_at(job, (j + c) * job->k + k);
            if (job->bias)
                sum += (double)job->bias[j + c];
            job->y[(i + r) * job->ldy + j + c] = (float)sum;
        }
    }
}

static void run_wide(const struct xl_gemm_job *job)
{
    for (size_t j = job->n_begin; j < job->n_end; j += COLUMNS) {
        size_t columns = job->n_end - j < COLUMNS ? 1 : COLUMNS;
        for (size_t i = 0; i < job->m; i += ROWS) {
            size_t rows = job->m - i < ROWS ? job->m - i : ROWS;
            if (rows == ROWS && columns == COLUMNS)
                run_block(job, i, j, ROWS, COLUMNS);
            else
                run_block(job, i, j, rows, columns);
        }
    }
}

#endif
