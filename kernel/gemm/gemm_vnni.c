/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer weights times int8 rows with AVX-512 VNNI: the kernel is
 * panel_vnni.h, the compiler flags stand in kernel/CMakeLists.txt. */
#include "kernel/gemm/gemm.h"

#include <immintrin.h>

#include "kernel/base/cpu.h"
#include "kernel/gemm/gemm_int.h"
#include "kernel/tensor/vec.h"

enum {
    VNNI_BLOCK = 8
};

struct ints {
    __m512i x;
};

XL_INLINE struct ints ints_set1(const int32_t *from)
{
    return (struct ints){ _mm512_set1_epi32(*from) };
}

XL_INLINE struct ints ints_start(const int32_t *moved_back)
{
    return ints_set1(moved_back);
}

XL_INLINE struct ints ints_codes(const void *line, enum xl_pack_kind kind,
                                 size_t i)
{
    const __m512i moved = _mm512_set1_epi8(-128);
    const __m512i low = _mm512_set1_epi8(15);
    __m512i bits = _mm512_loadu_si512(line);
    if (kind == XL_PACK_INT8)
        return (struct ints){ _mm512_xor_si512(bits, moved) };
    __m512i table = _mm512_broadcast_i32x4(
        _mm_loadu_si128((const __m128i *)(const void *)xl_pack_int4_codes));
    table = _mm512_xor_si512(table, moved);
    if (i)
        bits = _mm512_srli_epi16(bits, 4);
    return (
        struct ints){ _mm512_shuffle_epi8(table, _mm512_and_si512(bits, low)) };
}

XL_INLINE struct ints ints_dot(struct ints sum, struct ints w, struct ints q)
{
    return (struct ints){ _mm512_dpbusd_epi32(sum.x, w.x, q.x) };
}

XL_INLINE struct xl_vec ints_floats(struct ints a)
{
    return (struct xl_vec){ _mm512_cvtepi32_ps(a.x) };
}

#include "kernel/gemm/panel_vnni.h"

static const char *why_not(void)
{
    return xl_cpu_lacks(XL_HAS_AVX512F | XL_HAS_AVX2 | XL_HAS_FMA |
                        XL_HAS_AVX512BW | XL_HAS_AVX512VL | XL_HAS_AVX512VNNI);
}

const struct xl_gemm xl_gemm_vnni = XL_GEMM_OF_VNNI;
