/* SPDX-License-Identifier: Apache-2.0
 *
 * The sLSTM cell, one AVX-512 register a vector: the kernel is slstm_kernel.h,
 * the compiler flags stand in kernel/CMakeLists.txt. */
#include "kernel/cell/slstm_kernel.h"

const struct xl_slstm xl_slstm_avx512 = {
    .name = "avx512",
    .summary = "sLSTM steps, one AVX-512 register a vector",
    .why_not = xl_vec_why_not,
    .steps = run_steps,
};
