/* SPDX-License-Identifier: Apache-2.0
 *
 * The vector engine, one AVX-512 register a vector: the kernel is
 * gemm_vector_kernel.h, the compiler flags stand in kernel/CMakeLists.txt. */
#include "kernel/gemm/gemm_vector_kernel.h"

const struct xl_gemm xl_gemm_vector_avx512 = XL_GEMM_OF_VECTOR;
