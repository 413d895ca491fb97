/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/judge_run.h"

#include <stdint.h>
#include <string.h>

#include "judge/distinct.h"
#include "judge/judge.h"
#include "judge/logprob.h"
#include "judge/outputs.h"
#include "judge/replay.h"
#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/run/session.h"

/* What one call works with; released together. */
struct work {
    const struct xl_judge_run_options *options;
    struct xl_judged_run *judged;
    struct xl_session session;
    struct xl_ids prompt;
    struct xl_outputs outputs;
    struct xl_judge_text text;
    struct xl_judge *judge;
    struct xl_replay *replay;
    char *folder; /* of kept reference logits; heap or NULL */
    cJSON *meta;
};

static void release(struct work *w)
{
    xl_replay_free(w->replay);
    xl_judge_free(w->judge);
    xl_free(w->folder);
    xl_judge_text_release(&w->text);
    xl_ids_release(&w->prompt);
    xl_session_close(&w->session);
    cJSON_Delete(w->meta);
}

void xl_judged_run_release(struct xl_judged_run *judged)
{
    xl_free(judged->model_dir);
    xl_arena_release(&judged->arena);
    *judged = (struct xl_judged_run){ 0 };
}

/* -- opening --------------------------------------------------------------- */

static enum xl_status load_meta(struct work *w, const char *run_dir,
                                struct xl_err *err)
{
    char *path = xl_io_join(run_dir, "run_meta.json");
    if (!path)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    enum xl_status rc = xl_json_load(path, XL_JSON_LARGE, &w->meta, err);
    if (rc == XL_ENOTFOUND)
        rc = xl_fail(err, XL_ENOTFOUND,
                     "'%s' is no run folder: it has no "
                     "run_meta.json",
                     run_dir);
    xl_free(path);
    return rc;
}

static enum xl_status open_model(struct work *w, const char *model_dir,
                                 struct xl_err *err)
{
    const char *dir = model_dir;
    if (!dir) {
        enum xl_status rc = xl_json_get_text(w->meta, "model_path", &dir, err);
        if (rc == XL_ENOTFOUND)
            return xl_fail(err, XL_EFORMAT,
                           "run_meta.json has no model_path; "
                           "name the checkpoint with --model");
        XL_TRY(rc);
    }
    w->session.model_dir = xl_strdup(dir);
    w->judged->model_dir = xl_strdup(dir);
    if (!w->session.model_dir || !w->judged->model_dir)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    XL_TRY(xl_model_open(&w->session.model, dir, err));
    return xl_tokenizer_open(&w->session.tokenizer, dir, err);
}

static enum xl_status ids_of_list(const cJSON *list, struct xl_ids *ids,
                                  struct xl_err *err)
{
    for (const cJSON *item = list->child; item; item = item->next) {
        double id = item->valuedouble;
        if (!cJSON_IsNumber(item) || !(id >= 0) || id > INT32_MAX ||
            id != (double)(int32_t)id)
            return xl_fail(err, XL_EFORMAT,
                           "prompt_ids of run_meta.json has "
                           "an item that is no token id");
        XL_TRY(xl_ids_add(ids, (int32_t)id, err));
    }
    return XL_OK;
}

/* Ids when the run kept them, else the ids of its text. */
static enum xl_status read_prompt(struct work *w, struct xl_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(w->meta, "prompt_ids");
    if (cJSON_IsArray(list)) {
        XL_TRY(ids_of_list(list, &w->prompt, err));
        return xl_session_check_ids(&w->session, &w->prompt, err);
    }
    const char *text = NULL;
    enum xl_status rc = xl_json_get_text(w->meta, "prompt", &text, err);
    if (rc == XL_ENOTFOUND)
        return xl_fail(err, XL_EFORMAT,
                       "run_meta.json has neither prompt_ids "
                       "nor prompt");
    XL_TRY(rc);
    return xl_session_encode(&w->session, text, strlen(text), true, &w->prompt,
                             err);
}

static enum xl_status load_outputs(struct work *w, const char *run_dir,
                                   struct xl_err *err)
{
    char *dir = xl_io_join(run_dir, "outputs");
    if (!dir)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    enum xl_status rc =
        xl_outputs_load(dir, &w->judged->arena, &w->outputs, err);
    xl_free(dir);
    if (rc == XL_OK && w->outputs.n == 0)
        rc = xl_fail(err, XL_ENOTFOUND, "'%s' has no saved outputs to judge",
                     run_dir);
    return rc;
}

static enum xl_status open_all(struct work *w, const char *run_dir,
                               const char *model_dir, struct xl_err *err)
{
    struct xl_judged_run *judged = w->judged;
    struct xl_model *model;
    XL_TRY(load_meta(w, run_dir, err));
    XL_TRY(load_outputs(w, run_dir, err));
    XL_TRY(open_model(w, model_dir, err));
    XL_TRY(read_prompt(w, err));
    model = w->session.model;
    XL_TRY(xl_judge_heldout(&w->text, model, w->session.tokenizer,
                            w->options->max_tokens, err));
    w->folder = xl_judge_folder();
    struct xl_judge_options options = { .folder = w->folder };
    XL_TRY(xl_judge_make(&w->judge, model, &w->text, &options, err));
    XL_TRY(xl_replay_make(&w->replay, model, NULL, w->prompt.data, w->prompt.n,
                          err));
    judged->n = w->outputs.n;
    judged->ratings =
        xl_arena_zero(&judged->arena, judged->n, sizeof *judged->ratings);
    if (!judged->ratings)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    memcpy(judged->text_hash, w->text.hash, sizeof judged->text_hash);
    judged->text_tokens = w->text.ids.n;
    judged->prompt_tokens = w->prompt.n;
    judged->is_random = w->text.is_random;
    return XL_OK;
}

/* -- rating ---------------------------------------------------------------- */

static size_t bytes_of(const struct work *w, const struct xl_output *output)
{
    struct xl_buf text;
    xl_buf_init(&text, 0);
    for (size_t i = 0; i < output->n_ids; i++)
        xl_tokenizer_decode(w->session.tokenizer, output->ids[i], &text);
    size_t n = text.len;
    xl_buf_release(&text);
    return n;
}

static enum xl_status rate_text(struct work *w, const struct xl_output *output,
                                struct xl_rating *rating, struct xl_err *err)
{
    size_t n = output->n_ids;
    struct xl_replay_line line = { 0 };
    line.logprobs = xl_alloc_zero(n + 1, sizeof *line.logprobs);
    if (!line.logprobs)
        return xl_fail(err, XL_ENOMEM, "out of memory for %zu scores", n);
    enum xl_status rc = xl_replay_score(w->replay, output->ids, n, &line, err);
    if (rc == XL_OK) {
        xl_logprob_scores(line.logprobs, n, bytes_of(w, output),
                          rating->scores);
        rating->scores[XL_SCORE_GREEDY_GAP] =
            output->is_greedy ? xl_score_point(line.greedy_gap, n)
                              : xl_score_unknown("the text was sampled");
        rc = xl_distinct_scores(output->text, output->n_text, output->ids, n,
                                xl_model_config(w->session.model)->vocab,
                                rating->scores, err);
    }
    xl_free(line.logprobs);
    return rc;
}

static bool has_same_text(const struct xl_output *a, const struct xl_output *b)
{
    return a->n_ids == b->n_ids && a->is_greedy == b->is_greedy &&
           a->n_text == b->n_text &&
           (a->n_ids == 0 ||
            memcmp(a->ids, b->ids, a->n_ids * sizeof *a->ids) == 0) &&
           memcmp(a->text, b->text, a->n_text) == 0;
}

static bool has_same_params(const struct xl_output *a,
                            const struct xl_output *b)
{
    return memcmp(a->params.value, b->params.value, sizeof a->params.value) ==
           0;
}

/* Scores of the text: of an equal one before it, or new. */
static enum xl_status set_text_scores(struct work *w, size_t i,
                                      struct xl_err *err)
{
    struct xl_rating *ratings = w->judged->ratings;
    const struct xl_output *items = w->outputs.items;
    for (size_t j = 0; j < i; j++) {
        if (!has_same_text(&items[j], &items[i]))
            continue;
        memcpy(ratings[i].scores, ratings[j].scores,
               XL_SCORE_NONFINITE * sizeof *ratings[i].scores);
        ratings[i].group = ratings[j].group;
        return XL_OK;
    }
    ratings[i].group = ++w->judged->n_groups;
    return rate_text(w, &items[i], &ratings[i], err);
}

/* Scores of the configuration, likewise. */
static enum xl_status set_config_scores(struct work *w, size_t i,
                                        struct xl_err *err)
{
    struct xl_rating *ratings = w->judged->ratings;
    const struct xl_output *items = w->outputs.items;
    struct xl_judgement judgement;
    const struct xl_score *from = NULL;
    for (size_t j = 0; j < i && !from; j++)
        if (has_same_params(&items[j], &items[i]))
            from = ratings[j].scores;
    if (!from) {
        XL_TRY(xl_judge_config(w->judge, &items[i].params, &judgement, err));
        from = judgement.scores;
    }
    memcpy(ratings[i].scores + XL_SCORE_NONFINITE, from + XL_SCORE_NONFINITE,
           (XL_SCORE_COUNT - XL_SCORE_NONFINITE) * sizeof *from);
    return XL_OK;
}

static enum xl_status rate(struct work *w, size_t i, struct xl_err *err)
{
    const struct xl_judge_run_options *o = w->options;
    const struct xl_output *output = &w->outputs.items[i];
    struct xl_rating *rating = &w->judged->ratings[i];
    rating->file = output->file;
    rating->params = output->params;
    rating->text_hash = w->judged->text_hash;
    xl_scores_clear(rating->scores);
    enum xl_status rc = set_text_scores(w, i, err);
    if (rc == XL_OK)
        rc = set_config_scores(w, i, err);
    if (rc != XL_OK) {
        xl_err_prefix(err, "output '%s'", output->file);
        return rc;
    }
    xl_gate_rule(o->has_tier ? o->tier : xl_tier_of(&rating->params),
                 rating->scores, &rating->ruling);
    return XL_OK;
}

enum xl_status xl_judge_run(struct xl_judged_run *judged, const char *run_dir,
                            const char *model_dir,
                            const struct xl_judge_run_options *options,
                            struct xl_err *err)
{
    static const struct xl_judge_run_options defaults = { 0 };
    struct work w = { .options = options ? options : &defaults,
                      .judged = judged };
    *judged = (struct xl_judged_run){ 0 };
    xl_arena_init(&judged->arena, 0);
    enum xl_status rc = open_all(&w, run_dir, model_dir, err);
    for (size_t i = 0; i < w.outputs.n && rc == XL_OK; i++) {
        if (w.options->progress)
            w.options->progress(w.options->progress_ctx, i, w.outputs.n);
        rc = rate(&w, i, err);
    }
    release(&w);
    if (rc != XL_OK)
        xl_judged_run_release(judged);
    return rc;
}
