/* SPDX-License-Identifier: Apache-2.0
 *
 * The sLSTM cell, for any processor: the kernel is slstm_kernel.h, the
 * compiler flags stand in kernel/CMakeLists.txt. */
#include "kernel/cell/slstm_kernel.h"

const struct xl_slstm xl_slstm_plain = {
    .name = "plain",
    .summary = "sLSTM steps, for any processor",
    .why_not = xl_vec_why_not,
    .steps = run_steps,
};
