/* SPDX-License-Identifier: Apache-2.0
 *
 * One repetition of a workload with a plan: the prompt through the model from
 * a cleared state, then a fixed number of greedy tokens. Timed is what a user
 * waits for: forward passes and the choice of each token. A batch continues
 * the prompt in several sequences that share each pass over the weights; its
 * decode steps are the tokens of all of them.
 */
#ifndef XL_TRIAL_H
#define XL_TRIAL_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "kernel/model/plan.h"
#include "tuner/measure/probe.h"
#include "tuner/measure/runner.h"
#include "tuner/measure/steady.h"

struct xl_trial_load {
    const int32_t *prompt;       /* [n_prompt] */
    size_t n_prompt, new_tokens; /* 0 new tokens = prefill alone */
    size_t batch;                /* sequences decoded at once; 0 = one */
    struct xl_fastest *fastest;  /* of the process; NULL = not graded */
};

/* Runs it once; fills everything of sample but rep and side. */
enum xl_status xl_trial_run(struct xl_plan *plan, const struct xl_model *model,
                            struct xl_state *state,
                            const struct xl_trial_load *workload,
                            struct xl_run_sample *sample, struct xl_err *err);

/* Discards repetitions of the workload, of its first tokens where it is long,
 * until both phases are steady or it took long enough. */
enum xl_status xl_trial_warm_up(struct xl_plan *plan,
                                const struct xl_model *model,
                                struct xl_state *state,
                                const struct xl_trial_load *workload,
                                struct xl_steady *steady, struct xl_err *err);

/* Tokens a second of a sample; NaN when the phase was not run. */
double xl_sample_prefill_tok_s(const struct xl_run_sample *sample);
double xl_sample_decode_tok_s(const struct xl_run_sample *sample);

#endif
