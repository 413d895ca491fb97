/* SPDX-License-Identifier: Apache-2.0
 *
 * The truth the other variants are held to: plain loops, libm's expf and
 * tanhf, sums of eight partial sums in double. */
#include "kernel/cell/norm.h"

#include <math.h>
#include <string.h>

#include "kernel/cell/norm_int.h"

enum {
    LANES = 8
};

static double fold(const double lane[LANES])
{
    return ((lane[0] + lane[4]) + (lane[1] + lane[5])) +
           ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

static double sum(const float *x, size_t n)
{
    double lane[LANES] = { 0 };
    for (size_t i = 0; i < n; i++)
        lane[i % LANES] += (double)x[i];
    return fold(lane);
}

/* Sum of (x - centre)^2. */
static double sum_squares(const float *x, size_t n, double centre)
{
    double lane[LANES] = { 0 };
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i] - centre;
        lane[i % LANES] += d * d;
    }
    return fold(lane);
}

static const char *why_not(void)
{
    return NULL;
}

static void rms(float *y, const float *x, const struct xl_norm_weights *weights,
                size_t n)
{
    const float *w = weights->w, *b = weights->b;
    double mean = sum_squares(x, n, 0.0) / (double)n;
    float r = (float)(1.0 / sqrt(mean + (double)weights->eps));
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * r * w[i] + (b ? b[i] : 0.0f);
}

static void add_rms(float *y, float *x, const float *z,
                    const struct xl_norm_weights *weights, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] += z[i];
    if (weights->w)
        rms(y, x, weights, n);
    else
        memcpy(y, x, n * sizeof *y);
}

static void norm_heads(float *y, const float *x,
                       const struct xl_norm_weights *weights, size_t heads,
                       size_t dv)
{
    const float *w = weights->w, *b = weights->b;
    for (size_t head = 0; head < heads; head++) {
        size_t at = head * dv;
        double mean = sum(x + at, dv) / (double)dv;
        double variance = sum_squares(x + at, dv, mean) / (double)dv;
        float r = (float)(1.0 / sqrt(variance + (double)weights->eps));
        for (size_t i = at; i < at + dv; i++)
            y[i] = (float)((double)x[i] - mean) * r * w[i] + (b ? b[i] : 0.0f);
    }
}

static void add_heads(float *y, float *x, const float *z,
                      const struct xl_norm_weights *weights, size_t heads,
                      size_t dv)
{
    for (size_t i = 0; i < heads * dv; i++)
        x[i] += z[i];
    norm_heads(y, x, weights, heads, dv);
}

static void soft_cap(float *x, size_t n, float cap)
{
    if (cap <= 0.0f)
        return;
    for (size_t i = 0; i < n; i++)
        x[i] = cap * tanhf(x[i] / cap);
}

static void sigmoid_gate(float *y, const float *o, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] /= 1.0f + expf(-o[i]);
}

static void gated_heads(float *y, const float *x, const float *o,
                        const struct xl_norm_weights *weights, size_t heads,
                        size_t dv)
{
    norm_heads(y, x, weights, heads, dv);
    sigmoid_gate(y, o, heads * dv);
}

static void swiglu(float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i++)
        gate[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
}

static double log_sum_exp(const float *x, size_t n)
{
    double most = -HUGE_VAL, total = 0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(x[i]))
            return (double)x[i];
        most = fmax(most, (double)x[i]);
    }
    if (!isfinite(most))
        return most;
    for (size_t i = 0; i < n; i++)
        total += exp((double)x[i] - most);
    return most + log(total);
}

static void gap(struct xl_row_gap *out, const float *a, const float *b,
                size_t n)
{
    double top = -HUGE_VAL, sum = 0, mean = 0;
    *out = (struct xl_row_gap){ 0 };
    for (size_t i = 0; i < n; i++)
        top = fmax(top, (double)a[i]);
    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i], e = exp((double)a[i] - top);
        sum += e;
        mean += e * d;
        out->squares += d * d;
        out->most = fmax(out->most, fabs(d));
    }
    out->mean = mean / sum;
    out->log_sum = top + log(sum);
}

static float largest(const float *x, size_t n)
{
    float most = -HUGE_VALF;
    for (size_t i = 0; i < n; i++)
        most = fmaxf(most, x[i]);
    return most;
}

const struct xl_row_ops xl_norm_naive = {
    .name = "naive",
    .why_not = why_not,
    .rms = rms,
    .add_rms = add_rms,
    .heads = norm_heads,
    .gated_heads = gated_heads,
    .add_heads = add_heads,
    .soft_cap = soft_cap,
    .sigmoid_gate = sigmoid_gate,
    .swiglu = swiglu,
    .log_sum_exp = log_sum_exp,
    .gap = gap,
    .largest = largest,
};
