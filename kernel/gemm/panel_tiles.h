/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed bf16 and integer weights by matrix tiles: which tiles meet when.
 * Included by the files of a variant, after the tiles themselves
 * (tiles_amx.h).
 *
 * The bf16 lines of 32 inputs of a panel are a tile as they stand; integer
 * weights are turned into such lines a slice of inputs at a time, once for a
 * block of rows. Two tiles of rows times two panels stay in four tile
 * registers over a slice. x is rounded to bf16 when it is packed, by the caller
 * for several products or here; so is every scaled integer weight; sums are
 * fp32, one over k in order, whatever the slices.
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
 * Sums wait between slices as tiles, side by side in scratch that stays in the
 * second-level cache; y is written once, a block of sums at a time. Where x of
 * all inputs stays in that cache, a pair of panels goes through its slices at
 * once and leaves 64 KiB of sums; else a chunk of pairs goes through each.
 *
 * The next two panels are prefetched line by line while tiles multiply. */
#ifndef XL_PANEL_TILES_H
#define XL_PANEL_TILES_H

#include <assert.h>
#include <string.h>

#include "kernel/gemm/gemm_int.h"
#include "kernel/gemm/panel_bf16.h"
#include "kernel/gemm/panel_store.h"
#include "kernel/gemm/tiles.h"

enum {
    LEAST_ROWS = 16,
    K_BLOCK = 512,     /* of packed x */
    K_BLOCK_OWN = 256, /* of x packed here */
    M_BLOCK = 512,
    X_BYTES = M_BLOCK * K_BLOCK_OWN * 2,
    X_STAYS = 1600 * 1024, /* bytes of x for a chunk of one pair */
    CHUNK = 16,            /* pairs */
    SUM_FLOATS = CHUNK * M_BLOCK / BLOCK_ROWS * BLOCK_FLOATS
};

/* -- packed x ------------------------------------------------------------- */

static size_t padded(size_t rows)
{
    return (rows + BLOCK_ROWS - 1) / BLOCK_ROWS * BLOCK_ROWS;
}

/* Rows first..end of x, `tiles` tiles of inputs from k on, as tiles
 * [16 rows][k tile][16][32] bf16; what is not there is 0. `to` is the tile of
 * row 0. */
static void pack_rows(const struct xl_gemm_job *job, size_t first, size_t end,
                      size_t k, size_t tiles, unsigned char *to)
{
    size_t left = job->k - k;
    for (size_t r = first; r < end; r++) {
        const float *x = job->x + r * job->ldx + k;
        unsigned char *line = to + r / TILE_ROWS * tiles * TILE_BYTES +
                              r % TILE_ROWS * XL_PACK_LINE;
        for (size_t t = 0; t < tiles; t++, line += TILE_BYTES) {
            size_t at = t * TILE_INPUTS;
            if (r >= job->m)
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

/* Does x stay in the second-level cache, of 2 MiB, between pairs and jobs? */
static bool x_stays(size_t m, size_t k)
{
    return x_bytes(m, k) <= X_STAYS;
}

/* A line of packed outputs; where each job reads x from further away, as many
 * panels as a chunk has pairs: two jobs of these for one of all pairs cost
 * nothing, and a core that others use takes fewer. */
static size_t grain(size_t m, size_t k)
{
    return (x_stays(m, k) ? 2 : CHUNK) * (size_t)XL_PACK_LANES;
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
                left);
        }
    }
}

static void pack_x(const struct xl_gemm_job *job, size_t begin, size_t end,
                   void *to)
{
    if (end == job->m)
        end = padded(end);
    if (job->k_end) {
        pack_inputs(job, begin, end, to);
        return;
    }
    static_assert((int)TILE_INPUTS == (int)XL_PACK_GROUP,
                  "a group is a tile deep");
    pack_rows(job, begin, end, 0, xl_pack_groups(job->k), to);
}

/* -- a block of sums ------------------------------------------------------ */

/* Rows i .. i + rows of the job; inputs k .. k + 32 tiles; pairs of panels
 * chunk .. chunk_end, counted from the job's first. */
struct slice {
    const struct xl_gemm_job *job;
    size_t i, rows;
    size_t k, tiles, k_tiles; /* k_tiles: of a slice, but for the last */
    size_t pairs, chunk, chunk_end;
    const unsigned char *x; /* tile of row i, input k */
    size_t x_apart;         /* bytes from 16 rows to the next */
    unsigned char *own_x, *room;
    float *sums; /* scratch */
};

/* Two panels that meet the same tiles of x. */
struct pair {
    size_t panel[2];
    size_t n; /* 1 when there is no second one */
};

static size_t count_pairs(const struct xl_gemm_job *job)
{
    size_t n = xl_pack_panels(job->n_end) - job->n_begin / XL_PACK_LANES;
    return job->pair_n ? n : (n + 1) / 2;
}

static struct pair pair_at(const struct xl_gemm_job *job, size_t i)
{
    size_t first = job->n_begin / XL_PACK_LANES;
    if (job->pair_n)
        return (struct pair){
            { first + i, first + i + job->pair_n / XL_PACK_LANES }, 2
        };
    first += 2 * i;
    size_t n = first + 1 < xl_pack_panels(job->n_end) ? 2 : 1;
    return (struct pair){ { first, first + n - 1 }, n };
}

/* A panel's sums [rows][16] to y, with the bias. */
static void put_panel(const struct xl_gemm_job *job, size_t row, size_t rows,
                      size_t panel, const float *sums)
{
    for (size_t r = 0; r < rows; r++)
        panel_store_biased(job, row + r, panel,
                           xl_vec_load(sums + r * XL_PACK_LANES));
}

/* Sixteen columns of outputs, gated by those of the first panel: half a line of
 * the next product's packed x for each row. Where its inputs end, so does a
 * tile. */
static void put_gated(const struct xl_gemm_job *job, size_t row, size_t rows,
                      size_t column, const float *sums)
{
    const float *second = sums + BLOCK_FLOATS / 2;
    size_t strip = xl_pack_groups(job->gated_k) * TILE_BYTES;
    size_t left = job->gated_k - column, in_tile = column % TILE_INPUTS;
    struct xl_vec bias[2] = { xl_vec_zero(), xl_vec_zero() };
    unsigned char *to = job->gated;
    to += row / TILE_ROWS * strip + column / TILE_INPUTS * TILE_BYTES +
          in_tile * 2;
    for (size_t p = 0; p < 2 && job->bias; p++)
        bias[p] = xl_vec_load_n(job->bias + column + p * job->pair_n,
                                left < XL_LANES ? left : (size_t)XL_LANES);
    for (size_t r = 0; r < rows; r++) {
        size_t at = r * XL_PACK_LANES;
        struct xl_vec a = xl_vec_load(sums + at), b = xl_vec_load(second + at);
        unsigned char *line =
            to + r / TILE_ROWS * strip + r % TILE_ROWS * XL_PACK_LINE;
        if (job->bias) {
            a = xl_vec_add(a, bias[0]);
            b = xl_vec_add(b, bias[1]);
        }
        bf16_half_line(line, xl_vec_swiglu(a, b), left);
        if (left <= XL_LANES && in_tile == 0)
            memset(line + XL_PACK_LINE / 2, 0, XL_PACK_LINE / 2);
    }
}

/* The block of rows at.. of the slice, finished. */
static void put_block(const struct slice *s, size_t at, const struct pair *pair,
                      const float *block)
{
    const struct xl_gemm_job *job = s->job;
    size_t left = s->rows - at, row = s->i + at;
    size_t rows = left < BLOCK_ROWS ? left : (size_t)BLOCK_ROWS;
    if (job->gated)
        put_gated(job, row, rows, pair->panel[0] * XL_PACK_LANES, block);
    for (size_t p = 0; p < pair->n && !job->gated; p++)
        put_panel(job, row, rows, pair->panel[p],
                  block + p * (BLOCK_FLOATS / 2));
}

/* -- products ------------------------------------------------------------- */

/* Sums of a block between slices. */
static float *sums_of(const struct slice *s, size_t i, size_t at)
{
    size_t blocks = padded(s->rows) / BLOCK_ROWS;
    return s->sums + ((i - s->chunk) * blocks + at / BLOCK_ROWS) * BLOCK_FLOATS;
}

/* The slice of panels that comes after that of pair i; false when none does or
 * nobody asks for it. */
static bool find_next(const struct slice *s, size_t i, const char *next[2])
{
    const struct xl_gemm_job *job = s->job;
    const struct xl_packed *w = job->packed;
    size_t k = s->k, k_end = s->k + s->tiles * TILE_INPUTS;
    if (++i == s->chunk_end) {
        i = k_end < job->k ? s->chunk : i;
        k = k_end < job->k ? k_end : 0;
    }
    struct pair pair = pair_at(job, i < s->pairs ? i : 0);
    if (i >= s->pairs) {
        size_t ahead = job->next_n / XL_PACK_LANES - pair.panel[0];
        pair.panel[0] += ahead;
        pair.panel[1] += ahead;
    }
    size_t bytes = xl_pack_panel_bytes(w->kind, w->in);
    size_t inputs = xl_pack_line_inputs(w->kind);
    for (size_t p = 0; p < 2; p++)
        next[p] = (const char *)w->data + pair.panel[p] * bytes +
                  k / inputs * XL_PACK_LINE;
    return !job->no_prefetch && (i < s->pairs || job->next_n);
}

/* The lines of the two panels that come next, spread over the steps of all row
 * blocks of 512 rows; of fewer rows, every other line or less, which is enough
 * for hardware to fetch those between. Unasked from memory, the first pair of a
 * slice cost a block of four pairs a fifth. */
static void ask_next(const struct slice *s, size_t i, struct tile_steps *steps)
{
    const char *next[2];
    size_t apart = s->rows < M_BLOCK ? M_BLOCK / padded(s->rows) : 1;
    bool any = find_next(s, i, next);
    steps->next0 = any ? next[0] : (const char *)s->x;
    steps->next1 = any ? next[1] : (const char *)s->x;
    steps->step = any ? apart * 2 * XL_PACK_LINE /
                            xl_pack_line_inputs(s->job->packed->kind)
                      : 0;
}

/* All rows of the slice past a pair of panels. */
static void run_pair(const struct slice *s, size_t i)
{
    const struct xl_gemm_job *job = s->job;
    struct pair pair = pair_at(job, i);
    size_t group = s->k / XL_PACK_GROUP;
    bool is_last = s->k + s->tiles * TILE_INPUTS >= job->k;
    bool is_plain = !job->gated && !job->bias && pair.n == 2 &&
                    panel_is_whole(job, pair.panel[0]) &&
                    panel_is_whole(job, pair.panel[1]);
    _Alignas(64) float block[BLOCK_FLOATS];
    struct tile_steps steps = { .n = s->tiles,
                                .is_fresh = i == 0 && !job->is_known };
    steps.w0 = bf16_lines(job->packed, pair.panel[0], group, s->tiles, s->room);
    steps.w1 = pair.n == 1
                   ? steps.w0
                   : bf16_lines(job->packed, pair.panel[1], group, s->tiles,
                                s->room + s->tiles * TILE_BYTES);
    ask_next(s, i, &steps);
    for (size_t at = 0; at < s->rows; at += BLOCK_ROWS) {
        float *sums = sums_of(s, i, at);
        bool is_direct = is_last && is_plain && at + BLOCK_ROWS <= s->rows;
        steps.x0 = s->x + at / TILE_ROWS * s->x_apart;
        steps.x1 = steps.x0 + s->x_apart;
        steps.from = s->k ? sums : NULL;
        steps.to = is_last ? block : sums;
        steps.wide = XL_PACK_LINE;
        steps.second = BLOCK_FLOATS / 2 * sizeof(float);
        if (is_direct) {
            steps.to =
                job->y + (s->i + at) * job->ldy + pair.panel[0] * XL_PACK_LANES;
            steps.wide = job->ldy * sizeof(float);
            steps.second = XL_PACK_LINE;
        }
        tiles_multiply(&steps);
        if (is_last && !is_direct)
            put_block(s, at, &pair, block);
        steps.next0 += steps.step * steps.n;
        steps.next1 += steps.step * steps.n;
    }
}

/* Pairs of a chunk past the slice's inputs. */
static void run_slice(struct slice *s)
{
    const struct xl_gemm_job *job = s->job;
    if (job->packed_x) {
        s->x_apart = xl_pack_groups(job->k) * TILE_BYTES;
        s->x = (const unsigned char *)job->packed_x +
               s->i / TILE_ROWS * s->x_apart + s->k / TILE_INPUTS * TILE_BYTES;
    } else {
        struct xl_gemm_job rows = *job;
        rows.x += s->i * job->ldx;
        rows.m = s->rows;
        pack_rows(&rows, 0, padded(s->rows), s->k, s->tiles, s->own_x);
        s->x_apart = s->tiles * TILE_BYTES;
        s->x = s->own_x;
    }
    for (size_t i = s->chunk; i < s->chunk_end; i++)
        run_pair(s, i);
}

/* Slices of about the same length, none longer than asked for. */
static size_t k_tiles_of(const struct xl_gemm_job *job)
{
    size_t k = job->k_block ? job->k_block : (size_t)K_BLOCK;
    size_t most = xl_pack_groups(job->packed_x ? k : (size_t)K_BLOCK_OWN);
    size_t all = xl_pack_groups(job->k);
    size_t slices = (all + most - 1) / most;
    return (all + slices - 1) / slices;
}

static size_t chunk_of(const struct xl_gemm_job *job, size_t rows)
{
    return job->packed_x && x_stays(rows, job->k) ? 1 : (size_t)CHUNK;
}

static void run_tiles(const struct xl_gemm_job *job)
{
    uintptr_t scratch = ((uintptr_t)job->scratch + 63) & ~(uintptr_t)63;
    struct slice s = { .job = job, .k_tiles = k_tiles_of(job) };
    s.pairs = count_pairs(job);
    s.sums = (float *)scratch;
    s.own_x = (unsigned char *)(s.sums + SUM_FLOATS);
    s.room = s.own_x + X_BYTES;
    assert(job->packed->in == job->k);
    tiles_configure();
    for (s.i = 0; s.i < job->m; s.i += M_BLOCK) {
        s.rows = job->m - s.i < M_BLOCK ? job->m - s.i : (size_t)M_BLOCK;
        size_t chunk = chunk_of(job, s.rows);
        for (s.chunk = 0; s.chunk < s.pairs; s.chunk = s.chunk_end) {
            s.chunk_end = s.chunk + chunk < s.pairs ? s.chunk + chunk : s.pairs;
            for (s.k = 0; s.k < job->k; s.k += s.k_tiles * TILE_INPUTS) {
                size_t groups = xl_pack_groups(job->k - s.k);
                s.tiles = groups < s.k_tiles ? groups : s.k_tiles;
                run_slice(&s);
            }
        }
    }
    tiles_rest();
}

static size_t tiles_scratch_floats(size_t k)
{
    size_t w_bytes = 2 * xl_pack_groups(k) * (size_t)TILE_BYTES;
    return SUM_FLOATS + (X_BYTES + w_bytes) / sizeof(float) + 16;
}

/* -- the engine ------------------------------------------------------------ */

static const char *why_not(void)
{
    const char *why = xl_gemm_avx512bf16.why_not();
    return why ? why : tiles_why_not();
}

static size_t scratch_floats(size_t k)
{
    size_t few = xl_gemm_avx512bf16.scratch_floats(k);
    size_t tiles = tiles_scratch_floats(k);
    return few > tiles ? few : tiles;
}

static void run(const struct xl_gemm_job *job)
{
    if (job->m < LEAST_ROWS)
        xl_gemm_avx512bf16.run(job);
    else if (job->n_begin < job->n_end)
        run_tiles(job);
}

/* clang-format off */
#define XL_GEMM_OF_TILES(engine)                                              \
    {                                                                         \
        .name = engine,                                                       \
        .reads_packed =                                                       \
            1u << XL_PACK_BF16 | 1u << XL_PACK_INT8 | 1u << XL_PACK_INT4,     \
        .rounds = XL_ROUNDING_BF16,                                           \
        .few_rows = LEAST_ROWS - 1, /* as avx512bf16 */                       \
        .why_not = why_not,                                                   \
        .scratch_floats = scratch_floats,                                     \
        .x_bytes = x_bytes,                                                   \
        .pack_x = pack_x,                                                     \
        .x_row_bytes = x_row_bytes,                                           \
        .grain = grain,                                                       \
        .gates = true,                                                        \
        .run = run,                                                           \
    }
/* clang-format on */

#endif
