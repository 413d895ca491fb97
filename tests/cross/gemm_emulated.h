/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine of matrix tiles for processors without them, to test what it
 * does with its tiles.
 */
#ifndef XL_GEMM_EMULATED_H
#define XL_GEMM_EMULATED_H

#include "kernel/gemm/gemm.h"

extern const struct xl_gemm xl_gemm_emulated;

#endif
