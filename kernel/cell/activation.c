/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/cell/activation.h"

#include <math.h>
#include <string.h>

typedef float activation_fn(float x);

static float gelu(float x)
{
    return 0.5f * x * (1.0f + erff(x * 0.70710678f));
}

static float relu(float x)
{
    return x < 0.0f ? 0.0f : x;
}

static float relu2(float x)
{
    return relu(x) * relu(x);
}

static float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

static float swish(float x)
{
    return x / (1.0f + expf(-x));
}

static float selu(float x)
{
    const float scale = 1.05070099f, alpha = 1.67326324f;
    return scale * (x > 0.0f ? x : alpha * expm1f(x));
}

static const struct {
    const char *name;
    activation_fn *f;
} activations[] = {
#define XL_ACTIVATION(id, name, f) [XL_ACTIVATION_##id] = { name, f },
#include "kernel/cell/activation.def"
#undef XL_ACTIVATION
};

enum xl_activation xl_activation_find(const char *name)
{
    size_t i = 0;
    while (i < XL_ACTIVATION_COUNT && strcmp(activations[i].name, name) != 0)
        i++;
    return (enum xl_activation)i;
}

void xl_activate(enum xl_activation activation, float *x, size_t n)
{
    activation_fn *f = activations[activation].f;
    for (size_t i = 0; i < n; i++)
        x[i] = f(x[i]);
}

void xl_activate_gated(enum xl_activation activation, float *y, const float *g,
                       const float *u, size_t n)
{
    activation_fn *f = activations[activation].f;
    for (size_t i = 0; i < n; i++)
        y[i] = f(g[i]) * u[i];
}
