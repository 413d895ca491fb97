/* SPDX-License-Identifier: Apache-2.0
 *
 * Lanes of vec.h to and from bf16 in memory; vec.h includes this. Stores round
 * to nearest even, and a NaN stays one, as xl_f32_to_bf16 does.
 */
#ifndef XL_VEC_BF16_H
#define XL_VEC_BF16_H

#if defined(__AVX512F__)

XL_INLINE void xl_vec_store_bf16(uint16_t *to, struct xl_vec a)
{
    __m512i bits = _mm512_castps_si512(a.x), high = _mm512_srli_epi32(bits, 16);
    __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    __m512i half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
    __m512i near = _mm512_srli_epi32(_mm512_add_epi32(bits, half), 16);
    __mmask16 is_nan = _mm512_cmp_ps_mask(a.x, a.x, _CMP_UNORD_Q);
    near = _mm512_mask_or_epi32(near, is_nan, high, _mm512_set1_epi32(0x40));
    _mm256_storeu_si256((__m256i *)(void *)to, _mm512_cvtepi32_epi16(near));
}

#elif defined(__AVX2__) && defined(__FMA__)

/* bf16 in the low half of each lane. */
XL_INLINE __m256i xl_vec_narrow(__m256 x)
{
    __m256i bits = _mm256_castps_si256(x), high = _mm256_srli_epi32(bits, 16);
    __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    __m256i half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
    __m256i near = _mm256_srli_epi32(_mm256_add_epi32(bits, half), 16);
    __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
    __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_blendv_epi8(near, quiet, is_nan);
}

XL_INLINE void xl_vec_store_bf16(uint16_t *to, struct xl_vec a)
{
    /* Packing takes turns between the operands by half registers. */
    __m256i mixed =
        _mm256_packus_epi32(xl_vec_narrow(a.lo), xl_vec_narrow(a.hi));
    _mm256_storeu_si256((__m256i *)(void *)to,
                        _mm256_permute4x64_epi64(mixed, 0xd8));
}

#else

XL_INLINE void xl_vec_store_bf16(uint16_t *to, struct xl_vec a)
{
    for (size_t i = 0; i < XL_LANES; i++)
        to[i] = xl_f32_to_bf16(a.x[i]);
}

#endif

/* The first n < 16 bf16 of from, the rest 0. */
XL_INLINE struct xl_vec xl_vec_load_bf16_n(const uint16_t *from, size_t n)
{
    uint16_t lanes[XL_LANES] = { 0 };
    memcpy(lanes, from, n * sizeof *lanes);
    return xl_vec_load_bf16(lanes);
}

/* The first n < 16 lanes. */
XL_INLINE void xl_vec_store_bf16_n(uint16_t *to, struct xl_vec a, size_t n)
{
    uint16_t lanes[XL_LANES];
    xl_vec_store_bf16(lanes, a);
    memcpy(to, lanes, n * sizeof *lanes);
}

#endif
