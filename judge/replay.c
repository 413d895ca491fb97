/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/replay.h"

#include <math.h>
#include <string.h>

#include "judge/judge.h"
#include "judge/logprob.h"
#include "kernel/base/alloc.h"

enum {
    PIECE = 64
};

struct xl_replay {
    struct xl_plan *plan;
    struct xl_state after_prompt, state;
    size_t vocab;
    float *prompt_logits; /* [vocab], after the prompt's last token */
    float *logits;        /* [PIECE][vocab] */
};

void xl_replay_free(struct xl_replay *replay)
{
    if (!replay)
        return;
    xl_plan_free(replay->plan);
    xl_state_release(&replay->after_prompt);
    xl_state_release(&replay->state);
    xl_free(replay->prompt_logits);
    xl_free(replay->logits);
    xl_free(replay);
}

static enum xl_status check_ids(const int32_t *ids, size_t n, size_t vocab,
                                struct xl_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= vocab)
            return xl_fail(err, XL_EFORMAT,
                           "token id %ld is beyond the "
                           "model's vocabulary of %zu",
                           (long)ids[i], vocab);
    return XL_OK;
}

static void feed_prompt(struct xl_replay *replay, const int32_t *prompt,
                        size_t n)
{
    xl_plan_forward(replay->plan, &replay->after_prompt,
                    &(struct xl_pass){ .tokens = prompt,
                                       .n = n,
                                       .logits = replay->prompt_logits,
                                       .last_only = true });
}

enum xl_status xl_replay_make(struct xl_replay **out, struct xl_model *model,
                              const struct xl_params *params,
                              const int32_t *prompt, size_t n,
                              struct xl_err *err)
{
    const struct xl_config *config = xl_model_config(model);
    struct xl_params naive;
    enum xl_status rc;
    *out = NULL;
    if (n == 0)
        return xl_fail(err, XL_EUSAGE, "the prompt has no token");
    XL_TRY(check_ids(prompt, n, config->vocab, err));
    struct xl_replay *replay = xl_alloc_zero(1, sizeof *replay);
    if (!replay)
        return xl_fail(err, XL_ENOMEM, "out of memory replaying outputs");
    replay->vocab = config->vocab;
    xl_judge_reference(&naive);
    XL_TRY_DONE(
        rc, xl_plan_make(&replay->plan, model, params ? params : &naive, err));
    XL_TRY_DONE(rc, xl_state_init(&replay->after_prompt, config, err));
    XL_TRY_DONE(rc, xl_state_init(&replay->state, config, err));
    replay->prompt_logits = xl_alloc_zero(config->vocab, sizeof(float));
    replay->logits = xl_alloc_zero(config->vocab * PIECE, sizeof(float));
    if (!replay->prompt_logits || !replay->logits) {
        rc = xl_fail(err, XL_ENOMEM, "out of memory replaying outputs");
        goto done;
    }
    feed_prompt(replay, prompt, n);
    *out = replay;
done:
    if (rc != XL_OK)
        xl_replay_free(replay);
    return rc;
}

/* Scores ids[at] by the logits before it. */
static void score_one(struct xl_replay_line *line, const float *before,
                      size_t vocab, int32_t id, size_t at)
{
    double taken = (double)before[id];
    double top = taken;
    for (size_t i = 0; i < vocab; i++)
        top = fmax(top, (double)before[i]);
    line->logprobs[at] = taken - xl_log_sum_exp(before, vocab);
    line->greedy_gap = fmax(line->greedy_gap, top - taken);
    if (top == taken && line->equal == at)
        line->equal++;
}

enum xl_status xl_replay_score(struct xl_replay *replay, const int32_t *ids,
                               size_t n, struct xl_replay_line *line,
                               struct xl_err *err)
{
    size_t vocab = replay->vocab;
    XL_TRY(check_ids(ids, n, vocab, err));
    line->greedy_gap = 0;
    line->equal = 0;
    if (n == 0)
        return XL_OK;
    xl_state_copy(&replay->state, &replay->after_prompt);
    score_one(line, replay->prompt_logits, vocab, ids[0], 0);
    for (size_t at = 0; at + 1 < n;) {
        size_t left = n - 1 - at;
        size_t now = left < PIECE ? left : PIECE;
        xl_plan_forward(replay->plan, &replay->state,
                        &(struct xl_pass){ .tokens = ids + at,
                                           .n = now,
                                           .logits = replay->logits });
        for (size_t i = 0; i < now; i++)
            score_one(line, replay->logits + i * vocab, vocab, ids[at + i + 1],
                      at + i + 1);
        at += now;
    }
    return XL_OK;
}
