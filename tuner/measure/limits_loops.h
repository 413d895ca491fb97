/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of the limit loops; the including file names LANES, the floats of
 * its widest register, and KERNEL, its table. */
#include "tuner/measure/limits_kernel.h"

enum {
    CHAINS = 12,
    STREAMS = 4
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

static void run_read(const uint64_t *data, size_t n, uint64_t *sink)
{
    enum {
        WORDS = LANES / 2
    };
    size_t quarter = n / STREAMS / WORDS;
    words sum[STREAMS] = { { 0 } };
    for (size_t i = 0; i < quarter; i++)
        for (size_t s = 0; s < STREAMS; s++)
            sum[s] ^= *(const words *)(data + (s * quarter + i) * WORDS);
    for (size_t s = 1; s < STREAMS; s++)
        sum[0] ^= sum[s];
    *sink = sum[0][0];
}

const struct xl_limit_kernel KERNEL = { .fma = run_fma, .read = run_read };
