/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops are pack_kernel.h, the compiler flags stand in
 * kernel/CMakeLists.txt. */
#include "kernel/gemm/pack_kernel.h"

void xl_pack_avx2(const struct xl_pack_job *job, size_t first, size_t end,
                  struct xl_pack_report *report)
{
    pack_groups(job, first, end, report);
}
