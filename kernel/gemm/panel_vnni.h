/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed integer weights times rows held in int8: an integer dot product of
 * four inputs a lane and step. Included by the files of a variant.
 *
 * A row is quantised when it comes, by groups of 32 inputs as weights are:
 * x = s q with s = largest |x| / 127 and q in -127..127. A group's part of an
 * output is then s times the weights' scale times an integer sum.
 *
 * The instruction multiplies unsigned by signed bytes. The weights take the
 * unsigned side, moved up by 128:
 *
 *     sum w q = sum (w + 128) q - 128 sum q
 *
 * What is taken off again depends on the row's group alone, not on the output,
 * so that sums simply start there. int8 codes move by flipping their top bit,
 * int4 places are looked up in a table of moved codes. A group's sum stays
 * below 32 x 255 x 127 < 2^20: nothing saturates, and it is exact in fp32.
 * Inputs that are padded have q = 0.
 *
 * Each output adds its groups in order, whatever rows and columns stand beside
 * it. Rows go VNNI_BLOCK at a time through a panel, so that many rows find it
 * in the second-level cache. Panels lie one after the other and are read so:
 * the groups of a panel overlap, for only their last step is a chain, and the
 * processor sees one stream of lines and one of scales, to their end. One row
 * of int8 is read as two such runs, half of the job's columns each. Four
 * neighbours side by side were eight streams, each over before its prefetch had
 * caught up: int4 with 1024 inputs came at 70 % of the rate of a plain read,
 * and comes at 104 % now (one thread of Zen 5). Runs ask for lines VNNI_AHEAD
 * bytes ahead together: eight rows with AVX2 are 1.4 times as fast by it, one
 * row of int4 1.1 times on Zen 5 and 1.4 times on a Xeon, where one stream does
 * not keep enough misses in flight. Where one row asks past the outer caches,
 * 400m on two cores of Zen 5 decodes int4 as fast so as by requests that fill
 * them where reads are fast, and 4 to 5 % faster where they are slow. int8
 * decodes 2.1 to 3.3 % faster than by one run without requests; one run is 2 to
 * 3 % slower with such requests, 6 % with those that fill the caches.
 * Quantising x costs a rounding of 0.5 % of its group's spread, root mean
 * square; int8 weights cost 0.6 %, int4 7 %.
 *
 * The includer defines before:
 *
 *     VNNI_BLOCK     rows in a register block: 4 or 8
 *     struct ints    sixteen 32-bit lanes
 *     ints_set1      the same in all lanes
 *     ints_start     sums of a group to begin with: what moving codes takes off
 *     ints_codes     the i-th four codes of a line's lanes, moved by 128
 *     ints_dot       sum + four such codes x four signed bytes
 *     ints_floats    as fp32
 */
#ifndef XL_PANEL_VNNI_H
#define XL_PANEL_VNNI_H

#include <assert.h>
#include <immintrin.h>
#include <string.h>

#include "kernel/gemm/line.h"
#include "kernel/gemm/panel_store.h"

enum {
    VNNI_ROWS = 64,    /* quantised at once */
    VNNI_AHEAD = 4096, /* bytes, of all runs */
    VNNI_QUADS = XL_PACK_GROUP / 4,
    VNNI_WORDS = VNNI_QUADS + 2 /* of a row's group */
};

/* -- rows ----------------------------------------------------------------- */

/* -128 sum q, the scale, and q as quads in the order that lines want them:
 * the words of a group, one every `stride` words. */
struct quantised {
    int32_t *to;
    size_t stride;
};

static inline float vnni_largest(const __m256 x[4])
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 a = _mm256_max_ps(_mm256_andnot_ps(sign, x[0]),
                             _mm256_andnot_ps(sign, x[1]));
    __m256 b = _mm256_max_ps(_mm256_andnot_ps(sign, x[2]),
                             _mm256_andnot_ps(sign, x[3]));
    a = _mm256_max_ps(a, b);
    __m128 c =
        _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    c = _mm_max_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_max_ss(c, _mm_movehdup_ps(c)));
}

/* The nearest bytes of x times inverse, in order. */
static inline __m256i vnni_bytes(const __m256 x[4], float inverse)
{
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256 factor = _mm256_set1_ps(inverse);
    __m256i w[4];
    for (size_t i = 0; i < 4; i++)
        w[i] = _mm256_cvtps_epi32(_mm256_mul_ps(x[i], factor));
    __m256i low = _mm256_packs_epi32(w[0], w[1]);
    __m256i high = _mm256_packs_epi32(w[2], w[3]);
    return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
}

static inline int32_t vnni_sum(__m256i bytes)
{
    __m256i top = _mm256_set1_epi8(-128), zero = _mm256_setzero_si256();
    __m256i a = _mm256_sad_epu8(_mm256_xor_si256(bytes, top), zero);
    __m128i b = _mm_add_epi64(_mm256_castsi256_si128(a),
                              _mm256_extracti128_si256(a, 1));
    b = _mm_add_epi64(b, _mm_unpackhi_epi64(b, b));
    return _mm_cvtsi128_si32(b) - 128 * XL_PACK_GROUP;
}

/* A group of 32; weights of int4 lie in a lane of eight inputs as the low
 * nibbles of inputs 0 4 1 5, then the high nibbles of 2 6 3 7. A group too
 * small for its inverse counts as 0; one with a NaN or infinity becomes NaN,
 * as the scale does. */
static inline void vnni_quantise(struct quantised q, const float *from,
                                 enum xl_pack_kind kind)
{
    const __m256i nibbles =
        _mm256_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15,
                         0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
    const __m256 x[4] = { _mm256_loadu_ps(from), _mm256_loadu_ps(from + 8),
                          _mm256_loadu_ps(from + 16),
                          _mm256_loadu_ps(from + 24) };
    const float least = 1e-30f;
    int32_t words[VNNI_QUADS];
    float largest = vnni_largest(x), scale = largest / 127;
    __m256i bytes = vnni_bytes(x, largest < least ? 0 : 127 / largest);
    int32_t start = -128 * vnni_sum(bytes);
    if (kind == XL_PACK_INT4)
        bytes = _mm256_shuffle_epi8(bytes, nibbles);
    _mm256_storeu_si256((__m256i *)(void *)words, bytes);
    q.to[0] = start;
    memcpy(q.to + q.stride, &scale, sizeof scale);
    for (size_t i = 0; i < VNNI_QUADS; i++)
        q.to[(i + 2) * q.stride] = words[i];
}

/* Rows of a block that has n left: 1, 2, 4 or VNNI_BLOCK. */
static inline size_t vnni_block_rows(size_t n)
{
    return n > 4 ? (size_t)VNNI_BLOCK : n > 2 ? 4 : n;
}

/* n <= VNNI_ROWS rows from `first` on as [block][group][word][row]. */
static inline void vnni_prepare(const struct xl_gemm_job *job, size_t first,
                                size_t n)
{
    size_t groups = xl_pack_groups(job->k), rows;
    int32_t *block = (int32_t *)(void *)job->scratch;
    for (size_t r = 0; r < n; r += rows, block += rows * groups * VNNI_WORDS) {
        rows = vnni_block_rows(n - r);
        for (size_t i = 0; i < rows; i++) {
            const float *x = job->x + (first + r + i) * job->ldx;
            for (size_t g = 0; g < groups; g++) {
                struct quantised q = { block + g * VNNI_WORDS * rows + i,
                                       rows };
                float part[XL_PACK_GROUP] = { 0 };
                size_t at = g * XL_PACK_GROUP, left = job->k - at;
                size_t real = left < XL_PACK_GROUP ? left : XL_PACK_GROUP;
                if (r + i < n && real == XL_PACK_GROUP) {
                    vnni_quantise(q, x + at, job->packed->kind);
                    continue;
                }
                if (r + i < n)
                    memcpy(part, x + at, real * sizeof *part);
                vnni_quantise(q, part, job->packed->kind);
            }
        }
    }
}

/* -- products ------------------------------------------------------------- */

/* A block of rows: `real` of them are there. */
struct block {
    const struct xl_gemm_job *job;
    const int32_t *x; /* [group][word][row] */
    size_t first, real;
    size_t apart; /* panels from one to the next beside it */
};

/* One group of a panel: an exact sum for each row. */
XL_INLINE void vnni_group(struct ints *part, const unsigned char *lines,
                          const int32_t *x, enum xl_pack_kind kind, size_t rows)
{
    size_t codes = xl_line_inputs(kind) / 4;
    for (size_t r = 0; r < rows; r++)
        part[r] = ints_start(x + r);
    x += 2 * rows;
    for (size_t l = 0; l < VNNI_QUADS; l++, x += rows) {
        struct ints w =
            ints_codes(lines + l / codes * XL_PACK_LINE, kind, l % codes);
        for (size_t r = 0; r < rows; r++)
            part[r] = ints_dot(part[r], w, ints_set1(x + r));
    }
}

/* So many panels side by side, `apart` from one to the next, times a block of
 * rows: rows x panels is VNNI_BLOCK at most. */
XL_INLINE void vnni_panels(const struct block *b, size_t first,
                           enum xl_pack_kind kind, size_t rows, size_t panels)
{
    const struct xl_packed *w = b->job->packed;
    const size_t line_bytes =
        XL_PACK_GROUP / xl_line_inputs(kind) * XL_PACK_LINE;
    size_t groups = xl_pack_groups(w->in);
    const int32_t *x = b->x;
    const size_t ahead = b->job->ahead ? b->job->ahead : VNNI_AHEAD / panels;
    struct xl_vec acc[VNNI_BLOCK];
    struct ints part[VNNI_BLOCK];
    for (size_t i = 0; i < rows * panels; i++)
        acc[i] = xl_vec_zero();
    for (size_t g = 0; g < groups; g++, x += rows * VNNI_WORDS)
        for (size_t p = 0; p < panels; p++) {
            size_t at = (first + p * b->apart) * groups + g;
            const unsigned char *lines =
                (const unsigned char *)w->data + at * line_bytes;
            panel_ask_ahead(b->job, lines, line_bytes, ahead, rows);
            vnni_group(part, lines, x, kind, rows);
            struct xl_vec scale =
                xl_vec_load_bf16(w->scales + at * XL_PACK_LANES);
            for (size_t r = 0; r < rows; r++) {
                struct xl_vec *sum = acc + p * rows + r;
                float s;
                memcpy(&s, x + rows + r, sizeof s);
                *sum = xl_vec_fma(xl_vec_mul(ints_floats(part[r]), scale),
                                  xl_vec_set1(s), *sum);
            }
        }
    for (size_t p = 0; p < panels; p++)
        for (size_t r = 0; r < rows && r < b->real; r++)
            panel_store_biased(b->job, b->first + r, first + p * b->apart,
                               acc[p * rows + r]);
}

/* A panel times a block of 1, 2, 4 or VNNI_BLOCK rows. */
XL_INLINE void vnni_rows(const struct block *b, size_t panel,
                         enum xl_pack_kind kind)
{
    size_t rows = vnni_block_rows(b->real);
    if (rows == 1)
        vnni_panels(b, panel, kind, 1, 1);
    else if (rows == 2)
        vnni_panels(b, panel, kind, 2, 1);
    else if (rows == 4)
        vnni_panels(b, panel, kind, 4, 1);
    else
        vnni_panels(b, panel, kind, VNNI_BLOCK, 1);
}

/* Rows from panel `begin` on. */
XL_INLINE void vnni_columns(const struct xl_gemm_job *job, size_t first,
                            size_t n, enum xl_pack_kind kind, size_t begin)
{
    size_t end = xl_pack_panels(job->n_end);
    size_t words = xl_pack_groups(job->k) * VNNI_WORDS;
    for (size_t panel = begin; panel < end; panel++) {
        const int32_t *x = (const int32_t *)(const void *)job->scratch;
        for (size_t r = 0; r < n; r += VNNI_BLOCK) {
            size_t real = n - r < VNNI_BLOCK ? n - r : (size_t)VNNI_BLOCK;
            struct block b = { job, x, first + r, real, 0 };
            vnni_rows(&b, panel, kind);
            x += vnni_block_rows(real) * words;
        }
    }
}

/* One row of int8: columns are cut in two runs side by side. Returns the panel
 * that is left over, or the end. */
XL_INLINE size_t vnni_two_runs(const struct xl_gemm_job *job, size_t row)
{
    size_t begin = job->n_begin / XL_PACK_LANES;
    size_t half = (xl_pack_panels(job->n_end) - begin) / 2;
    const int32_t *x = (const int32_t *)(const void *)job->scratch;
    struct block b = { job, x, row, 1, half };
    for (size_t i = 0; i < half; i++)
        vnni_panels(&b, begin + i, XL_PACK_INT8, 1, 2);
    return begin + 2 * half;
}

static size_t scratch_floats(size_t k)
{
    return VNNI_ROWS * xl_pack_groups(k) * VNNI_WORDS;
}

static void run(const struct xl_gemm_job *job)
{
    assert(job->packed->in == job->k);
    if (job->n_begin == job->n_end)
        return;
    for (size_t first = 0; first < job->m; first += VNNI_ROWS) {
        size_t left = job->m - first;
        size_t n = left < VNNI_ROWS ? left : (size_t)VNNI_ROWS;
        size_t begin = job->n_begin / XL_PACK_LANES;
        if (!job->is_prepared || job->m > VNNI_ROWS)
            vnni_prepare(job, first, n);
        if (job->packed->kind == XL_PACK_INT8) {
            if (n == 1)
                begin = vnni_two_runs(job, first);
            vnni_columns(job, first, n, XL_PACK_INT8, begin);
        } else {
            vnni_columns(job, first, n, XL_PACK_INT4, begin);
        }
    }
}

/* -- the variant ---------------------------------------------------------- */

/* clang-format off */
#define XL_GEMM_OF_VNNI                                                     \
    {                                                                       \
        .name = "vnni",                                                     \
        .reads_packed = 1u << XL_PACK_INT8 | 1u << XL_PACK_INT4,            \
        .rounds = XL_ROUNDING_INT8,                                         \
        .why_not = why_not,                                                 \
        .scratch_floats = scratch_floats,                                   \
        .run = run,                                                         \
    }
/* clang-format on */

#endif
