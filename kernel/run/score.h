/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores given tokens: a token is scored by the logits before it; the first
 * one conditions and is not scored.
 */
#ifndef XL_SCORE_H
#define XL_SCORE_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "kernel/model/plan.h"

/* Called with the logits after tokens[position], for each position in order;
 * false ends the run early. */
typedef bool xl_logits_callback(void *ctx, size_t position, const float *logits,
                                size_t vocab);

/* How the tokens go through the model. */
struct xl_feed {
    size_t split; /* tokens a call, carrying state; 0 = prefill_block */
    bool step;    /* one at a time, through the decode path */
};

struct xl_score_job {
    const int32_t *tokens; /* [n] */
    size_t n;
    const struct xl_feed *feed; /* NULL = in pieces of prefill_block */
    xl_logits_callback *callback;
    void *ctx;
};

/* Runs the tokens from a cleared state. Logits are held for one piece at a
 * time, so memory does not grow with n. */
enum xl_status xl_score_run(struct xl_plan *plan, const struct xl_model *model,
                            struct xl_state *state,
                            const struct xl_score_job *job, struct xl_err *err);

/* logprobs[i] = log p(tokens[i + 1] | tokens[0..i]), i in 0..n-2, in nats. */
enum xl_status xl_score_tokens(struct xl_plan *plan,
                               const struct xl_model *model,
                               const int32_t *tokens, size_t n,
                               double *logprobs, struct xl_err *err);

#endif
