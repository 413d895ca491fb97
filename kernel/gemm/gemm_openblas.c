/* SPDX-License-Identifier: Apache-2.0
 *
 * cblas_sgemm; cblas_sgemv for one row, because sgemm with one row repacks
 * the whole weight and halves the bandwidth. bf16 weights are widened by
 * panels of PANEL outputs into scratch.
 *
 * OpenBLAS is opened by name when somebody asks whether the engine is usable,
 * as every plan does that would have it; run asserts that somebody did. It
 * keeps its thread count in a global of its own, which is set to one. Linked,
 * it would make threads before main begins, and each of them, like each call,
 * asks without end for 128 MiB of scratch: with an address space too small for
 * that the program burns a core and never ends. So room for the scratch is
 * looked for first. Bits depend on the column range, never on time. */
#include "kernel/gemm/gemm.h"

#include <assert.h>
#include <cblas.h>
#include <limits.h>
#include <pthread.h>
#include <stddef.h>

#include "kernel/base/cpu.h"
#include "kernel/base/pages.h"
#include "kernel/base/shared.h"
#include "kernel/gemm/gemm_int.h"

enum {
    PANEL = 64
};

/* Of one call, and of the library itself. */
#define SCRATCH_BYTES ((size_t)129 << 20)
#define LIBRARY_BYTES ((size_t)64 << 20)

/* What is called of the library. */
struct calls {
    void (*set_num_threads)(int);
    int (*get_num_threads)(void);
    void (*sgemv)(enum CBLAS_ORDER, enum CBLAS_TRANSPOSE, blasint, blasint,
                  float, const float *, blasint, const float *, blasint, float,
                  float *, blasint);
    void (*sgemm)(enum CBLAS_ORDER, enum CBLAS_TRANSPOSE, enum CBLAS_TRANSPOSE,
                  blasint, blasint, blasint, float, const float *, blasint,
                  const float *, blasint, float, float *, blasint);
};

/* Set once by `load`. */
static struct calls blas;
static const char *blas_why_not;
static pthread_once_t blas_once = PTHREAD_ONCE_INIT;

static void load(void)
{
    static const struct xl_shared_call rows[] = {
        { "openblas_set_num_threads", offsetof(struct calls, set_num_threads) },
        { "openblas_get_num_threads", offsetof(struct calls, get_num_threads) },
        { "cblas_sgemv", offsetof(struct calls, sgemv) },
        { "cblas_sgemm", offsetof(struct calls, sgemm) },
    };
    static const struct xl_shared openblas = {
        .file = "libopenblas.so.0",
        .package = "libopenblas0",
        .calls = rows,
        .n_calls = sizeof rows / sizeof *rows,
    };
    if (!xl_pages_have_room(LIBRARY_BYTES + xl_cpu_cores() * SCRATCH_BYTES))
        blas_why_not = "the limit of memory has no room for the scratch of "
                       "OpenBLAS, 128 MiB a thread";
    else if (xl_shared_load(&openblas, &blas, NULL) != XL_OK)
        blas_why_not = "the package libopenblas0 is not installed";
    else
        blas.set_num_threads(1);
}

/* Outputs j .. j + n from their weights w [n][k]. */
static void multiply(const struct xl_gemm_job *job, const float *w, size_t j,
                     size_t n)
{
    blasint m = (blasint)job->m, k = (blasint)job->k;
    float *y = job->y + j;
    if (job->m == 1)
        blas.sgemv(CblasRowMajor, CblasNoTrans, (blasint)n, k, 1, w, k, job->x,
                   1, 0, y, 1);
    else
        blas.sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, (blasint)n, k, 1,
                   job->x, (blasint)job->ldx, w, k, 0, y, (blasint)job->ldy);
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
    pthread_once(&blas_once, load);
    return blas_why_not;
}

static size_t scratch_floats(size_t k)
{
    return PANEL * k;
}

static void run(const struct xl_gemm_job *job)
{
    assert(job->m <= INT_MAX && job->k <= INT_MAX && job->ldx <= INT_MAX);
    assert(job->n_end <= INT_MAX && job->ldy <= INT_MAX);
    assert(blas.get_num_threads && blas.get_num_threads() == 1);
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
    .reads_rows = 1u << XL_FP32 | 1u << XL_BF16,
    .few_rows = 1,
    .varies = true,
    .why_not = why_not,
    .scratch_floats = scratch_floats,
    .run = run,
};
