/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests of matrix engines share.
 */
#ifndef XL_GEMM_FIXTURE_H
#define XL_GEMM_FIXTURE_H

#include "kernel/gemm/gemm.h"

/* Euclidean norm, in double. */
double xl_fix_norm(const float *x, size_t n);

/* Fills y with -77, then computes it in spans of `part` outputs. */
void xl_fix_run_parts(const struct xl_gemm *gemm,
                      const struct xl_gemm_job *whole, size_t part);

#endif
