/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed bf16 and integer weights by matrix tiles (panel_tiles.h). Fewer rows
 * than LEAST_ROWS leave most of a tile empty: the bf16 dot products of
 * gemm_avx512bf16.c do those. */
#ifdef XL_TILES /* others, to run whole models where there are none */
#include XL_TILES
#else
#include "kernel/gemm/tiles_amx.h"
#endif
#include "kernel/gemm/panel_tiles.h"

const struct xl_gemm xl_gemm_amx = XL_GEMM_OF_TILES("amx");
