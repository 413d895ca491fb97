/* SPDX-License-Identifier: Apache-2.0
 *
 * Register-blocked product of the tiled cell: out += A B for one tile, A of
 * any strides, B a packed panel. Compiled once per instruction set.
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
    const float *b; /* panel [depth][width] */
    size_t depth;
    float *out;   /* [rows][width] */
    size_t width; /* a multiple of XL_LANES */
};

XL_INLINE void block_product(const struct product *p, size_t row0,
                             size_t column0, size_t rows, size_t vectors)
{
    struct xl_vec acc[BLOCK_MOST], b[TILE_VECTORS];
    const float *a = p->a + row0 * p->a_row, *from = p->b + column0;
    float *out = p->out + row0 * p->width + column0;
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++)
            acc[r * vectors + v] =
                xl_vec_load(out + r * p->width + v * XL_LANES);
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
        from += p->width;
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++)
            xl_vec_store(out + r * p->width + v * XL_LANES,
                         acc[r * vectors + v]);
}

/* One block a case: the sizes must be constants of the call. */
static inline void run_block(const struct product *p, size_t row, size_t column,
                             size_t rows, size_t vectors)
{
    switch (rows * 8 + vectors) {
    case 16 * 8 + 1:
        block_product(p, row, column, 16, 1);
        break;
    case 8 * 8 + 2:
        block_product(p, row, column, 8, 2);
        break;
    case 4 * 8 + 4:
        block_product(p, row, column, 4, 4);
        break;
    case 8 * 8 + 1:
        block_product(p, row, column, 8, 1);
        break;
    case 4 * 8 + 2:
        block_product(p, row, column, 4, 2);
        break;
    case 2 * 8 + 4:
        block_product(p, row, column, 2, 4);
        break;
    case 4 * 8 + 1:
        block_product(p, row, column, 4, 1);
        break;
    case 2 * 8 + 2:
        block_product(p, row, column, 2, 2);
        break;
    case 1 * 8 + 4:
        block_product(p, row, column, 1, 4);
        break;
    case 2 * 8 + 1:
        block_product(p, row, column, 2, 1);
        break;
    case 1 * 8 + 2:
        block_product(p, row, column, 1, 2);
        break;
    default:
        assert(rows == 1 && vectors == 1);
        block_product(p, row, column, 1, 1);
    }
}

/* The largest power of two that is at most n and most. */
static inline size_t block_side(size_t n, size_t most)
{
    while (most > n)
        most /= 2;
    return most;
}

/* out += A B for rows x width outputs. */
static inline void tile_product(const struct product *p, size_t rows)
{
    size_t vectors = p->width / XL_LANES, v;
    for (size_t at = 0; at < vectors; at += v) {
        v = block_side(vectors - at, rows < 8 ? TILE_VECTORS : 2);
        while (v > XL_VEC_BLOCK)
            v /= 2;
        for (size_t row = 0, r; row < rows; row += r) {
            r = block_side(rows - row, XL_VEC_BLOCK / v);
            run_block(p, row, at * XL_LANES, r, v);
        }
    }
}

#endif
