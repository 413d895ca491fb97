/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/run/sequence.h"

#include <assert.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"

enum {
    TAIL_BYTES = 4096
};

enum xl_status xl_sequence_begin(struct xl_sequence *s,
                                 const struct xl_config *config,
                                 const struct xl_generate_options *options,
                                 struct xl_generate_result *result,
                                 struct xl_err *err)
{
    *s = (struct xl_sequence){ .config = config,
                               .options = options,
                               .result = result };
    *result = (struct xl_generate_result){ .finish = XL_FINISH_LENGTH };
    xl_buf_init(&s->tail, 0);
    if (options->n_prompt == 0)
        return xl_fail(err, XL_EUSAGE,
                       "the prompt has no tokens, and no "
                       "beginning-of-text token stands in front of it");
    XL_TRY(xl_sampler_make(&s->sampler, &options->sampler, config->vocab, err));
    result->ids = xl_alloc_zero(options->max_new + 1, sizeof *result->ids);
    result->logprobs =
        xl_alloc_zero(options->max_new + 1, sizeof *result->logprobs);
    if (!result->ids || !result->logprobs) {
        xl_generate_release(result);
        return xl_fail(err, XL_ENOMEM, "out of memory for %zu new tokens",
                       options->max_new);
    }
    for (size_t i = 0; i < options->n_prompt; i++)
        xl_sampler_see(s->sampler, options->prompt[i]);
    return XL_OK;
}

/* Has the text of the new tokens come to the stop string? */
static bool meets_stop(struct xl_sequence *s, int32_t id)
{
    const struct xl_generate_options *o = s->options;
    if (!o->stop || !o->stop[0] || !o->tokenizer)
        return false;
    if (s->tail.len > TAIL_BYTES + strlen(o->stop)) {
        size_t keep = strlen(o->stop);
        memmove(s->tail.data, s->tail.data + s->tail.len - keep, keep + 1);
        s->tail.len = keep;
    }
    xl_tokenizer_decode(o->tokenizer, id, &s->tail);
    return strstr(s->tail.data, o->stop) != NULL;
}

/* Why the sequence ends with this token, or XL_FINISH_LENGTH. */
static enum xl_finish finish_of(struct xl_sequence *s,
                                const struct xl_generate_token *token)
{
    const struct xl_generate_options *o = s->options;
    if (o->callback && !o->callback(o->callback_ctx, token))
        return XL_FINISH_CALLER;
    return meets_stop(s, token->id) ? XL_FINISH_STOP : XL_FINISH_LENGTH;
}

bool xl_sequence_take(struct xl_sequence *s, const float *logits,
                      uint64_t since_ns)
{
    const struct xl_generate_options *o = s->options;
    struct xl_generate_result *out = s->result;
    if (out->n == o->max_new)
        return false;
    int32_t id = xl_sampler_next(s->sampler, logits);
    if (!o->ignore_eos && s->config->has_eos && id == s->config->eos) {
        out->finish = XL_FINISH_EOS;
        return false;
    }
    struct xl_generate_token token = { .step = out->n,
                                       .id = id,
                                       .dt_ns = xl_clock_ns() - since_ns,
                                       .logprob = xl_logprob(
                                           logits, s->config->vocab, id) };
    out->ids[out->n] = id;
    out->logprobs[out->n++] = token.logprob;
    xl_sampler_see(s->sampler, id);
    out->finish = finish_of(s, &token);
    return out->finish == XL_FINISH_LENGTH && out->n < o->max_new;
}

const int32_t *xl_sequence_last(const struct xl_sequence *s)
{
    assert(s->result->n > 0);
    return &s->result->ids[s->result->n - 1];
}

void xl_sequence_end(struct xl_sequence *s)
{
    xl_buf_release(&s->tail);
    xl_sampler_free(s->sampler);
    s->sampler = NULL;
}
