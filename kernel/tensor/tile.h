/* SPDX-License-Identifier: Apache-2.0
 *
 * Products of bf16 tiles with fp32 sums, for kernels that are compiled once
 * per instruction set: matrix tiles, dot products of AVX-512, or plain loops.
 *
 * A tile has 1024 bytes. As a left operand it holds 16 rows of 32 neighbours
 * in depth; as a right one 16 lines, line p the pairs of depths 2p and 2p + 1
 * of 16 columns. A strip is tiles behind one another in depth. Sums go along
 * depth in order, so their bits do not depend on where a block lies; they do
 * depend on the implementation.
 *
 * Conversions round to nearest even. Denormals may count as 0. The plain
 * variant adds up as the tile unit does: pairs in two chains, even and odd,
 * over one tile, which are added to each other and to the sum. Products of two
 * bf16 are exact in fp32.
 *
 * The compiler flags of the including file choose the implementation. Each
 * gives xl_tile_why_not(), xl_tile_begin() and xl_tile_end() around a thread's
 * products, and
 *
 *     xl_tile_multiply(&tiles, out, out_row);   out[32][out_row] = product
 */
#ifndef XL_TILE_H
#define XL_TILE_H

#include <stdint.h>

#include "kernel/base/cpu.h"
#include "kernel/tensor/dtype.h"
#include "kernel/tensor/tile_form.h"
#include "kernel/tensor/vec.h"

/* -- conversions ---------------------------------------------------------- */

#if defined(__AVX512BF16__)

/* low and high as 32 neighbours of a row. */
XL_INLINE struct xl_vec xl_tile_row(struct xl_vec low, struct xl_vec high)
{
    return (struct xl_vec){ (__m512)_mm512_cvtne2ps_pbh(high.x, low.x) };
}

/* Pairs of sixteen columns. */
XL_INLINE struct xl_vec xl_tile_pairs(struct xl_vec even, struct xl_vec odd)
{
    const __m512i order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
        6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    __m512i both = (__m512i)_mm512_cvtne2ps_pbh(odd.x, even.x);
    return (struct xl_vec){ (__m512)_mm512_permutexvar_epi16(order, both) };
}

#else

XL_INLINE struct xl_vec xl_tile_row(struct xl_vec low, struct xl_vec high)
{
    uint16_t half[XL_TILE_DEPTH];
    float bits[XL_LANES];
    xl_vec_store_bf16(half, low);
    xl_vec_store_bf16(half + XL_LANES, high);
    memcpy(bits, half, sizeof bits);
    return xl_vec_load(bits);
}

XL_INLINE struct xl_vec xl_tile_pairs(struct xl_vec even, struct xl_vec odd)
{
    uint16_t first[XL_LANES], second[XL_LANES], half[XL_TILE_DEPTH];
    float bits[XL_LANES];
    xl_vec_store_bf16(first, even);
    xl_vec_store_bf16(second, odd);
    for (size_t i = 0; i < XL_LANES; i++) {
        half[2 * i] = first[i];
        half[2 * i + 1] = second[i];
    }
    memcpy(bits, half, sizeof bits);
    return xl_vec_load(bits);
}

#endif

XL_INLINE void xl_tile_store(unsigned char *line, struct xl_vec bits)
{
    xl_vec_store((float *)(void *)line, bits);
}

#include "kernel/tensor/tile_amx.h"
#include "kernel/tensor/tile_dot.h"
#include "kernel/tensor/tile_plain.h"

#endif
