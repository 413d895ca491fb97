/* SPDX-License-Identifier: Apache-2.0
 *
 * The sizes of tile.h, and what a product takes. */
#ifndef XL_TILE_FORM_H
#define XL_TILE_FORM_H

#include <stddef.h>

enum {
    XL_TILE_ROWS = 16, /* and columns */
    XL_TILE_DEPTH = 32,
    XL_TILE_BYTES = 1024,
    XL_TILE_LINE = 64,
    XL_TILE_BLOCK = 32, /* rows and columns of a product: two tiles each */
};

/* Two strips of n tiles of rows, two of columns. */
struct xl_tiles {
    const unsigned char *rows[2], *columns[2];
    size_t n;
};

#endif
