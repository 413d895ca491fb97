/* SPDX-License-Identifier: Apache-2.0
 *
 * The cell's chunk products on bf16 tiles, compiled once per implementation of
 * kernel/tensor/tile.h by cell_bf16*.c.
 *
 * Only what products read is rounded to bf16: q, k, v, weighted scores and a
 * copy of C. Gates, decays, denominators, n, m and the state itself are fp32
 * and double as in the tiled cell (cell_weight_kernel.h), and so are steps.
 *
 * One over the denominator goes into rows before they are rounded, so that one
 * product over both depths gives h:
 *
 *     h_j = [ w_j q_j / d_j | S_j / d_j ] [ C ]
 *                                         [ V ]
 *
 * A block is 32 tokens by 32 columns; keys of later blocks are skipped. What
 * lies past an edge is packed as zeros, and goes nowhere. Each element of h and
 * C is one sum in the order of depth.
 *
 * Every factor is off by 2^-8 at most, so against fp64 h is within 2^-6 and C
 * within 2^-7 of sums of absolute values; tests hold it to that, and to fp32's
 * bounds where all factors are bf16 numbers. */
#ifndef XL_CELL_BF16_KERNEL_H
#define XL_CELL_BF16_KERNEL_H

#include "kernel/cell/cell_int.h"
#include "kernel/cell/cell_variant.h"
#include "kernel/cell/cell_weight_kernel.h"
#include "kernel/tensor/tile.h"

enum {
    BLOCK = XL_TILE_BLOCK,
    BLOCK_FLOATS = BLOCK * BLOCK,
    TILE_FLOATS = XL_TILE_BYTES / 4
};

/* A chunk's packed operands. Strips lie `apart` bytes from one another. */
struct packed {
    struct work work;
    size_t dk_tiles, len_tiles; /* of depth */
    unsigned char *rows;        /* [len] q, then w q / d | S / d */
    unsigned char *keys;        /* columns: k; or rows [dk]: kb turned */
    unsigned char *columns;     /* [32]: C | V, or V */
    float *block;               /* [32][32] */
    size_t rows_apart, keys_apart, columns_apart;
};

static inline size_t count_blocks(size_t n)
{
    return (n + BLOCK - 1) / BLOCK;
}

static size_t count_scratch(size_t chunk, size_t dk, size_t dv)
{
    size_t k = count_blocks(dk), t = count_blocks(chunk);
    (void)dv;
    return count_weights(chunk) + t * t * BLOCK_FLOATS +
           2 * t * (k + t) * TILE_FLOATS + 2 * t * k * TILE_FLOATS +
           2 * (k + t) * TILE_FLOATS + BLOCK_FLOATS;
}

static inline unsigned char *carve_tiles(float **scratch, size_t n)
{
    return (unsigned char *)carve(scratch, n * TILE_FLOATS);
}

static inline struct packed carve_packed(float *scratch, size_t len, size_t dk)
{
    struct packed p = { .work = carve_weights(&scratch, len),
                        .dk_tiles = count_blocks(dk),
                        .len_tiles = count_blocks(len) };
    size_t k = p.dk_tiles, t = p.len_tiles;
    p.work.score_width = t * BLOCK;
    p.work.S = carve(&scratch, t * t * BLOCK_FLOATS);
    p.rows = carve_tiles(&scratch, 2 * t * (k + t));
    p.keys = carve_tiles(&scratch, 2 * t * k);
    p.columns = carve_tiles(&scratch, 2 * (k + t));
    p.block = carve(&scratch, BLOCK_FLOATS);
    p.rows_apart = (k + t) * XL_TILE_BYTES;
    p.keys_apart = k * XL_TILE_BYTES;
    p.columns_apart = (k + t) * XL_TILE_BYTES;
    return p;
}

/* -- rows of the next chunk ----------------------------------------------- */

/* Steps of this chunk, and which comes next. */
struct ahead {
    size_t step, steps;
};

XL_INLINE void fetch_row(const float *row, size_t n)
{
    for (size_t x = 0; x < n; x += XL_LANES)
        __builtin_prefetch(row + x, 0, 2);
}

/* A share of the rows behind these for each step: they are far apart, so that
 * hardware does not see them come. */
static inline void fetch_ahead(const struct xl_mlstm_io *io, size_t len,
                               struct ahead *a)
{
    size_t begin = a->step * io->ahead / a->steps;
    size_t end = ++a->step * io->ahead / a->steps;
    for (size_t t = len + begin; t < len + end; t++) {
        fetch_row(io->q + t * io->q_stride, io->dk);
        fetch_row(io->k + t * io->k_stride, io->dk);
        fetch_row(io->v + t * io->v_stride, io->dv);
        fetch_row(io->h + t * io->h_stride, io->dv);
    }
}

/* -- packing -------------------------------------------------------------- */

/* The first n of sixteen lanes, n may be more. */
XL_INLINE struct xl_vec load_lanes(const float *from, size_t n)
{
    return n < XL_LANES ? xl_vec_load_n(from, n) : xl_vec_load(from);
}

/* 32 numbers from place `at` of n, scaled, as a row of a tile. */
XL_INLINE struct xl_vec pack_line(const float *x, size_t at, size_t n,
                                  struct xl_vec scale)
{
    struct xl_vec low = xl_vec_zero(), high = xl_vec_zero();
    if (at < n)
        low = xl_vec_mul(load_lanes(x + at, n - at), scale);
    if (at + XL_LANES < n)
        high =
            xl_vec_mul(load_lanes(x + at + XL_LANES, n - at - XL_LANES), scale);
    return xl_tile_row(low, high);
}

/* Row r of strips: n numbers, to whole tiles. */
static inline void pack_row(unsigned char *strips, size_t apart, size_t r,
                            const float *x, size_t n, float scale)
{
    unsigned char *line =
        strips + r / XL_TILE_ROWS * apart + r % XL_TILE_ROWS * XL_TILE_LINE;
    for (size_t at = 0; at < n; at += XL_TILE_DEPTH, line += XL_TILE_BYTES)
        xl_tile_store(line, pack_line(x, at, n, xl_vec_set1(scale)));
}

static inline void clear_row(unsigned char *strips, size_t apart, size_t r,
                             size_t tiles)
{
    unsigned char *line =
        strips + r / XL_TILE_ROWS * apart + r % XL_TILE_ROWS * XL_TILE_LINE;
    for (size_t t = 0; t < tiles; t++, line += XL_TILE_BYTES)
        memset(line, 0, XL_TILE_LINE);
}

/* Two rows of at most 16 columns as pairs; the second may not be there. */
XL_INLINE struct xl_vec pack_two(const float *from, size_t stride, size_t depth,
                                 size_t n)
{
    struct xl_vec zero = xl_vec_zero();
    return xl_tile_pairs(depth > 0 ? load_lanes(from, n) : zero,
                         depth > 1 ? load_lanes(from + stride, n) : zero);
}

/* Two strips of columns: `depth` rows of n <= 32 numbers. */
static inline void pack_columns(unsigned char *to, size_t apart,
                                const float *from, size_t stride, size_t depth,
                                size_t n)
{
    size_t whole = count_blocks(depth) * XL_TILE_DEPTH;
    size_t right = n > XL_LANES ? n - XL_LANES : 0;
    for (size_t t = 0; t < whole; t += 2, to += XL_TILE_LINE) {
        size_t left = t < depth ? depth - t : 0;
        const float *row = left ? from + t * stride : from;
        xl_tile_store(to, pack_two(row, stride, left, n));
        xl_tile_store(to + apart,
                      right ? pack_two(row + XL_LANES, stride, left, right)
                            : xl_vec_zero());
    }
}

/* Keys as columns: their rows, turned by pairs. */
static inline void turn_keys(const struct xl_mlstm_io *io, size_t len,
                             const struct packed *p)
{
    const struct xl_vec one = xl_vec_set1(1);
    for (size_t i = 0; i < p->len_tiles * BLOCK; i += XL_TILE_ROWS)
        for (size_t t = 0; t < p->dk_tiles; t++) {
            unsigned char *to =
                p->keys + i / XL_TILE_ROWS * p->keys_apart + t * XL_TILE_BYTES;
            const float *k = io->k + i * io->k_stride;
            struct xl_vec rows[XL_TILE_ROWS];
            for (size_t r = 0; r < XL_TILE_ROWS; r++)
                rows[r] = i + r < len
                              ? pack_line(k + r * io->k_stride,
                                          t * XL_TILE_DEPTH, io->dk, one)
                              : xl_vec_zero();
            xl_vec_transpose((float *)(void *)to, XL_TILE_ROWS, XL_TILE_ROWS,
                             rows);
        }
}

/* kb as rows of C: pairs of tokens, turned. */
static inline void turn_weighted(const struct xl_mlstm_io *io, size_t len,
                                 const struct packed *p)
{
    const float *weight = p->work.weight;
    for (size_t a = 0; a < p->dk_tiles * BLOCK; a += XL_TILE_ROWS)
        for (size_t t = 0; t < p->len_tiles; t++) {
            size_t at = a / XL_TILE_ROWS * p->len_tiles + t;
            size_t n = a < io->dk ? io->dk - a : 0;
            struct xl_vec pairs[XL_TILE_ROWS], both[2];
            for (size_t r = 0; r < XL_TILE_DEPTH; r++) {
                size_t token = t * XL_TILE_DEPTH + r;
                both[r % 2] = xl_vec_zero();
                if (token < len && n)
                    both[r % 2] = xl_vec_mul(
                        load_lanes(io->k + token * io->k_stride + a, n),
                        xl_vec_set1(weight[token]));
                if (r % 2)
                    pairs[r / 2] = xl_tile_pairs(both[0], both[1]);
            }
            xl_vec_transpose((float *)(void *)(p->keys + at * XL_TILE_BYTES),
                             XL_TILE_ROWS, XL_TILE_ROWS, pairs);
        }
}

/* -- outputs -------------------------------------------------------------- */

/* S = Q K' in blocks on and below the diagonal. */
static inline void score_all(const struct xl_mlstm_io *io, size_t len,
                             const struct packed *p)
{
    size_t width = p->work.score_width;
    turn_keys(io, len, p);
    for (size_t r = 0; r < width; r++)
        if (r < len)
            pack_row(p->rows, p->rows_apart, r, io->q + r * io->q_stride,
                     io->dk, 1);
        else
            clear_row(p->rows, p->rows_apart, r, p->dk_tiles);
    for (size_t j = 0; j < p->len_tiles; j++)
        for (size_t i = 0; i <= j; i++) {
            struct xl_tiles t = { .n = p->dk_tiles };
            for (size_t half = 0; half < 2; half++) {
                t.rows[half] = p->rows + (2 * j + half) * p->rows_apart;
                t.columns[half] = p->keys + (2 * i + half) * p->keys_apart;
            }
            xl_tile_multiply(&t, p->work.S + j * BLOCK * width + i * BLOCK,
                             width);
        }
}

/* rows = [ w q / d | S / d ], S up to the block of the row's own key. */
static inline void pack_weighted(const struct xl_mlstm_io *io, size_t len,
                                 const struct packed *p)
{
    const struct work *work = &p->work;
    for (size_t j = 0; j < work->score_width; j++) {
        unsigned char *scores = p->rows + p->dk_tiles * XL_TILE_BYTES;
        if (j >= len) {
            clear_row(p->rows, p->rows_apart, j, p->dk_tiles + p->len_tiles);
            continue;
        }
        float over = work->bound[j];
        pack_row(p->rows, p->rows_apart, j, io->q + j * io->q_stride, io->dk,
                 work->weight[j] * over);
        pack_row(scores, p->rows_apart, j, work->S + j * work->score_width,
                 (j / BLOCK + 1) * BLOCK, over);
    }
}

/* A block's rows x columns that are there. */
static inline void copy_block(float *to, size_t stride, const float *block,
                              size_t rows, size_t columns)
{
    for (size_t r = 0; r < rows; r++, to += stride, block += BLOCK)
        memcpy(to, block, columns * sizeof *to);
}

static inline void write_outputs(const struct xl_mlstm_io *io, size_t len,
                                 size_t x, const struct packed *p,
                                 struct ahead *ahead)
{
    size_t n = least(io->dv - x, BLOCK);
    for (size_t j = 0; j < p->len_tiles; j++) {
        size_t rows = least(len - j * BLOCK, BLOCK);
        float *h = io->h + j * BLOCK * io->h_stride + x;
        struct xl_tiles t = { .n = p->dk_tiles + j + 1 };
        for (size_t half = 0; half < 2; half++) {
            t.rows[half] = p->rows + (2 * j + half) * p->rows_apart;
            t.columns[half] = p->columns + half * p->columns_apart;
        }
        fetch_ahead(io, len, ahead);
        if (rows == BLOCK && n == BLOCK) {
            xl_tile_multiply(&t, h, io->h_stride);
            continue;
        }
        xl_tile_multiply(&t, p->block, BLOCK);
        copy_block(h, io->h_stride, p->block, rows, n);
    }
}

/* Rows of outputs, from sums of gates to tiles. */
static inline void prepare_outputs(const struct xl_mlstm_io *io, size_t len,
                                   const struct xl_mlstm_state *start,
                                   struct packed *p)
{
    score_all(io, len, p);
    weigh_all(io, len, start, &p->work);
    pack_weighted(io, len, p);
}

static inline void pack_state(const struct xl_mlstm_io *io, size_t x,
                              const struct xl_mlstm_state *start,
                              const struct packed *p)
{
    pack_columns(p->columns, p->columns_apart, start->C + x, io->dv, io->dk,
                 least(io->dv - x, BLOCK));
}

static inline void pack_values(const struct xl_mlstm_io *io, size_t len,
                               size_t x, const struct packed *p)
{
    pack_columns(p->columns + p->dk_tiles * XL_TILE_BYTES, p->columns_apart,
                 io->v + x, io->v_stride, len, least(io->dv - x, BLOCK));
}

static inline void output_all(const struct xl_mlstm_io *io, size_t len,
                              const struct xl_mlstm_state *start,
                              struct packed *p, struct ahead *ahead)
{
    prepare_outputs(io, len, start, p);
    for (size_t x = 0; x < io->dv; x += BLOCK) {
        pack_state(io, x, start, p);
        pack_values(io, len, x, p);
        write_outputs(io, len, x, p, ahead);
    }
}

/* -- state ---------------------------------------------------------------- */

/* C = keep C + block. */
static inline void add_block(float *C, size_t stride, const float *block,
                             size_t rows, size_t columns, float keep)
{
    const struct xl_vec factor = xl_vec_set1(keep);
    for (size_t r = 0; r < rows; r++, C += stride, block += BLOCK)
        for (size_t x = 0; x < columns; x += XL_LANES) {
            size_t n = least(columns - x, XL_LANES);
            struct xl_vec sum = xl_vec_load(block + x);
            sum = xl_vec_fma(load_lanes(C + x, n), factor, sum);
            if (n < XL_LANES)
                xl_vec_store_n(C + x, sum, n);
            else
                xl_vec_store(C + x, sum);
        }
}

/* 32 columns of C. */
static inline void advance_columns(const struct xl_mlstm_io *io, size_t len,
                                   size_t x, float *C, float keep,
                                   const struct packed *p, struct ahead *ahead)
{
    size_t n = least(io->dv - x, BLOCK), strip = p->len_tiles * XL_TILE_BYTES;
    unsigned char *values = p->columns + p->dk_tiles * XL_TILE_BYTES;
    struct xl_tiles t = { .n = p->len_tiles,
                          .columns = { values, values + p->columns_apart } };
    for (size_t a = 0; a < io->dk; a += BLOCK) {
        t.rows[0] = p->keys + a / XL_TILE_ROWS * strip;
        t.rows[1] = t.rows[0] + strip;
        fetch_ahead(io, len, ahead);
        xl_tile_multiply(&t, p->block, BLOCK);
        add_block(C + a * io->dv + x, io->dv, p->block,
                  least(io->dk - a, BLOCK), n, keep);
    }
}

static inline void advance_all(const struct xl_mlstm_io *io, size_t len,
                               const struct xl_mlstm_state *state,
                               const struct packed *p, struct ahead *ahead)
{
    float keep = weigh_end(len, state, &p->work);
    update_n(io, len, state->n, keep, &p->work);
    turn_weighted(io, len, p);
    for (size_t x = 0; x < io->dv; x += BLOCK) {
        pack_values(io, len, x, p);
        advance_columns(io, len, x, state->C, keep, p, ahead);
    }
}

/* Outputs, then state, with gates summed once. Both for 32 columns at a time
 * would pack values once, but needs more than the first cache holds: 72 to 104
 * us for 64 to 70 of 64 x 256 x 512 on a Xeon of 2023, else no faster. */
static void run_chunk(const struct xl_mlstm_io *io, size_t len,
                      const struct xl_mlstm_state *state,
                      const struct xl_mlstm_tiles *tiles,
                      enum xl_cell_parts parts, float *scratch)
{
    struct packed p = carve_packed(scratch, len, io->dk);
    size_t turns = (parts & XL_CELL_OUTPUTS ? p.len_tiles : 0) +
                   (parts & XL_CELL_STATE ? p.dk_tiles : 0);
    struct ahead ahead = { 0, turns * count_blocks(io->dv) };
    (void)tiles;
    if (len == 0)
        return;
    sum_gates(io, len, (double)*state->m, &p.work);
    xl_tile_begin();
    if (parts & XL_CELL_OUTPUTS)
        output_all(io, len, state, &p, &ahead);
    if (parts & XL_CELL_STATE)
        advance_all(io, len, state, &p, &ahead);
    xl_tile_end();
}

#define XL_CELL_BF16_VARIANT XL_CELL_VARIANT(xl_tile_why_not, "bf16")

#endif
