/* SPDX-License-Identifier: Apache-2.0
 *
 * Plain loops, sums in double, rounded once: the truth for the others. */
#include "kernel/gemm/gemm.h"

#include <assert.h>

#include "kernel/gemm/gemm_int.h"

static double dot(const struct xl_gemm_job *job, size_t i, size_t j)
{
    const float *x = job->x + i * job->ldx;
    double sum = 0;
    if (job->packed) {
        for (size_t l = 0; l < job->k; l++)
            sum += (double)x[l] * (double)xl_packed_at(job->packed, j, l);
    } else if (job->w_dtype == XL_BF16) {
        const uint16_t *w = (const uint16_t *)job->w + j * job->k;
        for (size_t l = 0; l < job->k; l++)
            sum += (double)x[l] * (double)xl_bf16_to_f32(w[l]);
    } else {
        const float *w = (const float *)job->w + j * job->k;
        for (size_t l = 0; l < job->k; l++)
            sum += (double)x[l] * (double)w[l];
    }
    return sum;
}

static const char *why_not(void)
{
    return NULL;
}

static size_t scratch_floats(size_t k)
{
    (void)k;
    return 0;
}

static void run(const struct xl_gemm_job *job)
{
    assert(job->packed || job->w_dtype == XL_FP32 || job->w_dtype == XL_BF16);
    for (size_t i = 0; i < job->m; i++)
        for (size_t j = job->n_begin; j < job->n_end; j++) {
            double bias = job->bias ? (double)job->bias[j] : 0;
            job->y[i * job->ldy + j] = (float)(dot(job, i, j) + bias);
        }
}

const struct xl_gemm xl_gemm_naive = {
    .name = "naive",
    .summary = "plain loops in double: the truth the others are held to",
    .reads_rows = 1u << XL_FP32 | 1u << XL_BF16,
    .reads_packed = (1u << XL_PACK_COUNT) - 1,
    .why_not = why_not,
    .scratch_floats = scratch_floats,
    .run = run,
};
