/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cross/gemm_fixture.h"

#include <math.h>

double xl_fix_norm(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

void xl_fix_run_parts(const struct xl_gemm *gemm,
                      const struct xl_gemm_job *whole, size_t part)
{
    for (size_t i = 0; i < whole->m * whole->ldy; i++)
        whole->y[i] = -77.0f;
    for (size_t j = 0; j < whole->n_end; j += part) {
        struct xl_gemm_job job = *whole;
        size_t left = whole->n_end - j;
        job.n_begin = j;
        job.n_end = j + (left < part ? left : part);
        gemm->run(&job);
    }
}
