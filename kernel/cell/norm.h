/* SPDX-License-Identifier: Apache-2.0
 *
 * Norms and gates of the xLSTM block (arXiv 2503.13427), row by row. Inputs
 * and outputs are fp32; sums run in double, in a fixed order.
 */
#ifndef XL_NORM_H
#define XL_NORM_H

#include <stddef.h>

/* y = x / sqrt(mean(x^2) + eps) * w + b; y may be x; b may be NULL. */
void xl_rms_norm(float *y, const float *x, const float *w, const float *b,
                 size_t n, float eps);

/* LayerNorm of each head by itself, over dv: centred, biased variance, then
 * * w + b over all heads*dv channels; y may be x; b may be NULL. */
void xl_head_norm(float *y, const float *x, const float *w, const float *b,
                  size_t heads, size_t dv, float eps);

/* x = cap * tanh(x / cap); cap 0 leaves x alone. */
void xl_soft_cap(float *x, size_t n, float cap);

/* y *= sigmoid(o). */
void xl_sigmoid_gate(float *y, const float *o, size_t n);

/* gate = silu(gate) * up. */
void xl_swiglu(float *gate, const float *up, size_t n);

/* y += x. */
void xl_add_rows(float *y, const float *x, size_t n);

#endif
