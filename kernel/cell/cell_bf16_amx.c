/* SPDX-License-Identifier: Apache-2.0
 *
 * The bf16 cell, by matrix tiles: the kernel is cell_bf16_kernel.h, the
 * compiler flags stand in kernel/CMakeLists.txt. */
#include "kernel/cell/cell_bf16_kernel.h"

const struct xl_cell xl_cell_bf16_amx = XL_CELL_BF16_VARIANT;
