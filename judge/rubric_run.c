/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/rubric_run.h"

#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/base/minmax.h"

enum {
    CONTROL_SEED = 20240507,
    MOST_PASSAGE = 2000,
    MOST_RATINGS = 256 << 20
};

static const double level = 0.05; /* of all configurations together */

/* A session under way. */
struct work {
    struct xl_rubric_judged *judged;
    struct xl_asker *asker;
    const struct xl_rubric_progress *progress;
    size_t done, total; /* questions */
};

static void tell(struct work *w)
{
    if (w->progress)
        w->progress->tell(w->progress->ctx, w->done, w->total);
    w->done++;
}

/* -- comparing ------------------------------------------------------------- */

/* Both orders of a candidate and what it is held against. */
static enum xl_status compare(struct work *w, struct xl_rubric_text prompt,
                              struct xl_rubric_text candidate,
                              struct xl_rubric_text other, const char *about,
                              enum xl_bout *bout, struct xl_err *err)
{
    const struct xl_rubric_text orders[2][2] = { { candidate, other },
                                                 { other, candidate } };
    struct xl_rubric_duel duels[2];
    bool is_known[2];
    char line[XL_OUTPUT_FILE + 80];
    for (size_t i = 0; i < 2; i++) {
        snprintf(line, sizeof line, "%s, the candidate as %s", about,
                 i ? "B" : "A");
        tell(w);
        XL_TRY(xl_asker_duel(w->asker, prompt, orders[i], line, &duels[i],
                             &is_known[i], err));
    }
    *bout = xl_bout_of(is_known[0] ? &duels[0].choice : NULL,
                       is_known[1] ? &duels[1].choice : NULL);
    return XL_OK;
}

static enum xl_status mark(struct work *w, struct xl_rubric_text prompt,
                           struct xl_rubric_text text, const char *about,
                           struct xl_rubric_marks *marks, bool *is_known,
                           struct xl_err *err)
{
    tell(w);
    return xl_asker_marks(w->asker, prompt, text, about, marks, is_known, err);
}

/* -- controls -------------------------------------------------------------- */

static void note(struct xl_rubric_judged *judged, const char *name,
                 size_t passage, const char *must, const char *did)
{
    struct xl_rubric_control *c = &judged->controls[judged->n_controls++];
    *c = (struct xl_rubric_control){ .name = name,
                                     .passage = passage,
                                     .must = must,
                                     .did = did,
                                     .is_right = strcmp(must, did) == 0 };
    judged->session.controls++;
    judged->session.right += c->is_right;
}

static enum xl_status ask_control(struct work *w, enum xl_control id, size_t i,
                                  const struct xl_passage *passage,
                                  struct xl_err *err)
{
    enum xl_bout bout = XL_BOUT_MISSING;
    struct xl_buf made;
    char about[64];
    snprintf(about, sizeof about, "control '%s' of passage %zu",
             xl_control_name(id), i);
    xl_buf_init(&made, 0);
    xl_control_make(id, passage->sound, CONTROL_SEED + i, &made);
    enum xl_status rc = xl_buf_check(&made, about, err);
    if (rc == XL_OK)
        rc = compare(w, passage->prompt,
                     (struct xl_rubric_text){ made.data, made.len },
                     passage->sound, about, &bout, err);
    xl_buf_release(&made);
    XL_TRY(rc);
    note(w->judged, xl_control_name(id), i, xl_bout_name(xl_control_must(id)),
         xl_bout_name(bout));
    w->judged->session.lured += xl_control_is_lure(id) && bout == XL_BOUT_WON;
    return XL_OK;
}

/* The lure has to get a lower mark than the sound text. */
static enum xl_status ask_mark_control(struct work *w, size_t i,
                                       const struct xl_passage *passage,
                                       struct xl_err *err)
{
    static const char must[] = "lower";
    struct xl_rubric_marks sound, lure;
    struct xl_buf made;
    bool knows_sound = false, knows_lure = false;
    xl_buf_init(&made, 0);
    xl_control_make(XL_CONTROL_LURE, passage->sound, CONTROL_SEED + i, &made);
    enum xl_status rc = xl_buf_check(&made, "a control", err);
    if (rc == XL_OK)
        rc = mark(w, passage->prompt, passage->sound, "control, the sound text",
                  &sound, &knows_sound, err);
    if (rc == XL_OK)
        rc = mark(w, passage->prompt,
                  (struct xl_rubric_text){ made.data, made.len },
                  "control, the lure", &lure, &knows_lure, err);
    xl_buf_release(&made);
    XL_TRY(rc);
    if (!knows_sound || !knows_lure)
        note(w->judged, "marks", i, must, xl_bout_name(XL_BOUT_MISSING));
    else
        note(w->judged, "marks", i, must,
             lure.score[XL_RUBRIC_OVERALL] < sound.score[XL_RUBRIC_OVERALL]
                 ? must
                 : "not lower");
    return XL_OK;
}

/* Trust after what was asked so far. */
static void weigh_trust(struct work *w)
{
    struct xl_rubric_judged *judged = w->judged;
    judged->session.replies = w->asker->questions;
    judged->session.unread = w->asker->unknown;
    judged->is_trusted = xl_rubric_is_trusted(&judged->session, judged->trust);
}

static enum xl_status ask_controls(struct work *w, struct xl_err *err)
{
    struct xl_passage passage;
    for (size_t i = 0; i < XL_CONTROL_PASSAGES; i++) {
        if (!xl_control_passage(w->judged->texts->heldout, i, &passage))
            return xl_fail(err, XL_EFORMAT,
                           "the held-out text is too short for controls");
        for (int id = 0; id < XL_CONTROL_COUNT; id++)
            XL_TRY(ask_control(w, (enum xl_control)id, i, &passage, err));
        XL_TRY(ask_mark_control(w, i, &passage, err));
    }
    weigh_trust(w);
    return XL_OK;
}

/* -- the run --------------------------------------------------------------- */

/* The rating of an output before i with the same text, or NULL. */
static const struct xl_rubric_rating *
same_before(const struct xl_rubric_judged *judged, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (judged->ratings[j].output->group ==
            judged->ratings[i].output->group)
            return &judged->ratings[j];
    return NULL;
}

static enum xl_status mark_outputs(struct work *w, struct xl_err *err)
{
    struct xl_rubric_judged *judged = w->judged;
    for (size_t i = 0; i < judged->n; i++) {
        struct xl_rubric_rating *rating = &judged->ratings[i];
        const struct xl_rubric_rating *same = same_before(judged, i);
        if (same) {
            rating->has_marks = same->has_marks;
            rating->marks = same->marks;
            continue;
        }
        XL_TRY(mark(w, judged->texts->prompt, rating->output->text,
                    rating->output->output->file, &rating->marks,
                    &rating->has_marks, err));
    }
    return XL_OK;
}

static enum xl_status compare_pairs(struct work *w, struct xl_err *err)
{
    struct xl_rubric_judged *judged = w->judged;
    for (size_t i = 0; i < judged->texts->n_pairs; i++) {
        const struct xl_rubric_pair *pair = &judged->texts->pairs[i];
        enum xl_bout bout = XL_BOUT_TIED;
        char about[64];
        snprintf(about, sizeof about, "configuration %zu, pair %zu",
                 pair->config, i);
        if (!pair->is_equal)
            XL_TRY(compare(w, pair->prompt, pair->candidate, pair->reference,
                           about, &bout, err));
        judged->bouts[pair->config][bout]++;
    }
    return XL_OK;
}

static void form_opinions(struct xl_rubric_judged *judged)
{
    size_t n = judged->texts->n_differing;
    for (size_t i = 0; i < judged->n; i++) {
        struct xl_rubric_rating *r = &judged->ratings[i];
        r->opinion = xl_rubric_opinion(r->bouts, judged->is_trusted,
                                       level / (double)(n ? n : 1), r->reason);
        r->final = xl_rubric_final(r->verdict, r->opinion);
        judged->n_vetoed += r->opinion == XL_OPINION_VETO;
    }
}

static size_t count_questions(const struct xl_rubric_texts *texts)
{
    size_t n = XL_CONTROL_PASSAGES * (2 * XL_CONTROL_COUNT + 2);
    for (size_t i = 0; i < texts->n_pairs; i++)
        n += texts->pairs[i].is_equal ? 0 : 2;
    return n + texts->n_groups;
}

/* One context for all questions: servers load a model anew for another. */
static size_t common_context(const struct xl_rubric_texts *texts,
                             const struct xl_rubric_limits *l)
{
    size_t prompt = xl_rubric_quoted(texts->prompt, l->prompt_chars);
    /* Passages of controls and of further prompts are shorter than this. */
    size_t text = xl_rubric_quoted(texts->heldout, MOST_PASSAGE);
    prompt = xl_max(prompt, text);
    for (size_t i = 0; i < texts->n_outputs; i++)
        text = xl_max(text,
                      xl_rubric_quoted(texts->outputs[i].text, l->text_chars));
    for (size_t i = 0; i < texts->n_pairs; i++) {
        const struct xl_rubric_pair *p = &texts->pairs[i];
        prompt = xl_max(prompt, xl_rubric_quoted(p->prompt, l->prompt_chars));
        text = xl_max(text, xl_rubric_quoted(p->candidate, l->text_chars));
        text = xl_max(text, xl_rubric_quoted(p->reference, l->text_chars));
    }
    return xl_rubric_context(prompt + 2 * text);
}

/* -- the other judge's verdicts -------------------------------------------- */

static bool find_verdict(const char *name, enum xl_verdict *verdict)
{
    for (int v = 0; v <= XL_VERDICT_FAIL; v++)
        if (strcmp(name, xl_verdict_name((enum xl_verdict)v)) == 0) {
            *verdict = (enum xl_verdict)v;
            return true;
        }
    return false;
}

static void take_verdict(struct xl_rubric_judged *judged, const cJSON *row)
{
    const char *file, *name;
    if (xl_json_get_text(row, "file", &file, NULL) != XL_OK ||
        xl_json_get_text(row, "verdict", &name, NULL) != XL_OK)
        return;
    for (size_t i = 0; i < judged->n; i++) {
        struct xl_rubric_rating *r = &judged->ratings[i];
        if (strcmp(r->output->output->file, file) == 0)
            r->has_verdict = find_verdict(name, &r->verdict);
    }
}

static enum xl_status take_lines(struct xl_rubric_judged *judged,
                                 const struct xl_buf *text, const char *path,
                                 struct xl_err *err)
{
    for (size_t at = 0; at < text->len;) {
        const char *line = text->data + at;
        const char *end = memchr(line, '\n', text->len - at);
        size_t n = end ? (size_t)(end - line) : text->len - at;
        cJSON *row = NULL;
        XL_TRY(xl_json_parse(line, n, path, &row, err));
        take_verdict(judged, row);
        cJSON_Delete(row);
        at += n + 1;
    }
    return XL_OK;
}

/* From ratings.jsonl, when the run was judged by log-probabilities. */
static enum xl_status read_verdicts(struct xl_rubric_judged *judged,
                                    const char *run_dir, struct xl_err *err)
{
    struct xl_buf text;
    char *path = xl_io_join(run_dir, "ratings.jsonl");
    if (!path)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    xl_buf_init(&text, MOST_RATINGS);
    enum xl_status rc = XL_OK;
    if (xl_io_exists(path)) {
        rc = xl_io_read(path, &text, err);
        if (rc == XL_OK)
            rc = take_lines(judged, &text, path, err);
    }
    xl_buf_release(&text);
    xl_free(path);
    return rc;
}

/* -- the winner ------------------------------------------------------------ */

static enum xl_status match_winner(struct xl_rubric_judged *judged,
                                   const cJSON *best, const char *path,
                                   struct xl_err *err)
{
    const cJSON *values = xl_json_member(best, "params");
    struct xl_params params;
    if (!cJSON_IsObject(values))
        return xl_fail(err, XL_EFORMAT, "'%s' has no params", path);
    xl_params_init(&params);
    XL_TRY(xl_params_from_json(&params, values, XL_LAYER_CONFIG, path, err));
    for (size_t i = 0; i < judged->n; i++)
        if (xl_params_equal(&judged->ratings[i].output->output->params,
                            &params))
            judged->winner = &judged->ratings[i];
    return XL_OK;
}

/* Which output is that of best.json, when there is one. */
static enum xl_status find_winner(struct xl_rubric_judged *judged,
                                  const char *run_dir, struct xl_err *err)
{
    cJSON *best = NULL;
    char *path = xl_io_join(run_dir, "best.json");
    if (!path)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    enum xl_status rc = XL_OK;
    if (xl_io_exists(path)) {
        rc = xl_json_load(path, XL_JSON_SMALL, &best, err);
        if (rc == XL_OK)
            rc = match_winner(judged, best, path, err);
    }
    cJSON_Delete(best);
    xl_free(path);
    return rc;
}

/* -- the whole ------------------------------------------------------------- */

void xl_rubric_judged_release(struct xl_rubric_judged *judged)
{
    xl_free(judged->ratings);
    xl_free(judged->bouts);
    *judged = (struct xl_rubric_judged){ 0 };
}

static enum xl_status prepare(struct xl_rubric_judged *judged,
                              struct xl_err *err)
{
    const struct xl_rubric_texts *texts = judged->texts;
    judged->n = texts->n_outputs;
    judged->ratings = xl_alloc_zero(judged->n, sizeof *judged->ratings);
    judged->bouts = xl_alloc_zero(texts->n_configs, sizeof *judged->bouts);
    if (!judged->ratings || !judged->bouts)
        return xl_fail(err, XL_ENOMEM, "out of memory for ratings");
    for (size_t i = 0; i < judged->n; i++) {
        judged->ratings[i].output = &texts->outputs[i];
        judged->ratings[i].bouts = judged->bouts[texts->outputs[i].config];
    }
    return XL_OK;
}

enum xl_status xl_rubric_judge(struct xl_rubric_judged *judged,
                               const struct xl_rubric_texts *texts,
                               struct xl_asker *asker, const char *run_dir,
                               const struct xl_rubric_progress *progress,
                               struct xl_err *err)
{
    struct work w = { .judged = judged,
                      .asker = asker,
                      .progress = progress,
                      .total = count_questions(texts) };
    enum xl_status rc;
    *judged = (struct xl_rubric_judged){ .texts = texts, .asker = asker };
    asker->limits.context_tokens = common_context(texts, &asker->limits);
    XL_TRY_DONE(rc, prepare(judged, err));
    XL_TRY_DONE(rc, read_verdicts(judged, run_dir, err));
    XL_TRY_DONE(rc, find_winner(judged, run_dir, err));
    XL_TRY_DONE(rc, ask_controls(&w, err));
    if (judged->is_trusted) {
        XL_TRY_DONE(rc, mark_outputs(&w, err));
        XL_TRY_DONE(rc, compare_pairs(&w, err));
        weigh_trust(&w);
    }
    form_opinions(judged);
done:
    if (rc != XL_OK)
        xl_rubric_judged_release(judged);
    return rc;
}
