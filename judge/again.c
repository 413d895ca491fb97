/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/again.h"

#include <string.h>

#include "judge/drift.h"
#include "kernel/base/alloc.h"

enum xl_status xl_again_init(struct xl_again *a, const struct xl_config *config,
                             struct xl_err *err)
{
    *a = (struct xl_again){ .vocab = config->vocab };
    XL_TRY(xl_state_init(&a->first, config, err));
    for (size_t i = 0; i < XL_AGAIN_BATCH; i++)
        XL_TRY(xl_state_init(&a->together[i], config, err));
    a->row = xl_alloc_floats(1, a->vocab);
    a->rows = xl_alloc_floats(1 + XL_AGAIN_BATCH, a->vocab);
    return a->row && a->rows
               ? XL_OK
               : xl_fail(err, XL_ENOMEM, "out of memory for a judgement");
}

void xl_again_release(struct xl_again *a)
{
    xl_state_release(&a->first);
    for (size_t i = 0; i < XL_AGAIN_BATCH; i++)
        xl_state_release(&a->together[i]);
    xl_free(a->row);
    xl_free(a->rows);
}

void xl_again_note(struct xl_again *a, const struct xl_state *state,
                   const float *row)
{
    a->at = (size_t)state->tokens;
    xl_state_copy(&a->first, state);
    memcpy(a->row, row, a->vocab * sizeof *row);
}

/* How many of n values differ in a bit. */
static size_t count_changes(const float *a, const float *b, size_t n)
{
    size_t changes = 0;
    for (size_t i = 0; i < n; i++)
        changes += memcmp(&a[i], &b[i], sizeof *a) != 0;
    return changes;
}

/* Widening what is held narrow is exact, and so is the way back. */
static size_t compare_states(struct xl_state *a, struct xl_state *b)
{
    xl_state_hold(a, XL_FP32);
    xl_state_hold(b, XL_FP32);
    return count_changes(a->data, b->data, a->floats);
}

/* Leaves the state after the prompt in together[0]. */
static void read_prompt(struct xl_again *a, const struct xl_subject *subject,
                        const int32_t *tokens,
                        struct xl_score scores[XL_SCORE_COUNT])
{
    struct xl_state *state = &a->together[0];
    xl_state_clear(state);
    subject->prompt(subject->ctx, state,
                    &(struct xl_pass){ .tokens = tokens,
                                       .n = a->at,
                                       .logits = a->rows,
                                       .last_only = true });
    size_t changes = compare_states(&a->first, state);
    scores[XL_SCORE_AGAIN_STATE] = xl_score_point((double)changes, a->at);
    scores[XL_SCORE_AGAIN_KL] =
        xl_score_point(xl_drift_kl(a->row, a->rows, a->vocab), 1);
}

/* One sequence goes on behind the prompt, the others begin; then each alone,
 * the first from what was noted. */
static void step_batch(struct xl_again *a, const struct xl_subject *subject,
                       const int32_t *tokens,
                       struct xl_score scores[XL_SCORE_COUNT])
{
    struct xl_state *states[XL_AGAIN_BATCH];
    int32_t next[XL_AGAIN_BATCH];
    size_t changes = 0;
    for (size_t i = 0; i < XL_AGAIN_BATCH; i++) {
        states[i] = &a->together[i];
        next[i] = tokens[i == 0 ? a->at : i - 1];
        if (i > 0)
            xl_state_clear(states[i]);
    }
    subject->batch(subject->ctx, states,
                   &(struct xl_batch){ .tokens = next,
                                       .n = XL_AGAIN_BATCH,
                                       .logits = a->rows + a->vocab });
    for (size_t i = 0; i < XL_AGAIN_BATCH; i++) {
        if (i > 0)
            xl_state_clear(&a->first);
        subject->forward(
            subject->ctx, &a->first,
            &(struct xl_pass){ .tokens = &next[i], .n = 1, .logits = a->rows });
        changes +=
            count_changes(a->rows, a->rows + (1 + i) * a->vocab, a->vocab);
        changes += compare_states(&a->first, states[i]);
    }
    scores[XL_SCORE_BATCH_VALUES] =
        xl_score_point((double)changes, XL_AGAIN_BATCH);
}

void xl_again_run(struct xl_again *a, const struct xl_subject *subject,
                  const int32_t *tokens, struct xl_score scores[XL_SCORE_COUNT])
{
    if (a->at == 0 || !subject->prompt || !subject->batch)
        return;
    read_prompt(a, subject, tokens, scores);
    step_batch(a, subject, tokens, scores);
    a->at = 0;
}
