/* SPDX-License-Identifier: Apache-2.0
 *
 * A trial that the store already holds is told to the strategy and not run
 * again. Values come from the stored samples, so an unbroken run and a
 * resumed one compute them from the same numbers. */
#include "tuner/sweep/sweep.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/json.h"
#include "kernel/model/plan.h"
#include "tuner/store/query.h"
#include "tuner/sweep/attempt.h"
#include "tuner/strategy/patience.h"

/* A sweep may be killed and resumed as often as its user likes: only trials
 * that end the evaluator are failures, and those are recorded at once. */
#define MOST_ATTEMPTS ((int64_t)1 << 40)

const char *xl_sweep_end_text(enum xl_sweep_end end, size_t patience, char *out,
                              size_t room)
{
    static const char *const texts[] = {
        [XL_END_BUDGET] = "the budget is spent",
        [XL_END_SPACE] = "the whole space is measured",
        [XL_END_TIME] = "the time is up",
        [XL_END_STALL] = "no better one in the last",
        [XL_END_STOPPED] = "stopped by a signal",
    };
    if (end == XL_END_STALL)
        snprintf(out, room, "%s %zu configurations", texts[end], patience);
    else
        snprintf(out, room, "%s", texts[end]);
    return out;
}

enum xl_status xl_sweep_params(const char *cfg, struct xl_params *params,
                               struct xl_err *err)
{
    cJSON *json;
    xl_params_init(params);
    XL_TRY(
        xl_json_parse(cfg, strlen(cfg), "a stored configuration", &json, err));
    enum xl_status rc =
        xl_params_from_json(params, json, XL_LAYER_MACHINE, "the store", err);
    cJSON_Delete(json);
    return rc;
}

enum xl_status xl_sweep_print_params(const struct xl_params *params,
                                     struct xl_buf *out, struct xl_err *err)
{
    cJSON *json = xl_params_to_json(params);
    xl_buf_clear(out);
    xl_json_print(json, false, out);
    cJSON_Delete(json);
    return xl_buf_check(out, "a configuration", err);
}

/* -- the loop ------------------------------------------------------------- */

/* Trial ids by code of the point, to name parents. */
struct lineage {
    uint64_t *codes;
    int64_t *trials;
    size_t n, room;
};

static enum xl_status note_trial(struct lineage *l, uint64_t code,
                                 int64_t trial, struct xl_err *err)
{
    if (l->n == l->room) {
        size_t room = l->room ? 2 * l->room : 64;
        uint64_t *codes =
            xl_realloc(l->codes, l->n * sizeof *codes, room * sizeof *codes);
        if (codes)
            l->codes = codes;
        int64_t *trials =
            xl_realloc(l->trials, l->n * sizeof *trials, room * sizeof *trials);
        if (trials)
            l->trials = trials;
        if (!codes || !trials)
            return xl_fail(err, XL_ENOMEM, "out of memory for %zu trials",
                           room);
        l->room = room;
    }
    l->codes[l->n] = code;
    l->trials[l->n++] = trial;
    return XL_OK;
}

static void print_parents(const struct lineage *l, const struct xl_ask *ask,
                          struct xl_buf *out)
{
    size_t written = 0;
    xl_buf_char(out, '[');
    for (size_t p = 0; p < ask->n_parents; p++)
        for (size_t i = 0; i < l->n; i++)
            if (l->codes[i] == ask->parents[p])
                xl_buf_printf(out, "%s%lld", written++ ? "," : "",
                              (long long)l->trials[i]);
    xl_buf_char(out, ']');
}

static void print_inert(const struct xl_config *config,
                        const struct xl_params *params, struct xl_buf *out)
{
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        if (xl_plan_inert(config, params, (enum xl_param)i))
            xl_buf_printf(out, "%s%s", out->len ? "," : "",
                          xl_param_row((enum xl_param)i)->name);
}

static enum xl_status propose(const struct xl_sweep *sweep,
                              const struct lineage *lineage,
                              const struct xl_ask *ask,
                              const struct xl_params *params,
                              struct xl_store_ref *ref, struct xl_err *err)
{
    struct xl_buf cfg, parents, inert;
    xl_buf_init(&cfg, 0);
    xl_buf_init(&parents, 0);
    xl_buf_init(&inert, 0);
    print_parents(lineage, ask, &parents);
    print_inert(sweep->config, params, &inert);
    enum xl_status rc = xl_sweep_print_params(params, &cfg, err);
    if (rc == XL_OK)
        rc = xl_buf_check(&inert, "a proposal", err);
    struct xl_store_proposal proposal = {
        .cfg = cfg.data,
        .inert = inert.data,
        .parents = parents.data,
        .origin = ask->how,
        .has_generation = true,
        .generation = (int64_t)ask->generation,
        .max_attempt = MOST_ATTEMPTS,
    };
    if (rc == XL_OK)
        rc = xl_store_propose(sweep->store, &proposal, ref, err);
    xl_buf_release(&cfg);
    xl_buf_release(&parents);
    xl_buf_release(&inert);
    return rc;
}

static bool is_waiting(enum xl_trial_state state)
{
    return state == XL_TRIAL_QUEUED || state == XL_TRIAL_RUNNING;
}

enum xl_status xl_sweep_measure(const struct xl_sweep *sweep,
                                const struct xl_params *params,
                                const char *origin, struct xl_err *err)
{
    const struct xl_ask ask = { .how = origin };
    const struct lineage nobody = { 0 };
    struct xl_sweep_news news = { .value = (double)NAN, .best = (double)NAN };
    struct xl_store_ref ref;
    char reason[XL_RUN_REASON] = "";
    XL_TRY(propose(sweep, &nobody, &ask, params, &ref, err));
    if (ref.existed && !is_waiting(ref.state))
        return XL_OK;
    /* It is measured whole: neither late nor beaten. */
    struct xl_race calm = *sweep->race;
    struct xl_sweep whole = *sweep;
    calm.rules.most = 0;
    whole.race = &calm;
    whole.pace = NULL;
    enum xl_status rc =
        xl_attempt_run(&whole, ref.trial, params, &news, reason, err);
    return rc == XL_EINTERRUPTED ? xl_sweep_stopped(sweep) : rc;
}

enum xl_status xl_sweep_stopped(const struct xl_sweep *sweep)
{
    bool by_signal = sweep->stop && atomic_load(sweep->stop);
    bool is_late = xl_pace_is_over(sweep->pace, XL_PHASE_OUTPUTS);
    return by_signal || !is_late ? XL_EINTERRUPTED : XL_ETIMEOUT;
}

bool xl_sweep_is_over(const struct xl_sweep *sweep, enum xl_sweep_end *end)
{
    if (sweep->stop && atomic_load(sweep->stop)) {
        *end = XL_END_STOPPED;
        return true;
    }
    if (xl_pace_is_over(sweep->pace, XL_PHASE_SEARCH)) {
        *end = XL_END_TIME;
        return true;
    }
    return false;
}

/* What the race dropped is no better one, unless it may be so in another
 * objective than the race runs by. */
static enum xl_status tell_patience(const struct xl_sweep *sweep,
                                    struct xl_patience *patience,
                                    const struct xl_sweep_news *news,
                                    struct xl_err *err)
{
    size_t n = xl_objective_count(sweep->objective);
    bool counts = news->outcome == XL_RUN_OK && isfinite(news->value) &&
                  (n > 1 || !news->is_dropped);
    return xl_patience_tell(patience, counts ? news->values : NULL, n, err);
}

static enum xl_status tell(const struct xl_sweep *sweep,
                           const struct xl_ask *ask,
                           const struct xl_sweep_news *news, struct xl_err *err)
{
    struct xl_outcome outcome = { .status = XL_OUTCOME_FAILED };
    if (news->outcome == XL_RUN_OK && isfinite(news->value)) {
        outcome.status = XL_OUTCOME_OK;
        memcpy(outcome.values, news->values, sizeof outcome.values);
        outcome.spread = fabs(news->values[0]) * news->share;
    } else if (news->outcome == XL_RUN_INVALID ||
               news->outcome == XL_RUN_WRONG ||
               news->outcome == XL_RUN_UNPROVED) {
        outcome.status = XL_OUTCOME_INVALID;
    }
    return xl_strategy_tell(sweep->strategy, ask->point, &outcome, err);
}

/* What the search has come to so far. */
struct record {
    struct lineage lineage;
    double best, share; /* the best value, and its standard error as a share */
    struct xl_patience patience;
};

/* One point, from proposal to telling. */
static enum xl_status run_point(const struct xl_sweep *sweep,
                                const struct xl_ask *ask, struct record *record,
                                struct xl_err *err)
{
    struct xl_params params;
    struct xl_store_ref ref;
    char reason[XL_RUN_REASON] = "";
    struct xl_sweep_news news = {
        .done = ask->number + 1,
        .budget = (size_t)xl_strategy_budget(sweep->strategy),
        .params = &params,
        .reason = reason,
        .value = (double)NAN,
        .best = record->best,
    };
    sweep->to_params(sweep->params_ctx, ask->point, &params);
    XL_TRY(propose(sweep, &record->lineage, ask, &params, &ref, err));
    XL_TRY(note_trial(&record->lineage, ask->code, ref.trial, err));
    if (ref.existed && !is_waiting(ref.state))
        XL_TRY(xl_attempt_recall(sweep, &ref, &news, err));
    else
        XL_TRY(xl_attempt_run(sweep, ref.trial, &params, &news, reason, err));
    if (isfinite(news.value) && !(news.value <= record->best)) {
        record->best = news.value;
        record->share = news.share;
    }
    news.best = record->best;
    news.best_share = record->share;
    XL_TRY(tell(sweep, ask, &news, err));
    XL_TRY(tell_patience(sweep, &record->patience, &news, err));
    if (sweep->news)
        sweep->news(sweep->news_ctx, &news);
    return XL_OK;
}

enum xl_status xl_sweep_search(const struct xl_sweep *sweep,
                               enum xl_sweep_end *end, struct xl_err *err)
{
    struct record record = {
        .best = (double)NAN,
        .patience = { .most = sweep->patience, .least = sweep->resolvable },
    };
    enum xl_status rc = xl_store_reap(sweep->store, NULL, err);
    while (rc == XL_OK && !xl_sweep_is_over(sweep, end)) {
        struct xl_ask ask;
        rc = xl_strategy_ask(sweep->strategy, &ask, err);
        if (rc != XL_OK)
            break;
        if (ask.end != XL_ASK_POINT) {
            *end = ask.end == XL_ASK_SPACE ? XL_END_SPACE : XL_END_BUDGET;
            break;
        }
        if (xl_patience_is_out(&record.patience)) {
            *end = XL_END_STALL;
            break;
        }
        rc = run_point(sweep, &ask, &record, err);
    }
    if (rc == XL_EINTERRUPTED) {
        if (!xl_sweep_is_over(sweep, end))
            *end = XL_END_STOPPED;
        rc = XL_OK;
    }
    xl_free(record.lineage.codes);
    xl_free(record.lineage.trials);
    xl_patience_release(&record.patience);
    return rc;
}
