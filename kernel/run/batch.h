/* SPDX-License-Identifier: Apache-2.0
 *
 * Many prompts continued together: each decode step is one pass over the
 * weights for all sequences that are on their way. A sequence that ends makes
 * room for the next prompt.
 *
 *     struct xl_batch_job job = { .options = options, .n = n };
 *     XL_TRY(xl_generate_batch(plan, model, &job, results, &stats, err));
 *     ... results[i].ids, results[i].logprobs ...
 *     xl_generate_release_all(results, n);
 *
 * Each sequence gives the bits that xl_generate gives it alone, whatever its
 * neighbours and the width. Equal prompts that follow each other go through
 * the model once, and so does what all prompts begin with, by whole blocks of
 * prefill_block tokens: their states are copies.
 */
#ifndef XL_BATCH_H
#define XL_BATCH_H

#include "kernel/base/err.h"
#include "kernel/model/plan.h"
#include "kernel/run/continuation.h"

/* Called when a sequence has ended, in the order in which they end. */
typedef void xl_batch_done(void *ctx, size_t index,
                           const struct xl_generate_result *result);

struct xl_batch_job {
    const struct xl_generate_options *options; /* [n], one a prompt */
    size_t n;
    size_t width;        /* sequences at once; 0 = XL_BATCH_WIDTH */
    xl_batch_done *done; /* or NULL */
    void *done_ctx;
};

enum {
    XL_BATCH_WIDTH = 32 /* rows that read the weights once */
};

/* What the whole job took. */
struct xl_batch_stats {
    size_t prompt_tokens; /* that went through the model: shared ones once */
    uint64_t prefill_ns;
    size_t decode_steps, decode_tokens; /* passes; rows of all passes */
    uint64_t decode_ns;                 /* of the passes and their sampling */
};

/* results [n]; stats may be NULL. A result's prefill_ns is that of the pass
 * its state comes from. On error results hold nothing. */
enum xl_status xl_generate_batch(struct xl_plan *plan,
                                 const struct xl_model *model,
                                 const struct xl_batch_job *job,
                                 struct xl_generate_result *results,
                                 struct xl_batch_stats *stats,
                                 struct xl_err *err);
void xl_generate_release_all(struct xl_generate_result *results, size_t n);

#endif
