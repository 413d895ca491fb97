/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer weights times int8 rows with AVX-VNNI, two registers of eight lanes:
 * the kernel is panel_vnni.h, the compiler flags stand in
 * kernel/CMakeLists.txt. */
#include "kernel/gemm/gemm.h"

#include <immintrin.h>

#include "kernel/base/cpu.h"
#include "kernel/gemm/gemm_int.h"
#include "kernel/tensor/vec.h"

enum {
    VNNI_BLOCK = 4
};

struct ints {
    __m256i lo, hi;
};

XL_INLINE struct ints ints_set1(const int32_t *from)
{
    __m256i x = _mm256_set1_epi32(*from);
    return (struct ints){ x, x };
}

XL_INLINE struct ints ints_start(const int32_t *moved_back)
{
    return ints_set1(moved_back);
}

XL_INLINE __m256i half_codes(__m256i bits, enum xl_pack_kind kind, size_t i)
{
    const __m256i moved = _mm256_set1_epi8(-128);
    const __m256i low = _mm256_set1_epi8(15);
    if (kind == XL_PACK_INT8)
        return _mm256_xor_si256(bits, moved);
    __m256i table = _mm256_broadcastsi128_si256(
        _mm_loadu_si128((const __m128i *)(const void *)xl_pack_int4_codes));
    table = _mm256_xor_si256(table, moved);
    if (i)
        bits = _mm256_srli_epi16(bits, 4);
    return _mm256_shuffle_epi8(table, _mm256_and_si256(bits, low));
}

XL_INLINE struct ints ints_codes(const void *line, enum xl_pack_kind kind,
                                 size_t i)
{
    const __m256i *half = line;
    return (struct ints){
        half_codes(_mm256_loadu_si256(half), kind, i),
        half_codes(_mm256_loadu_si256(half + 1), kind, i),
    };
}

XL_INLINE struct ints ints_dot(struct ints sum, struct ints w, struct ints q)
{
    return (struct ints){ _mm256_dpbusd_avx_epi32(sum.lo, w.lo, q.lo),
                          _mm256_dpbusd_avx_epi32(sum.hi, w.hi, q.hi) };
}

XL_INLINE struct xl_vec ints_floats(struct ints a)
{
    return (struct xl_vec){ _mm256_cvtepi32_ps(a.lo),
                            _mm256_cvtepi32_ps(a.hi) };
}

#include "kernel/gemm/panel_vnni.h"

static const char *why_not(void)
{
    return xl_cpu_lacks(XL_HAS_AVX2 | XL_HAS_FMA | XL_HAS_AVXVNNI);
}

const struct xl_gemm xl_gemm_vnni_avx2 = XL_GEMM_OF_VNNI;
