/* SPDX-License-Identifier: Apache-2.0
 *
 * The one place where parameter values become chosen functions, block sizes,
 * scratch and thread counts; and the forward pass that the plan runs.
 *
 *     struct xl_plan *plan;
 *     XL_TRY(xl_plan_make(&plan, model, &params, err));
 *     xl_plan_forward(plan, &state, &(struct xl_pass){ .tokens = ids, ... });
 *     xl_plan_free(plan);
 *
 * A plan owns its scratch and its threads, so one thread at a time may run
 * it; nothing is allocated after make. It reports what it really chose.
 */
#ifndef XL_PLAN_H
#define XL_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "kernel/model/model.h"
#include "kernel/model/state.h"
#include "kernel/model/trace.h"
#include "kernel/param/param.h"

struct xl_gemm;
struct xl_plan;

enum xl_status xl_plan_make(struct xl_plan **plan, struct xl_model *model,
                            const struct xl_params *params, struct xl_err *err);
void xl_plan_free(struct xl_plan *plan);

/* The parameters with every value the plan really uses: zeros that mean auto
 * are replaced, origins are kept. */
const struct xl_params *xl_plan_effective(const struct xl_plan *plan);

/* The matrix engine of most products, in decode (one row) or prefill. */
const struct xl_gemm *xl_plan_engine(const struct xl_plan *plan, bool one_row);

/* Names of the engines that a plan with these values runs on here: of products
 * in prefill, in decode, and of the output head in decode; each NULL when the
 * values cannot run here. */
struct xl_plan_engines {
    const char *prefill, *decode, *head;
};
struct xl_plan_engines xl_plan_engines(const struct xl_config *config,
                                       const struct xl_params *params);

/* Tokens through the model. Row r of logits belongs to tokens[r], or, with
 * last_only, the one row to the last token. */
struct xl_pass {
    const int32_t *tokens; /* [n], each below the vocabulary's size */
    size_t n;
    float *logits; /* [n or 1][vocab], or NULL when not wanted */
    bool last_only;
    struct xl_trace *trace; /* where the time goes, or NULL */
};
void xl_plan_forward(struct xl_plan *plan, struct xl_state *state,
                     const struct xl_pass *pass);

/* The next token of n sequences, each with a state of its own: one pass over
 * the weights for all of them, block tokens at a time. States are distinct.
 *
 * The bits of a sequence's logits and state are those of a pass of its one
 * token alone: they depend neither on its neighbours, nor on their number, nor
 * on its place, nor on the workers. */
struct xl_batch {
    const int32_t *tokens; /* [n], each below the vocabulary's size */
    size_t n;
    float *logits;          /* [n][vocab], or NULL when not wanted */
    struct xl_trace *trace; /* where the time goes, or NULL */
};
void xl_plan_forward_batch(struct xl_plan *plan, struct xl_state *const *states,
                           const struct xl_batch *batch);

/* Why a tunable has no effect with these values on this model ("backend
 * 'native' does not read it"), or NULL when it has. Static storage. */
const char *xl_plan_inert(const struct xl_config *config,
                          const struct xl_params *params, enum xl_param id);

/* Puts inert tunables to their defaults, so that equal points are equal. */
void xl_plan_canonical(const struct xl_config *config,
                       struct xl_params *params);

/* Does the model allow these values? XL_EUSAGE says why not. */
enum xl_status xl_plan_check(const struct xl_config *config,
                             const struct xl_params *params,
                             struct xl_err *err);

#endif
