/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed weights with avx2, eight lanes a register: the kernel is
 * panel_fp32.h, the compiler flags stand in kernel/CMakeLists.txt. */
#include "kernel/gemm/gemm.h"

#include "kernel/base/cpu.h"
#include "kernel/gemm/gemm_int.h"

enum {
    FEW_MOST = 8,
    FEW_ROWS = 4,
    FEW_PANELS = 2,
    FEW_BESIDE = 1,
    FEW_APART = 0,
    MANY_STEP = 2,
    MANY_PANELS = 1,
    WIDE_ROWS = 2,
    WIDE_FEW = 2
};

#include "kernel/gemm/panel_fp32.h"
#include "kernel/gemm/panel_wide.h"

static const char *why_not(void)
{
    return xl_cpu_lacks(XL_HAS_AVX2 | XL_HAS_FMA);
}

const struct xl_gemm xl_gemm_avx2 = {
    .name = "avx2",
    .reads_packed = (1u << XL_PACK_COUNT) - 1,
    .few_rows = FEW_MOST,
    .why_not = why_not,
    .scratch_floats = panel_scratch,
    .x_bytes = many_x_bytes,
    .pack_x = many_pack_x,
    .run = run_panels,
};

const struct xl_gemm xl_gemm_wide_avx2 = {
    .name = "wide",
    .reads_rows = 1u << XL_FP32 | 1u << XL_BF16,
    .reads_packed = (1u << XL_PACK_COUNT) - 1,
    .why_not = why_not,
    .scratch_floats = wide_scratch,
    .x_bytes = many_x_bytes,
    .pack_x = many_pack_x,
    .run = run_wide_panels,
};
