/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums of the lanes of vec.h, always added in the same tree: 8 apart, 4, 2, 1;
 * vec.h includes this.
 */
#ifndef XL_VEC_SUM_H
#define XL_VEC_SUM_H

/* Sum of the lanes. */
XL_INLINE float xl_vec_sum(struct xl_vec a)
{
    float sums[4];
    struct xl_vec zero = xl_vec_zero();
    xl_vec_sum4(sums, a, zero, zero, zero);
    return sums[0];
}

#if defined(__AVX512F__)

/* Halves of a and b added 8 apart: those of a below those of b; then 4 apart,
 * quarters of both; then 2 apart and 1 apart inside of quarters. */
XL_INLINE __m512 xl_vec_add8(__m512 a, __m512 b)
{
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44),
                         _mm512_shuffle_f32x4(a, b, 0xee));
}

XL_INLINE __m512 xl_vec_add4(__m512 a, __m512 b)
{
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88),
                         _mm512_shuffle_f32x4(a, b, 0xdd));
}

XL_INLINE __m512 xl_vec_add2(__m512 a, __m512 b)
{
    return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44),
                         _mm512_shuffle_ps(a, b, 0xee));
}

XL_INLINE __m512 xl_vec_add1(__m512 a, __m512 b)
{
    return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88),
                         _mm512_shuffle_ps(a, b, 0xdd));
}

/* Column c of four rows: quarter r of the result holds row r. */
XL_INLINE __m512 xl_vec_quarters(const struct xl_vec *a)
{
    return xl_vec_add4(xl_vec_add8(a[0].x, a[4].x),
                       xl_vec_add8(a[8].x, a[12].x));
}

/* out[r stride + c] = sum of the lanes of a[4 r + c], r and c below 4. */
XL_INLINE void xl_vec_sum16(float *out, size_t stride, const struct xl_vec *a)
{
    __m512 low = xl_vec_add2(xl_vec_quarters(a), xl_vec_quarters(a + 1));
    __m512 high = xl_vec_add2(xl_vec_quarters(a + 2), xl_vec_quarters(a + 3));
    __m512 all = xl_vec_add1(low, high);
    _mm_storeu_ps(out, _mm512_castps512_ps128(all));
    _mm_storeu_ps(out + stride, _mm512_extractf32x4_ps(all, 1));
    _mm_storeu_ps(out + 2 * stride, _mm512_extractf32x4_ps(all, 2));
    _mm_storeu_ps(out + 3 * stride, _mm512_extractf32x4_ps(all, 3));
}

#else

XL_INLINE void xl_vec_sum16(float *out, size_t stride, const struct xl_vec *a)
{
    for (size_t r = 0; r < 4; r++, a += 4)
        xl_vec_sum4(out + r * stride, a[0], a[1], a[2], a[3]);
}

#endif

#endif
