/* SPDX-License-Identifier: Apache-2.0
 *
 * Plain loops, sums in double, rounded once: the truth for the others. Four
 * outputs are summed side by side, each in its own order: the same bits as one
 * by one, without waiting for each addition. */
#include "kernel/gemm/gemm.h"

#include <assert.h>
#include <stdbool.h>

#include "kernel/gemm/gemm_int.h"

static float packed_at(const struct xl_gemm_job *job, size_t j, size_t l)
{
    float w = xl_packed_at(job->packed, j, l);
    return job->rounds_w ? xl_bf16_round(w) : w;
}

static double dot(const struct xl_gemm_job *job, size_t i, size_t j)
{
    const float *x = job->x + i * job->ldx;
    double sum = 0;
    if (job->packed) {
        for (size_t l = 0; l < job->k; l++)
            sum += (double)x[l] * (double)packed_at(job, j, l);
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

/* Four outputs, whose weights [4][k] are fp32. */
static void dot_four(const float *x, const float *w, size_t k, double sums[4])
{
    const float *a = w, *b = a + k, *c = b + k, *d = c + k;
    double p = 0, q = 0, r = 0, s = 0;
    for (size_t l = 0; l < k; l++) {
        double at = (double)x[l];
        p += at * (double)a[l];
        q += at * (double)b[l];
        r += at * (double)c[l];
        s += at * (double)d[l];
    }
    sums[0] = p;
    sums[1] = q;
    sums[2] = r;
    sums[3] = s;
}

static void store(const struct xl_gemm_job *job, size_t i, size_t j, double sum)
{
    double bias = job->bias ? (double)job->bias[j] : 0;
    job->y[i * job->ldy + j] = (float)(sum + bias);
}

static const char *why_not(void)
{
    return NULL;
}

/* The unpacked weights of four outputs. */
static size_t scratch_floats(size_t k)
{
    return 4 * k;
}

static void store_four(const struct xl_gemm_job *job, size_t i, size_t j,
                       const float *w)
{
    double sums[4];
    dot_four(job->x + i * job->ldx, w, job->k, sums);
    for (size_t c = 0; c < 4; c++)
        store(job, i, j + c, sums[c]);
}

static void unpack_row(const struct xl_gemm_job *job, size_t j, float *to)
{
    xl_packed_row(job->packed, j, to);
    for (size_t l = 0; l < job->k && job->rounds_w; l++)
        to[l] = xl_bf16_round(to[l]);
}

/* Packed weights are unpacked once for all rows: the same sums as one weight
 * at a time. */
static void run_packed(const struct xl_gemm_job *job)
{
    size_t j = job->n_begin, k = job->k;
    assert(job->packed->in == k);
    for (; job->scratch && j + 4 <= job->n_end; j += 4) {
        for (size_t c = 0; c < 4; c++)
            unpack_row(job, j + c, job->scratch + c * k);
        for (size_t i = 0; i < job->m; i++)
            store_four(job, i, j, job->scratch);
    }
    for (; j < job->n_end; j++)
        for (size_t i = 0; i < job->m; i++)
            store(job, i, j, dot(job, i, j));
}

static void run(const struct xl_gemm_job *job)
{
    assert(job->packed || job->w_dtype == XL_FP32 || job->w_dtype == XL_BF16);
    if (job->packed) {
        run_packed(job);
        return;
    }
    bool is_plain = job->w_dtype == XL_FP32;
    for (size_t i = 0; i < job->m; i++) {
        size_t j = job->n_begin;
        for (; is_plain && j + 4 <= job->n_end; j += 4)
            store_four(job, i, j, (const float *)job->w + j * job->k);
        for (; j < job->n_end; j++)
            store(job, i, j, dot(job, i, j));
    }
}

const struct xl_gemm xl_gemm_naive = {
    .name = "naive",
    .reads_rows = 1u << XL_FP32 | 1u << XL_BF16,
    .reads_packed = (1u << XL_PACK_COUNT) - 1,
    .why_not = why_not,
    .scratch_floats = scratch_floats,
    .run = run,
};
