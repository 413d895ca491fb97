/* SPDX-License-Identifier: Apache-2.0
 *
 * One prefill pass whose last row gives the first token, then a pass a token.
 * The clock stops when the last token is chosen: sampling is part of what a
 * user waits for. */
#include "kernel/run/generate.h"

#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/run/sequence.h"

/* One generation on its way. */
struct run {
    struct xl_plan *plan;
    struct xl_state *state;
    struct xl_sequence sequence;
    float *logits; /* [vocab] */
};

static void run_all(struct run *r)
{
    const struct xl_generate_options *o = r->sequence.options;
    struct xl_generate_result *out = r->sequence.result;
    struct xl_pass pass = { .tokens = o->prompt,
                            .n = o->n_prompt,
                            .logits = r->logits,
                            .last_only = true };
    xl_state_clear(r->state);
    uint64_t start = xl_clock_ns();
    xl_plan_forward(r->plan, r->state, &pass);
    uint64_t prefilled = xl_clock_ns();
    out->prefill_ns = prefilled - start;
    bool goes_on = xl_sequence_take(&r->sequence, r->logits, prefilled);

    uint64_t first = xl_clock_ns();
    while (goes_on) {
        uint64_t before = xl_clock_ns();
        pass.tokens = xl_sequence_last(&r->sequence);
        pass.n = 1;
        xl_plan_forward(r->plan, r->state, &pass);
        out->decode_steps++;
        goes_on = xl_sequence_take(&r->sequence, r->logits, before);
    }
    out->decode_ns = out->decode_steps ? xl_clock_ns() - first : 0;
}

enum xl_status xl_generate(struct xl_plan *plan, const struct xl_model *model,
                           struct xl_state *state,
                           const struct xl_generate_options *options,
                           struct xl_generate_result *result,
                           struct xl_err *err)
{
    const struct xl_config *config = xl_model_config(model);
    struct run r = { .plan = plan, .state = state };
    enum xl_status rc;
    XL_TRY_DONE(rc,
                xl_sequence_begin(&r.sequence, config, options, result, err));
    r.logits = xl_alloc_zero(config->vocab, sizeof *r.logits);
    if (r.logits)
        run_all(&r);
    else
        rc = xl_fail(err, XL_ENOMEM, "out of memory for %zu logits",
                     config->vocab);
done:
    xl_sequence_end(&r.sequence);
    xl_free(r.logits);
    if (rc != XL_OK)
        xl_generate_release(result);
    return rc;
}
