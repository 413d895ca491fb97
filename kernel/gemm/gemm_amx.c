/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed bf16 and integer weights by matrix tiles.
 *
 * The bf16 lines of 32 inputs of a panel are a tile as they stand; integer
 * weights are turned into such lines a slice of inputs at a time, once for a
 * block of rows. Two tiles of rows times two panels stay in four tile
 * registers over a slice and go to y from there. x is rounded to bf16 when it
 * is packed, by the caller for several products or here; so is every scaled
 * integer weight; sums are fp32, one over k in order, whatever the slices.
 * Fewer rows than LEAST_ROWS leave most of a tile empty: the bf16 dot products
 * of gemm_avx512bf16.c do those.
 *
 * Every product needs one tile load, and a core loads two tiles from its first
 * cache in the time of one from its second. Two panels of a slice stay in the
 * first (32 KiB of 48), because tiles of x, which pass by, are loaded with the
 * hint that keeps them out of it: 2.00 TF/s for 1.58 on an Intel Xeon of 2023
 * (registers alone: 3.33), 1024 inputs; 1.92 for 1.60 with 2752. Slices of 256
 * without the hint gave 1.79, the hint on panels too 1.65, x fetched a block
 * ahead 1.47. The first pair of panels loads x without it: what comes from
 * another core is to stay in the second-level cache.
 *
 * The next two panels are prefetched line by line while tiles multiply. The
 * tile loop is written in assembly (kernel/tensor/amx.h says why). */
#include "kernel/gemm/gemm.h"

#include <assert.h>
#include <string.h>

#include "kernel/gemm/gemm_int.h"
#include "kernel/gemm/panel_bf16.h"
#include "kernel/gemm/panel_store.h"
#include "kernel/tensor/amx.h"

enum {
    LEAST_ROWS = 16,
    TILE_ROWS = 16,
    TILE_INPUTS = 32,
    TILE_BYTES = 1024,
    K_BLOCK = 512,     /* of packed x */
    K_BLOCK_OWN = 256, /* of x packed here */
    M_BLOCK = 512,
    X_BYTES = M_BLOCK * K_BLOCK_OWN * 2
};

/* n steps of a block of 2 x 2 tiles: two strips of n tiles of x, two panels'
 * n tiles; lines to prefetch, `step` bytes a step. */
struct steps {
    const unsigned char *x0, *x1;
    const void *w0, *w1;
    const char *next0, *next1;
    size_t step, n;
    bool is_first; /* c is not read */
    bool is_fresh; /* x is not in the second-level cache yet */
};

/* clang-format off */
#define MULTIPLY(load_x)                                                      \
    "1:\n\t"                                                                  \
    load_x " (%[x0],%[line],1), %%tmm4\n\t"                                   \
    "tileloadd (%[w0],%[line],1), %%tmm6\n\t"                                 \
    "tdpbf16ps %%tmm6, %%tmm4, %%tmm0\n\t"                                    \
    load_x " (%[x1],%[line],1), %%tmm5\n\t"                                   \
    "prefetcht1 (%[next0])\n\t"                                               \
    "tdpbf16ps %%tmm6, %%tmm5, %%tmm2\n\t"                                    \
    "tileloadd (%[w1],%[line],1), %%tmm7\n\t"                                 \
    "prefetcht1 (%[next1])\n\t"                                               \
    "tdpbf16ps %%tmm7, %%tmm4, %%tmm1\n\t"                                    \
    "tdpbf16ps %%tmm7, %%tmm5, %%tmm3\n\t"                                    \
    "add $1024, %[x0]\n\t"                                                    \
    "add $1024, %[x1]\n\t"                                                    \
    "add $1024, %[w0]\n\t"                                                    \
    "add $1024, %[w1]\n\t"                                                    \
    "add %[step], %[next0]\n\t"                                               \
    "add %[step], %[next1]\n\t"                                               \
    "dec %[n]\n\t"                                                            \
    "jnz 1b"                                                                  \
    : [x0] "+r"(x0), [x1] "+r"(x1), [w0] "+r"(w0), [w1] "+r"(w1),             \
      [next0] "+r"(next0), [next1] "+r"(next1), [n] "+r"(n)                   \
    : [line] "r"(line), [step] "r"(s->step)                                   \
    : "memory", "cc"
/* clang-format on */

/* c [32][wide bytes] (+)= x tiles times weight tiles. */
static void multiply_block(float *c, size_t wide, const struct steps *s)
{
    const unsigned char *x0 = s->x0, *x1 = s->x1, *w0 = s->w0, *w1 = s->w1;
    const char *next0 = s->next0, *next1 = s->next1;
    char *low = (char *)c + TILE_ROWS * wide;
    size_t line = XL_PACK_LINE, n = s->n;
    if (s->is_first)
        __asm__ volatile("tilezero %%tmm0\n\t"
                         "tilezero %%tmm1\n\t"
                         "tilezero %%tmm2\n\t"
                         "tilezero %%tmm3"
                         :
                         :
                         : "memory");
    else
        __asm__ volatile("tileloadd (%[c],%[wide],1), %%tmm0\n\t"
                         "tileloadd 64(%[c],%[wide],1), %%tmm1\n\t"
                         "tileloadd (%[low],%[wide],1), %%tmm2\n\t"
                         "tileloadd 64(%[low],%[wide],1), %%tmm3"
                         :
                         : [c] "r"(c), [low] "r"(low), [wide] "r"(wide)
                         : "memory");
    if (s->is_fresh)
        __asm__ volatile(MULTIPLY("tileloadd"));
    else
        __asm__ volatile(MULTIPLY("tileloaddt1"));
    __asm__ volatile("tilestored %%tmm0, (%[c],%[wide],1)\n\t"
                     "tilestored %%tmm1, 64(%[c],%[wide],1)\n\t"
                     "tilestored %%tmm2, (%[low],%[wide],1)\n\t"
                     "tilestored %%tmm3, 64(%[low],%[wide],1)"
                     :
                     : [c] "r"(c), [low] "r"(low), [wide] "r"(wide)
                     : "memory");
}

/* Rows i .. i + rows of the job, inputs k .. k + 32 tiles. */
struct slice {
    const struct xl_gemm_job *job;
    size_t i, rows, k, tiles;
    const unsigned char *x;      /* tile of row i, input k */
    size_t x_apart;              /* bytes from 16 rows to the next */
    unsigned char *own_x, *room; /* scratch */
};

static size_t padded(size_t rows)
{
    return (rows + 31) / 32 * 32;
}

/* Rows first..end as tiles [16 rows][k tile][16][32] bf16; what is not there is
 * 0. `to` is the tile of row 0. */
static void pack_rows(const struct slice *s, size_t first, size_t end,
                      unsigned char *to)
{
    size_t left = s->job->k - s->k;
    for (size_t r = first; r < end; r++) {
        const float *x = s->job->x + (s->i + r) * s->job->ldx + s->k;
        unsigned char *line = to + r / TILE_ROWS * s->tiles * TILE_BYTES +
                              r % TILE_ROWS * XL_PACK_LINE;
        for (size_t t = 0; t < s->tiles; t++, line += TILE_BYTES) {
            size_t at = t * TILE_INPUTS;
            if (r >= s->rows)
                memset(line, 0, XL_PACK_LINE);
            else
                bf16_row(line, x + at, at < left ? left - at : 0);
        }
    }
}

static size_t x_bytes(size_t m, size_t k)
{
    return m < LEAST_ROWS
               ? 0
               : padded(m) / TILE_ROWS * xl_pack_groups(k) * (size_t)TILE_BYTES;
}

/* A strip of 16 rows is whole; what a job's last block reads behind its rows
 * is another strip, or padding, and goes nowhere. */
static size_t x_row_bytes(size_t k)
{
    static_assert((int)XL_GEMM_ROWS == (int)TILE_ROWS, "a strip of rows");
    return xl_pack_groups(k) * XL_PACK_LINE;
}

/* As pack_rows for the inputs that the job's x has, half a tile at a time. */
static void pack_inputs(const struct xl_gemm_job *job, size_t begin, size_t end,
                        unsigned char *to)
{
    size_t tiles = xl_pack_groups(job->k), half = TILE_INPUTS / 2;
    size_t last = job->k_end == job->k ? tiles * TILE_INPUTS : job->k_end;
    for (size_t r = begin; r < end; r++) {
        unsigned char *line = to + r / TILE_ROWS * tiles * TILE_BYTES +
                              r % TILE_ROWS * XL_PACK_LINE;
        for (size_t at = job->k_begin; at < last; at += half) {
            size_t left = r < job->m && at < job->k_end ? job->k_end - at : 0;
            bf16_half_row(
                line + at / TILE_INPUTS * TILE_BYTES + at % TILE_INPUTS * 2,
                left ? job->x + r * job->ldx + at - job->k_begin : job->x,
                left < half ? left : half);
        }
    }
}

static void pack_x(const struct xl_gemm_job *job, size_t begin, size_t end,
                   void *to)
{
    struct slice s = { .job = job, .rows = job->m };
    if (end == job->m)
        end = padded(end);
    if (job->k_end) {
        pack_inputs(job, begin, end, to);
        return;
    }
    static_assert((int)TILE_INPUTS == (int)XL_PACK_GROUP,
                  "a group is a tile deep");
    s.tiles = xl_pack_groups(job->k);
    pack_rows(&s, begin, end, to);
}

/* Between y and the block [32][32] of rows at.., panels panel, panel + 1. */
static void move_block(const struct slice *s, size_t at, size_t panel,
                       float *block, bool to_y)
{
    const struct xl_gemm_job *job = s->job;
    size_t rows = s->rows - at < 32 ? s->rows - at : 32;
    for (size_t p = 0; p < 2 && (panel + p) * XL_PACK_LANES < job->n_end; p++) {
        size_t begin, end;
        panel_cut(job, panel + p, &begin, &end);
        for (size_t r = 0; r < rows; r++) {
            float *here = block + r * 32 + p * XL_PACK_LANES + begin;
            float *y = job->y + (s->i + at + r) * job->ldy +
                       (panel + p) * XL_PACK_LANES + begin;
            memcpy(to_y ? y : here, to_y ? here : y, (end - begin) * sizeof *y);
        }
    }
}

/* Rows or columns that y does not have: through a copy. */
static void run_cut(const struct slice *s, size_t at, size_t panel,
                    const struct steps *steps)
{
    _Alignas(64) float block[32 * 32];
    if (!steps->is_first) {
        memset(block, 0, sizeof block);
        move_block(s, at, panel, block, false);
    }
    multiply_block(block, 32 * sizeof *block, steps);
    move_block(s, at, panel, block, true);
}

/* The lines of the two panels that come next, spread over the steps of all row
 * blocks of 512 rows; of fewer rows, every other line or less, which is enough
 * for hardware to fetch those between. Unasked from memory, the first pair of a
 * slice cost a block of four pairs a fifth. */
static void find_next(const struct slice *s, size_t panel, struct steps *steps)
{
    const struct xl_packed *w = s->job->packed;
    size_t bytes = xl_pack_panel_bytes(w->kind, w->in);
    const char *next =
        panel_after(s->job, panel + 2, s->k, s->tiles * TILE_INPUTS);
    size_t apart = s->rows < M_BLOCK ? M_BLOCK / padded(s->rows) : 1;
    steps->step = next ? apart * 2 * XL_PACK_LINE / xl_line_inputs(w->kind) : 0;
    steps->next0 = next ? next : (const char *)s->x;
    steps->next1 = steps->next0 + (next ? bytes : 0);
}

/* All rows of the slice past two panels; the second may not exist. */
static void run_pair(const struct slice *s, size_t panel, bool has_two)
{
    const struct xl_gemm_job *job = s->job;
    const struct xl_packed *w = job->packed;
    size_t group = s->k / XL_PACK_GROUP, room = s->tiles * TILE_BYTES;
    bool is_whole =
        has_two && panel_is_whole(job, panel) && panel_is_whole(job, panel + 1);
    struct steps steps = { .n = s->tiles, .is_first = s->k == 0 };
    steps.is_fresh = panel == job->n_begin / XL_PACK_LANES;
    steps.w0 = bf16_lines(w, panel, group, s->tiles, s->room);
    steps.w1 = !has_two
                   ? steps.w0
                   : bf16_lines(w, panel + 1, group, s->tiles, s->room + room);
    find_next(s, panel, &steps);
    for (size_t at = 0; at < s->rows; at += 32) {
        steps.x0 = s->x + at / TILE_ROWS * s->x_apart;
        steps.x1 = steps.x0 + s->x_apart;
        if (is_whole && at + 32 <= s->rows)
            multiply_block(job->y + (s->i + at) * job->ldy +
                               panel * XL_PACK_LANES,
                           job->ldy * sizeof *job->y, &steps);
        else
            run_cut(s, at, panel, &steps);
        steps.next0 += steps.step * steps.n;
        steps.next1 += steps.step * steps.n;
    }
}

static void run_slice(struct slice *s)
{
    const struct xl_gemm_job *job = s->job;
    size_t panel = job->n_begin / XL_PACK_LANES;
    size_t end = xl_pack_panels(job->n_end);
    if (job->packed_x) {
        s->x_apart = xl_pack_groups(job->k) * TILE_BYTES;
        s->x = (const unsigned char *)job->packed_x +
               s->i / TILE_ROWS * s->x_apart + s->k / TILE_INPUTS * TILE_BYTES;
    } else {
        pack_rows(s, 0, padded(s->rows), s->own_x);
        s->x_apart = s->tiles * TILE_BYTES;
        s->x = s->own_x;
    }
    for (; panel < end; panel += 2)
        run_pair(s, panel, panel + 1 < end);
}

static size_t k_tiles_of(const struct xl_gemm_job *job)
{
    size_t k = job->k_block ? job->k_block : (size_t)K_BLOCK;
    return xl_pack_groups(job->packed_x ? k : (size_t)K_BLOCK_OWN);
}

static void run_tiles(const struct xl_gemm_job *job)
{
    struct slice s = { .job = job };
    uintptr_t scratch = ((uintptr_t)job->scratch + 63) & ~(uintptr_t)63;
    size_t k_tiles = k_tiles_of(job);
    s.own_x = (unsigned char *)scratch;
    s.room = s.own_x + X_BYTES;
    assert(job->packed->in == job->k);
    xl_amx_begin();
    for (s.i = 0; s.i < job->m; s.i += M_BLOCK) {
        s.rows = job->m - s.i < M_BLOCK ? job->m - s.i : (size_t)M_BLOCK;
        for (s.k = 0; s.k < job->k; s.k += k_tiles * TILE_INPUTS) {
            size_t groups = xl_pack_groups(job->k - s.k);
            s.tiles = groups < k_tiles ? groups : k_tiles;
            run_slice(&s);
        }
    }
    xl_amx_end();
    panel_add_bias(job);
}

/* -- the engine ----------------------------------------------------------- */

static const char *why_not(void)
{
    const char *why = xl_gemm_avx512bf16.why_not();
    return why ? why : xl_amx_why_not();
}

static size_t scratch_floats(size_t k)
{
    size_t few = xl_gemm_avx512bf16.scratch_floats(k);
    size_t w_bytes = 2 * xl_pack_groups(k) * (size_t)TILE_BYTES;
    size_t tiles = (X_BYTES + w_bytes) / sizeof(float) + 16;
    return few > tiles ? few : tiles;
}

static void run(const struct xl_gemm_job *job)
{
    if (job->m < LEAST_ROWS)
        xl_gemm_avx512bf16.run(job);
    else if (job->n_begin < job->n_end)
        run_tiles(job);
}

const struct xl_gemm xl_gemm_amx = {
    .name = "amx",
    .summary = "packed bf16 and integer weights by bf16 matrix tiles",
    .reads_packed =
        1u << XL_PACK_BF16 | 1u << XL_PACK_INT8 | 1u << XL_PACK_INT4,
    .few_rows = LEAST_ROWS - 1, /* as avx512bf16 */
    .why_not = why_not,
    .scratch_floats = scratch_floats,
    .x_bytes = x_bytes,
    .pack_x = pack_x,
    .x_row_bytes = x_row_bytes,
    .run = run,
};
