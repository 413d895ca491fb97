/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to kernel/gemm: the engines, each at the end of its file.
 */
#ifndef XL_GEMM_INT_H
#define XL_GEMM_INT_H

#include "kernel/gemm/gemm.h"

#define XL_GEMM(id, name, summary) extern const struct xl_gemm xl_gemm_##name;
#include "kernel/gemm/gemm.def"
#undef XL_GEMM

/* xl_gemm_vector and xl_gemm_wide are the variants for any processor,
 * xl_gemm_vnni is that for AVX-512; these stand in for them where they can. */
extern const struct xl_gemm xl_gemm_vector_avx2;
extern const struct xl_gemm xl_gemm_vector_avx512;
extern const struct xl_gemm xl_gemm_wide_avx2;
extern const struct xl_gemm xl_gemm_wide_avx512;
extern const struct xl_gemm xl_gemm_vnni_avx2;
extern const struct xl_gemm xl_gemm_vnni_maddubs;

/* The scratch_floats of engines that need none. */
size_t xl_gemm_no_scratch(size_t k);

#endif
