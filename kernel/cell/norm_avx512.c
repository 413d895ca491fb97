/* SPDX-License-Identifier: Apache-2.0
 *
 * Norms and gates, one AVX-512 register a vector: the kernel is norm_kernel.h,
 * the compiler flags stand in kernel/CMakeLists.txt. */
#include "kernel/cell/norm_kernel.h"

const struct xl_row_ops xl_norm_avx512 = XL_ROW_OPS("avx512");
