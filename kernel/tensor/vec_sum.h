/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums of the lanes of vec.h, always added in the same tree: 8 apart, 4, 2, 1,
 * and rows turned into columns; vec.h includes this.
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

/* Lanes 4i .. 4i + 3 of four rows: column i of quarter q is out[i]'s. */
XL_INLINE void xl_vec_turn4(__m512 out[4], const struct xl_vec *a)
{
    __m512 ab_low = _mm512_unpacklo_ps(a[0].x, a[1].x);
    __m512 ab_high = _mm512_unpackhi_ps(a[0].x, a[1].x);
    __m512 cd_low = _mm512_unpacklo_ps(a[2].x, a[3].x);
    __m512 cd_high = _mm512_unpackhi_ps(a[2].x, a[3].x);
    out[0] = _mm512_shuffle_ps(ab_low, cd_low, 0x44);
    out[1] = _mm512_shuffle_ps(ab_low, cd_low, 0xee);
    out[2] = _mm512_shuffle_ps(ab_high, cd_high, 0x44);
    out[3] = _mm512_shuffle_ps(ab_high, cd_high, 0xee);
}

/* to[c stride + r] = lane c of rows[r], for the first n lanes. */
XL_INLINE void xl_vec_transpose(float *to, size_t stride, size_t n,
                                const struct xl_vec rows[XL_LANES])
{
    __m512 turned[4][4]; /* [rows / 4][lane % 4] */
    for (size_t i = 0; i < 4; i++)
        xl_vec_turn4(turned[i], rows + 4 * i);
    for (size_t i = 0; i < 4; i++) {
        __m512 a = turned[0][i], b = turned[1][i];
        __m512 c = turned[2][i], d = turned[3][i];
        __m512 ab_low = _mm512_shuffle_f32x4(a, b, 0x44);
        __m512 ab_high = _mm512_shuffle_f32x4(a, b, 0xee);
        __m512 cd_low = _mm512_shuffle_f32x4(c, d, 0x44);
        __m512 cd_high = _mm512_shuffle_f32x4(c, d, 0xee);
        __m512 out[4] = { _mm512_shuffle_f32x4(ab_low, cd_low, 0x88),
                          _mm512_shuffle_f32x4(ab_low, cd_low, 0xdd),
                          _mm512_shuffle_f32x4(ab_high, cd_high, 0x88),
                          _mm512_shuffle_f32x4(ab_high, cd_high, 0xdd) };
        for (size_t j = 0; j < 4; j++)
            if (4 * j + i < n)
                _mm512_storeu_ps(to + (4 * j + i) * stride, out[j]);
    }
}

#else

XL_PLAIN void xl_vec_transpose(float *to, size_t stride, size_t n,
                               const struct xl_vec rows[XL_LANES])
{
    float lanes[XL_LANES];
    for (size_t r = 0; r < XL_LANES; r++) {
        xl_vec_store(lanes, rows[r]);
        for (size_t c = 0; c < n; c++)
            to[c * stride + r] = lanes[c];
    }
}

XL_PLAIN void xl_vec_sum16(float *out, size_t stride, const struct xl_vec *a)
{
    for (size_t r = 0; r < 4; r++, a += 4)
        xl_vec_sum4(out + r * stride, a[0], a[1], a[2], a[3]);
}

#endif

#endif
