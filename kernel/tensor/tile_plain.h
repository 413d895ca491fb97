/* SPDX-License-Identifier: Apache-2.0
 *
 * tile.h by loops that any processor runs. Included by tile.h only. */
#ifndef XL_TILE_PLAIN_H
#define XL_TILE_PLAIN_H

#if !defined(__AVX512BF16__)
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernel/tensor/dtype.h"
#include "kernel/tensor/tile_form.h"

static inline void xl_tile_begin(void)
{
}

static inline void xl_tile_end(void)
{
}

static inline const char *xl_tile_why_not(void)
{
    return NULL;
}

/* sums[16] += one row of 32 times a tile of columns. */
static inline void xl_tile_add_row(float *sums, const unsigned char *row,
                                   const unsigned char *columns)
{
    float even[XL_TILE_ROWS] = { 0 }, odd[XL_TILE_ROWS] = { 0 };
    uint16_t x[XL_TILE_DEPTH], y[XL_TILE_DEPTH];
    memcpy(x, row, sizeof x);
    for (size_t p = 0; p < XL_TILE_DEPTH; p += 2) {
        float first = xl_bf16_to_f32(x[p]), second = xl_bf16_to_f32(x[p + 1]);
        memcpy(y, columns + p / 2 * XL_TILE_LINE, sizeof y);
        for (size_t c = 0; c < XL_TILE_ROWS; c++) {
            even[c] += first * xl_bf16_to_f32(y[2 * c]);
            odd[c] += second * xl_bf16_to_f32(y[2 * c + 1]);
        }
    }
    for (size_t c = 0; c < XL_TILE_ROWS; c++)
        sums[c] += even[c] + odd[c];
}

static inline void xl_tile_multiply(const struct xl_tiles *t, float *out,
                                    size_t out_row)
{
    for (size_t x = 0; x < 2 * XL_TILE_BLOCK; x++) {
        size_t r = x / 2, c = x % 2;
        const unsigned char *row = t->rows[r / XL_TILE_ROWS];
        float *sums = out + r * out_row + c * XL_TILE_ROWS;
        memset(sums, 0, XL_TILE_ROWS * sizeof *sums);
        row += r % XL_TILE_ROWS * XL_TILE_LINE;
        for (size_t i = 0; i < t->n; i++)
            xl_tile_add_row(sums, row + i * XL_TILE_BYTES,
                            t->columns[c] + i * XL_TILE_BYTES);
    }
}

#endif

#endif
