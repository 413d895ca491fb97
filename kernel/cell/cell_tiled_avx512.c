/* SPDX-License-Identifier: Apache-2.0
 *
 * The tiled cell, one AVX-512 register a vector: the kernel is
 * cell_tiled_kernel.h, the compiler flags stand in kernel/CMakeLists.txt. */
#include "kernel/cell/cell_tiled_kernel.h"

const struct xl_cell xl_cell_tiled_avx512 = XL_CELL_TILED_VARIANT;
