/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed bf16 and integer weights by vdpbf16ps: two inputs a lane and step.
 *
 * x is rounded to bf16, in decode as in prefill. It used to be split into two
 * halves for few rows, which kept 16 of its bits at twice the products: a
 * batch of eight then cost more than its memory.
 *
 * Few rows turn integer codes into bf16 by a permutation of a table, nibble by
 * nibble (an int8 is 16 times its high nibble plus the low one); they are
 * exact there. Many rows turn a panel into scaled bf16 lines first. */
#include "kernel/gemm/gemm.h"

#include "kernel/base/cpu.h"
#include "kernel/gemm/gemm_int.h"
#include "kernel/gemm/panel_bf16.h"

enum {
    FEW_MOST = 16,
    FEW_ROWS = 8,
    FEW_PANELS = 1,
    FEW_BESIDE = 2,
    FEW_APART = 1,
    FEW_UNIT = 2,
    MANY_UNIT = 2,
    MANY_STEP = 4,
    MANY_PANELS = 2
};

/* -- few rows ------------------------------------------------------------- */

/* Sixteen inputs as pairs: int8 pairs inputs 0 and 2, 1 and 3 of a line, byte
 * 0 of each half, byte 1 of each half; the other kinds pair neighbours. */
static inline __m256i few_pairs(__m512 x, enum xl_pack_kind kind)
{
    __m256i pairs = (__m256i)_mm512_cvtneps_pbh(x);
    if (kind == XL_PACK_INT8) {
        pairs = _mm256_shufflelo_epi16(pairs, _MM_SHUFFLE(3, 1, 2, 0));
        pairs = _mm256_shufflehi_epi16(pairs, _MM_SHUFFLE(3, 1, 2, 0));
    }
    return pairs;
}

static inline void few_x(float *to, size_t stride, const float *x, size_t k,
                         enum xl_pack_kind kind)
{
    size_t padded = xl_pack_groups(k) * XL_PACK_GROUP;
    for (size_t i = 0; i < padded; i += XL_LANES, to += XL_LANES / 2 * stride) {
        size_t left = i < k ? k - i : 0;
        __mmask16 there =
            (__mmask16)(left < XL_LANES ? (1u << left) - 1 : 0xffff);
        float words[XL_LANES / 2];
        __m256i pairs = few_pairs(_mm512_maskz_loadu_ps(there, x + i), kind);
        if (stride == 1) {
            _mm256_storeu_si256((__m256i *)(void *)to, pairs);
            continue;
        }
        _mm256_storeu_si256((__m256i *)(void *)words, pairs);
        for (size_t p = 0; p < XL_LANES / 2; p++)
            to[p * stride] = words[p];
    }
}

XL_INLINE struct xl_vec dot(struct xl_vec sum, __m512i w, const float *x)
{
    __m512i pairs = _mm512_castps_si512(_mm512_set1_ps(*x));
    return (
        struct xl_vec){ _mm512_dpbf16_ps(sum.x, (__m512bh)w, (__m512bh)pairs) };
}

/* Sixteen small integers in bf16, where they are exact, twice over: the
 * permutation also sees a fifth bit. */
XL_INLINE __m512i table_of(__m128i values)
{
    __m512 wide = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(values));
    __m256i half =
        _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_castps_si512(wide), 16));
    return _mm512_broadcast_i64x4(half);
}

XL_INLINE __m512i int4_table(void)
{
    return table_of(
        _mm_loadu_si128((const __m128i *)(const void *)xl_pack_int4_codes));
}

/* An int8 by its nibbles: the low one as it is, the high one times 16. */
XL_INLINE __m512i low_table(void)
{
    return table_of(
        _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

XL_INLINE __m512i high_table(void)
{
    return table_of(_mm_setr_epi8(0, 16, 32, 48, 64, 80, 96, 112, -128, -112,
                                  -96, -80, -64, -48, -32, -16));
}

XL_INLINE __m512i nibbles(__m512i line, unsigned i, __m512i table)
{
    return _mm512_permutexvar_epi16(_mm512_srli_epi16(line, 4 * i), table);
}

XL_INLINE void few_line(struct xl_vec *sums, const void *from, const float *x,
                        enum xl_pack_kind kind, size_t rows)
{
    __m512i line = _mm512_loadu_si512(from);
    for (size_t r = 0; kind == XL_PACK_BF16 && r < rows; r++)
        sums[r] = dot(sums[r], line, x + r);
    for (unsigned i = 0; kind == XL_PACK_INT4 && i < 4; i++) {
        __m512i w = nibbles(line, i, int4_table());
        for (size_t r = 0; r < rows; r++)
            sums[r] = dot(sums[r], w, x + i * rows + r);
    }
    for (unsigned i = 0; kind == XL_PACK_INT8 && i < 4; i++) {
        __m512i w = nibbles(line, i, i % 2 ? high_table() : low_table());
        for (size_t r = 0; r < rows; r++)
            sums[r] = dot(sums[r], w, x + i / 2 * rows + r);
    }
}

/* -- many rows ------------------------------------------------------------ */

XL_INLINE struct xl_vec many_step(struct xl_vec acc, struct xl_vec w,
                                  const float *x)
{
    return dot(acc, _mm512_castps_si512(w.x), x);
}

/* n <= 32 inputs as pairs. */
static inline void many_x(float to[XL_LANES], const float *x, size_t n)
{
    bf16_row(to, x, n);
}

static inline const float *many_lines(const struct xl_packed *w, size_t panel,
                                      size_t group, size_t lines, float *room)
{
    return bf16_lines(w, panel, group, 2 * lines / XL_PACK_GROUP, room);
}

#include "kernel/gemm/panel_few.h"
#include "kernel/gemm/panel_many.h"

/* -- the engine ----------------------------------------------------------- */

static const char *why_not(void)
{
    return xl_cpu_lacks(XL_HAS_AVX512F | XL_HAS_AVX2 | XL_HAS_FMA |
                        XL_HAS_AVX512BW | XL_HAS_AVX512VL | XL_HAS_AVX512BF16);
}

static size_t scratch_floats(size_t k)
{
    size_t few = few_scratch(k), many = many_scratch(k);
    return few > many ? few : many;
}

static void run(const struct xl_gemm_job *job)
{
    struct few f = { .job = job };
    if (job->m == 0 || job->n_begin == job->n_end)
        return;
    if (job->m > FEW_MOST) {
        run_many(job, job->scratch);
        return;
    }
    few_prepare(&f);
    if (job->packed->kind == XL_PACK_BF16)
        few_kind(&f, XL_PACK_BF16);
    else if (job->packed->kind == XL_PACK_INT8)
        few_kind(&f, XL_PACK_INT8);
    else
        few_kind(&f, XL_PACK_INT4);
}

const struct xl_gemm xl_gemm_avx512bf16 = {
    .name = "avx512bf16",
    .reads_packed =
        1u << XL_PACK_BF16 | 1u << XL_PACK_INT8 | 1u << XL_PACK_INT4,
    .rounds = XL_ROUNDING_BF16,
    .few_rows = FEW_MOST,
    .why_not = why_not,
    .scratch_floats = scratch_floats,
    .x_bytes = many_x_bytes,
    .pack_x = many_pack_x,
    .run = run,
};
