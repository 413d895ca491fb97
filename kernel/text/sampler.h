/* SPDX-License-Identifier: Apache-2.0
 *
 * Picks the next token from logits, in this order: repetition penalty (once a
 * distinct token, over all tokens so far), top-k, top-p (the smallest set
 * whose probability reaches p), min-p, temperature, one uniform draw.
 * Temperature 0 is greedy: the first largest logit after the penalty.
 *
 * Filters look at probabilities at temperature 1. One uniform number is drawn
 * a token, so equal seeds give equal texts. Not thread-safe: one a sequence.
 */
#ifndef XL_SAMPLER_H
#define XL_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "kernel/base/rng.h"

struct xl_sampler_options {
    float temperature;        /* 0 = greedy */
    size_t top_k;             /* 0 = off */
    float top_p;              /* 0 or 1 = off */
    float min_p;              /* 0 = off */
    float repetition_penalty; /* 0 or 1 = off */
    uint64_t seed;
};

struct xl_sampler;

/* XL_EUSAGE when an option is out of bounds. */
enum xl_status xl_sampler_make(struct xl_sampler **sampler,
                               const struct xl_sampler_options *options,
                               size_t vocab, struct xl_err *err);
void xl_sampler_free(struct xl_sampler *sampler);

/* Notes a token of the prompt or of the output for the penalty. */
void xl_sampler_see(struct xl_sampler *sampler, int32_t id);

/* The next token; logits [vocab] are not changed. */
int32_t xl_sampler_next(struct xl_sampler *sampler, const float *logits);

/* log p(id) under softmax of logits, summed in double. */
double xl_logprob(const float *logits, size_t vocab, int32_t id);

/* Index of the first largest logit. */
int32_t xl_argmax(const float *logits, size_t vocab);

#endif
