/* SPDX-License-Identifier: Apache-2.0
 *
 * Eight doubles, for the sums and logarithms of leaf kernels, in the
 * compiler's own vectors: arithmetic is written with operators.
 *
 *     xl_wide x = xl_wide_load(from);
 *     sum += xl_wide_exp(x - xl_wide_set1(most));
 *
 * Vectors wider than the registers are passed between inlined functions only:
 * files that include this are compiled with -Wno-psabi. Errors are relative
 * and measured by t_wide.c over all magnitudes.
 */
#ifndef XL_VEC_WIDE_H
#define XL_VEC_WIDE_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernel/tensor/vec.h"

enum {
    XL_WIDE = 8
};

typedef float xl_narrow __attribute__((vector_size(XL_WIDE * sizeof(float))));
typedef double xl_wide __attribute__((vector_size(XL_WIDE * sizeof(double))));
typedef int64_t xl_wide_bits
    __attribute__((vector_size(XL_WIDE * sizeof(int64_t))));

static inline xl_wide xl_wide_set1(double x)
{
    return (xl_wide){ x, x, x, x, x, x, x, x };
}

static inline xl_wide xl_wide_load(const double *from)
{
    xl_wide x;
    memcpy(&x, from, sizeof x);
    return x;
}

/* Eight floats, widened; eight doubles, rounded. From the builtin gcc 12 makes
 * two halves and joins them: a head norm took a quarter longer. */
static inline xl_wide xl_wide_of(xl_narrow x)
{
#if defined(__AVX512F__)
    return (xl_wide)_mm512_cvtps_pd((__m256)x);
#else
    return __builtin_convertvector(x, xl_wide);
#endif
}

static inline xl_narrow xl_wide_round(xl_wide x)
{
#if defined(__AVX512F__)
    return (xl_narrow)_mm512_cvtpd_ps((__m512d)x);
#else
    return __builtin_convertvector(x, xl_narrow);
#endif
}

static inline xl_wide xl_wide_load_f32(const float *from)
{
    xl_narrow x;
    memcpy(&x, from, sizeof x);
    return xl_wide_of(x);
}

static inline void xl_wide_store_f32(float *to, xl_wide x)
{
    xl_narrow rounded = xl_wide_round(x);
    memcpy(to, &rounded, sizeof rounded);
}

static inline void xl_wide_store(double *to, xl_wide x)
{
    memcpy(to, &x, sizeof x);
}

static inline double xl_wide_sum(xl_wide x)
{
    return ((x[0] + x[4]) + (x[1] + x[5])) + ((x[2] + x[6]) + (x[3] + x[7]));
}

/* x where the lane of `where` has all bits set, else y. */
static inline xl_wide xl_wide_choose(xl_wide_bits where, xl_wide x, xl_wide y)
{
    return (xl_wide)(((xl_wide_bits)x & where) | ((xl_wide_bits)y & ~where));
}

/* Lane i: the sum of lanes 0 to i, a NaN in its own lane and those above. */
static inline xl_wide xl_wide_sums(xl_wide x)
{
    const xl_wide zero = { 0 };
    x += __builtin_shufflevector(zero, x, 0, 8, 9, 10, 11, 12, 13, 14);
    x += __builtin_shufflevector(zero, x, 0, 1, 8, 9, 10, 11, 12, 13);
    x += __builtin_shufflevector(zero, x, 0, 1, 2, 3, 8, 9, 10, 11);
    return x;
}

/* x or y, whichever is larger; x where one is a NaN. */
static inline xl_wide xl_wide_max(xl_wide x, xl_wide y)
{
    return xl_wide_choose(y > x, y, x);
}

/* Lane i: the largest of lanes 0 to i; a NaN stays in its own lane. */
static inline xl_wide xl_wide_maxima(xl_wide x)
{
    const xl_wide none = xl_wide_set1((double)-INFINITY);
    x = xl_wide_max(
        x, __builtin_shufflevector(none, x, 0, 8, 9, 10, 11, 12, 13, 14));
    x = xl_wide_max(
        x, __builtin_shufflevector(none, x, 0, 1, 8, 9, 10, 11, 12, 13));
    return xl_wide_max(
        x, __builtin_shufflevector(none, x, 0, 1, 2, 3, 8, 9, 10, 11));
}

/* exp(x) for x <= 700: x = n ln 2 + r and the Taylor series up to r^12, whose
 * rest is 2e-16; below -700 it is exp(-700), which no float sees. A NaN stays
 * one. Relative error at most 5e-16. */
static inline xl_wide xl_wide_exp(xl_wide x)
{
    static const double c[] = {
        1.0 / 479001600,
        1.0 / 39916800,
        1.0 / 3628800,
        1.0 / 362880,
        1.0 / 40320,
        1.0 / 5040,
        1.0 / 720,
        1.0 / 120,
        1.0 / 24,
        1.0 / 6,
        1.0 / 2,
        1.0,
        1.0,
    };
    const xl_wide magic = xl_wide_set1(0x1.8p52);
    const xl_wide log2e = xl_wide_set1(1.44269504088896340736);
    const xl_wide high = xl_wide_set1(0x1.62e42feep-1);
    const xl_wide low = xl_wide_set1(0x1.a39ef35793c76p-33);
    const xl_wide least = xl_wide_set1(-700);
    x = xl_wide_choose(x < least, least, x);
    xl_wide shifted = x * log2e + magic;
    xl_wide n = shifted - magic;
    xl_wide r = (x - n * high) - n * low;
    xl_wide p = xl_wide_set1(c[0]);
    for (size_t i = 1; i < sizeof c / sizeof c[0]; i++)
        p = p * r + xl_wide_set1(c[i]);
    /* The low bits of shifted hold n: into the exponent with them. */
    xl_wide_bits scaled =
        (xl_wide_bits)p + (xl_wide_bits)((xl_wide_bits)shifted << 52);
    return (xl_wide)scaled;
}

/* log(sigmoid(x)) = min(x, 0) - log(1 + exp(-|x|)), the logarithm as twice the
 * artanh of y / (2 + y), which is at most 1/3: its series up to the power 31,
 * whose rest is 2e-17. Relative error at most 1e-15; a NaN stays one. */
static inline xl_wide xl_wide_log_sigmoid(xl_wide x)
{
    const xl_wide zero = { 0 };
    xl_wide_bits is_low = x < zero;
    xl_wide y = xl_wide_exp(xl_wide_choose(is_low, x, -x));
    xl_wide s = y / (xl_wide_set1(2) + y), square = s * s;
    xl_wide p = xl_wide_set1(1.0 / 31);
    for (int power = 29; power > 0; power -= 2)
        p = p * square + xl_wide_set1(1.0 / power);
    return xl_wide_choose(is_low, x, zero) - (s + s) * p;
}

/* Sixteen lanes of both, rounded. By way of memory the narrower stores would
 * hold up the load. */
XL_INLINE struct xl_vec xl_vec_from_wide(xl_wide low, xl_wide high)
{
    xl_narrow a = xl_wide_round(low), b = xl_wide_round(high);
#if defined(__AVX512F__)
    __m512d first = _mm512_castpd256_pd512((__m256d)a);
    return (struct xl_vec){ (__m512)_mm512_insertf64x4(first, (__m256d)b, 1) };
#elif defined(__AVX2__) && defined(__FMA__)
    return (struct xl_vec){ (__m256)a, (__m256)b };
#else
    struct xl_vec out;
    memcpy(out.x, &a, sizeof a);
    memcpy(out.x + XL_WIDE, &b, sizeof b);
    return out;
#endif
}

#endif
