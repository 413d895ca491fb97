/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model is held to: recorded logits, and the configurations that must
 * all give them.
 */
#ifndef XL_EVERY_CONFIG_H
#define XL_EVERY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/param/param.h"

/* The largest difference so far from the recorded logits; a NaN stays. */
struct xl_against {
    const float *want; /* [n][vocab] */
    double worst;
};

/* An xl_logits_callback, of a struct xl_against. */
bool xl_against_row(void *ctx, size_t position, const float *logits,
                    size_t vocab);

/* Given one configuration, and its name. */
typedef void xl_config_fn(void *ctx, const struct xl_params *params,
                          const char *how);

struct xl_schedules {
    const int64_t *chunks, *bands;
    size_t n_chunks, n_bands;
};

/* Every backend with each of these values that it reads, on one to three
 * workers. */
void xl_each_schedule(const struct xl_schedules *schedules, xl_config_fn *fn,
                      void *ctx);

/* Every engine that runs fp32 weights here, with every fp32 cell. */
void xl_each_engine(xl_config_fn *fn, void *ctx);

#endif
