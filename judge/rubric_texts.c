/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/rubric_texts.h"

#include <string.h>

#include "judge/control.h"
#include "judge/judge.h"
#include "kernel/base/alloc.h"
#include "kernel/base/json.h"
#include "kernel/run/batch.h"
#include "kernel/run/prompts.h"

enum {
    MOST_NEW = 256, /* tokens written after a further prompt */
    MOST_HELDOUT = 1 << 20
};

/* Further prompts, each in ids and in words. */
struct further {
    struct xl_prompts prompts;
    struct xl_rubric_text *words; /* [prompts.n], of the arena */
};

void xl_rubric_texts_release(struct xl_rubric_texts *texts)
{
    xl_run_input_close(&texts->in);
    xl_arena_release(&texts->arena);
    *texts = (struct xl_rubric_texts){ 0 };
}

static enum xl_status fail_memory(struct xl_err *err)
{
    return xl_fail(err, XL_ENOMEM, "out of memory for the texts of a run");
}

/* -- words ----------------------------------------------------------------- */

static enum xl_status keep(struct xl_rubric_texts *texts, const char *bytes,
                           size_t n, struct xl_rubric_text *out,
                           struct xl_err *err)
{
    out->bytes = xl_arena_text(&texts->arena, n ? bytes : "", n);
    out->n = n;
    return out->bytes ? XL_OK : fail_memory(err);
}

/* What ids say, without the BOS that the model puts in front. */
static enum xl_status decode(struct xl_rubric_texts *texts, const int32_t *ids,
                             size_t n, bool is_begin,
                             struct xl_rubric_text *out, struct xl_err *err)
{
    const struct xl_config *config = xl_model_config(texts->in.session.model);
    size_t i = is_begin && n && config->has_bos && ids[0] == config->bos;
    struct xl_buf words;
    xl_buf_init(&words, 0);
    for (; i < n; i++)
        xl_tokenizer_decode(texts->in.session.tokenizer, ids[i], &words);
    enum xl_status rc = xl_buf_check(&words, "a text in words", err);
    if (rc == XL_OK)
        rc = keep(texts, words.data, words.len, out, err);
    xl_buf_release(&words);
    return rc;
}

static enum xl_status read_prompt(struct xl_rubric_texts *texts,
                                  struct xl_err *err)
{
    const char *words;
    if (xl_json_get_text(texts->in.meta, "prompt", &words, NULL) == XL_OK)
        return keep(texts, words, strlen(words), &texts->prompt, err);
    return decode(texts, texts->in.prompt.data, texts->in.prompt.n, true,
                  &texts->prompt, err);
}

static enum xl_status read_heldout(struct xl_rubric_texts *texts,
                                   struct xl_err *err)
{
    struct xl_buf bytes;
    xl_buf_init(&bytes, MOST_HELDOUT);
    enum xl_status rc = xl_judge_heldout_bytes(&bytes, err);
    if (rc == XL_OK)
        rc = keep(texts, bytes.data, bytes.len, &texts->heldout, err);
    xl_buf_release(&bytes);
    return rc;
}

/* -- the run's outputs ----------------------------------------------------- */

static bool has_same_text(const struct xl_output *a, const struct xl_output *b)
{
    return a->n_text == b->n_text && memcmp(a->text, b->text, a->n_text) == 0;
}

static void number_output(struct xl_rubric_texts *texts, size_t i)
{
    struct xl_rubric_output *o = &texts->outputs[i];
    bool has_group = false, has_config = false;
    for (size_t j = 0; j < i; j++) {
        const struct xl_rubric_output *before = &texts->outputs[j];
        if (!has_group && has_same_text(before->output, o->output)) {
            o->group = before->group;
            has_group = true;
        }
        if (!has_config &&
            xl_params_equal(&before->output->params, &o->output->params)) {
            o->config = before->config;
            has_config = true;
        }
    }
    if (!has_group)
        o->group = ++texts->n_groups;
    if (!has_config)
        o->config = texts->n_configs++;
}

static enum xl_status take_outputs(struct xl_rubric_texts *texts,
                                   struct xl_err *err)
{
    const struct xl_outputs *outputs = &texts->in.outputs;
    texts->n_outputs = outputs->n;
    texts->outputs =
        xl_arena_zero(&texts->arena, outputs->n, sizeof *texts->outputs);
    if (!texts->outputs)
        return fail_memory(err);
    for (size_t i = 0; i < outputs->n; i++) {
        const struct xl_output *output = &outputs->items[i];
        texts->outputs[i].output = output;
        texts->outputs[i].text =
            (struct xl_rubric_text){ output->text, output->n_text };
        number_output(texts, i);
    }
    return XL_OK;
}

/* -- writing --------------------------------------------------------------- */

/* Continues every prompt under params. results [n], heap. */
static enum xl_status
write_on(struct xl_rubric_texts *texts, const struct xl_params *params,
         const struct xl_ids *const *prompts, size_t n, size_t max_new,
         struct xl_generate_result *results, struct xl_err *err)
{
    const struct xl_model *model = texts->in.session.model;
    struct xl_plan *plan = NULL;
    struct xl_generate_options *options = xl_alloc_zero(n, sizeof *options);
    if (!options)
        return fail_memory(err);
    for (size_t i = 0; i < n; i++)
        options[i] = (struct xl_generate_options){ .prompt = prompts[i]->data,
                                                   .n_prompt = prompts[i]->n,
                                                   .max_new = max_new,
                                                   .ignore_eos = true };
    struct xl_batch_job job = { .options = options, .n = n };
    enum xl_status rc =
        xl_plan_make(&plan, texts->in.session.model, params, err);
    if (rc == XL_OK)
        rc = xl_generate_batch(plan, model, &job, results, NULL, err);
    xl_plan_free(plan);
    xl_free(options);
    return rc;
}

static size_t longest(const struct xl_rubric_texts *texts)
{
    size_t most = 1;
    for (size_t i = 0; i < texts->n_outputs; i++)
        if (texts->outputs[i].output->n_ids > most)
            most = texts->outputs[i].output->n_ids;
    return most;
}

/* A pair for an output and as much of what the reference writes. */
static enum xl_status pair_output(struct xl_rubric_texts *texts,
                                  const struct xl_rubric_output *o,
                                  const int32_t *ids, struct xl_err *err)
{
    size_t n = o->output->n_ids;
    struct xl_rubric_pair *pair = &texts->pairs[texts->n_pairs++];
    *pair = (struct xl_rubric_pair){ .config = o->config,
                                     .prompt = texts->prompt,
                                     .candidate = o->text };
    pair->is_equal =
        n == 0 || memcmp(ids, o->output->ids, n * sizeof *ids) == 0;
    return decode(texts, ids, n, false, &pair->reference, err);
}

static enum xl_status pair_outputs(struct xl_rubric_texts *texts,
                                   struct xl_err *err)
{
    struct xl_generate_result reference = { 0 };
    const struct xl_ids *prompt = &texts->in.prompt;
    struct xl_params params;
    enum xl_status rc;
    xl_judge_reference(&params);
    XL_TRY_DONE(rc, write_on(texts, &params, &prompt, 1, longest(texts),
                             &reference, err));
    texts->pairs =
        xl_arena_zero(&texts->arena, texts->n_outputs, sizeof *texts->pairs);
    if (!texts->pairs)
        rc = fail_memory(err);
    for (size_t i = 0; i < texts->n_outputs && rc == XL_OK; i++)
        if (texts->outputs[i].output->is_greedy)
            rc = pair_output(texts, &texts->outputs[i], reference.ids, err);
done:
    xl_generate_release(&reference);
    return rc;
}

/* The parameters of a configuration that differs somewhere, or NULL. */
static const struct xl_params *differing(const struct xl_rubric_texts *texts,
                                         size_t config)
{
    bool differs = false;
    for (size_t i = 0; i < texts->n_pairs; i++)
        differs |=
            texts->pairs[i].config == config && !texts->pairs[i].is_equal;
    for (size_t i = 0; differs && i < texts->n_outputs; i++)
        if (texts->outputs[i].config == config)
            return &texts->outputs[i].output->params;
    return NULL;
}

/* -- further prompts ------------------------------------------------------- */

static enum xl_status add_passage(struct xl_rubric_texts *texts, size_t i,
                                  size_t n, struct further *further,
                                  struct xl_err *err)
{
    struct xl_rubric_text words;
    if (!xl_passage_prompt(texts->heldout, i, n, &words))
        return XL_OK;
    struct xl_ids *ids = &further->prompts.list[further->prompts.n++].ids;
    XL_TRY(xl_session_encode(&texts->in.session, words.bytes, words.n, true,
                             ids, err));
    return xl_session_check_ids(&texts->in.session, ids, err);
}

/* Passages of the held-out text; none when the vocabulary is too small. */
static enum xl_status read_passages(struct xl_rubric_texts *texts, size_t n,
                                    struct further *further, struct xl_err *err)
{
    struct xl_err unfit = { 0 };
    enum xl_status rc = XL_OK;
    further->prompts.list = xl_alloc_zero(n, sizeof *further->prompts.list);
    if (!further->prompts.list)
        return fail_memory(err);
    further->prompts.room = n;
    for (size_t i = 0; i < n && rc == XL_OK; i++)
        rc = add_passage(texts, i, n, further, &unfit);
    if (rc == XL_EUSAGE)
        xl_prompts_release(&further->prompts);
    else if (rc != XL_OK)
        return xl_fail(err, rc, "%s", unfit.message);
    return XL_OK;
}

static enum xl_status
read_further(struct xl_rubric_texts *texts,
             const struct xl_rubric_texts_options *options,
             struct further *further, struct xl_err *err)
{
    if (options->prompts)
        XL_TRY(xl_prompts_read(&further->prompts, options->prompts,
                               &texts->in.session, true, err));
    else if (options->passages)
        XL_TRY(read_passages(texts, options->passages, further, err));
    size_t n = further->prompts.n;
    further->words =
        xl_arena_zero(&texts->arena, n + 1, sizeof *further->words);
    if (!further->words)
        return fail_memory(err);
    for (size_t i = 0; i < n; i++) {
        const struct xl_ids *ids = &further->prompts.list[i].ids;
        XL_TRY(xl_session_check_ids(&texts->in.session, ids, err));
        XL_TRY(decode(texts, ids->data, ids->n, true, &further->words[i], err));
    }
    return XL_OK;
}

/* Room for n pairs more. */
static enum xl_status grow(struct xl_rubric_texts *texts, size_t n,
                           struct xl_err *err)
{
    struct xl_rubric_pair *pairs =
        xl_arena_zero(&texts->arena, texts->n_pairs + n, sizeof *pairs);
    if (!pairs)
        return fail_memory(err);
    memcpy(pairs, texts->pairs, texts->n_pairs * sizeof *pairs);
    texts->pairs = pairs;
    return XL_OK;
}

static enum xl_status pair_further(struct xl_rubric_texts *texts,
                                   const struct further *further,
                                   const struct xl_generate_result *ours,
                                   const struct xl_generate_result *theirs,
                                   size_t config, struct xl_err *err)
{
    size_t n = further->prompts.n;
    XL_TRY(grow(texts, n, err));
    for (size_t i = 0; i < n; i++) {
        struct xl_rubric_pair *pair = &texts->pairs[texts->n_pairs++];
        const struct xl_generate_result *a = &theirs[i], *b = &ours[i];
        pair->config = config;
        pair->prompt = further->words[i];
        pair->is_equal =
            a->n == b->n && memcmp(a->ids, b->ids, a->n * sizeof *a->ids) == 0;
        XL_TRY(decode(texts, a->ids, a->n, false, &pair->candidate, err));
        XL_TRY(decode(texts, b->ids, b->n, false, &pair->reference, err));
    }
    return XL_OK;
}

/* What both sides write after the further prompts. */
static enum xl_status write_further(struct xl_rubric_texts *texts,
                                    const struct further *further,
                                    struct xl_err *err)
{
    size_t n = further->prompts.n, new_tokens = longest(texts);
    size_t max_new = new_tokens < MOST_NEW ? new_tokens : MOST_NEW;
    struct xl_params params;
    enum xl_status rc = XL_OK;
    const struct xl_ids **prompts = xl_alloc_zero(n, sizeof *prompts);
    struct xl_generate_result *ours = xl_alloc_zero(n, sizeof *ours);
    struct xl_generate_result *theirs = xl_alloc_zero(n, sizeof *theirs);
    if (!prompts || !ours || !theirs) {
        rc = fail_memory(err);
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        prompts[i] = &further->prompts.list[i].ids;
    xl_judge_reference(&params);
    XL_TRY_DONE(rc, write_on(texts, &params, prompts, n, max_new, ours, err));
    for (size_t c = 0; c < texts->n_configs && rc == XL_OK; c++) {
        const struct xl_params *other = differing(texts, c);
        if (!other)
            continue;
        rc = write_on(texts, other, prompts, n, max_new, theirs, err);
        if (rc == XL_OK)
            rc = pair_further(texts, further, ours, theirs, c, err);
        xl_generate_release_all(theirs, n);
        memset(theirs, 0, n * sizeof *theirs);
    }
done:
    if (ours)
        xl_generate_release_all(ours, n);
    xl_free(prompts);
    xl_free(ours);
    xl_free(theirs);
    return rc;
}

static enum xl_status open_run(struct xl_rubric_texts *texts,
                               const struct xl_rubric_texts_options *options,
                               struct xl_err *err)
{
    XL_TRY(xl_run_input_open(&texts->in, options->run_dir, options->model_dir,
                             &texts->arena, err));
    texts->model_dir = texts->in.session.model_dir;
    XL_TRY(read_prompt(texts, err));
    XL_TRY(read_heldout(texts, err));
    return take_outputs(texts, err);
}

enum xl_status
xl_rubric_texts_open(struct xl_rubric_texts *texts,
                     const struct xl_rubric_texts_options *options,
                     struct xl_err *err)
{
    *texts = (struct xl_rubric_texts){ 0 };
    xl_arena_init(&texts->arena, 0);
    enum xl_status rc = open_run(texts, options, err);
    if (rc != XL_OK)
        xl_rubric_texts_release(texts);
    return rc;
}

enum xl_status
xl_rubric_texts_write(struct xl_rubric_texts *texts,
                      const struct xl_rubric_texts_options *options,
                      struct xl_err *err)
{
    struct further further = { 0 };
    enum xl_status rc = read_further(texts, options, &further, err);
    if (rc == XL_OK)
        rc = pair_outputs(texts, err);
    for (size_t c = 0; c < texts->n_configs && rc == XL_OK; c++)
        texts->n_differing += differing(texts, c) != NULL;
    if (rc == XL_OK && further.prompts.n && texts->n_differing)
        rc = write_further(texts, &further, err);
    xl_prompts_release(&further.prompts);
    return rc;
}
