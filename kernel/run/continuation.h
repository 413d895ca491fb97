/* SPDX-License-Identifier: Apache-2.0
 *
 * What a continuation of a prompt is asked to be, and what came of it. One
 * prompt alone (generate.h) and many together (batch.h) speak in these.
 */
#ifndef XL_CONTINUATION_H
#define XL_CONTINUATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/text/sampler.h"
#include "kernel/text/tokenizer.h"

enum xl_finish {
    XL_FINISH_LENGTH,
    XL_FINISH_EOS,
    XL_FINISH_STOP,
    XL_FINISH_CALLER
};

/* Called after each token; false ends the generation. step counts from 0;
 * dt_ns is the time of the forward pass and the sampling that gave it. */
struct xl_generate_token {
    size_t step;
    int32_t id;
    double logprob;
    uint64_t dt_ns;
};
typedef bool xl_generate_callback(void *ctx,
                                  const struct xl_generate_token *token);

struct xl_generate_options {
    const int32_t *prompt; /* [n_prompt], n_prompt >= 1 */
    size_t n_prompt;
    size_t max_new;
    struct xl_sampler_options sampler;
    bool ignore_eos;  /* measurements decode a fixed count */
    const char *stop; /* text that ends generation, or NULL */
    const struct xl_tokenizer *tokenizer; /* needed for stop */
    xl_generate_callback *callback;       /* or NULL */
    void *callback_ctx;
};

struct xl_generate_result {
    int32_t *ids;     /* [n], heap; EOS is not among them */
    double *logprobs; /* [n], of each id before penalties and filters */
    size_t n;
    enum xl_finish finish;
    uint64_t prefill_ns; /* prompt through the model, logits of its last */
    uint64_t decode_ns;  /* from the first new token to the last */
    size_t decode_steps; /* forward passes in decode_ns: n - 1 or so */
};

const char *xl_finish_name(enum xl_finish finish);

/* Frees the arrays and empties the result. */
void xl_generate_release(struct xl_generate_result *result);

#endif
