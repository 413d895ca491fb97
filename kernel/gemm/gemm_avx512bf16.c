/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed bf16 and integer weights by vdpbf16ps: two inputs a lane and step.
 *
 * Few rows: x is split into two bf16, x = high + low, and bf16 weights are
 * multiplied by both, so that only 2^-17 of x is lost; the memory is the limit
 * anyhow. Integer weights take the high half alone: their own error is larger.
 * Their codes become bf16 by a permutation of a table, nibble by nibble (an
 * int8 is 16 times its high nibble plus the low one), and are exact.
 * Many rows take the high half alone. */
#include "kernel/gemm/gemm.h"

#include "kernel/base/cpu.h"
#include "kernel/gemm/gemm_int.h"
#include "kernel/gemm/panel_bf16.h"

enum {
    FEW_ROWS = 8,
    FEW_PANELS = 4,
    FEW_CHAINS = 16,
    MANY_UNIT = 2,
    MANY_STEP = 4,
    MANY_PANELS = 2
};

/* -- few rows ------------------------------------------------------------- */

/* Two values of x, as high pair and low pair. */
static inline void split_pair(uint32_t to[2], float a, float b)
{
    to[0] = bf16_pair(a, b);
    to[1] = bf16_pair(a - xl_bf16_to_f32((uint16_t)to[0]),
                      b - xl_bf16_to_f32((uint16_t)(to[0] >> 16)));
}

/* int8 pairs inputs 0 and 2, 1 and 3 of a line: byte 0 of each half, byte 1
 * of each half. The other kinds pair neighbours. */
static inline void few_x(float *to, size_t stride, const float *x, size_t k,
                         enum xl_pack_kind kind)
{
    size_t apart = kind == XL_PACK_INT8 ? 2 : 1;
    size_t padded = xl_pack_groups(k) * XL_PACK_GROUP;
    for (size_t i = 0; i < padded; i += 2) {
        size_t a = apart == 2 ? i / 4 * 4 + i % 4 / 2 : i;
        uint32_t pair[2];
        split_pair(pair, a < k ? x[a] : 0, a + apart < k ? x[a + apart] : 0);
        memcpy(to + i * stride, &pair[0], sizeof pair[0]);
        memcpy(to + (i + 1) * stride, &pair[1], sizeof pair[1]);
    }
}

XL_INLINE struct xl_vec dot(struct xl_vec sum, __m512i w, const float *x)
{
    __m512i pairs = _mm512_castps_si512(_mm512_set1_ps(*x));
    return (
        struct xl_vec){ _mm512_dpbf16_ps(sum.x, (__m512bh)w, (__m512bh)pairs) };
}

/* 2^shift times each code, or two's complement nibble, in bf16, twice over:
 * the permutation also sees a fifth bit. */
static const uint16_t int4_table[32] = {
    0xc2fe, 0xc2d0, 0xc2a6, 0xc282, 0xc244, 0xc20c, 0xc1b0, 0xc120,
    0x3f80, 0x4150, 0x41c8, 0x4218, 0x4254, 0x428a, 0x42b2, 0x42e2,
    0xc2fe, 0xc2d0, 0xc2a6, 0xc282, 0xc244, 0xc20c, 0xc1b0, 0xc120,
    0x3f80, 0x4150, 0x41c8, 0x4218, 0x4254, 0x428a, 0x42b2, 0x42e2,
};
static const uint16_t low_table[32] = {
    0x0000, 0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0, 0x40e0,
    0x4100, 0x4110, 0x4120, 0x4130, 0x4140, 0x4150, 0x4160, 0x4170,
    0x0000, 0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0, 0x40e0,
    0x4100, 0x4110, 0x4120, 0x4130, 0x4140, 0x4150, 0x4160, 0x4170,
};
static const uint16_t high_table[32] = {
    0x0000, 0x4180, 0x4200, 0x4240, 0x4280, 0x42a0, 0x42c0, 0x42e0,
    0xc300, 0xc2e0, 0xc2c0, 0xc2a0, 0xc280, 0xc240, 0xc200, 0xc180,
    0x0000, 0x4180, 0x4200, 0x4240, 0x4280, 0x42a0, 0x42c0, 0x42e0,
    0xc300, 0xc2e0, 0xc2c0, 0xc2a0, 0xc280, 0xc240, 0xc200, 0xc180,
};

XL_INLINE __m512i nibbles(__m512i line, unsigned i, const uint16_t *table)
{
    return _mm512_permutexvar_epi16(_mm512_srli_epi16(line, 4 * i),
                                    _mm512_loadu_si512(table));
}

XL_INLINE void few_line(struct xl_vec *sums, const void *from, const float *x,
                        enum xl_pack_kind kind, size_t rows)
{
    __m512i line = _mm512_loadu_si512(from);
    for (size_t i = 0; kind == XL_PACK_BF16 && i < 2; i++)
        for (size_t r = 0; r < rows; r++)
            sums[r] = dot(sums[r], line, x + i * rows + r);
    for (unsigned i = 0; kind == XL_PACK_INT4 && i < 4; i++) {
        __m512i w = nibbles(line, i, int4_table);
        for (size_t r = 0; r < rows; r++)
            sums[r] = dot(sums[r], w, x + 2 * i * rows + r);
    }
    for (unsigned i = 0; kind == XL_PACK_INT8 && i < 4; i++) {
        __m512i w = nibbles(line, i, i % 2 ? high_table : low_table);
        for (size_t r = 0; r < rows; r++)
            sums[r] = dot(sums[r], w, x + i / 2 * 2 * rows + r);
    }
}

/* -- many rows ------------------------------------------------------------ */

XL_INLINE struct xl_vec many_step(struct xl_vec acc, struct xl_vec w,
                                  const float *x)
{
    return dot(acc, _mm512_castps_si512(w.x), x);
}

static inline void many_x(float *to, size_t stride, const float *x, size_t n,
                          size_t lines)
{
    for (size_t l = 0; l < lines; l++) {
        uint32_t pair = bf16_pair(2 * l < n ? x[2 * l] : 0,
                                  2 * l + 1 < n ? x[2 * l + 1] : 0);
        memcpy(to + l * stride, &pair, sizeof pair);
    }
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
    struct xl_cpu cpu;
    xl_cpu_read(&cpu);
    if (!cpu.isa[XL_ISA_AVX512BW] || !cpu.isa[XL_ISA_AVX512VL])
        return "the processor has no avx512bw and avx512vl";
    return cpu.isa[XL_ISA_AVX512BF16] ? NULL
                                      : "the processor has no avx512_bf16";
}

static size_t scratch_floats(size_t k)
{
    size_t few = few_scratch(k), many = many_scratch();
    return few > many ? few : many;
}

static void run(const struct xl_gemm_job *job)
{
    struct few f = { .job = job };
    if (job->m == 0 || job->n_begin == job->n_end)
        return;
    if (job->m > FEW_ROWS) {
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
    .summary = "packed bf16 and integer weights by bf16 dot products",
    .reads_packed =
        1u << XL_PACK_BF16 | 1u << XL_PACK_INT8 | 1u << XL_PACK_INT4,
    .few_rows = FEW_ROWS,
    .why_not = why_not,
    .scratch_floats = scratch_floats,
    .run = run,
};
