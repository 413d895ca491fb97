/* SPDX-License-Identifier: Apache-2.0
 *
 * The vector engine, one AVX-512 register a vector: the kernel is
 * gemm_vector_kernel.h, the compiler flags stand in kernel/CMakeLists.txt. */
#include "kernel/gemm/gemm.h"

#include "kernel/base/cpu.h"
#include "kernel/gemm/gemm_int.h"
#include "kernel/gemm/gemm_vector_kernel.h"

static const char *why_not(void)
{
    return xl_cpu_lacks(XL_HAS_AVX512F);
}

static size_t scratch_floats(size_t k)
{
    (void)k;
    return 0;
}

static void run(const struct xl_gemm_job *job)
{
    run_vector(job);
}

const struct xl_gemm xl_gemm_vector_avx512 = {
    .name = "vector",
    .summary = "register-blocked dot products in sixteen lanes, fp32 and "
               "bf16 weights",
    .reads_rows = 1u << XL_FP32 | 1u << XL_BF16,
    .why_not = why_not,
    .scratch_floats = scratch_floats,
    .run = run,
};
