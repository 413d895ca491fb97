/* SPDX-License-Identifier: Apache-2.0
 *
 * Register-blocked products of the tiled cell, for one tile:
 *
 *     out = A B,  keep out + A B,  or  ((A B) scale + A' B') over
 *
 * A of any strides, B a panel. Sums stay in registers from the first product
 * to the store, which wants a kernel for each: a choice made between them at
 * run time sends them through memory. Compiled once per instruction set.
 *
 * A tile is covered by register blocks of at most XL_VEC_BLOCK accumulators,
 * largest first. Every output is one chain of multiply-adds in the order of
 * depth, so its bits do not depend on the tile it lies in. */
#ifndef XL_CELL_TILE_KERNEL_H
#define XL_CELL_TILE_KERNEL_H

#include <assert.h>
#include <stddef.h>

#include "kernel/tensor/vec.h"

enum {
    TILE_MOST = 64, /* rows and columns of the largest tile */
    TILE_VECTORS = TILE_MOST / XL_LANES,
    BLOCK_MOST = 16, /* accumulators of the largest register block */
};

struct product {
    const float *a; /* element (row, t) at a + row * a_row + t * a_step */
    size_t a_row, a_step;
    const float *b; /* panel [depth][b_step], of at least the tile's width */
    size_t b_step;
    size_t depth; /* at least 1 in the first */
};

/* What becomes of the sums. */
enum tile_kind {
    TILE_STORE, /* out = A B */
    TILE_KEEP,  /* out = keep out + A B */
    TILE_SCALE  /* out = ((A B) scale + A' B') over */
};

struct tile {
    enum tile_kind kind;
    struct product first, second;
    const float *scale, *over; /* [rows] */
    float keep;
    float *out; /* [rows][out_row] */
    size_t out_row, columns;
};

/* One step of depth; the first of a tile begins the sums, which an array of
 * zeros would force into memory. */
XL_INLINE void add_step(struct xl_vec *acc, const float *a, size_t a_row,
                        const float *from, size_t rows, size_t vectors,
                        bool is_first)
{
    struct xl_vec b[TILE_VECTORS], zero = xl_vec_zero();
    XL_UNROLL
    for (size_t v = 0; v < vectors; v++)
        b[v] = xl_vec_load(from + v * XL_LANES);
    XL_UNROLL
    for (size_t r = 0; r < rows; r++) {
        struct xl_vec x = xl_vec_set1(a[r * a_row]);
        XL_UNROLL
        for (size_t v = 0; v < vectors; v++)
            acc[r * vectors + v] =
                xl_vec_fma(x, b[v], is_first ? zero : acc[r * vectors + v]);
    }
}

XL_INLINE void add_product(struct xl_vec *acc, const struct product *p,
                           size_t row0, size_t column0, size_t rows,
                           size_t vectors, bool is_first)
{
    const float *a = p->a + row0 * p->a_row, *b = p->b + column0;
    if (is_first)
        add_step(acc, a, p->a_row, b, rows, vectors, true);
    for (size_t t = is_first; t < p->depth; t++)
        add_step(acc, a + t * p->a_step, p->a_row, b + t * p->b_step, rows,
                 vectors, false);
}

XL_INLINE void scale_rows(struct xl_vec *acc, const float *scale, size_t rows,
                          size_t vectors)
{
    XL_UNROLL
    for (size_t r = 0; r < rows; r++) {
        struct xl_vec x = xl_vec_set1(scale[r]);
        XL_UNROLL
        for (size_t v = 0; v < vectors; v++)
            acc[r * vectors + v] = xl_vec_mul(acc[r * vectors + v], x);
    }
}

/* n columns of one row. */
XL_INLINE void store_sums(const struct tile *t, enum tile_kind kind, float *out,
                          struct xl_vec sums, size_t n)
{
    if (n >= XL_LANES) {
        if (kind == TILE_KEEP)
            sums = xl_vec_fma(xl_vec_load(out), xl_vec_set1(t->keep), sums);
        xl_vec_store(out, sums);
        return;
    }
    if (kind == TILE_KEEP)
        sums = xl_vec_fma(xl_vec_load_n(out, n), xl_vec_set1(t->keep), sums);
    xl_vec_store_n(out, sums, n);
}

XL_INLINE void block_product(const struct tile *t, enum tile_kind kind,
                             size_t row0, size_t column0, size_t rows,
                             size_t vectors)
{
    struct xl_vec acc[BLOCK_MOST];
    float *out = t->out + row0 * t->out_row + column0;
    size_t left = t->columns - column0;
    if (rows * vectors > XL_VEC_BLOCK)
        return; /* never asked for; written out it costs minutes to compile */
    add_product(acc, &t->first, row0, column0, rows, vectors, true);
    if (kind == TILE_SCALE) {
        scale_rows(acc, t->scale + row0, rows, vectors);
        add_product(acc, &t->second, row0, column0, rows, vectors, false);
        scale_rows(acc, t->over + row0, rows, vectors);
    }
    XL_UNROLL
    for (size_t v = 0; v < vectors; v++) {
        size_t at = v * XL_LANES;
        XL_UNROLL
        for (size_t r = 0; r < rows; r++)
            store_sums(t, kind, out + r * t->out_row + at, acc[r * vectors + v],
                       left - at);
    }
}

/* One block a case: the sizes must be constants of the call. */
XL_INLINE void run_block(const struct tile *t, enum tile_kind kind, size_t row,
                         size_t column, size_t rows, size_t vectors)
{
    switch (rows * 8 + vectors) {
    case 16 * 8 + 1:
        block_product(t, kind, row, column, 16, 1);
        break;
    case 8 * 8 + 2:
        block_product(t, kind, row, column, 8, 2);
        break;
    case 4 * 8 + 4:
        block_product(t, kind, row, column, 4, 4);
        break;
    case 8 * 8 + 1:
        block_product(t, kind, row, column, 8, 1);
        break;
    case 4 * 8 + 2:
        block_product(t, kind, row, column, 4, 2);
        break;
    case 2 * 8 + 4:
        block_product(t, kind, row, column, 2, 4);
        break;
    case 4 * 8 + 1:
        block_product(t, kind, row, column, 4, 1);
        break;
    case 2 * 8 + 2:
        block_product(t, kind, row, column, 2, 2);
        break;
    case 1 * 8 + 4:
        block_product(t, kind, row, column, 1, 4);
        break;
    case 2 * 8 + 1:
        block_product(t, kind, row, column, 2, 1);
        break;
    case 1 * 8 + 2:
        block_product(t, kind, row, column, 1, 2);
        break;
    default:
        assert(rows == 1 && vectors == 1);
        block_product(t, kind, row, column, 1, 1);
    }
}

static void store_block(const struct tile *t, size_t row, size_t column,
                        size_t rows, size_t vectors)
{
    run_block(t, TILE_STORE, row, column, rows, vectors);
}

static void keep_block(const struct tile *t, size_t row, size_t column,
                       size_t rows, size_t vectors)
{
    run_block(t, TILE_KEEP, row, column, rows, vectors);
}

static void scale_block(const struct tile *t, size_t row, size_t column,
                        size_t rows, size_t vectors)
{
    run_block(t, TILE_SCALE, row, column, rows, vectors);
}

/* The largest power of two that is at most n and most. */
static inline size_t block_side(size_t n, size_t most)
{
    while (most > n)
        most /= 2;
    return most;
}

/* The tile's rows, each of its columns. */
static inline void run_tile(const struct tile *t, size_t rows)
{
    size_t vectors = (t->columns + XL_LANES - 1) / XL_LANES, v;
    for (size_t at = 0; at < vectors; at += v) {
        v = block_side(vectors - at, rows < 8 ? TILE_VECTORS : 2);
        while (v > XL_VEC_BLOCK)
            v /= 2;
        for (size_t row = 0, r; row < rows; row += r) {
            r = block_side(rows - row, XL_VEC_BLOCK / v);
            if (t->kind == TILE_STORE)
                store_block(t, row, at * XL_LANES, r, v);
            else if (t->kind == TILE_KEEP)
                keep_block(t, row, at * XL_LANES, r, v);
            else
                scale_block(t, row, at * XL_LANES, r, v);
        }
    }
}

#endif
