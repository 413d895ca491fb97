/* SPDX-License-Identifier: Apache-2.0
 *
 * What the engines that multiply in bf16 share: pairs of x, and integer
 * weights turned into bf16 lines. Included by files of a variant that has
 * avx512_bf16.
 */
#ifndef XL_PANEL_BF16_H
#define XL_PANEL_BF16_H

#include <string.h>

#include "kernel/gemm/line.h"

/* Two neighbours as a lane of a bf16 line. */
XL_INLINE uint32_t bf16_pair(float a, float b)
{
    return (uint32_t)xl_f32_to_bf16(b) << 16 | xl_f32_to_bf16(a);
}

/* n <= 32 inputs in bf16, zeros past them. */
XL_INLINE void bf16_row(void *to, const float *x, size_t n)
{
    uint32_t there = n < 32 ? (1u << n) - 1 : 0xffffffffu;
    __m512 low = _mm512_maskz_loadu_ps((__mmask16)there, x);
    __m512 high = _mm512_maskz_loadu_ps((__mmask16)(there >> 16), x + 16);
    _mm512_storeu_si512(to, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

/* The same for 16 of them in a vector, of which n are there; n may be more. */
XL_INLINE void bf16_half_line(void *to, struct xl_vec x, size_t n)
{
    __mmask16 there = (__mmask16)(n < 16 ? (1u << n) - 1 : 0xffffu);
    __m256i half = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_mov_ps(there, x.x));
    _mm256_storeu_si256((__m256i *)to, half);
}

/* The same for n <= 16. */
XL_INLINE void bf16_half_row(void *to, const float *x, size_t n)
{
    __mmask16 there = (__mmask16)(n < 16 ? (1u << n) - 1 : 0xffffu);
    bf16_half_line(to, (struct xl_vec){ _mm512_maskz_loadu_ps(there, x) }, 16);
}

/* Even inputs and odd inputs of sixteen outputs as one line of pairs. */
XL_INLINE __m512i bf16_line(struct xl_vec even, struct xl_vec odd)
{
    const __m512i order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
        6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    __m512i both = (__m512i)_mm512_cvtne2ps_pbh(odd.x, even.x);
    return _mm512_permutexvar_epi16(order, both);
}

XL_INLINE void bf16_groups(const struct xl_packed *w, size_t at, size_t n,
                           unsigned char *to, enum xl_pack_kind kind)
{
    size_t inputs = xl_line_inputs(kind), lines = XL_PACK_GROUP / inputs;
    const unsigned char *from = w->data;
    from += at * lines * XL_PACK_LINE;
    for (size_t g = 0; g < n; g++, at++) {
        struct xl_vec scale = xl_vec_load_bf16(w->scales + at * XL_PACK_LANES);
        for (size_t l = 0; l < lines; l++, from += XL_PACK_LINE) {
            struct xl_vec out[XL_LINE_MOST];
            xl_line_widen(out, from, kind);
            for (size_t i = 0; i < inputs; i += 2, to += XL_PACK_LINE)
                _mm512_storeu_si512(to,
                                    bf16_line(xl_vec_mul(out[i], scale),
                                              xl_vec_mul(out[i + 1], scale)));
        }
    }
}

/* n groups of the panel from `group` on as bf16 lines: where they are, or
 * written to room. */
static inline const void *bf16_lines(const struct xl_packed *w, size_t panel,
                                     size_t group, size_t n, void *room)
{
    size_t at = panel * xl_pack_groups(w->in) + group;
    if (w->kind == XL_PACK_BF16)
        return (const unsigned char *)w->data +
               at * XL_PACK_GROUP / 2 * XL_PACK_LINE;
    if (w->kind == XL_PACK_INT8)
        bf16_groups(w, at, n, room, XL_PACK_INT8);
    else
        bf16_groups(w, at, n, room, XL_PACK_INT4);
    return room;
}

#endif
