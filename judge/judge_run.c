/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/judge_run.h"

#include <string.h>

#include "judge/distinct.h"
#include "judge/judge.h"
#include "judge/logprob.h"
#include "judge/panel.h"
#include "judge/replay.h"
#include "judge/run_input.h"
#include "kernel/base/alloc.h"
#include "kernel/base/minmax.h"

/* What one call works with; released together. */
struct work {
    const struct xl_judge_run_options *options;
    struct xl_judged_run *judged;
    struct xl_run_input in;
    struct xl_panel *panel;
    struct xl_judge *judge; /* the panel's */
    struct xl_replay *replay;
    char *folder; /* of kept reference logits; heap or NULL */
};

static void release(struct work *w)
{
    xl_replay_free(w->replay);
    xl_panel_free(w->panel);
    xl_free(w->folder);
    xl_run_input_close(&w->in);
}

void xl_judged_run_release(struct xl_judged_run *judged)
{
    xl_free(judged->model_dir);
    xl_arena_release(&judged->arena);
    *judged = (struct xl_judged_run){ 0 };
}

/* -- opening --------------------------------------------------------------- */

static enum xl_status open_all(struct work *w, const char *run_dir,
                               const char *model_dir, struct xl_err *err)
{
    struct xl_judged_run *judged = w->judged;
    struct xl_model *model;
    XL_TRY(xl_run_input_open(&w->in, run_dir, model_dir, &judged->arena, err));
    judged->model_dir = xl_strdup(w->in.session.model_dir);
    if (!judged->model_dir)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    model = w->in.session.model;
    w->folder = xl_judge_folder();
    struct xl_panel_options options = { .max_tokens = w->options->max_tokens,
                                        .folder = w->folder };
    XL_TRY(xl_panel_make(&w->panel, model, w->in.session.tokenizer, &options,
                         err));
    XL_TRY(xl_panel_judge(w->panel, XL_STAGE_FULL, &w->judge, err));
    XL_TRY(xl_replay_make(&w->replay, model, NULL, w->in.prompt.data,
                          w->in.prompt.n, err));
    judged->n = w->in.outputs.n;
    judged->ratings =
        xl_arena_zero(&judged->arena, judged->n, sizeof *judged->ratings);
    if (!judged->ratings)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    const struct xl_judge_text *text = xl_judge_reads(w->judge);
    memcpy(judged->text_hash, text->hash, sizeof judged->text_hash);
    judged->text_tokens = text->ids.n;
    judged->prompt_tokens = w->in.prompt.n;
    judged->is_random = text->is_random;
    return XL_OK;
}

/* -- rating ---------------------------------------------------------------- */

static size_t bytes_of(const struct work *w, const struct xl_output *output)
{
    struct xl_buf text;
    xl_buf_init(&text, 0);
    for (size_t i = 0; i < output->n_ids; i++)
        xl_tokenizer_decode(w->in.session.tokenizer, output->ids[i], &text);
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
                                xl_model_config(w->in.session.model)->vocab,
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

/* Scores of the text: of an equal one before it, or new. */
static enum xl_status set_text_scores(struct work *w, size_t i,
                                      struct xl_err *err)
{
    struct xl_rating *ratings = w->judged->ratings;
    const struct xl_output *items = w->in.outputs.items;
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

static enum xl_tier tier_of(const struct work *w,
                            const struct xl_params *params)
{
    const struct xl_judge_run_options *o = w->options;
    return o->has_tier ? o->tier : xl_tier_of(params);
}

/* Scores of the configuration, likewise. */
static enum xl_status set_config_scores(struct work *w, size_t i,
                                        struct xl_err *err)
{
    struct xl_rating *ratings = w->judged->ratings;
    const struct xl_output *items = w->in.outputs.items;
    struct xl_judgement judgement;
    const struct xl_score *from = NULL;
    for (size_t j = 0; j < i && !from; j++)
        if (xl_params_equal(&items[j].params, &items[i].params)) {
            from = ratings[j].scores;
            ratings[i].n_tokens = ratings[j].n_tokens;
        }
    if (!from) {
        const struct xl_params *params = &items[i].params;
        XL_TRY(xl_judge_config(w->judge, params, tier_of(w, params), &judgement,
                               err));
        from = judgement.scores;
        ratings[i].n_tokens = judgement.n_tokens;
    }
    memcpy(ratings[i].scores + XL_SCORE_NONFINITE, from + XL_SCORE_NONFINITE,
           (XL_SCORE_COUNT - XL_SCORE_NONFINITE) * sizeof *from);
    return XL_OK;
}

static enum xl_status rate(struct work *w, size_t i, struct xl_err *err)
{
    const struct xl_output *output = &w->in.outputs.items[i];
    struct xl_rating *rating = &w->judged->ratings[i];
    size_t enough;
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
    const struct xl_inputs inputs =
        xl_plan_inputs(xl_model_config(w->in.session.model), &rating->params);
    XL_TRY(xl_judge_rule(w->judge, tier_of(w, &rating->params), &inputs,
                         rating->scores, &rating->ruling, err));
    XL_TRY(xl_panel_enough(w->panel, &rating->ruling, rating->n_tokens, &enough,
                           err));
    w->judged->enough_tokens = xl_max(w->judged->enough_tokens, enough);
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
    for (size_t i = 0; i < w.in.outputs.n && rc == XL_OK; i++) {
        if (w.options->progress)
            w.options->progress(w.options->progress_ctx, i, w.in.outputs.n);
        rc = rate(&w, i, err);
    }
    release(&w);
    if (rc != XL_OK)
        xl_judged_run_release(judged);
    return rc;
}
