/* SPDX-License-Identifier: Apache-2.0
 *
 * vec.h in plain C, for any processor; compilers turn the loops into what
 * the baseline offers. Included by vec.h only. */
#ifndef XL_VEC_PLAIN_H
#define XL_VEC_PLAIN_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernel/tensor/dtype.h"
#include "kernel/tensor/vec.h"

/* Accumulators that fit the registers, as rows x vectors. */
enum {
    XL_VEC_BLOCK = 2,
    XL_VEC_DOT_ROWS = 1,
    XL_VEC_DOT_COLUMNS = 2
};

struct xl_vec {
    float x[XL_LANES];
};

XL_PLAIN struct xl_vec xl_vec_set1(float x)
{
    struct xl_vec out;
    for (size_t i = 0; i < XL_LANES; i++)
        out.x[i] = x;
    return out;
}

XL_PLAIN struct xl_vec xl_vec_zero(void)
{
    return xl_vec_set1(0);
}

XL_PLAIN struct xl_vec xl_vec_load(const float *from)
{
    struct xl_vec out;
    memcpy(out.x, from, sizeof out.x);
    return out;
}

XL_PLAIN struct xl_vec xl_vec_load_n(const float *from, size_t n)
{
    if (n == XL_LANES)
        return xl_vec_load(from);
    struct xl_vec out = xl_vec_zero();
    memcpy(out.x, from, n * sizeof *from);
    return out;
}

XL_PLAIN struct xl_vec xl_vec_load_bf16(const uint16_t *from)
{
    struct xl_vec out;
    for (size_t i = 0; i < XL_LANES; i++)
        out.x[i] = xl_bf16_to_f32(from[i]);
    return out;
}

XL_PLAIN void xl_vec_store(float *to, struct xl_vec a)
{
    memcpy(to, a.x, sizeof a.x);
}

XL_PLAIN void xl_vec_store_n(float *to, struct xl_vec a, size_t n)
{
    if (n == XL_LANES) {
        xl_vec_store(to, a);
        return;
    }
    memcpy(to, a.x, n * sizeof *to);
}

XL_PLAIN struct xl_vec xl_vec_add(struct xl_vec a, struct xl_vec b)
{
    for (size_t i = 0; i < XL_LANES; i++)
        a.x[i] += b.x[i];
    return a;
}

XL_PLAIN struct xl_vec xl_vec_mul(struct xl_vec a, struct xl_vec b)
{
    for (size_t i = 0; i < XL_LANES; i++)
        a.x[i] *= b.x[i];
    return a;
}

XL_PLAIN struct xl_vec xl_vec_div(struct xl_vec a, struct xl_vec b)
{
    for (size_t i = 0; i < XL_LANES; i++)
        a.x[i] /= b.x[i];
    return a;
}

/* a < b ? a : b, so b where one is a NaN; max likewise */
XL_PLAIN struct xl_vec xl_vec_min(struct xl_vec a, struct xl_vec b)
{
    for (size_t i = 0; i < XL_LANES; i++)
        a.x[i] = a.x[i] < b.x[i] ? a.x[i] : b.x[i];
    return a;
}

XL_PLAIN struct xl_vec xl_vec_max(struct xl_vec a, struct xl_vec b)
{
    for (size_t i = 0; i < XL_LANES; i++)
        a.x[i] = a.x[i] > b.x[i] ? a.x[i] : b.x[i];
    return a;
}

XL_PLAIN struct xl_vec xl_vec_abs(struct xl_vec a)
{
    for (size_t i = 0; i < XL_LANES; i++)
        a.x[i] = fabsf(a.x[i]);
    return a;
}

/* a, which has no sign, with the sign of b */
XL_PLAIN struct xl_vec xl_vec_copysign(struct xl_vec a, struct xl_vec b)
{
    for (size_t i = 0; i < XL_LANES; i++)
        a.x[i] = copysignf(a.x[i], b.x[i]);
    return a;
}

/* x < bound ? yes : no */
XL_PLAIN struct xl_vec xl_vec_if_below(struct xl_vec x, float bound,
                                       struct xl_vec yes, struct xl_vec no)
{
    for (size_t i = 0; i < XL_LANES; i++)
        no.x[i] = x.x[i] < bound ? yes.x[i] : no.x[i];
    return no;
}

/* a b + c */
XL_PLAIN struct xl_vec xl_vec_fma(struct xl_vec a, struct xl_vec b,
                                  struct xl_vec c)
{
    for (size_t i = 0; i < XL_LANES; i++)
        c.x[i] += a.x[i] * b.x[i];
    return c;
}

/* To the nearest whole number, |a| < 2^22: the sum leaves no fraction bits. */
XL_PLAIN struct xl_vec xl_vec_round(struct xl_vec a)
{
    const float magic = 0x1.8p23f;
    for (size_t i = 0; i < XL_LANES; i++)
        a.x[i] = (a.x[i] + magic) - magic;
    return a;
}

/* a 2^n for whole n in -126..127 */
XL_PLAIN struct xl_vec xl_vec_scale2(struct xl_vec a, struct xl_vec n)
{
    for (size_t i = 0; i < XL_LANES; i++) {
        float power, whole = n.x[i];
        whole = whole > -126 ? whole : -126; /* also for NaN */
        uint32_t bits = (uint32_t)((int32_t)whole + 127) << 23;
        memcpy(&power, &bits, sizeof power);
        a.x[i] *= power;
    }
    return a;
}

/* 0 where x < least, else a: a NaN stays. */
XL_PLAIN struct xl_vec xl_vec_zero_below(struct xl_vec a, struct xl_vec x,
                                         float least)
{
    for (size_t i = 0; i < XL_LANES; i++)
        a.x[i] = x.x[i] < least ? 0 : a.x[i];
    return a;
}

XL_PLAIN float xl_vec_fold1(struct xl_vec a)
{
    for (size_t half = XL_LANES / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            a.x[i] += a.x[i + half];
    return a.x[0];
}

/* out = sums of the lanes of a, b, c, d. */
XL_PLAIN void xl_vec_sum4(float out[4], struct xl_vec a, struct xl_vec b,
                          struct xl_vec c, struct xl_vec d)
{
    out[0] = xl_vec_fold1(a);
    out[1] = xl_vec_fold1(b);
    out[2] = xl_vec_fold1(c);
    out[3] = xl_vec_fold1(d);
}

#endif
