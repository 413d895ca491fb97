/* SPDX-License-Identifier: Apache-2.0
 *
 * Slots hold the sequences on their way; the first n_active are in use. A
 * prompt is prefilled when a slot is free, alone, since its tokens fill a pass
 * by themselves.
 *
 * Where a prompt is cut moves its rounding. Blocks end at multiples of
 * prefill_block when a prompt is run whole, so cutting there changes no bit:
 * that is how much of a common beginning is shared. */
#include "kernel/run/batch.h"

#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/run/sequence.h"

struct slot {
    struct xl_sequence sequence;
    struct xl_state state;
    size_t index;      /* in the job */
    uint64_t first_ns; /* when its first token was there */
};

struct run {
    struct xl_plan *plan;
    const struct xl_config *config;
    const struct xl_batch_job *job;
    struct xl_generate_result *results;
    struct xl_batch_stats stats;
    size_t width, n_active;
    struct slot **slots;      /* [width] */
    struct xl_state **states; /* [width], of the first n_active slots */
    int32_t *tokens;          /* [width] */
    float *logits;            /* [width][vocab] */
    struct xl_state common;   /* after the beginning that all share */
    size_t n_common;
    struct xl_state kept; /* after the prompt before, when it comes again */
    float *kept_logits;   /* [vocab], of the prompt before */
    uint64_t kept_ns;
};

/* -- beginnings ----------------------------------------------------------- */

static bool same_prompt(const struct xl_generate_options *a,
                        const struct xl_generate_options *b)
{
    return a->n_prompt == b->n_prompt &&
           memcmp(a->prompt, b->prompt, a->n_prompt * sizeof *a->prompt) == 0;
}

/* Tokens that all prompts begin with; each has at least one more. */
static size_t count_common(const struct xl_batch_job *job)
{
    const struct xl_generate_options *first = &job->options[0];
    size_t n = job->n > 1 && first->n_prompt ? first->n_prompt - 1 : 0;
    for (size_t i = 1; i < job->n; i++) {
        const struct xl_generate_options *o = &job->options[i];
        size_t same = 0;
        while (same < n && same + 1 < o->n_prompt &&
               o->prompt[same] == first->prompt[same])
            same++;
        n = same;
    }
    return n;
}

static void run_tokens(struct run *r, struct xl_state *state,
                       const int32_t *tokens, size_t n, float *logits)
{
    uint64_t start = xl_clock_ns();
    xl_plan_forward(
        r->plan, state,
        &(struct xl_pass){
            .tokens = tokens, .n = n, .logits = logits, .last_only = true });
    r->stats.prefill_ns += xl_clock_ns() - start;
    r->stats.prompt_tokens += n;
}

static void run_common(struct run *r)
{
    size_t block =
        (size_t)xl_plan_effective(r->plan)->value[XL_PARAM_PREFILL_BLOCK];
    r->n_common = count_common(r->job) / block * block;
    if (r->n_common)
        run_tokens(r, &r->common, r->job->options[0].prompt, r->n_common, NULL);
}

/* The slot's state and the logits after its prompt. */
static void prefill(struct run *r, struct slot *slot)
{
    const struct xl_generate_options *o = slot->sequence.options;
    size_t i = slot->index;
    if (i > 0 && same_prompt(o - 1, o)) {
        xl_state_copy(&slot->state, &r->kept);
    } else {
        uint64_t before = r->stats.prefill_ns;
        if (r->n_common)
            xl_state_copy(&slot->state, &r->common);
        else
            xl_state_clear(&slot->state);
        run_tokens(r, &slot->state, o->prompt + r->n_common,
                   o->n_prompt - r->n_common, r->kept_logits);
        r->kept_ns = r->stats.prefill_ns - before;
        if (i + 1 < r->job->n && same_prompt(o, o + 1))
            xl_state_copy(&r->kept, &slot->state);
    }
    slot->sequence.result->prefill_ns = r->kept_ns;
}

/* -- sequences ------------------------------------------------------------ */

static void finish(struct run *r, struct slot *slot)
{
    struct xl_generate_result *result = slot->sequence.result;
    if (result->decode_steps)
        result->decode_ns = xl_clock_ns() - slot->first_ns;
    xl_sequence_end(&slot->sequence);
    if (r->job->done)
        r->job->done(r->job->done_ctx, slot->index, result);
}

/* The job's next prompt takes the first free slot. */
static enum xl_status admit(struct run *r, size_t index, struct xl_err *err)
{
    struct slot *slot = r->slots[r->n_active];
    slot->index = index;
    enum xl_status rc =
        xl_sequence_begin(&slot->sequence, r->config, &r->job->options[index],
                          &r->results[index], err);
    if (rc != XL_OK) {
        xl_sequence_end(&slot->sequence);
        return rc;
    }
    prefill(r, slot);
    bool goes_on =
        xl_sequence_take(&slot->sequence, r->kept_logits, xl_clock_ns());
    slot->first_ns = xl_clock_ns();
    if (goes_on)
        r->n_active++;
    else
        finish(r, slot);
    return XL_OK;
}

/* A token of every sequence on its way. */
static void step(struct run *r)
{
    uint64_t start = xl_clock_ns();
    size_t n = r->n_active, left = 0;
    for (size_t i = 0; i < n; i++) {
        r->tokens[i] = *xl_sequence_last(&r->slots[i]->sequence);
        r->states[i] = &r->slots[i]->state;
    }
    xl_plan_forward_batch(
        r->plan, r->states,
        &(struct xl_batch){ .tokens = r->tokens, .n = n, .logits = r->logits });
    r->stats.decode_steps++;
    r->stats.decode_tokens += n;
    for (size_t i = 0; i < n; i++) {
        struct slot *slot = r->slots[i];
        slot->sequence.result->decode_steps++;
        if (xl_sequence_take(&slot->sequence, r->logits + i * r->config->vocab,
                             start)) {
            r->slots[i] = r->slots[left];
            r->slots[left++] = slot;
        } else {
            finish(r, slot);
        }
    }
    r->n_active = left;
    r->stats.decode_ns += xl_clock_ns() - start;
}

static enum xl_status run_all(struct run *r, struct xl_err *err)
{
    size_t next = 0;
    run_common(r);
    while (next < r->job->n || r->n_active) {
        while (next < r->job->n && r->n_active < r->width)
            XL_TRY(admit(r, next++, err));
        if (r->n_active)
            step(r);
    }
    return XL_OK;
}

/* -- life ----------------------------------------------------------------- */

static enum xl_status make_slots(struct run *r, struct xl_err *err)
{
    size_t vocab = r->config->vocab, floats;
    r->slots = xl_alloc_zero(r->width, sizeof(struct slot *));
    r->states = xl_alloc_zero(r->width, sizeof(struct xl_state *));
    r->tokens = xl_alloc_zero(r->width, sizeof *r->tokens);
    r->kept_logits = xl_alloc_zero(vocab, sizeof *r->kept_logits);
    if (xl_mul_size(r->width, vocab, &floats))
        r->logits = xl_alloc_zero(floats, sizeof *r->logits);
    if (!r->slots || !r->states || !r->tokens || !r->logits || !r->kept_logits)
        return xl_fail(err, XL_ENOMEM, "out of memory for %zu sequences",
                       r->width);
    XL_TRY(xl_state_init(&r->common, r->config, err));
    XL_TRY(xl_state_init(&r->kept, r->config, err));
    for (size_t i = 0; i < r->width; i++) {
        r->slots[i] = xl_alloc_zero(1, sizeof **r->slots);
        if (!r->slots[i])
            return xl_fail(err, XL_ENOMEM, "out of memory for %zu sequences",
                           r->width);
        XL_TRY(xl_state_init(&r->slots[i]->state, r->config, err));
    }
    return XL_OK;
}

static void release(struct run *r)
{
    for (size_t i = 0; r->slots && i < r->width && r->slots[i]; i++) {
        if (i < r->n_active)
            xl_sequence_end(&r->slots[i]->sequence);
        xl_state_release(&r->slots[i]->state);
        xl_free(r->slots[i]);
    }
    xl_state_release(&r->common);
    xl_state_release(&r->kept);
    xl_free(r->slots);
    xl_free(r->states);
    xl_free(r->tokens);
    xl_free(r->logits);
    xl_free(r->kept_logits);
}

enum xl_status xl_generate_batch(struct xl_plan *plan,
                                 const struct xl_model *model,
                                 const struct xl_batch_job *job,
                                 struct xl_generate_result *results,
                                 struct xl_batch_stats *stats,
                                 struct xl_err *err)
{
    size_t width = job->width ? job->width : XL_BATCH_WIDTH;
    struct run r = { .plan = plan,
                     .config = xl_model_config(model),
                     .job = job,
                     .results = results,
                     .width = width < job->n ? width : job->n };
    enum xl_status rc = XL_OK;
    memset(results, 0, job->n * sizeof *results);
    if (job->n)
        rc = make_slots(&r, err);
    if (rc == XL_OK && job->n)
        rc = run_all(&r, err);
    release(&r);
    if (rc != XL_OK)
        xl_generate_release_all(results, job->n);
    if (stats)
        *stats = r.stats;
    return rc;
}

void xl_generate_release_all(struct xl_generate_result *results, size_t n)
{
    for (size_t i = 0; i < n; i++)
        xl_generate_release(&results[i]);
}
