/* SPDX-License-Identifier: Apache-2.0
 *
 * Causal convolution of each channel by itself (depthwise), and the products
 * of small diagonal blocks that stand behind it in an xLSTM block stack.
 *
 * The last kernel - 1 inputs are the state, so that a sequence may be cut
 * anywhere: rows fed at once or one by one give the same bits.
 */
#ifndef XL_CONV_H
#define XL_CONV_H

#include <stddef.h>

struct xl_conv {
    size_t channels, kernel; /* kernel >= 1 */
    const float *w; /* [kernel][channels], the last row for the newest input */
    const float *b; /* [channels] */
};

/* Row t of x is x + t * x_stride, of y likewise; y must not overlap x. */
struct xl_conv_io {
    size_t rows;
    const float *x;
    size_t x_stride;
    float *y;
    size_t y_stride;
    float *history; /* [kernel - 1][channels], oldest first; 0 at the start */
};

/* Channels begin..end of all rows, then their history. */
void xl_conv_run(const struct xl_conv *conv, const struct xl_conv_io *io,
                 size_t begin, size_t end);

/* w [channels][1][kernel], as files have it, turned for xl_conv. */
void xl_conv_turn(float *to, const float *w, size_t channels, size_t kernel);

/* y = W x + b with W of square blocks [n / block][block out][block in] on the
 * diagonal, for outputs begin..end, both multiples of block. Sums in double;
 * b may be NULL. */
struct xl_blocks {
    size_t block;
    const float *w, *b;
};
void xl_blocks_run(const struct xl_blocks *blocks, const float *x, float *y,
                   size_t begin, size_t end);

#endif
