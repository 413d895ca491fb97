/* SPDX-License-Identifier: Apache-2.0
 *
 * The sLSTM cell, two AVX2 registers a vector: the kernel is slstm_kernel.h,
 * the compiler flags stand in kernel/CMakeLists.txt. */
#include "kernel/cell/slstm_kernel.h"

const struct xl_slstm xl_slstm_avx2 = {
    .name = "avx2",
    .summary = "sLSTM steps, two AVX2 registers a vector",
    .why_not = xl_vec_why_not,
    .steps = run_steps,
};
