/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine of matrix tiles on tiles in plain C. */
#include "tests/cross/gemm_emulated.h"

#ifdef XL_X86_VARIANTS
#include "kernel/gemm/gemm_int.h"
#include "tests/cross/tiles_emulated.h"
/* which come first */
#include "kernel/gemm/panel_tiles.h"

const struct xl_gemm xl_gemm_emulated = XL_GEMM_OF_TILES("emulated");
#endif
