/* SPDX-License-Identifier: Apache-2.0
 *
 * Norms and gates, for any processor: the kernel is norm_kernel.h, the
 * compiler flags stand in kernel/CMakeLists.txt. */
#include "kernel/cell/norm_kernel.h"

const struct xl_row_ops xl_norm_plain = XL_ROW_OPS("plain");
