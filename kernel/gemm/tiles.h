/* SPDX-License-Identifier: Apache-2.0
 *
 * What a block of products on matrix tiles is told: 2 x 2 tiles, 32 rows of x
 * times two panels of weights. tiles_amx.h does it; a test does it in plain C.
 */
#ifndef XL_TILES_H
#define XL_TILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TILE_ROWS = 16,
    TILE_INPUTS = 32, /* in bf16 */
    TILE_LINE = 64,
    TILE_BYTES = TILE_ROWS * TILE_LINE,
    BLOCK_ROWS = 2 * TILE_ROWS,
    BLOCK_FLOATS = 2 * BLOCK_ROWS * TILE_ROWS /* [panel][row][16] */
};

/* n steps: two strips of n tiles of x, n tiles of two panels; lines to
 * prefetch, `step` bytes a step. */
struct tile_steps {
    const unsigned char *x0, *x1;
    const void *w0, *w1;
    const char *next0, *next1;
    size_t step, n;
    const float *from;   /* sums so far, [panel][row][16], or NULL: none */
    float *to;           /* rows lie `wide` bytes apart, the second panel's */
    size_t wide, second; /* sums `second` bytes behind the first's */
    bool is_fresh;       /* x is not in the second-level cache yet */
};

#endif
