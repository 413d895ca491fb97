/* SPDX-License-Identifier: Apache-2.0
 *
 * The sLSTM cell, two AVX2 registers a vector: the kernel is slstm_kernel.h,
 * the compiler flags stand in kernel/CMakeLists.txt. */
#include "kernel/cell/slstm.h"

#include "kernel/base/cpu.h"
#include "kernel/cell/slstm_int.h"
#include "kernel/cell/slstm_kernel.h"

static const char *why_not(void)
{
    bool usable = xl_cpu_has(XL_ISA_AVX2) && xl_cpu_has(XL_ISA_FMA);
    return usable ? NULL : "the processor has no avx2 with fma";
}

static void steps(const struct xl_slstm_io *io, size_t len,
                  const struct xl_slstm_state *state, float *scratch)
{
    run_steps(io, len, state, scratch);
}

const struct xl_slstm xl_slstm_avx2 = {
    .why_not = why_not,
    .steps = steps,
};
