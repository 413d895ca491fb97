/* SPDX-License-Identifier: Apache-2.0
 *
 * The wide engine, for any processor: the kernel is gemm_wide_kernel.h, the
 * compiler flags stand in kernel/CMakeLists.txt. */
#include "kernel/gemm/gemm.h"

#include "kernel/gemm/gemm_int.h"
#include "kernel/gemm/gemm_wide_kernel.h"

static const char *why_not(void)
{
    return NULL;
}

const struct xl_gemm xl_gemm_wide = {
    .name = "wide",
    .reads_rows = 1u << XL_FP32 | 1u << XL_BF16,
    .why_not = why_not,
    .scratch_floats = xl_gemm_no_scratch,
    .run = run_wide,
};
