/* SPDX-License-Identifier: Apache-2.0
 *
 * A trial that the store already holds is told to the strategy and not run
 * again. Values come from the stored samples, so an unbroken run and a
 * resumed one compute them from the same numbers. */
#include "tuner/sweep/sweep.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/base/json.h"
#include "kernel/model/plan.h"
#include "tuner/store/query.h"
#include "tuner/sweep/reading.h"

#define LEVEL 0.95

/* A sweep may be killed and resumed as often as its user likes: only trials
 * that end the evaluator are failures, and those are recorded at once. */
#define MOST_ATTEMPTS ((int64_t)1 << 40)

const char *xl_sweep_end_text(enum xl_sweep_end end)
{
    static const char *const texts[] = {
        [XL_END_BUDGET] = "the budget is spent",
        [XL_END_SPACE] = "the whole space is measured",
        [XL_END_TIME] = "the time is up",
        [XL_END_STOPPED] = "stopped by a signal",
    };
    return texts[end];
}

/* -- figures of a trial --------------------------------------------------- */

enum {
    PREFILL_RATE,
    DECODE_RATE,
    PREFILL_TIME,
    DECODE_TIME,
    SERIES
};

struct series {
    double *values[SERIES]; /* each [room] */
    size_t n[SERIES], room;
    struct xl_reading *readings; /* [room] */
    size_t n_readings;
};

static enum xl_status grow(struct series *s, struct xl_err *err)
{
    size_t room = s->room ? 2 * s->room : 16;
    for (int i = 0; i < SERIES; i++) {
        double *bigger = xl_realloc(s->values[i], s->room * sizeof(double),
                                    room * sizeof(double));
        if (!bigger)
            return xl_fail(err, XL_ENOMEM, "out of memory for %zu samples",
                           room);
        s->values[i] = bigger;
    }
    struct xl_reading *readings = xl_realloc(
        s->readings, s->room * sizeof *readings, room * sizeof *readings);
    if (!readings)
        return xl_fail(err, XL_ENOMEM, "out of memory for %zu samples", room);
    s->readings = readings;
    s->room = room;
    return XL_OK;
}

static enum xl_status add_sample(void *ctx, const struct xl_store_sample *row,
                                 struct xl_err *err)
{
    struct series *s = ctx;
    if (row->is_disturbed)
        return XL_OK;
    if (s->n_readings == s->room)
        XL_TRY(grow(s, err));
    xl_reading_of_row(&s->readings[s->n_readings++], row);
    if (row->has_prefill) {
        s->values[PREFILL_RATE][s->n[PREFILL_RATE]++] = row->prefill_tok_s;
        s->values[PREFILL_TIME][s->n[PREFILL_TIME]++] =
            (double)row->prefill_ns / 1e9;
    }
    if (row->has_decode) {
        s->values[DECODE_RATE][s->n[DECODE_RATE]++] = row->decode_tok_s;
        s->values[DECODE_TIME][s->n[DECODE_TIME]++] =
            (double)row->decode_ns / 1e9;
    }
    return XL_OK;
}

enum xl_status xl_sweep_figures(struct xl_store *store, int64_t trial,
                                const struct xl_objective *objective,
                                struct xl_trial_figures *f, struct xl_err *err)
{
    struct series s = { .room = 0 };
    struct xl_estimate *to[SERIES] = {
        [PREFILL_RATE] = &f->prefill_tok_s,
        [DECODE_RATE] = &f->decode_tok_s,
        [PREFILL_TIME] = &f->prefill_s,
        [DECODE_TIME] = &f->decode_s,
    };
    enum xl_status rc = xl_query_samples(store, trial, add_sample, &s, err);
    for (int i = 0; i < SERIES; i++) {
        if (rc == XL_OK)
            *to[i] = xl_estimate_median(s.values[i], s.n[i], LEVEL);
    }
    if (rc == XL_OK) {
        xl_reading_median(&f->reading, s.readings, s.n_readings, s.values[0]);
        f->value = xl_objective_value(objective, &f->reading);
        xl_objective_values(objective, &f->reading, f->values);
    }
    for (int i = 0; i < SERIES; i++)
        xl_free(s.values[i]);
    xl_free(s.readings);
    return rc;
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

/* -- recording ------------------------------------------------------------ */

/* One trial on its way. */
struct attempt {
    const struct xl_sweep *sweep;
    struct xl_store_claim claim;
    enum xl_status rc; /* of the store, inside the sample callback */
    struct xl_err *err;
};

static bool record_sample(void *ctx, const struct xl_run_sample *s)
{
    struct attempt *a = ctx;
    struct xl_store_sample row = {
        .rep = (int64_t)s->rep,
        .prompt_tokens = (int64_t)s->prompt_tokens,
        .new_tokens = (int64_t)s->decode_steps,
        .has_prefill = s->prefill_ns > 0 && s->prompt_tokens > 0,
        .has_decode = s->decode_ns > 0 && s->decode_steps > 0,
        .prefill_ns = (int64_t)s->prefill_ns,
        .decode_ns = (int64_t)s->decode_ns,
        .has_foreign_cpu = s->has_foreign,
        .foreign_cpu = s->foreign_cpu,
        .has_ctx = true,
        .ctx_switches = s->ctx_switches,
        .has_peak_rss = s->has_peak_rss,
        .peak_rss_bytes = (int64_t)s->peak_rss_bytes,
    };
    if (row.has_prefill)
        row.prefill_tok_s =
            (double)s->prompt_tokens * 1e9 / (double)s->prefill_ns;
    if (row.has_decode)
        row.decode_tok_s = (double)s->decode_steps * 1e9 / (double)s->decode_ns;
    struct xl_buf detail;
    xl_buf_init(&detail, 0);
    xl_reading_detail(s, &detail);
    row.detail = detail.len ? detail.data : NULL;
    a->rc = xl_store_add_sample(a->sweep->store, &a->claim, &row, a->err);
    xl_buf_release(&detail);
    const atomic_int *stop = a->sweep->stop;
    return a->rc == XL_OK && !(stop && atomic_load(stop));
}

static struct xl_store_metric metric_of(const struct xl_estimate *e)
{
    return (struct xl_store_metric){
        .has = e->n > 0, .median = e->median, .lo = e->lo, .hi = e->hi
    };
}

static enum xl_status print_params(const struct xl_params *params,
                                   struct xl_buf *out, struct xl_err *err)
{
    cJSON *json = xl_params_to_json(params);
    xl_buf_clear(out);
    xl_json_print(json, false, out);
    cJSON_Delete(json);
    return xl_buf_check(out, "a configuration", err);
}

static enum xl_status finish_trial(const struct attempt *a,
                                   const struct xl_run_end *end,
                                   struct xl_trial_figures *f,
                                   struct xl_err *err)
{
    const struct xl_sweep *sweep = a->sweep;
    struct xl_buf effective;
    XL_TRY(xl_sweep_figures(sweep->store, a->claim.trial, sweep->objective, f,
                            err));
    struct xl_store_result result = {
        .prefill_tok_s = metric_of(&f->prefill_tok_s),
        .decode_tok_s = metric_of(&f->decode_tok_s),
        .prefill_s = metric_of(&f->prefill_s),
        .decode_s = metric_of(&f->decode_s),
        .n = (int64_t)(f->prefill_tok_s.n > f->decode_tok_s.n
                           ? f->prefill_tok_s.n
                           : f->decode_tok_s.n),
        .has_value = isfinite(f->value),
        .value = f->value,
    };
    xl_buf_init(&effective, 0);
    enum xl_status rc = XL_OK;
    if (end->has_effective) {
        rc = print_params(&end->effective, &effective, err);
        result.effective = effective.data;
    }
    if (rc == XL_OK)
        rc = xl_store_finish(sweep->store, &a->claim, &result, err);
    xl_buf_release(&effective);
    return rc;
}

static enum xl_trial_state state_of(enum xl_run_outcome outcome)
{
    switch (outcome) {
    case XL_RUN_TIMEOUT:
        return XL_TRIAL_TIMEOUT;
    case XL_RUN_OOM:
        return XL_TRIAL_OOM;
    case XL_RUN_WRONG:
        return XL_TRIAL_WRONG;
    case XL_RUN_INVALID:
        return XL_TRIAL_INVALID;
    default:
        return XL_TRIAL_FAILED;
    }
}

/* -- measuring ------------------------------------------------------------ */

/* A kernel that ran other values than it was asked for measured something
 * else: the numbers may not be used. */
static void compare_effective(const struct xl_sweep *sweep,
                              const struct xl_params *asked,
                              struct xl_run_end *end)
{
    if (end->outcome != XL_RUN_OK || !end->has_effective)
        return;
    for (size_t i = 0; i < XL_PARAM_COUNT; i++) {
        enum xl_param id = (enum xl_param)i;
        char a[XL_VALUE_ROOM], b[XL_VALUE_ROOM];
        if (asked->value[i] == end->effective.value[i] ||
            xl_plan_inert(sweep->config, asked, id))
            continue;
        end->outcome = XL_RUN_WRONG;
        snprintf(end->reason, sizeof end->reason,
                 "asked for %s %s, but %s "
                 "ran",
                 xl_param_row(id)->name,
                 xl_param_format(id, asked->value[i], a),
                 xl_param_format(id, end->effective.value[i], b));
        return;
    }
}

static enum xl_status run_reps(struct attempt *a,
                               const struct xl_params *params,
                               struct xl_run_end *end)
{
    const struct xl_sweep *sweep = a->sweep;
    size_t kept = (size_t)a->claim.n_samples;
    struct xl_run_request request = {
        .params = params,
        .first_rep = kept,
        .reps = sweep->repeats - kept,
        .on_sample = record_sample,
        .ctx = a,
    };
    *end = (struct xl_run_end){ .outcome = XL_RUN_OK };
    if (kept >= sweep->repeats)
        return XL_OK; /* killed between its last sample and its result */
    XL_TRY(sweep->runner.measure(sweep->runner.ctx, &request, end, a->err));
    XL_TRY(a->rc);
    compare_effective(sweep, params, end);
    return XL_OK;
}

/* Claims, measures and records one trial. XL_EINTERRUPTED when stopped. */
static enum xl_status run_trial(const struct xl_sweep *sweep, int64_t trial,
                                const struct xl_params *params,
                                struct xl_sweep_news *news, char *reason,
                                struct xl_err *err)
{
    struct attempt a = { .sweep = sweep, .err = err };
    struct xl_run_end end;
    XL_TRY(xl_store_claim(sweep->store, trial, &a.claim, err));
    enum xl_status rc = run_reps(&a, params, &end);
    if (rc != XL_OK || end.outcome == XL_RUN_STOPPED) {
        xl_store_release(sweep->store, &a.claim, NULL);
        return rc != XL_OK ? rc : XL_EINTERRUPTED;
    }
    news->outcome = end.outcome;
    memcpy(reason, end.reason, XL_RUN_REASON);
    if (end.outcome == XL_RUN_OK)
        return finish_trial(&a, &end, &news->figures, err);
    return xl_store_fail(sweep->store, &a.claim, state_of(end.outcome),
                         end.reason, false, err);
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
    enum xl_status rc = print_params(params, &cfg, err);
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
    struct xl_sweep_news news = { .figures = { .value = (double)NAN } };
    struct xl_store_ref ref;
    char reason[XL_RUN_REASON] = "";
    XL_TRY(propose(sweep, &nobody, &ask, params, &ref, err));
    if (ref.existed && !is_waiting(ref.state))
        return XL_OK;
    return run_trial(sweep, ref.trial, params, &news, reason, err);
}

/* What an earlier start of this sweep found out. */
static enum xl_status recall(const struct xl_sweep *sweep,
                             const struct xl_store_ref *ref,
                             struct xl_sweep_news *news, struct xl_err *err)
{
    news->from_store = true;
    news->outcome = XL_RUN_FAILED;
    if (ref->state != XL_TRIAL_OK && ref->state != XL_TRIAL_PRUNED)
        return XL_OK;
    news->outcome = XL_RUN_OK;
    return xl_sweep_figures(sweep->store, ref->trial, sweep->objective,
                            &news->figures, err);
}

static bool is_over(const struct xl_sweep *sweep, enum xl_sweep_end *end)
{
    if (sweep->stop && atomic_load(sweep->stop)) {
        *end = XL_END_STOPPED;
        return true;
    }
    if (sweep->deadline_ns && xl_clock_ns() >= sweep->deadline_ns) {
        *end = XL_END_TIME;
        return true;
    }
    return false;
}

static enum xl_status tell(const struct xl_sweep *sweep,
                           const struct xl_ask *ask,
                           const struct xl_sweep_news *news, struct xl_err *err)
{
    struct xl_outcome outcome = { .status = XL_OUTCOME_FAILED };
    if (news->outcome == XL_RUN_OK && isfinite(news->figures.value)) {
        outcome.status = XL_OUTCOME_OK;
        memcpy(outcome.values, news->figures.values, sizeof outcome.values);
    } else if (news->outcome == XL_RUN_INVALID ||
               news->outcome == XL_RUN_WRONG) {
        outcome.status = XL_OUTCOME_INVALID;
    }
    return xl_strategy_tell(sweep->strategy, ask->point, &outcome, err);
}

/* One point, from proposal to telling. */
static enum xl_status run_point(const struct xl_sweep *sweep,
                                struct lineage *lineage,
                                const struct xl_ask *ask, double *best,
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
        .figures = { .value = (double)NAN },
    };
    sweep->to_params(sweep->params_ctx, ask->point, &params);
    XL_TRY(propose(sweep, lineage, ask, &params, &ref, err));
    XL_TRY(note_trial(lineage, ask->code, ref.trial, err));
    if (ref.existed && !is_waiting(ref.state))
        XL_TRY(recall(sweep, &ref, &news, err));
    else
        XL_TRY(run_trial(sweep, ref.trial, &params, &news, reason, err));
    if (isfinite(news.figures.value) && !(news.figures.value <= *best))
        *best = news.figures.value;
    news.best = *best;
    XL_TRY(tell(sweep, ask, &news, err));
    if (sweep->news)
        sweep->news(sweep->news_ctx, &news);
    return XL_OK;
}

enum xl_status xl_sweep_search(const struct xl_sweep *sweep,
                               enum xl_sweep_end *end, struct xl_err *err)
{
    struct lineage lineage = { 0 };
    double best = (double)NAN;
    enum xl_status rc = xl_store_reap(sweep->store, NULL, err);
    while (rc == XL_OK && !is_over(sweep, end)) {
        struct xl_ask ask;
        rc = xl_strategy_ask(sweep->strategy, &ask, err);
        if (rc != XL_OK)
            break;
        if (ask.end != XL_ASK_POINT) {
            *end = ask.end == XL_ASK_SPACE ? XL_END_SPACE : XL_END_BUDGET;
            break;
        }
        rc = run_point(sweep, &lineage, &ask, &best, err);
    }
    if (rc == XL_EINTERRUPTED) {
        *end = XL_END_STOPPED;
        rc = XL_OK;
    }
    xl_free(lineage.codes);
    xl_free(lineage.trials);
    return rc;
}
