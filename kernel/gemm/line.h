/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of packed weights as fp32 vectors, for engines that widen. As vec.h,
 * it is included in files of a variant only; their flags choose.
 */
#ifndef XL_LINE_H
#define XL_LINE_H

#include "kernel/gemm/pack.h"
#include "kernel/tensor/vec.h"

enum {
    XL_LINE_MOST = 8 /* inputs a line */
};

/* Inputs a line holds: known when it compiles, unlike the table's. */
XL_INLINE size_t xl_line_inputs(enum xl_pack_kind kind)
{
    return kind == XL_PACK_FP32   ? 1
           : kind == XL_PACK_BF16 ? 2
           : kind == XL_PACK_INT8 ? 4
                                  : 8;
}

#if defined(__AVX512F__)

/* The codes of int4 as fp32, for the permutation. */
XL_INLINE __m512 xl_line_codes(void)
{
    __m128i codes =
        _mm_loadu_si128((const __m128i *)(const void *)xl_pack_int4_codes);
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes));
}

XL_INLINE void xl_line_bf16(struct xl_vec *out, __m512i line)
{
    const __m512i high = _mm512_set1_epi32((int)0xffff0000u);
    out[0].x = _mm512_castsi512_ps(_mm512_slli_epi32(line, 16));
    out[1].x = _mm512_castsi512_ps(_mm512_and_si512(line, high));
}

XL_INLINE void xl_line_int8(struct xl_vec *out, __m512i line)
{
    __m512i b0 = _mm512_srai_epi32(_mm512_slli_epi32(line, 24), 24);
    __m512i b1 = _mm512_srai_epi32(_mm512_slli_epi32(line, 16), 24);
    __m512i b2 = _mm512_srai_epi32(_mm512_slli_epi32(line, 8), 24);
    out[0].x = _mm512_cvtepi32_ps(b0);
    out[1].x = _mm512_cvtepi32_ps(b1);
    out[2].x = _mm512_cvtepi32_ps(b2);
    out[3].x = _mm512_cvtepi32_ps(_mm512_srai_epi32(line, 24));
}

/* The permutation reads the low four bits of each lane only. */
XL_INLINE void xl_line_int4(struct xl_vec *out, __m512i line)
{
    __m512 codes = xl_line_codes();
    for (int i = 0; i < 4; i++) {
        __m512i even = _mm512_srli_epi32(line, (unsigned)(4 * i));
        __m512i odd = _mm512_srli_epi32(line, (unsigned)(4 * i + 16));
        out[2 * i].x = _mm512_permutexvar_ps(even, codes);
        out[2 * i + 1].x = _mm512_permutexvar_ps(odd, codes);
    }
}

/* The inputs of one line in order, integer kinds as codes. */
XL_INLINE void xl_line_widen(struct xl_vec *out, const void *from,
                             enum xl_pack_kind kind)
{
    __m512i line = _mm512_loadu_si512(from);
    if (kind == XL_PACK_FP32)
        out[0].x = _mm512_castsi512_ps(line);
    if (kind == XL_PACK_BF16)
        xl_line_bf16(out, line);
    if (kind == XL_PACK_INT8)
        xl_line_int8(out, line);
    if (kind == XL_PACK_INT4)
        xl_line_int4(out, line);
}

#elif defined(__AVX2__) && defined(__FMA__)

/* Eight codes of int4 as fp32, from place `at` on. */
XL_INLINE __m256 xl_line_codes(size_t at)
{
    __m128i codes = _mm_loadl_epi64(
        (const __m128i *)(const void *)(xl_pack_int4_codes + at));
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes));
}

XL_INLINE __m256 xl_line_code(__m256i places)
{
    const __m256 low = xl_line_codes(0), high = xl_line_codes(8);
    __m256 is_high = _mm256_castsi256_ps(_mm256_slli_epi32(places, 28));
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, places),
                            _mm256_permutevar8x32_ps(high, places), is_high);
}

XL_INLINE __m256 xl_line_half(__m256i half, enum xl_pack_kind kind, int i)
{
    int shift = 16 * (i % 2) + 4 * (i / 2);
    if (kind == XL_PACK_BF16 && i == 0)
        half = _mm256_slli_epi32(half, 16);
    if (kind == XL_PACK_BF16 && i == 1)
        half = _mm256_and_si256(half, _mm256_set1_epi32((int)0xffff0000u));
    if (kind == XL_PACK_INT8)
        return _mm256_cvtepi32_ps(
            _mm256_srai_epi32(_mm256_slli_epi32(half, 24 - 8 * i), 24));
    if (kind == XL_PACK_INT4)
        return xl_line_code(_mm256_srli_epi32(half, shift));
    return _mm256_castsi256_ps(half);
}

/* The inputs of one line in order, integer kinds as codes. */
XL_INLINE void xl_line_widen(struct xl_vec *out, const void *from,
                             enum xl_pack_kind kind)
{
    const __m256i *half = from;
    __m256i lo = _mm256_loadu_si256(half), hi = _mm256_loadu_si256(half + 1);
    for (int i = 0; i < (int)xl_line_inputs(kind); i++) {
        out[i].lo = xl_line_half(lo, kind, i);
        out[i].hi = xl_line_half(hi, kind, i);
    }
}

#endif
#endif
