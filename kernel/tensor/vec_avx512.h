/* SPDX-License-Identifier: Apache-2.0
 *
 * vec.h with one AVX-512 register. Included by vec.h only. */
#ifndef XL_VEC_AVX512_H
#define XL_VEC_AVX512_H

#if defined(__AVX512F__)
#include <immintrin.h>

/* Accumulators that fit the registers, as rows x vectors. */
enum {
    XL_VEC_BLOCK = 16,
    XL_VEC_DOT_ROWS = 4,
    XL_VEC_DOT_COLUMNS = 4
};

struct xl_vec {
    __m512 x;
};

XL_INLINE struct xl_vec xl_vec_zero(void)
{
    return (struct xl_vec){ _mm512_setzero_ps() };
}

XL_INLINE struct xl_vec xl_vec_set1(float x)
{
    return (struct xl_vec){ _mm512_set1_ps(x) };
}

XL_INLINE struct xl_vec xl_vec_load(const float *from)
{
    return (struct xl_vec){ _mm512_loadu_ps(from) };
}

XL_INLINE __mmask16 xl_vec_mask(size_t n)
{
    return (__mmask16)((1u << n) - 1);
}

XL_INLINE struct xl_vec xl_vec_load_n(const float *from, size_t n)
{
    return (struct xl_vec){ _mm512_maskz_loadu_ps(xl_vec_mask(n), from) };
}

XL_INLINE struct xl_vec xl_vec_load_bf16(const uint16_t *from)
{
    __m256i half = _mm256_loadu_si256((const __m256i *)(const void *)from);
    __m512i bits = _mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
    return (struct xl_vec){ _mm512_castsi512_ps(bits) };
}

XL_INLINE void xl_vec_store(float *to, struct xl_vec a)
{
    _mm512_storeu_ps(to, a.x);
}

XL_INLINE void xl_vec_store_n(float *to, struct xl_vec a, size_t n)
{
    _mm512_mask_storeu_ps(to, xl_vec_mask(n), a.x);
}

XL_INLINE struct xl_vec xl_vec_add(struct xl_vec a, struct xl_vec b)
{
    return (struct xl_vec){ _mm512_add_ps(a.x, b.x) };
}

XL_INLINE struct xl_vec xl_vec_mul(struct xl_vec a, struct xl_vec b)
{
    return (struct xl_vec){ _mm512_mul_ps(a.x, b.x) };
}

XL_INLINE struct xl_vec xl_vec_div(struct xl_vec a, struct xl_vec b)
{
    return (struct xl_vec){ _mm512_div_ps(a.x, b.x) };
}

/* a < b ? a : b, so b where one is a NaN; max likewise */
XL_INLINE struct xl_vec xl_vec_min(struct xl_vec a, struct xl_vec b)
{
    return (struct xl_vec){ _mm512_min_ps(a.x, b.x) };
}

XL_INLINE struct xl_vec xl_vec_max(struct xl_vec a, struct xl_vec b)
{
    return (struct xl_vec){ _mm512_max_ps(a.x, b.x) };
}

XL_INLINE struct xl_vec xl_vec_abs(struct xl_vec a)
{
    return (struct xl_vec){ _mm512_abs_ps(a.x) };
}

/* a, which has no sign, with the sign of b */
XL_INLINE struct xl_vec xl_vec_copysign(struct xl_vec a, struct xl_vec b)
{
    __m512i sign = _mm512_and_si512(_mm512_castps_si512(b.x),
                                    _mm512_set1_epi32(INT32_MIN));
    return (struct xl_vec){ _mm512_castsi512_ps(
        _mm512_or_si512(_mm512_castps_si512(a.x), sign)) };
}

/* x < bound ? yes : no */
XL_INLINE struct xl_vec xl_vec_if_below(struct xl_vec x, float bound,
                                        struct xl_vec yes, struct xl_vec no)
{
    __mmask16 below =
        _mm512_cmp_ps_mask(x.x, _mm512_set1_ps(bound), _CMP_LT_OQ);
    return (struct xl_vec){ _mm512_mask_blend_ps(below, no.x, yes.x) };
}

/* a b + c */
XL_INLINE struct xl_vec xl_vec_fma(struct xl_vec a, struct xl_vec b,
                                   struct xl_vec c)
{
    return (struct xl_vec){ _mm512_fmadd_ps(a.x, b.x, c.x) };
}

XL_INLINE struct xl_vec xl_vec_round(struct xl_vec a)
{
    return (struct xl_vec){ _mm512_roundscale_ps(a.x, 0) };
}

/* a 2^n for whole n in -126..127 */
XL_INLINE struct xl_vec xl_vec_scale2(struct xl_vec a, struct xl_vec n)
{
    return (struct xl_vec){ _mm512_scalef_ps(a.x, n.x) };
}

/* 0 where x < least, else a: a NaN stays. */
XL_INLINE struct xl_vec xl_vec_zero_below(struct xl_vec a, struct xl_vec x,
                                          float least)
{
    __mmask16 keep =
        _mm512_cmp_ps_mask(x.x, _mm512_set1_ps(least), _CMP_NLT_UQ);
    return (struct xl_vec){ _mm512_maskz_mov_ps(keep, a.x) };
}

XL_INLINE __m128 xl_vec_fold(struct xl_vec a)
{
    __m256 high =
        _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a.x), 1));
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.x), high);
    return _mm_add_ps(_mm256_castps256_ps128(eight),
                      _mm256_extractf128_ps(eight, 1));
}

/* out = sums of the lanes of a, b, c, d. */
XL_INLINE void xl_vec_sum4(float out[4], struct xl_vec a, struct xl_vec b,
                           struct xl_vec c, struct xl_vec d)
{
    __m128 r0 = xl_vec_fold(a), r1 = xl_vec_fold(b);
    __m128 r2 = xl_vec_fold(c), r3 = xl_vec_fold(d);
    _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
    _mm_storeu_ps(out, _mm_add_ps(_mm_add_ps(r0, r2), _mm_add_ps(r1, r3)));
}

#endif

#endif
