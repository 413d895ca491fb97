/* SPDX-License-Identifier: Apache-2.0
 *
 * Peak of bf16 dot products in vector registers: twelve chains of
 * vdpbf16ps, 32 multiply-adds each. */
#include "tuner/measure/limits_kernel.h"

#include <immintrin.h>

enum {
    CHAINS = 12,
    FLOPS = 64 /* of one instruction */
};

double xl_limit_dot_bf16(size_t rounds, float *sink)
{
    __m512 acc[CHAINS];
    __m512bh x =
        _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.75f), _mm512_set1_ps(-0.5f));
    __m512bh y =
        _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.25f), _mm512_set1_ps(0.375f));
    for (int c = 0; c < CHAINS; c++)
        acc[c] = _mm512_set1_ps((float)c);
    for (size_t i = 0; i < rounds; i++)
        for (int c = 0; c < CHAINS; c++)
            acc[c] = _mm512_dpbf16_ps(acc[c], x, y);
    for (int c = 1; c < CHAINS; c++)
        acc[0] = _mm512_add_ps(acc[0], acc[c]);
    *sink = _mm512_reduce_add_ps(acc[0]);
    return (double)rounds * CHAINS * FLOPS;
}
