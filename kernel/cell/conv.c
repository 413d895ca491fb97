/* SPDX-License-Identifier: Apache-2.0
 *
 * Channels are the inner loop: every row of weights, input and output is
 * contiguous in them. The order of a sum is fixed: bias, then oldest to newest
 * input. */
#include "kernel/cell/conv.h"

/* Input of row t + j - (kernel - 1), which may lie before the first row. */
static const float *input(const struct xl_conv *conv,
                          const struct xl_conv_io *io, size_t t, size_t j)
{
    size_t past = conv->kernel - 1;
    if (t + j < past)
        return io->history + (t + j) * conv->channels;
    return io->x + (t + j - past) * io->x_stride;
}

void xl_conv_run(const struct xl_conv *conv, const struct xl_conv_io *io,
                 size_t begin, size_t end)
{
    for (size_t t = 0; t < io->rows; t++) {
        float *y = io->y + t * io->y_stride;
        for (size_t c = begin; c < end; c++)
            y[c] = conv->b[c];
        for (size_t j = 0; j < conv->kernel; j++) {
            const float *x = input(conv, io, t, j);
            const float *w = conv->w + j * conv->channels;
            for (size_t c = begin; c < end; c++)
                y[c] += w[c] * x[c];
        }
    }
    /* A row of history moves to a place before it or comes from x. */
    for (size_t j = 0; j + 1 < conv->kernel; j++) {
        const float *x = input(conv, io, io->rows, j);
        float *to = io->history + j * conv->channels;
        for (size_t c = begin; c < end; c++)
            to[c] = x[c];
    }
}

void xl_conv_turn(float *to, const float *w, size_t channels, size_t kernel)
{
    for (size_t c = 0; c < channels; c++)
        for (size_t j = 0; j < kernel; j++)
            to[j * channels + c] = w[c * kernel + j];
}

void xl_blocks_run(const struct xl_blocks *blocks, const float *x, float *y,
                   size_t begin, size_t end)
{
    size_t n = blocks->block;
    for (size_t o = begin; o < end; o++) {
        const float *w = blocks->w + o * n, *in = x + o / n * n;
        double sum = blocks->b ? (double)blocks->b[o] : 0;
        for (size_t i = 0; i < n; i++)
            sum += (double)w[i] * (double)in[i];
        y[o] = (float)sum;
    }
}
