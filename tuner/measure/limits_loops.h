/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of the limit loops; the including file names LANES, the floats of
 * its widest register, and KERNEL, its table. */
#include "tuner/measure/limits_kernel.h"

enum {
    CHAINS = 12,
    MOST_STREAMS = 8,
    WORDS = LANES / 2 /* of a register */
};

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef uint64_t words
    __attribute__((vector_size(LANES * sizeof(float)), aligned(8)));

/* Twelve independent chains hide the latency of four to five cycles at two
 * multiply-adds a cycle. */
static double run_fma(size_t rounds, float *sink)
{
    lanes acc[CHAINS], scale, shift;
    for (int l = 0; l < LANES; l++) {
        scale[l] = 0.999f;
        shift[l] = 0.001f;
    }
    for (int c = 0; c < CHAINS; c++)
        acc[c] = shift * (float)c;
    for (size_t i = 0; i < rounds; i++) {
        for (int c = 0; c < CHAINS; c++)
            acc[c] = acc[c] * scale + shift;
    }
    for (int c = 1; c < CHAINS; c++)
        acc[0] += acc[c];
    *sink = acc[0][0];
    return 2.0 * (double)rounds * CHAINS * LANES;
}

/* Streams that run side by side keep more misses in flight than one. Within
 * a stream eight registers a turn hide the latency of the exclusive or. */
static inline __attribute__((always_inline)) void
read_streams(const uint64_t *data, size_t n, size_t streams, uint64_t *sink)
{
    size_t deep = MOST_STREAMS / streams;
    size_t turns = n / WORDS / MOST_STREAMS;
    words sum[MOST_STREAMS] = { { 0 } };
    for (size_t i = 0; i < turns; i++)
        for (size_t s = 0; s < streams; s++)
            for (size_t d = 0; d < deep; d++)
                sum[s * deep + d] ^= *(
                    const words *)(data + ((s * turns + i) * deep + d) * WORDS);
    for (size_t s = 1; s < MOST_STREAMS; s++)
        sum[0] ^= sum[s];
    *sink = sum[0][0];
}

static void run_read(const uint64_t *data, size_t n, size_t streams,
                     uint64_t *sink)
{
    if (streams == 1)
        read_streams(data, n, 1, sink);
    else if (streams == 4)
        read_streams(data, n, 4, sink);
    else
        read_streams(data, n, 8, sink);
}

const struct xl_limit_kernel KERNEL = { .fma = run_fma, .read = run_read };
