/* SPDX-License-Identifier: Apache-2.0
 *
 * The vectorised norms and gates, compiled once per instruction set by
 * norm_plain.c and norm_<isa>.c.
 *
 * Elementwise functions run one path for whole and for part vectors, so that
 * an element's bits do not depend on its place. Sums run in eight double
 * lanes. Largest errors against the exact functions, measured in units of the
 * last place over the floats where the result is normal (t_norm.c):
 *
 *     sigmoid, silu   2.4 and 3 (exp is good for 1.3; libm's expf: 2.3, 2.5)
 *     tanh            1.2 (libm's tanhf: 2. Cephes: odd polynomial below 0.625,
 * else 1 - 2 / (exp(2x) + 1)) log_sum_exp     1e-13 nats, absolute for results
 * below 100
 *
 * Beyond |x| = 87 a sigmoid is held at 1e-38 instead of running through the
 * subnormals. */
#ifndef XL_NORM_KERNEL_H
#define XL_NORM_KERNEL_H

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "kernel/cell/norm_int.h"
#include "kernel/tensor/vec.h"
#include "kernel/tensor/vec_wide.h"

/* The first n of from, the others fill. */
static inline xl_wide load_wide_n(const float *from, size_t n, float fill)
{
    float x[XL_WIDE];
    for (size_t i = 0; i < XL_WIDE; i++)
        x[i] = i < n ? from[i] : fill;
    return xl_wide_load_f32(x);
}

/* n <= 16 floats, the others 0. */
XL_INLINE struct xl_vec load(const float *from, size_t n)
{
    return n < XL_LANES ? xl_vec_load_n(from, n) : xl_vec_load(from);
}

XL_INLINE void store(float *to, struct xl_vec x, size_t n)
{
    if (n < XL_LANES)
        xl_vec_store_n(to, x, n);
    else
        xl_vec_store(to, x);
}

/* Elements of the vector at i. */
XL_INLINE size_t part(size_t n, size_t i)
{
    return n - i < XL_LANES ? n - i : XL_LANES;
}

/* -- norms ---------------------------------------------------------------- */

static inline double sum_squares(const float *x, size_t n)
{
    xl_wide even = { 0 }, odd = { 0 };
    size_t i = 0;
    for (; i + 2 * XL_WIDE <= n; i += 2 * XL_WIDE) {
        xl_wide a = xl_wide_load_f32(x + i),
                b = xl_wide_load_f32(x + i + XL_WIDE);
        even += a * a;
        odd += b * b;
    }
    for (; i < n; i += XL_WIDE) {
        xl_wide a = load_wide_n(x + i, n - i, 0);
        even += a * a;
    }
    return xl_wide_sum(even + odd);
}

/* y = x r w + b */
static inline void scale(float *y, const float *x,
                         const struct xl_norm_weights *weights, float r,
                         size_t n)
{
    struct xl_vec factor = xl_vec_set1(r);
    for (size_t i = 0; i < n; i += XL_LANES) {
        size_t len = part(n, i);
        struct xl_vec a = xl_vec_mul(load(x + i, len), factor);
        a = xl_vec_mul(a, load(weights->w + i, len));
        if (weights->b)
            a = xl_vec_add(a, load(weights->b + i, len));
        store(y + i, a, len);
    }
}

static inline void scale_rms(float *y, const float *x,
                             const struct xl_norm_weights *weights,
                             double squares, size_t n)
{
    double mean = squares / (double)n;
    scale(y, x, weights, (float)(1.0 / sqrt(mean + (double)weights->eps)), n);
}

static void run_rms(float *y, const float *x,
                    const struct xl_norm_weights *weights, size_t n)
{
    scale_rms(y, x, weights, sum_squares(x, n), n);
}

/* x += z; the sum of squares of x, as sum_squares has it. */
static inline double add_row(float *x, const float *z, size_t n)
{
    static_assert((int)XL_LANES == 2 * (int)XL_WIDE, "both halves of a vector");
    xl_wide even = { 0 }, odd = { 0 };
    for (size_t i = 0; i < n; i += XL_LANES) {
        size_t len = part(n, i);
        store(x + i, xl_vec_add(load(x + i, len), load(z + i, len)), len);
        if (len < XL_LANES)
            return sum_squares(x, n);
        xl_wide a = xl_wide_load_f32(x + i),
                b = xl_wide_load_f32(x + i + XL_WIDE);
        even += a * a;
        odd += b * b;
    }
    return xl_wide_sum(even + odd);
}

static void run_add_rms(float *y, float *x, const float *z,
                        const struct xl_norm_weights *weights, size_t n)
{
    double squares = add_row(x, z, n);
    if (weights->w)
        scale_rms(y, x, weights, squares, n);
    else
        memcpy(y, x, n * sizeof *y);
}

/* Sum of (x - centre)^2; centre 0 and power 1: sum of x. */
static inline double sum_centred(const float *x, size_t n, double centre,
                                 int power)
{
    enum {
        CHAINS = 4
    };
    const xl_wide middle = xl_wide_set1(centre);
    xl_wide total[CHAINS] = { 0 };
    size_t i = 0;
    for (; i + CHAINS * XL_WIDE <= n; i += CHAINS * XL_WIDE)
        for (size_t c = 0; c < CHAINS; c++) {
            xl_wide d = xl_wide_load_f32(x + i + c * XL_WIDE) - middle;
            total[c] += power == 1 ? d : d * d;
        }
    for (; i + XL_WIDE <= n; i += XL_WIDE) {
        xl_wide d = xl_wide_load_f32(x + i) - middle;
        total[0] += power == 1 ? d : d * d;
    }
    double rest = 0;
    for (; i < n; i++) {
        double d = (double)x[i] - centre;
        rest += power == 1 ? d : d * d;
    }
    return xl_wide_sum((total[0] + total[1]) + (total[2] + total[3])) + rest;
}

/* n <= 16 numbers less their centre, rounded once. */
XL_INLINE struct xl_vec load_centred(const float *x, size_t n, xl_wide centre)
{
    float lanes[XL_LANES];
    if (n < XL_LANES) {
        xl_vec_store(lanes, xl_vec_load_n(x, n));
        x = lanes;
    }
    return xl_vec_from_wide(xl_wide_load_f32(x) - centre,
                            xl_wide_load_f32(x + XL_WIDE) - centre);
}

/* One head; o NULL = no gate. */
XL_INLINE void norm_head(float *y, const float *x, const float *o,
                         const float *w, const float *b, float eps, size_t n)
{
    double mean = sum_centred(x, n, 0, 1) / (double)n;
    double variance = sum_centred(x, n, mean, 2) / (double)n;
    float r = (float)(1.0 / sqrt(variance + (double)eps));
    const struct xl_vec factor = xl_vec_set1(r);
    const xl_wide centre = xl_wide_set1(mean);
    for (size_t i = 0; i < n; i += XL_LANES) {
        size_t len = part(n, i);
        struct xl_vec a = xl_vec_mul(load_centred(x + i, len, centre), factor);
        struct xl_vec weight = load(w + i, len);
        a = b ? xl_vec_fma(a, weight, load(b + i, len)) : xl_vec_mul(a, weight);
        if (o)
            a = xl_vec_div(a, xl_vec_one_plus_exp(load(o + i, len)));
        store(y + i, a, len);
    }
}

static void run_heads(float *y, const float *x,
                      const struct xl_norm_weights *weights, size_t heads,
                      size_t dv)
{
    for (size_t at = 0; at < heads * dv; at += dv)
        norm_head(y + at, x + at, NULL, weights->w + at,
                  weights->b ? weights->b + at : NULL, weights->eps, dv);
}

static void run_gated_heads(float *y, const float *x, const float *o,
                            const struct xl_norm_weights *weights, size_t heads,
                            size_t dv)
{
    for (size_t at = 0; at < heads * dv; at += dv)
        norm_head(y + at, x + at, o + at, weights->w + at,
                  weights->b ? weights->b + at : NULL, weights->eps, dv);
}

static void run_add_heads(float *y, float *x, const float *z,
                          const struct xl_norm_weights *weights, size_t heads,
                          size_t dv)
{
    add_row(x, z, heads * dv);
    run_heads(y, x, weights, heads, dv);
}

/* -- gates and caps ------------------------------------------------------- */

static void run_sigmoid_gate(float *y, const float *o, size_t n)
{
    for (size_t i = 0; i < n; i += XL_LANES) {
        size_t len = part(n, i);
        struct xl_vec below = xl_vec_one_plus_exp(load(o + i, len));
        store(y + i, xl_vec_div(load(y + i, len), below), len);
    }
}

static void run_swiglu(float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i += XL_LANES) {
        size_t len = part(n, i);
        store(gate + i, xl_vec_swiglu(load(gate + i, len), load(up + i, len)),
              len);
    }
}

XL_INLINE struct xl_vec tanh_of(struct xl_vec x)
{
    static const float c[] = { -5.70498872745e-3f, 2.06390887954e-2f,
                               -5.37397155531e-2f, 1.33314422036e-1f,
                               -3.33332819422e-1f };
    struct xl_vec one = xl_vec_set1(1), size = xl_vec_abs(x);
    struct xl_vec z = xl_vec_mul(x, x), p = xl_vec_set1(c[0]);
    for (size_t i = 1; i < sizeof c / sizeof c[0]; i++)
        p = xl_vec_fma(p, z, xl_vec_set1(c[i]));
    struct xl_vec near = xl_vec_fma(xl_vec_mul(p, z), size, size);
    /* From 9.02 on the nearest float is 1. */
    struct xl_vec held = xl_vec_min(xl_vec_set1(10), size);
    struct xl_vec e = xl_vec_exp(xl_vec_add(held, held));
    struct xl_vec far = xl_vec_div(xl_vec_set1(-2), xl_vec_add(e, one));
    far = xl_vec_add(far, one);
    return xl_vec_copysign(xl_vec_if_below(size, 0.625f, near, far), x);
}

static void run_soft_cap(float *x, size_t n, float cap)
{
    struct xl_vec factor = xl_vec_set1(cap);
    if (cap <= 0.0f)
        return;
    for (size_t i = 0; i < n; i += XL_LANES) {
        size_t len = part(n, i);
        struct xl_vec t = tanh_of(xl_vec_div(load(x + i, len), factor));
        store(x + i, xl_vec_mul(t, factor), len);
    }
}

/* -- log of a softmax's sum ----------------------------------------------- */

static float find_largest(const float *x, size_t n)
{
    float lanes[XL_LANES], most = -HUGE_VALF;
    struct xl_vec all = xl_vec_set1(most);
    size_t i = 0;
    for (; i + XL_LANES <= n; i += XL_LANES)
        all = xl_vec_max(xl_vec_load(x + i), all);
    xl_vec_store(lanes, all);
    for (size_t l = 0; l < XL_LANES; l++)
        most = lanes[l] > most ? lanes[l] : most;
    for (; i < n; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

static inline bool has_nan(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isnan(x[i]))
            return true;
    return false;
}

static double run_log_sum_exp(const float *x, size_t n)
{
    double most = (double)find_largest(x, n);
    if (isinf(most))
        return has_nan(x, n) ? (double)NAN : most;
    xl_wide even = { 0 }, odd = { 0 }, centre = xl_wide_set1(most);
    size_t i = 0;
    for (; i + 2 * XL_WIDE <= n; i += 2 * XL_WIDE) {
        even += xl_wide_exp(xl_wide_load_f32(x + i) - centre);
        odd += xl_wide_exp(xl_wide_load_f32(x + i + XL_WIDE) - centre);
    }
    double sum = xl_wide_sum(even + odd);
    for (; i < n; i++)
        sum += exp((double)x[i] - most);
    return most + log(sum);
}

/* -- the gap of two rows --------------------------------------------------- */

struct gap_sums {
    xl_wide mean, squares, most;
};

/* Eight entries; their exp. */
XL_INLINE xl_wide add_gap(struct gap_sums *sums, const float *a, const float *b,
                          xl_wide centre)
{
    xl_wide x = xl_wide_load_f32(a), d = x - xl_wide_load_f32(b);
    xl_wide e = xl_wide_exp(x - centre);
    sums->mean += e * d;
    sums->squares += d * d;
    sums->most = xl_wide_max(sums->most, xl_wide_max(d, -d));
    return e;
}

/* The sum of exp in the order of run_log_sum_exp. */
static void run_gap(struct xl_row_gap *gap, const float *a, const float *b,
                    size_t n)
{
    double top = (double)find_largest(a, n), most = 0;
    xl_wide even = { 0 }, odd = { 0 }, centre = xl_wide_set1(top);
    struct gap_sums sums = { { 0 }, { 0 }, { 0 } };
    size_t i = 0;
    for (; i + 2 * XL_WIDE <= n; i += 2 * XL_WIDE) {
        even += add_gap(&sums, a + i, b + i, centre);
        odd += add_gap(&sums, a + i + XL_WIDE, b + i + XL_WIDE, centre);
    }
    double sum = xl_wide_sum(even + odd), mean = xl_wide_sum(sums.mean);
    double squares = xl_wide_sum(sums.squares);
    for (size_t l = 0; l < XL_WIDE; l++)
        most = fmax(most, sums.most[l]);
    for (; i < n; i++) {
        double d = (double)a[i] - (double)b[i], e = exp((double)a[i] - top);
        sum += e;
        mean += e * d;
        squares += d * d;
        most = fmax(most, fabs(d));
    }
    *gap = (struct xl_row_gap){ .log_sum = top + log(sum),
                                .mean = mean / sum,
                                .squares = squares,
                                .most = most };
}

/* -- the variant ---------------------------------------------------------- */

/* clang-format off */
#define XL_ROW_OPS(label)                  \
    {                                      \
        .name = label,                     \
        .why_not = xl_vec_why_not,         \
        .rms = run_rms,                    \
        .add_rms = run_add_rms,            \
        .heads = run_heads,                \
        .gated_heads = run_gated_heads,    \
        .add_heads = run_add_heads,        \
        .soft_cap = run_soft_cap,          \
        .sigmoid_gate = run_sigmoid_gate,  \
        .swiglu = run_swiglu,              \
        .log_sum_exp = run_log_sum_exp,    \
        .gap = run_gap,                    \
        .largest = find_largest,           \
    }
/* clang-format on */

#endif
