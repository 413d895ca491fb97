/* SPDX-License-Identifier: Apache-2.0
 *
 * Register-blocked products of the tiled cell, for one tile:
 *
 *     out = (A B) scale + A' B'  (+ keep out)
 *
 * A of any strides, B a panel. Sums stay in registers from the first product
 * to the store. Compiled once per instruction set.
 *
 * A tile is covered by register blocks of at most XL_VEC_BLOCK accumulators,
 * largest first. Every output is one chain of multiply-adds in the order of
 * depth, so its bits do not depend on the tile it lies in. */
#ifndef XL_CELL_TILE_H
#define XL_CELL_TILE_H

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
    size_t depth; /* 0 = nothing */
};

struct tile {
    struct product first, second;
    const float *scale; /* [rows] of the first product, or NULL */
    const float *keep;  /* one: of what out holds already; or NULL */
    float *out;         /* [rows][out_row] */
    size_t out_row, columns;
};

XL_INLINE void add_product(struct xl_vec *acc, const struct product *p,
                           size_t row0, size_t column0, size_t rows,
                           size_t vectors)
{
    struct xl_vec b[TILE_VECTORS];
    const float *a = p->a + row0 * p->a_row, *from = p->b + column0;
    for (size_t t = 0; t < p->depth; t++) {
        for (size_t v = 0; v < vectors; v++)
            b[v] = xl_vec_load(from + v * XL_LANES);
        for (size_t r = 0; r < rows; r++) {
            struct xl_vec x = xl_vec_set1(a[r * p->a_row]);
            for (size_t v = 0; v < vectors; v++)
                acc[r * vectors + v] =
                    xl_vec_fma(x, b[v], acc[r * vectors + v]);
        }
        a += p->a_step;
        from += p->b_step;
    }
}

/* n <= 16 columns of one row. */
XL_INLINE void store_sums(const struct tile *t, float *out, struct xl_vec sums,
                          size_t n)
{
    bool is_whole = n >= XL_LANES;
    if (t->keep)
        sums = xl_vec_fma(is_whole ? xl_vec_load(out) : xl_vec_load_n(out, n),
                          xl_vec_set1(*t->keep), sums);
    if (is_whole)
        xl_vec_store(out, sums);
    else
        xl_vec_store_n(out, sums, n);
}

XL_INLINE void block_product(const struct tile *t, size_t row0, size_t column0,
                             size_t rows, size_t vectors)
{
    struct xl_vec acc[BLOCK_MOST];
    float *out = t->out + row0 * t->out_row + column0;
    for (size_t i = 0; i < rows * vectors; i++)
        acc[i] = xl_vec_zero();
    add_product(acc, &t->first, row0, column0, rows, vectors);
    for (size_t r = 0; t->scale && r < rows; r++)
        for (size_t v = 0; v < vectors; v++)
            acc[r * vectors + v] = xl_vec_mul(acc[r * vectors + v],
                                              xl_vec_set1(t->scale[row0 + r]));
    add_product(acc, &t->second, row0, column0, rows, vectors);
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++)
            store_sums(t, out + r * t->out_row + v * XL_LANES,
                       acc[r * vectors + v],
                       t->columns - column0 - v * XL_LANES);
}

/* One block a case: the sizes must be constants of the call. */
static inline void run_block(const struct tile *t, size_t row, size_t column,
                             size_t rows, size_t vectors)
{
    switch (rows * 8 + vectors) {
    case 16 * 8 + 1:
        block_product(t, row, column, 16, 1);
        break;
    case 8 * 8 + 2:
        block_product(t, row, column, 8, 2);
        break;
    case 4 * 8 + 4:
        block_product(t, row, column, 4, 4);
        break;
    case 8 * 8 + 1:
        block_product(t, row, column, 8, 1);
        break;
    case 4 * 8 + 2:
        block_product(t, row, column, 4, 2);
        break;
    case 2 * 8 + 4:
        block_product(t, row, column, 2, 4);
        break;
    case 4 * 8 + 1:
        block_product(t, row, column, 4, 1);
        break;
    case 2 * 8 + 2:
        block_product(t, row, column, 2, 2);
        break;
    case 1 * 8 + 4:
        block_product(t, row, column, 1, 4);
        break;
    case 2 * 8 + 1:
        block_product(t, row, column, 2, 1);
        break;
    case 1 * 8 + 2:
        block_product(t, row, column, 1, 2);
        break;
    default:
        assert(rows == 1 && vectors == 1);
        block_product(t, row, column, 1, 1);
    }
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
            run_block(t, row, at * XL_LANES, r, v);
        }
    }
}

#endif
