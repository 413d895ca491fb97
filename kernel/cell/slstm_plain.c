/* SPDX-License-Identifier: Apache-2.0
 *
 * The sLSTM cell, for any processor: the kernel is slstm_kernel.h, the
 * compiler flags stand in kernel/CMakeLists.txt. */
#include "kernel/cell/slstm.h"

#include "kernel/cell/slstm_int.h"
#include "kernel/cell/slstm_kernel.h"

static const char *why_not(void)
{
    return NULL;
}

static void steps(const struct xl_slstm_io *io, size_t len,
                  const struct xl_slstm_state *state, float *scratch)
{
    run_steps(io, len, state, scratch);
}

const struct xl_slstm xl_slstm_plain = {
    .why_not = why_not,
    .steps = steps,
};
