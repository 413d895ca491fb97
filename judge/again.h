/* SPDX-License-Identifier: Apache-2.0
 *
 * The beginning of a text once more, by the ways in that a judge does not take
 * and a generation does.
 *
 * A judge reads text in passes that want every row of logits, of one sequence,
 * from a state that was never used. What is timed is a prompt of which only the
 * last row is wanted, on a plan that has read others before; what is used may
 * be a batch. A configuration could be right in the one and skip work in the
 * other, so the ways have to meet: states and rows of a batch in every bit, the
 * last row of a prompt within rounding.
 *
 *     XL_TRY(xl_again_init(&again, config, err));
 *     xl_again_note(&again, &state, row);  after the first pass or two
 *     xl_again_run(&again, &subject, tokens, scores);
 *     xl_again_release(&again);
 */
#ifndef XL_AGAIN_H
#define XL_AGAIN_H

#include "judge/judge.h"

enum {
    XL_AGAIN_BATCH = 3 /* sequences */
};

struct xl_again {
    size_t at, vocab;      /* tokens of what is noted; 0 = nothing is */
    struct xl_state first; /* noted */
    float *row;            /* [vocab], noted */
    struct xl_state together[XL_AGAIN_BATCH];
    float *rows; /* [1 + XL_AGAIN_BATCH][vocab] */
};

enum xl_status xl_again_init(struct xl_again *again,
                             const struct xl_config *config,
                             struct xl_err *err);
void xl_again_release(struct xl_again *again);

/* What the subject's forward has left after its first tokens: the state, and
 * the logits of the last of them. */
void xl_again_note(struct xl_again *again, const struct xl_state *state,
                   const float *row);

/* Sets again_state and again_kl, and batch_values, of a subject that has these
 * ways in; of one that has not, or where nothing is noted, they stay unknown.
 * What is noted is used up. tokens: of the text, more than are noted. */
void xl_again_run(struct xl_again *again, const struct xl_subject *subject,
                  const int32_t *tokens,
                  struct xl_score scores[XL_SCORE_COUNT]);

#endif
