/* SPDX-License-Identifier: Apache-2.0
 *
 * Elementwise activations by name. GELU is the exact one, with erf.
 */
#ifndef XL_ACTIVATION_H
#define XL_ACTIVATION_H

#include <stddef.h>

enum xl_activation {
#define XL_ACTIVATION(id, name, f) XL_ACTIVATION_##id,
#include "kernel/cell/activation.def"
#undef XL_ACTIVATION
    XL_ACTIVATION_COUNT
};

/* XL_ACTIVATION_COUNT when there is none of that name. */
enum xl_activation xl_activation_find(const char *name);

/* x = f(x). */
void xl_activate(enum xl_activation activation, float *x, size_t n);

/* y = f(g) * u; y may be g or u. */
void xl_activate_gated(enum xl_activation activation, float *y, const float *g,
                       const float *u, size_t n);

#endif
