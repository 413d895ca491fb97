/* SPDX-License-Identifier: Apache-2.0
 *
 * cblas_sgemm; cblas_sgemv for one row, because sgemm with one row repacks
 * the whole weight and halves the bandwidth. bf16 weights are widened by
 * panels of PANEL outputs into scratch.
 *
 * OpenBLAS keeps its thread count in a global of its own. why_not sets it to
 * one, so whoever asks whether the engine is usable (as every plan does)
 * also makes it so; run asserts that it was asked. Bits depend on the column
 * range, never on time. */
#include "kernel/gemm/gemm.h"

#include <assert.h>
#include <cblas.h>
#include <limits.h>

#include "kernel/gemm/gemm_int.h"

enum {
    PANEL = 64
};

/* Outputs j .. j + n from their weights w [n][k]. */
static void multiply(const struct xl_gemm_job *job, const float *w, size_t j,
                     size_t n)
{
    blasint m = (blasint)job->m, k = (blasint)job->k;
    float *y = job->y + j;
    if (job->m == 1)
        cblas_sgemv(CblasRowMajor, CblasNoTrans, (blasint)n, k, 1, w, k, job->x,
                    1, 0, y, 1);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, (blasint)n, k,
                    1, job->x, (blasint)job->ldx, w, k, 0, y,
                    (blasint)job->ldy);
}

static void multiply_bf16(const struct xl_gemm_job *job)
{
    const uint16_t *w = job->w;
    for (size_t j = job->n_begin; j < job->n_end; j += PANEL) {
        size_t n = job->n_end - j < PANEL ? job->n_end - j : PANEL;
        xl_to_f32(job->scratch, w + j * job->k, XL_BF16, n * job->k);
        multiply(job, job->scratch, j, n);
    }
}

static void add_bias(const struct xl_gemm_job *job)
{
    for (size_t i = 0; i < job->m; i++)
        for (size_t j = job->n_begin; j < job->n_end; j++)
            job->y[i * job->ldy + j] += job->bias[j];
}

static const char *why_not(void)
{
    openblas_set_num_threads(1);
    return NULL;
}

static size_t scratch_floats(size_t k)
{
    return PANEL * k;
}

static void run(const struct xl_gemm_job *job)
{
    assert(job->m <= INT_MAX && job->k <= INT_MAX && job->ldx <= INT_MAX);
    assert(job->n_end <= INT_MAX && job->ldy <= INT_MAX);
    assert(openblas_get_num_threads() == 1);
    if (job->m == 0 || job->n_begin == job->n_end)
        return;
    if (job->w_dtype == XL_BF16)
        multiply_bf16(job);
    else
        multiply(job, (const float *)job->w + job->n_begin * job->k,
                 job->n_begin, job->n_end - job->n_begin);
    if (job->bias)
        add_bias(job);
}

const struct xl_gemm xl_gemm_openblas = {
    .name = "openblas",
    .summary = "OpenBLAS sgemm and sgemv, one thread a call",
    .reads_rows = 1u << XL_FP32 | 1u << XL_BF16,
    .few_rows = 1,
    .why_not = why_not,
    .scratch_floats = scratch_floats,
    .run = run,
};
