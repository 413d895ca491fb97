/* SPDX-License-Identifier: Apache-2.0
 *
 * The tiled cell, two AVX2 registers a vector: the kernel is
 * cell_tiled_kernel.h, the compiler flags stand in kernel/CMakeLists.txt. */
#include "kernel/cell/cell_tiled_kernel.h"

const struct xl_cell xl_cell_tiled_avx2 = XL_CELL_TILED_VARIANT;
