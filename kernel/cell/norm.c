/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums use eight partial sums in double: the order is fixed by the code, so
 * results depend on nothing but the row. The exponentials are libm's expf and
 * tanhf. */
#include "kernel/cell/norm.h"

#include <math.h>

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

void xl_rms_norm(float *y, const float *x, const float *w, const float *b,
                 size_t n, float eps)
{
    double mean = sum_squares(x, n, 0.0) / (double)n;
    float r = (float)(1.0 / sqrt(mean + (double)eps));
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * r * w[i] + (b ? b[i] : 0.0f);
}

void xl_head_norm(float *y, const float *x, const float *w, const float *b,
                  size_t heads, size_t dv, float eps)
{
    for (size_t head = 0; head < heads; head++) {
        size_t at = head * dv;
        double mean = sum(x + at, dv) / (double)dv;
        double variance = sum_squares(x + at, dv, mean) / (double)dv;
        float r = (float)(1.0 / sqrt(variance + (double)eps));
        for (size_t i = at; i < at + dv; i++)
            y[i] = (float)((double)x[i] - mean) * r * w[i] + (b ? b[i] : 0.0f);
    }
}

void xl_soft_cap(float *x, size_t n, float cap)
{
    if (cap <= 0.0f)
        return;
    for (size_t i = 0; i < n; i++)
        x[i] = cap * tanhf(x[i] / cap);
}

void xl_sigmoid_gate(float *y, const float *o, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] /= 1.0f + expf(-o[i]);
}

void xl_swiglu(float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i++)
        gate[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
}

void xl_add_rows(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}
