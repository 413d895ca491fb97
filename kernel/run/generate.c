/* SPDX-License-Identifier: Apache-2.0
 *
 * One prefill pass whose last row gives the first token, then a pass a token.
 * The clock stops when the last token is chosen: sampling is part of what a
 * user waits for. */
#include "kernel/run/generate.h"

#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/buf.h"
#include "kernel/base/clock.h"

enum {
    TAIL_BYTES = 4096
};

const char *xl_finish_name(enum xl_finish finish)
{
    static const char *const names[] = { [XL_FINISH_LENGTH] = "length",
                                         [XL_FINISH_EOS] = "eos",
                                         [XL_FINISH_STOP] = "stop",
                                         [XL_FINISH_CALLER] = "caller" };
    return names[finish];
}

/* One generation on its way. */
struct run {
    struct xl_plan *plan;
    struct xl_state *state;
    const struct xl_config *config;
    const struct xl_generate_options *options;
    struct xl_generate_result *result;
    struct xl_sampler *sampler;
    float *logits;      /* [vocab] */
    struct xl_buf tail; /* end of the text so far, to look for stop in */
};

/* Has the text of the new tokens come to the stop string? */
static bool meets_stop(struct run *r, int32_t id)
{
    const struct xl_generate_options *o = r->options;
    if (!o->stop || !o->stop[0] || !o->tokenizer)
        return false;
    if (r->tail.len > TAIL_BYTES + strlen(o->stop)) {
        size_t keep = strlen(o->stop);
        memmove(r->tail.data, r->tail.data + r->tail.len - keep, keep + 1);
        r->tail.len = keep;
    }
    xl_tokenizer_decode(o->tokenizer, id, &r->tail);
    return strstr(r->tail.data, o->stop) != NULL;
}

/* Takes the next token from the logits; true when generation goes on. */
static bool take_token(struct run *r, uint64_t since)
{
    const struct xl_generate_options *o = r->options;
    struct xl_generate_result *out = r->result;
    int32_t id = xl_sampler_next(r->sampler, r->logits);
    if (!o->ignore_eos && r->config->has_eos && id == r->config->eos) {
        out->finish = XL_FINISH_EOS;
        return false;
    }
    struct xl_generate_token token = { .step = out->n,
                                       .id = id,
                                       .dt_ns = xl_clock_ns() - since,
                                       .logprob = xl_logprob(
                                           r->logits, r->config->vocab, id) };
    out->ids[out->n] = id;
    out->logprobs[out->n++] = token.logprob;
    xl_sampler_see(r->sampler, id);
    if (o->callback && !o->callback(o->callback_ctx, &token)) {
        out->finish = XL_FINISH_CALLER;
        return false;
    }
    if (meets_stop(r, id)) {
        out->finish = XL_FINISH_STOP;
        return false;
    }
    return out->n < o->max_new;
}

static void run_all(struct run *r)
{
    const struct xl_generate_options *o = r->options;
    struct xl_generate_result *out = r->result;
    struct xl_pass pass = { .tokens = o->prompt,
                            .n = o->n_prompt,
                            .logits = r->logits,
                            .last_only = true };
    xl_state_clear(r->state);
    for (size_t i = 0; i < o->n_prompt; i++)
        xl_sampler_see(r->sampler, o->prompt[i]);

    uint64_t start = xl_clock_ns();
    xl_plan_forward(r->plan, r->state, &pass);
    uint64_t prefilled = xl_clock_ns();
    out->prefill_ns = prefilled - start;
    bool goes_on = o->max_new && take_token(r, prefilled);

    uint64_t first = xl_clock_ns();
    while (goes_on) {
        uint64_t before = xl_clock_ns();
        pass.tokens = &out->ids[out->n - 1];
        pass.n = 1;
        xl_plan_forward(r->plan, r->state, &pass);
        out->decode_steps++;
        goes_on = take_token(r, before);
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
    struct run r = { .plan = plan,
                     .state = state,
                     .config = config,
                     .options = options,
                     .result = result };
    enum xl_status rc;

    *result = (struct xl_generate_result){ .finish = XL_FINISH_LENGTH };
    xl_buf_init(&r.tail, 0);
    if (options->n_prompt == 0)
        return xl_fail(err, XL_EUSAGE,
                       "the prompt has no tokens, and the "
                       "model has no beginning-of-text token to start from");
    XL_TRY_DONE(
        rc, xl_sampler_make(&r.sampler, &options->sampler, config->vocab, err));
    r.logits = xl_alloc_zero(config->vocab, sizeof *r.logits);
    result->ids = xl_alloc_zero(options->max_new + 1, sizeof *result->ids);
    result->logprobs =
        xl_alloc_zero(options->max_new + 1, sizeof *result->logprobs);
    if (!r.logits || !result->ids || !result->logprobs)
        rc = xl_fail(err, XL_ENOMEM, "out of memory for %zu new tokens",
                     options->max_new);
    else
        run_all(&r);
done:
    xl_buf_release(&r.tail);
    xl_sampler_free(r.sampler);
    xl_free(r.logits);
    if (rc != XL_OK)
        xl_generate_release(result);
    return rc;
}

void xl_generate_release(struct xl_generate_result *result)
{
    xl_free(result->ids);
    xl_free(result->logprobs);
    *result = (struct xl_generate_result){ 0 };
}
