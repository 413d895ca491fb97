/* SPDX-License-Identifier: Apache-2.0
 *
 * vec.h with two AVX2 registers. Included by vec.h only. */
#ifndef XL_VEC_AVX2_H
#define XL_VEC_AVX2_H

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

/* Accumulators that fit the registers, as rows x vectors. */
enum {
    XL_VEC_BLOCK = 4,
    XL_VEC_DOT_ROWS = 2,
    XL_VEC_DOT_COLUMNS = 2
};

struct xl_vec {
    __m256 lo, hi;
};

XL_INLINE struct xl_vec xl_vec_zero(void)
{
    return (struct xl_vec){ _mm256_setzero_ps(), _mm256_setzero_ps() };
}

XL_INLINE struct xl_vec xl_vec_set1(float x)
{
    __m256 all = _mm256_set1_ps(x);
    return (struct xl_vec){ all, all };
}

XL_INLINE struct xl_vec xl_vec_load(const float *from)
{
    return (struct xl_vec){ _mm256_loadu_ps(from), _mm256_loadu_ps(from + 8) };
}

XL_INLINE struct xl_vec xl_vec_load_n(const float *from, size_t n)
{
    if (n == XL_LANES)
        return xl_vec_load(from);
    float lanes[XL_LANES] = { 0 };
    memcpy(lanes, from, n * sizeof *lanes);
    return xl_vec_load(lanes);
}

XL_INLINE __m256 xl_vec_widen(const uint16_t *from)
{
    __m128i half = _mm_loadu_si128((const __m128i *)(const void *)from);
    __m256i bits = _mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16);
    return _mm256_castsi256_ps(bits);
}

XL_INLINE struct xl_vec xl_vec_load_bf16(const uint16_t *from)
{
    return (struct xl_vec){ xl_vec_widen(from), xl_vec_widen(from + 8) };
}

XL_INLINE void xl_vec_store(float *to, struct xl_vec a)
{
    _mm256_storeu_ps(to, a.lo);
    _mm256_storeu_ps(to + 8, a.hi);
}

XL_INLINE void xl_vec_store_n(float *to, struct xl_vec a, size_t n)
{
    if (n == XL_LANES) {
        xl_vec_store(to, a);
        return;
    }
    float lanes[XL_LANES];
    xl_vec_store(lanes, a);
    memcpy(to, lanes, n * sizeof *lanes);
}

XL_INLINE struct xl_vec xl_vec_add(struct xl_vec a, struct xl_vec b)
{
    return (struct xl_vec){ _mm256_add_ps(a.lo, b.lo),
                            _mm256_add_ps(a.hi, b.hi) };
}

XL_INLINE struct xl_vec xl_vec_mul(struct xl_vec a, struct xl_vec b)
{
    return (struct xl_vec){ _mm256_mul_ps(a.lo, b.lo),
                            _mm256_mul_ps(a.hi, b.hi) };
}

XL_INLINE struct xl_vec xl_vec_div(struct xl_vec a, struct xl_vec b)
{
    return (struct xl_vec){ _mm256_div_ps(a.lo, b.lo),
                            _mm256_div_ps(a.hi, b.hi) };
}

/* a < b ? a : b, so b where one is a NaN; max likewise */
XL_INLINE struct xl_vec xl_vec_min(struct xl_vec a, struct xl_vec b)
{
    return (struct xl_vec){ _mm256_min_ps(a.lo, b.lo),
                            _mm256_min_ps(a.hi, b.hi) };
}

XL_INLINE struct xl_vec xl_vec_max(struct xl_vec a, struct xl_vec b)
{
    return (struct xl_vec){ _mm256_max_ps(a.lo, b.lo),
                            _mm256_max_ps(a.hi, b.hi) };
}

XL_INLINE struct xl_vec xl_vec_abs(struct xl_vec a)
{
    __m256 sign = _mm256_set1_ps(-0.0f);
    return (struct xl_vec){ _mm256_andnot_ps(sign, a.lo),
                            _mm256_andnot_ps(sign, a.hi) };
}

/* a, which has no sign, with the sign of b */
XL_INLINE struct xl_vec xl_vec_copysign(struct xl_vec a, struct xl_vec b)
{
    __m256 sign = _mm256_set1_ps(-0.0f);
    return (struct xl_vec){ _mm256_or_ps(a.lo, _mm256_and_ps(b.lo, sign)),
                            _mm256_or_ps(a.hi, _mm256_and_ps(b.hi, sign)) };
}

/* x < bound ? yes : no */
XL_INLINE struct xl_vec xl_vec_if_below(struct xl_vec x, float bound,
                                        struct xl_vec yes, struct xl_vec no)
{
    __m256 all = _mm256_set1_ps(bound);
    __m256 lo = _mm256_cmp_ps(x.lo, all, _CMP_LT_OQ);
    __m256 hi = _mm256_cmp_ps(x.hi, all, _CMP_LT_OQ);
    return (struct xl_vec){ _mm256_blendv_ps(no.lo, yes.lo, lo),
                            _mm256_blendv_ps(no.hi, yes.hi, hi) };
}

/* a b + c */
XL_INLINE struct xl_vec xl_vec_fma(struct xl_vec a, struct xl_vec b,
                                   struct xl_vec c)
{
    return (struct xl_vec){ _mm256_fmadd_ps(a.lo, b.lo, c.lo),
                            _mm256_fmadd_ps(a.hi, b.hi, c.hi) };
}

XL_INLINE struct xl_vec xl_vec_round(struct xl_vec a)
{
    enum {
        NEAREST = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC
    };
    return (struct xl_vec){ _mm256_round_ps(a.lo, NEAREST),
                            _mm256_round_ps(a.hi, NEAREST) };
}

XL_INLINE __m256 xl_vec_power2(__m256 n)
{
    __m256i biased =
        _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
}

/* a 2^n for whole n in -126..127 */
XL_INLINE struct xl_vec xl_vec_scale2(struct xl_vec a, struct xl_vec n)
{
    return (struct xl_vec){ _mm256_mul_ps(a.lo, xl_vec_power2(n.lo)),
                            _mm256_mul_ps(a.hi, xl_vec_power2(n.hi)) };
}

/* 0 where x < least, else a: a NaN stays. */
XL_INLINE struct xl_vec xl_vec_zero_below(struct xl_vec a, struct xl_vec x,
                                          float least)
{
    __m256 bound = _mm256_set1_ps(least);
    __m256 lo = _mm256_cmp_ps(x.lo, bound, _CMP_NLT_UQ);
    __m256 hi = _mm256_cmp_ps(x.hi, bound, _CMP_NLT_UQ);
    return (struct xl_vec){ _mm256_and_ps(a.lo, lo), _mm256_and_ps(a.hi, hi) };
}

XL_INLINE __m128 xl_vec_fold(struct xl_vec a)
{
    __m256 eight = _mm256_add_ps(a.lo, a.hi);
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
