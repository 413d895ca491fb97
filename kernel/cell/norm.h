/* SPDX-License-Identifier: Apache-2.0
 *
 * What lies between the matrix products of the xLSTM block (arXiv 2503.13427):
 * norms, caps and gates of one row, and the log of a softmax's sum.
 *
 *     const struct xl_row_ops *row = xl_row_ops_best();
 *     row->rms(y, x, &(struct xl_norm_weights){ .w = w, .eps = 1e-6f }, n);
 *
 * Inputs and outputs are fp32, sums run in double. The order of a sum is
 * fixed by the row's length, and an element's bits do not depend on where a
 * range begins: results are the same however rows and ranges are shared out.
 */
#ifndef XL_NORM_H
#define XL_NORM_H

#include <stddef.h>
#include <stdint.h>

/* y = normed * w + b, both [n]; b may be NULL. */
struct xl_norm_weights {
    const float *w, *b;
    float eps;
};

/* One row of logits, b, held against another, a. Where one of either is not
 * finite, nor is `squares`, and the others mean nothing. */
struct xl_row_gap {
    double log_sum; /* the bits of log_sum_exp(a) */
    double mean;    /* of a - b under the softmax of a */
    double squares; /* sum of (a - b)^2 */
    double most;    /* largest |a - b| */
};

/* A variant. All functions are pure but for their outputs. */
struct xl_row_ops {
    const char *name;
    const char *(*why_not)(void); /* NULL when usable here */

    /* y = x / sqrt(mean(x^2) + eps) * w + b; y may be x. */
    void (*rms)(float *y, const float *x, const struct xl_norm_weights *weights,
                size_t n);

    /* x += z, then y = rms(x); w NULL: y = x. */
    void (*add_rms)(float *y, float *x, const float *z,
                    const struct xl_norm_weights *weights, size_t n);

    /* LayerNorm of each head by itself, over dv: centred, biased variance,
     * then * w + b over all heads * dv channels; y may be x. */
    void (*heads)(float *y, const float *x,
                  const struct xl_norm_weights *weights, size_t heads,
                  size_t dv);

    /* y = heads(x) sigmoid(o), the bits of `heads` and sigmoid_gate. */
    void (*gated_heads)(float *y, const float *x, const float *o,
                        const struct xl_norm_weights *weights, size_t heads,
                        size_t dv);

    /* x += z, then y = heads(x). */
    void (*add_heads)(float *y, float *x, const float *z,
                      const struct xl_norm_weights *weights, size_t heads,
                      size_t dv);

    /* x = cap * tanh(x / cap); cap 0 leaves x alone. */
    void (*soft_cap)(float *x, size_t n, float cap);

    /* y *= sigmoid(o). */
    void (*sigmoid_gate)(float *y, const float *o, size_t n);

    /* gate = silu(gate) * up. */
    void (*swiglu)(float *gate, const float *up, size_t n);

    /* log(sum of exp(x)); NaN when an x is; an infinite largest x is
     * returned as it is, as is -infinity for n = 0. */
    double (*log_sum_exp)(const float *x, size_t n);

    /* How far b is from a. */
    void (*gap)(struct xl_row_gap *gap, const float *a, const float *b,
                size_t n);

    /* The largest x that is a number, -infinity when there is none. */
    float (*largest)(const float *x, size_t n);
};

/* The fastest variant that is usable here. */
const struct xl_row_ops *xl_row_ops_best(void);

/* soft_cap with libm's tanhf, for input and forget gates of every plan. Their
 * last bits are amplified most: with the vectorised tanh, though nearer to the
 * true one, a logit moved by 1e-5 away from outputs of the original code. */
void xl_gate_cap(float *x, size_t n, float cap);

#endif
