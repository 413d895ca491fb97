/* SPDX-License-Identifier: Apache-2.0
 *
 * The wide engine, with AVX2: the kernel is gemm_wide_kernel.h, the
 * compiler flags stand in kernel/CMakeLists.txt. */
#include "kernel/gemm/gemm.h"

#include "kernel/base/cpu.h"
#include "kernel/gemm/gemm_int.h"
#include "kernel/gemm/gemm_wide_kernel.h"

static const char *why_not(void)
{
    return xl_cpu_lacks(XL_HAS_AVX2 | XL_HAS_FMA);
}

static size_t scratch_floats(size_t k)
{
    (void)k;
    return 0;
}

static void run(const struct xl_gemm_job *job)
{
    run_wide(job);
}

const struct xl_gemm xl_gemm_wide_avx2 = {
    .name = "wide",
    .summary = "fp32 products summed in double, for what the model amplifies",
    .reads_rows = 1u << XL_FP32 | 1u << XL_BF16,
    .why_not = why_not,
    .scratch_floats = scratch_floats,
    .run = run,
};
