/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/run/score.h"

#include "kernel/base/alloc.h"
#include "kernel/base/minmax.h"
#include "kernel/text/sampler.h"

static size_t piece_tokens(const struct xl_plan *plan,
                           const struct xl_feed *feed)
{
    if (feed && feed->step)
        return 1;
    if (feed && feed->split)
        return feed->split;
    return (size_t)xl_plan_effective(plan)->value[XL_PARAM_PREFILL_BLOCK];
}

enum xl_status xl_score_run(struct xl_plan *plan, const struct xl_model *model,
                            struct xl_state *state,
                            const struct xl_score_job *job, struct xl_err *err)
{
    size_t vocab = xl_model_config(model)->vocab, floats;
    size_t piece = xl_min(piece_tokens(plan, job->feed), job->n);
    float *logits = NULL;
    if (xl_mul_size(piece, vocab, &floats))
        logits = xl_alloc_zero(floats, sizeof *logits);
    if (!logits)
        return xl_fail(err, XL_ENOMEM,
                       "out of memory for the logits of %zu tokens; lower "
                       "prefill_block",
                       piece);
    bool goes_on = true;
    xl_state_clear(state);
    for (size_t at = 0; at < job->n && goes_on; at += piece) {
        size_t len = xl_min(job->n - at, piece);
        xl_plan_forward(plan, state,
                        &(struct xl_pass){ .tokens = job->tokens + at,
                                           .n = len,
                                           .logits = logits });
        for (size_t i = 0; i < len && goes_on; i++)
            goes_on =
                job->callback(job->ctx, at + i, logits + i * vocab, vocab);
    }
    xl_free(logits);
    return XL_OK;
}

struct scoring {
    const int32_t *tokens;
    size_t n;
    double *logprobs;
};

static bool score_next(void *ctx, size_t position, const float *logits,
                       size_t vocab)
{
    struct scoring *s = ctx;
    if (position + 1 < s->n)
        s->logprobs[position] =
            xl_logprob(logits, vocab, s->tokens[position + 1]);
    return true;
}

enum xl_status xl_score_tokens(struct xl_plan *plan,
                               const struct xl_model *model,
                               const int32_t *tokens, size_t n,
                               double *logprobs, struct xl_err *err)
{
    struct xl_state state;
    struct scoring s = { .tokens = tokens, .n = n, .logprobs = logprobs };
    struct xl_score_job job = {
        .tokens = tokens, .n = n, .callback = score_next, .ctx = &s
    };
    XL_TRY(xl_state_init(&state, xl_model_config(model), err));
    enum xl_status rc = xl_score_run(plan, model, &state, &job, err);
    xl_state_release(&state);
    return rc;
}
