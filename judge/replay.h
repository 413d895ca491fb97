/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores continuations of one prompt under the reference: the prompt runs
 * once, every continuation starts from a copy of the state after it. The
 * first token is scored by the prompt's last logits.
 *
 *     struct xl_replay *replay;
 *     XL_TRY(xl_replay_make(&replay, model, params, prompt, n, err));
 *     XL_TRY(xl_replay_score(replay, ids, n_ids, &line, err));
 *     xl_replay_free(replay);
 *
 * One thread at a time.
 */
#ifndef XL_REPLAY_H
#define XL_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "kernel/model/plan.h"

struct xl_replay;

/* params: the reference's, NULL = xl_judge_reference. */
enum xl_status xl_replay_make(struct xl_replay **replay, struct xl_model *model,
                              const struct xl_params *params,
                              const int32_t *prompt, size_t n,
                              struct xl_err *err);
void xl_replay_free(struct xl_replay *replay);

struct xl_replay_line {
    double *logprobs;  /* [n], of each token; the caller's memory */
    double greedy_gap; /* largest lead of the best token over the one taken;
                          0 for an empty continuation */
    size_t equal;      /* tokens before the first that is not the best */
};

/* ids [n] are checked against the vocabulary. */
enum xl_status xl_replay_score(struct xl_replay *replay, const int32_t *ids,
                               size_t n, struct xl_replay_line *line,
                               struct xl_err *err);

#endif
