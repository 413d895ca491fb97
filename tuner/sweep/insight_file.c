/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/sweep/insight_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "tuner/store/rundir.h"
#include "tuner/strategy/insight.h"
#include "tuner/sweep/history.h"
#include "tuner/sweep/pareto.h"

enum {
    WORDS = 3, /* tunables named in words */
};

static const double worth_it = 0.005; /* a gain below is not worth a search */
static const double matters = 0.01;   /* a share below is not named in words */

/* What is told, and what came of it. */
struct job {
    const struct xl_insight_source *source;
    struct xl_insight insight;
    struct xl_history history;
    struct xl_insight_row *rows; /* [n] */
    size_t n;
    char advice[1100];
};

/* -- rows ----------------------------------------------------------------- */

/* Configurations outside of the space (the defaults may be) teach nothing
 * about it. */
static enum xl_status take_rows(struct job *job, struct xl_err *err)
{
    const struct xl_insight_source *source = job->source;
    const struct xl_space *space = xl_param_space_space(source->space);
    const struct xl_history *history = &job->history;
    uint32_t point[XL_SPACE_DIMS];
    XL_TRY(
        xl_history_load(&job->history, source->store, source->objective, err));
    job->rows = xl_alloc_zero(history->n + 1, sizeof *job->rows);
    if (!job->rows)
        return xl_fail(err, XL_ENOMEM, "no memory for %zu trials", history->n);
    for (size_t i = 0; i < history->n; i++) {
        const struct xl_history_row *row = &history->rows[i];
        if (!xl_param_space_point(source->space, &row->params, point))
            continue;
        struct xl_insight_row *made = &job->rows[job->n++];
        made->code = xl_space_code(space, point);
        made->outcome.values[0] = row->values[0];
        bool is_ok =
            (row->state == XL_TRIAL_OK || row->state == XL_TRIAL_PRUNED) &&
            isfinite(row->values[0]);
        made->outcome.status = is_ok ? XL_OUTCOME_OK : XL_OUTCOME_FAILED;
    }
    return XL_OK;
}

/* -- advice --------------------------------------------------------------- */

static void advise(struct job *job)
{
    const struct xl_insight *in = &job->insight;
    char *out = job->advice;
    size_t room = sizeof job->advice;
    if (in->is_over) {
        snprintf(out, room, "stop: every configuration of the space was tried");
        return;
    }
    if (!in->is_ratio) {
        snprintf(out, room,
                 "a longer search gains %.3g more of the objective on average",
                 in->gain);
        return;
    }
    if (in->gain < worth_it)
        snprintf(out, room,
                 "stop: a longer search gains %.1f %% on average, and 1 %% or "
                 "more with a chance of %.0f %%",
                 100 * in->gain, 100 * in->chance);
    else
        snprintf(out, room,
                 "go on: untried configurations promise %.1f %% on average, "
                 "and 1 %% or more with a chance of %.0f %%",
                 100 * in->gain, 100 * in->chance);
}

/* -- JSON ----------------------------------------------------------------- */

static const char *name_of(const struct job *job, size_t dim)
{
    return xl_space_dim(xl_param_space_space(job->source->space), dim)->name;
}

static void add_interval(cJSON *to, double lo, double hi)
{
    cJSON *ci = cJSON_AddArrayToObject(to, "ci");
    cJSON_AddItemToArray(ci, cJSON_CreateNumber(lo));
    cJSON_AddItemToArray(ci, cJSON_CreateNumber(hi));
}

static void add_share(const struct job *job, cJSON *list,
                      const struct xl_insight_share *share)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    if (share->a == share->b) {
        cJSON_AddStringToObject(o, "param", name_of(job, share->a));
    } else {
        cJSON_AddStringToObject(o, "a", name_of(job, share->a));
        cJSON_AddStringToObject(o, "b", name_of(job, share->b));
    }
    cJSON_AddNumberToObject(o, "share", share->share);
    add_interval(o, share->lo, share->hi);
}

static cJSON *params_of(const struct job *job, uint64_t code)
{
    const struct xl_space *space = xl_param_space_space(job->source->space);
    cJSON *o = cJSON_CreateObject();
    uint32_t point[XL_SPACE_DIMS];
    xl_space_decode(space, code, point);
    for (size_t d = 0; d < xl_space_n_dims(space); d++) {
        const struct xl_dim *dim = xl_space_dim(space, d);
        cJSON_AddStringToObject(o, dim->name, dim->labels[point[d]]);
    }
    return o;
}

/* Values as the objective writes them: what is less is better told as such. */
static void add_guess(const struct job *job, cJSON *list,
                      const struct xl_insight_guess *guess)
{
    bool is_less = xl_objective_is_less(job->source->objective, 0);
    double sign = is_less ? -1 : 1;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    cJSON_AddItemToObject(o, "params", params_of(job, guess->code));
    cJSON_AddNumberToObject(o, "value", sign * guess->value);
    add_interval(o, sign * (is_less ? guess->hi : guess->lo),
                 sign * (is_less ? guess->lo : guess->hi));
}

static cJSON *to_json(const struct job *job)
{
    const struct xl_insight *in = &job->insight;
    const struct xl_space *space = xl_param_space_space(job->source->space);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "objective",
                            xl_objective_item(job->source->objective, 0));
    cJSON_AddNumberToObject(root, "measured", (double)in->n_ok);
    cJSON_AddNumberToObject(root, "failed", (double)in->n_failed);
    cJSON_AddNumberToObject(root, "space", (double)xl_space_count(space));
    xl_json_add_real(root, "explained",
                     in->n_mains ? in->explained : (double)NAN);
    cJSON *list = cJSON_AddArrayToObject(root, "importance");
    for (size_t i = 0; i < in->n_mains; i++)
        add_share(job, list, &in->mains[i]);
    list = cJSON_AddArrayToObject(root, "interactions");
    for (size_t i = 0; i < in->n_pairs; i++)
        add_share(job, list, &in->pairs[i]);
    list = cJSON_AddArrayToObject(root, "predictions");
    for (size_t i = 0; i < in->n_guesses; i++)
        add_guess(job, list, &in->guesses[i]);
    cJSON *stop = cJSON_AddObjectToObject(root, "stop");
    xl_json_add_real(stop, "expected_gain",
                     in->n_mains ? in->gain : (double)NAN);
    xl_json_add_real(stop, "chance", in->n_mains ? in->chance : (double)NAN);
    cJSON_AddStringToObject(stop, "advice", job->advice);
    return root;
}

/* -- the front ------------------------------------------------------------ */

static void add_front_point(const struct job *job, cJSON *list,
                            const struct xl_history_row *row)
{
    const struct xl_objective *objective = job->source->objective;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    cJSON_AddNumberToObject(o, "trial", (double)row->trial);
    cJSON_AddItemToObject(o, "params", xl_params_to_json(&row->params));
    cJSON *values = cJSON_AddObjectToObject(o, "values");
    for (size_t v = 0; v < xl_objective_count(objective); v++)
        xl_json_add_real(values, xl_objective_item(objective, v),
                         xl_objective_is_less(objective, v) ? -row->values[v]
                                                            : row->values[v]);
}

/* Several objectives: the front, in the file and in words. */
static enum xl_status add_front(const struct job *job, cJSON *root,
                                struct xl_buf *words, struct xl_err *err)
{
    size_t n = xl_objective_count(job->source->objective);
    struct xl_pareto pareto;
    if (n < 2)
        return XL_OK;
    XL_TRY(xl_pareto_find(&pareto, &job->history, n, err));
    cJSON *o = cJSON_AddObjectToObject(root, "front");
    cJSON_AddNumberToObject(o, "hypervolume", pareto.volume);
    cJSON *list = cJSON_AddArrayToObject(o, "points");
    for (size_t i = 0; i < pareto.n; i++)
        add_front_point(job, list, &job->history.rows[pareto.rows[i]]);
    xl_buf_printf(words,
                  "front    %zu configurations that no other beats in all; "
                  "hypervolume %.0f %% of the box from worst to best\n",
                  pareto.n, 100 * pareto.volume);
    xl_pareto_release(&pareto);
    return XL_OK;
}

/* -- words ---------------------------------------------------------------- */

static void print_words(const struct job *job, struct xl_buf *out)
{
    const struct xl_insight *in = &job->insight;
    size_t named = 0;
    for (size_t i = 0; i < in->n_mains && i < WORDS; i++)
        if (in->mains[i].share >= matters)
            xl_buf_printf(
                out, "%s%s %.0f %% [%.0f, %.0f]", named++ ? ", " : "matters  ",
                name_of(job, in->mains[i].a), 100 * in->mains[i].share,
                100 * in->mains[i].lo, 100 * in->mains[i].hi);
    if (in->n_pairs && in->pairs[0].share >= matters)
        xl_buf_printf(out, "%s%s with %s %.0f %%", named++ ? ", " : "matters  ",
                      name_of(job, in->pairs[0].a),
                      name_of(job, in->pairs[0].b), 100 * in->pairs[0].share);
    if (named)
        xl_buf_text(out, "\n");
    xl_buf_printf(out, "advice   %s\n", job->advice);
}

enum xl_status xl_insight_file(const struct xl_insight_source *source,
                               struct xl_buf *words, struct xl_err *err)
{
    struct job job = { .source = source };
    struct xl_err why = { 0 };
    cJSON *root = NULL;
    char *path = xl_io_join(source->run_dir, XL_INSIGHT_FILE);
    enum xl_status rc;
    XL_TRY_DONE(rc, path ? take_rows(&job, err)
                         : xl_fail(err, XL_ENOMEM, "no memory for insight"));
    rc = xl_insight_make(&job.insight, xl_param_space_space(source->space),
                         job.rows, job.n, source->seed, &why);
    if (rc == XL_OK) {
        advise(&job);
    } else if (rc == XL_EUSAGE || rc == XL_EFAILED) {
        job.insight.n_mains = job.insight.n_pairs = job.insight.n_guesses = 0;
        snprintf(job.advice, sizeof job.advice, "none: %s", why.message);
    } else {
        rc = xl_fail(err, rc, "%s", why.message);
        goto done;
    }
    root = to_json(&job);
    XL_TRY_DONE(rc, add_front(&job, root, words, err));
    XL_TRY_DONE(rc, xl_json_save(path, root, err));
    print_words(&job, words);
done:
    xl_history_release(&job.history);
    cJSON_Delete(root);
    xl_free(job.rows);
    xl_free(path);
    return rc;
}
