/* SPDX-License-Identifier: Apache-2.0
 *
 * tile.h by dot products of bf16 pairs: eight rows of sums in registers.
 * Included by tile.h only. */
#ifndef XL_TILE_DOT_H
#define XL_TILE_DOT_H

#if defined(__AVX512BF16__) && !defined(__AMX_BF16__)
#include "kernel/base/cpu.h"
#include "kernel/tensor/tile_form.h"
#include "kernel/tensor/vec.h"

static inline void xl_tile_begin(void)
{
}

static inline void xl_tile_end(void)
{
}

static inline const char *xl_tile_why_not(void)
{
    return xl_cpu_lacks(XL_HAS_AVX512F | XL_HAS_AVX512BW | XL_HAS_AVX512BF16);
}

enum {
    XL_TILE_GROUP = 8 /* rows whose sums stay in registers */
};

/* Eight rows of a strip's tiles times both strips of columns. */
XL_INLINE void xl_tile_group(const struct xl_tiles *t, const unsigned char *a,
                             float *out, size_t out_row)
{
    __m512 sums[2 * XL_TILE_GROUP];
    XL_UNROLL
    for (size_t i = 0; i < 2 * XL_TILE_GROUP; i++)
        sums[i] = _mm512_setzero_ps();
    for (size_t at = 0; at < t->n * XL_TILE_BYTES; at += XL_TILE_BYTES)
        for (size_t line = 0; line < XL_TILE_BYTES; line += XL_TILE_LINE) {
            const unsigned char *pair = a + at + line / XL_TILE_ROWS;
            __m512bh left =
                (__m512bh)_mm512_loadu_ps(t->columns[0] + at + line);
            __m512bh right =
                (__m512bh)_mm512_loadu_ps(t->columns[1] + at + line);
            XL_UNROLL
            for (size_t r = 0; r < XL_TILE_GROUP; r++) {
                int32_t bits;
                memcpy(&bits, pair + r * XL_TILE_LINE, sizeof bits);
                __m512bh x = (__m512bh)_mm512_set1_epi32(bits);
                sums[2 * r] = _mm512_dpbf16_ps(sums[2 * r], x, left);
                sums[2 * r + 1] = _mm512_dpbf16_ps(sums[2 * r + 1], x, right);
            }
        }
    XL_UNROLL
    for (size_t i = 0; i < 2 * XL_TILE_GROUP; i++)
        _mm512_storeu_ps(out + i / 2 * out_row + i % 2 * XL_TILE_ROWS, sums[i]);
}

XL_ALONE void xl_tile_multiply(const struct xl_tiles *t, float *out,
                               size_t out_row)
{
    for (size_t r = 0; r < XL_TILE_BLOCK; r += XL_TILE_GROUP)
        xl_tile_group(
            t, t->rows[r / XL_TILE_ROWS] + r % XL_TILE_ROWS * XL_TILE_LINE,
            out + r * out_row, out_row);
}

#endif

#endif
