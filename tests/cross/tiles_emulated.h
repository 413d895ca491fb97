/* SPDX-License-Identifier: Apache-2.0
 *
 * tiles_amx.h in plain C, with the same faces: so that a processor without
 * matrix tiles, and a sanitizer, see every address that they touch. Tiles
 * that nobody configured multiply to NaN.
 */
#ifndef XL_TILES_EMULATED_H
#define XL_TILES_EMULATED_H

#include <math.h>
#include <string.h>

#include "kernel/gemm/tiles.h"
#include "kernel/tensor/dtype.h"

static _Thread_local bool tiles_are_ready;

static inline const char *tiles_why_not(void)
{
    return NULL;
}

static inline void tiles_configure(void)
{
    tiles_are_ready = true;
}

static inline void tiles_rest(void)
{
    tiles_are_ready = false;
}

/* 16 lines `apart` bytes apart. */
static inline void tile_copy(void *to, size_t to_apart, const void *from,
                             size_t from_apart)
{
    for (size_t r = 0; r < TILE_ROWS; r++)
        memcpy((char *)to + r * to_apart, (const char *)from + r * from_apart,
               TILE_LINE);
}

/* sums[r][c] += the pairs of row r of x times those of column c of w. */
static inline void tile_dot(float *sums, const void *x, const void *w)
{
    uint16_t a[TILE_ROWS][TILE_INPUTS], b[TILE_ROWS][TILE_INPUTS];
    tile_copy(a, TILE_LINE, x, TILE_LINE);
    tile_copy(b, TILE_LINE, w, TILE_LINE);
    for (size_t r = 0; r < TILE_ROWS; r++)
        for (size_t i = 0; i < TILE_INPUTS; i++)
            for (size_t c = 0; c < TILE_ROWS; c++)
                sums[r * TILE_ROWS + c] +=
                    xl_bf16_to_f32(a[r][i]) *
                    xl_bf16_to_f32(b[i / 2][2 * c + i % 2]);
}

static inline void tiles_multiply(const struct tile_steps *s)
{
    static const size_t tile = TILE_ROWS * TILE_ROWS;
    float sums[BLOCK_FLOATS] = { 0 };
    const char *w0 = s->w0, *w1 = s->w1;
    char *low = (char *)s->to + TILE_ROWS * s->wide;
    if (s->from)
        memcpy(sums, s->from, sizeof sums);
    if (!tiles_are_ready)
        sums[0] = NAN;
    for (size_t i = 0; i < s->n; i++) {
        size_t at = i * TILE_BYTES;
        tile_dot(sums, s->x0 + at, w0 + at);
        tile_dot(sums + tile, s->x1 + at, w0 + at);
        tile_dot(sums + 2 * tile, s->x0 + at, w1 + at);
        tile_dot(sums + 3 * tile, s->x1 + at, w1 + at);
    }
    tile_copy(s->to, s->wide, sums, TILE_LINE);
    tile_copy(low, s->wide, sums + tile, TILE_LINE);
    tile_copy((char *)s->to + s->second, s->wide, sums + 2 * tile, TILE_LINE);
    tile_copy(low + s->second, s->wide, sums + 3 * tile, TILE_LINE);
}

#endif
