/* SPDX-License-Identifier: Apache-2.0
 *
 * The sLSTM cell, one AVX-512 register a vector: the kernel is slstm_kernel.h,
 * the compiler flags stand in kernel/CMakeLists.txt. */
#include "kernel/cell/slstm.h"

#include "kernel/base/cpu.h"
#include "kernel/cell/slstm_int.h"
#include "kernel/cell/slstm_kernel.h"

static const char *why_not(void)
{
    return xl_cpu_has(XL_ISA_AVX512F) ? NULL : "the processor has no avx512f";
}

static void steps(const struct xl_slstm_io *io, size_t len,
                  const struct xl_slstm_state *state, float *scratch)
{
    run_steps(io, len, state, scratch);
}

const struct xl_slstm xl_slstm_avx512 = {
    .why_not = why_not,
    .steps = steps,
};
