/* SPDX-License-Identifier: Apache-2.0
 *
 * Every sample is stored the moment it is known, with the reading of the
 * anchor that was taken before it. What the race decides it decides from
 * these rows alone, whether they come from the runner or from the store. */
#include "tuner/sweep/attempt.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/clock.h"
#include "kernel/base/json.h"
#include "kernel/model/plan.h"
#include "tuner/measure/probe.h"
#include "tuner/store/query.h"
#include "tuner/sweep/reading.h"

#define GRACE_NS 2000000000u /* after the search, for the lap in flight */

/* One trial on its way. */
struct attempt {
    const struct xl_sweep *sweep;
    struct xl_store_claim claim;
    struct xl_heat heat;
    bool has_anchor; /* measured for the sample that comes next */
    struct xl_reading anchor;
    unsigned anchor_dirt;
    size_t taken;      /* laps run, of the anchor too */
    bool is_late;      /* the time was up before it had enough */
    enum xl_status rc; /* of the store, inside the runner's callbacks */
    struct xl_err *err;
};

/* -- details of a sample -------------------------------------------------- */

static void print_dirt(const char *name, unsigned dirt, struct xl_buf *out)
{
    size_t written = 0;
    xl_buf_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < XL_DIRT_COUNT; i++)
        if (dirt & 1u << i)
            xl_buf_printf(out, "%s\"%s\"", written++ ? "," : "",
                          xl_dirt_name((enum xl_dirt)i));
    xl_buf_char(out, ']');
}

static void print_anchor(const struct xl_reading *anchor, unsigned dirt,
                         struct xl_buf *out)
{
    size_t written = 0;
    xl_buf_text(out, ",\"anchor\":{");
    for (size_t m = 0; m < XL_METRIC_COUNT; m++)
        if (isfinite(anchor->value[m]))
            xl_buf_printf(out, "%s\"%s\":%.17g", written++ ? "," : "",
                          xl_metric_name((enum xl_metric)m), anchor->value[m]);
    xl_buf_char(out, '}');
    if (dirt)
        print_dirt("anchor_disturbed_by", dirt, out);
}

/* {"step_ns": [...], "anchor": {...}, "anchor_disturbed_by": [...],
 * "disturbed_by": [...]}, what there is of it. */
static void print_detail(const struct attempt *a, const struct xl_run_sample *s,
                         struct xl_buf *out)
{
    xl_reading_detail(s, out);
    if (out->len)
        out->len--; /* goes on behind its last member */
    size_t before = out->len;
    if (a->has_anchor)
        print_anchor(&a->anchor, a->anchor_dirt, out);
    if (s->dirt)
        print_dirt("disturbed_by", s->dirt, out);
    if (before == 0 && out->len)
        out->data[0] = '{';
    if (out->len)
        xl_buf_char(out, '}');
}

/* The anchor's reading in the detail of a row; false when it has none. */
static bool find_anchor(const struct xl_store_sample *row,
                        struct xl_reading *anchor, bool *is_disturbed)
{
    cJSON *detail = row->detail ? cJSON_Parse(row->detail) : NULL;
    const cJSON *object = xl_json_member(detail, "anchor");
    xl_reading_clear(anchor);
    for (size_t m = 0; m < XL_METRIC_COUNT && object; m++) {
        const cJSON *x =
            xl_json_member(object, xl_metric_name((enum xl_metric)m));
        if (cJSON_IsNumber(x))
            anchor->value[m] = x->valuedouble;
    }
    bool found = object != NULL;
    *is_disturbed = cJSON_HasObjectItem(detail, "anchor_disturbed_by");
    cJSON_Delete(detail);
    return found;
}

/* -- samples -------------------------------------------------------------- */

static enum xl_status store_sample(struct attempt *a,
                                   const struct xl_run_sample *s)
{
    struct xl_buf detail;
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
        .is_disturbed = s->dirt != 0,
    };
    if (row.has_prefill)
        row.prefill_tok_s =
            (double)s->prompt_tokens * 1e9 / (double)s->prefill_ns;
    if (row.has_decode)
        row.decode_tok_s = (double)s->decode_steps * 1e9 / (double)s->decode_ns;
    xl_buf_init(&detail, 0);
    print_detail(a, s, &detail);
    row.detail = detail.len ? detail.data : NULL;
    enum xl_status rc = xl_buf_check(&detail, "a sample", a->err);
    if (rc == XL_OK)
        rc = xl_store_add_sample(a->sweep->store, &a->claim, &row, a->err);
    xl_buf_release(&detail);
    return rc;
}

static enum xl_run_go on_sample(void *ctx, const struct xl_run_sample *s)
{
    struct attempt *a = ctx;
    struct xl_lap lap;
    enum xl_sweep_end end;
    a->taken++;
    if (s->side == 1) {
        xl_reading_of_run(&a->anchor, s);
        a->has_anchor = true;
        a->anchor_dirt = s->dirt;
        return XL_RUN_MORE;
    }
    a->rc = store_sample(a, s);
    if (a->has_anchor)
        xl_heat_anchor(&a->heat, &a->anchor, a->anchor_dirt != 0);
    a->has_anchor = false;
    xl_lap_of_run(&lap, s);
    if (a->rc == XL_OK)
        a->rc = xl_heat_add(&a->heat, &lap, a->err);
    if (a->rc != XL_OK)
        return XL_RUN_ABORT;
    xl_watch_tell(&a->sweep->step, "repetitions", a->heat.raw.n,
                  a->sweep->race->rules.repeats);
    if (xl_heat_call(&a->heat) != XL_RACE_MORE)
        return XL_RUN_ENOUGH;
    if (!xl_sweep_is_over(a->sweep, &end))
        return XL_RUN_MORE;
    /* A signal is obeyed at once; who is only late keeps the evaluator. */
    a->is_late = end == XL_END_TIME;
    return a->is_late ? XL_RUN_ENOUGH : XL_RUN_ABORT;
}

/* A lap, a plan or a judgement of a large model takes longer than the lease. */
static bool renew_lease(void *ctx)
{
    struct attempt *a = ctx;
    a->rc = xl_store_heartbeat(a->sweep->store, &a->claim, a->err);
    return a->rc == XL_OK;
}

/* A sample that was stored before, as on_sample saw it. */
static enum xl_status replay_row(void *ctx, const struct xl_store_sample *row,
                                 struct xl_err *err)
{
    struct xl_heat *heat = ctx;
    struct xl_reading anchor;
    struct xl_lap lap;
    bool is_disturbed;
    if (find_anchor(row, &anchor, &is_disturbed))
        xl_heat_anchor(heat, &anchor, is_disturbed);
    xl_lap_of_row(&lap, row);
    return xl_heat_add(heat, &lap, err);
}

static enum xl_status collect_row(void *ctx, const struct xl_store_sample *row,
                                  struct xl_err *err)
{
    struct xl_lap lap;
    xl_lap_of_row(&lap, row);
    return xl_laps_add(ctx, &lap, err);
}

enum xl_status xl_sweep_figures(struct xl_store *store, int64_t trial,
                                const struct xl_objective *objective,
                                struct xl_trial_figures *figures,
                                struct xl_err *err)
{
    struct xl_laps laps = { 0 };
    enum xl_status rc = xl_query_samples(store, trial, collect_row, &laps, err);
    if (rc == XL_OK)
        rc = xl_laps_figures(&laps, objective, figures, err);
    xl_laps_release(&laps);
    return rc;
}

/* -- results -------------------------------------------------------------- */

/* What the laps of a heat come to: as measured, and against the anchor. */
static enum xl_status sum_up(const struct xl_heat *heat,
                             struct xl_sweep_news *news, struct xl_err *err)
{
    const struct xl_objective *objective = heat->race->rules.objective;
    struct xl_reading reading;
    XL_TRY(xl_laps_figures(&heat->raw, objective, &news->figures, err));
    news->share = xl_heat_reading(heat, &reading);
    news->value = xl_objective_value(objective, &reading);
    xl_objective_values(objective, &reading, news->values);
    return XL_OK;
}

static struct xl_store_metric metric_of(const struct xl_estimate *e)
{
    return (struct xl_store_metric){
        .has = e->n > 0, .median = e->median, .lo = e->lo, .hi = e->hi
    };
}

/* The values with and without what the machine did meanwhile. */
static void print_result_detail(const struct attempt *a,
                                const struct xl_run_end *end,
                                const struct xl_sweep_news *news,
                                struct xl_buf *out)
{
    struct xl_gains gains;
    cJSON *o = cJSON_CreateObject();
    xl_json_add_real(o, "value_as_measured", news->figures.value);
    xl_json_add_real(o, "value_against_anchor", news->value);
    xl_json_add_real(o, "standard_error", fabs(news->value) * news->share);
    cJSON *list = cJSON_AddArrayToObject(o, XL_GAINS);
    xl_heat_gains(&a->heat, &gains);
    for (size_t k = 0; k < XL_RACE_SHARES && list; k++)
        cJSON_AddItemToArray(list, isfinite(gains.by[k])
                                       ? cJSON_CreateNumber(gains.by[k])
                                       : cJSON_CreateNull());
    cJSON_AddNumberToObject(o, "taken", (double)a->heat.raw.n);
    cJSON_AddNumberToObject(
        o, "disturbed", (double)(a->heat.raw.n - xl_laps_quiet(&a->heat.raw)));
    cJSON_AddBoolToObject(o, "dropped", news->is_dropped);
    if (end->warm_up.laps)
        cJSON_AddItemToObject(o, "warm_up", xl_steady_json(&end->warm_up));
    xl_json_print(o, false, out);
    cJSON_Delete(o);
}

static enum xl_status finish_trial(const struct attempt *a,
                                   const struct xl_run_end *end,
                                   struct xl_sweep_news *news,
                                   struct xl_err *err)
{
    const struct xl_trial_figures *f = &news->figures;
    struct xl_buf effective, detail;
    XL_TRY(sum_up(&a->heat, news, err));
    news->is_dropped = xl_heat_call(&a->heat) == XL_RACE_DROP;
    struct xl_store_result result = {
        .prefill_tok_s = metric_of(&f->prefill_tok_s),
        .decode_tok_s = metric_of(&f->decode_tok_s),
        .prefill_s = metric_of(&f->prefill_s),
        .decode_s = metric_of(&f->decode_s),
        .n = (int64_t)(f->prefill_tok_s.n > f->decode_tok_s.n
                           ? f->prefill_tok_s.n
                           : f->decode_tok_s.n),
        .has_value = isfinite(news->value),
        .value = news->value,
        .is_pruned = news->is_dropped,
    };
    xl_buf_init(&effective, 0);
    xl_buf_init(&detail, 0);
    print_result_detail(a, end, news, &detail);
    enum xl_status rc = xl_buf_check(&detail, "a result", err);
    result.detail = detail.data;
    if (rc == XL_OK && end->has_effective) {
        rc = xl_sweep_print_params(&end->effective, &effective, err);
        result.effective = effective.data;
    }
    if (rc == XL_OK)
        rc = xl_store_finish(a->sweep->store, &a->claim, &result, err);
    xl_buf_release(&effective);
    xl_buf_release(&detail);
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

/* Speeds that are no numbers were measured by nobody. */
static void check_numbers(const struct xl_heat *heat, struct xl_run_end *end)
{
    for (size_t i = 0; i < heat->raw.n && end->outcome == XL_RUN_OK; i++) {
        const struct xl_lap *lap = &heat->raw.items[i];
        if (isfinite(lap->prefill_s) || isfinite(lap->decode_s))
            continue;
        end->outcome = XL_RUN_WRONG;
        snprintf(end->reason, sizeof end->reason, "repetition %zu took no time",
                 i);
    }
}

static enum xl_status run_reps(struct attempt *a,
                               const struct xl_params *params,
                               struct xl_run_end *end)
{
    const struct xl_sweep *sweep = a->sweep;
    size_t had = (size_t)a->claim.n_samples;
    uint64_t start_ns = xl_clock_ns();
    uint64_t limit_ns = xl_pace_end(sweep->pace, XL_PHASE_SEARCH);
    struct xl_run_request request = {
        .params = params,
        .against = sweep->anchor_every ? sweep->anchor : NULL,
        .anchor_every = sweep->anchor ? sweep->anchor_every : 0,
        .first_rep = had,
        .load = sweep->load,
        .reps = xl_race_most(sweep->race) - had,
        .deadline_ns = limit_ns ? limit_ns + GRACE_NS : 0,
        .on_sample = on_sample,
        .ctx = a,
        .beat = { renew_lease, a },
    };
    *end = (struct xl_run_end){ .outcome = XL_RUN_OK };
    XL_TRY(xl_query_samples(sweep->store, a->claim.trial, replay_row, &a->heat,
                            a->err));
    request.anchor_every =
        xl_race_anchor_every(sweep->race, request.anchor_every);
    if (had && xl_heat_call(&a->heat) != XL_RACE_MORE)
        return XL_OK; /* killed between its last sample and its result */
    XL_TRY(sweep->runner.measure(sweep->runner.ctx, &request, end, a->err));
    XL_TRY(a->rc);
    if (end->outcome == XL_RUN_OK)
        xl_pace_lap(sweep->pace, xl_clock_ns() - start_ns, a->taken, false);
    if (a->is_late)
        end->outcome = XL_RUN_STOPPED;
    compare_effective(sweep, params, end);
    check_numbers(&a->heat, end);
    return XL_OK;
}

/* Would it lead the search? What ties with the leader is asked at the end. */
static bool would_lead(const struct attempt *a,
                       const struct xl_sweep_news *news)
{
    struct xl_sweep_news now = *news;
    if (xl_heat_call(&a->heat) == XL_RACE_DROP)
        return false;
    if (xl_heat_leads(&a->heat))
        return true;
    return sum_up(&a->heat, &now, NULL) != XL_OK || !(now.value <= news->best);
}

static enum xl_status ask_judge(struct attempt *a,
                                const struct xl_params *params,
                                enum xl_stage stage, struct xl_run_end *end)
{
    const struct xl_judge_request request = { .params = params,
                                              .stage = stage,
                                              .beat = { renew_lease, a } };
    XL_TRY(xl_sweep_gate(a->sweep, a->claim.trial, &request, end, a->err));
    return a->rc;
}

/* The screen, the repetitions, and the whole judge for what would lead: a
 * configuration that is fast because it is wrong must not drop the others. */
static enum xl_status run_gated(struct attempt *a,
                                const struct xl_params *params,
                                const struct xl_sweep_news *news,
                                struct xl_run_end *end)
{
    *end = (struct xl_run_end){ .outcome = XL_RUN_OK };
    XL_TRY(ask_judge(a, params, XL_STAGE_SCREEN, end));
    if (end->outcome == XL_RUN_OK)
        XL_TRY(run_reps(a, params, end));
    if (end->outcome != XL_RUN_OK || !would_lead(a, news))
        return XL_OK;
    return ask_judge(a, params, XL_STAGE_FULL, end);
}

static enum xl_status run_claimed(struct attempt *a,
                                  const struct xl_params *params,
                                  struct xl_sweep_news *news, char *reason)
{
    const struct xl_sweep *sweep = a->sweep;
    struct xl_run_end end;
    enum xl_status rc = run_gated(a, params, news, &end);
    if (rc != XL_OK || end.outcome == XL_RUN_STOPPED) {
        xl_store_release(sweep->store, &a->claim, NULL);
        return rc != XL_OK ? rc : XL_EINTERRUPTED;
    }
    news->outcome = end.outcome;
    memcpy(reason, end.reason, XL_RUN_REASON);
    xl_pace_trial(sweep->pace);
    if (end.outcome == XL_RUN_OK || end.outcome == XL_RUN_UNPROVED)
        rc = finish_trial(a, &end, news, a->err);
    else
        rc = xl_store_fail(sweep->store, &a->claim, state_of(end.outcome),
                           end.reason, false, a->err);
    xl_race_close(sweep->race, &a->heat,
                  end.outcome == XL_RUN_OK && !news->is_dropped);
    if (end.outcome == XL_RUN_UNPROVED)
        news->value = (double)NAN; /* nothing to go by */
    return rc;
}

enum xl_status xl_attempt_run(const struct xl_sweep *sweep, int64_t trial,
                              const struct xl_params *params,
                              struct xl_sweep_news *news, char *reason,
                              struct xl_err *err)
{
    struct attempt a = { .sweep = sweep, .err = err };
    enum xl_status rc = xl_store_claim(sweep->store, trial, &a.claim, err);
    if (rc == XL_ENOTFOUND)
        return xl_fail(err, XL_EBUSY,
                       "another process measures in this run; wait for it or "
                       "end it, then resume");
    XL_TRY(rc);
    xl_heat_begin(&a.heat, sweep->race);
    rc = run_claimed(&a, params, news, reason);
    xl_heat_release(&a.heat);
    return rc;
}

static enum xl_status find_unproved(void *ctx, const struct xl_store_score *row,
                                    struct xl_err *err)
{
    bool *is_unproved = ctx;
    (void)err;
    if (strcmp(row->name, XL_UNPROVED) == 0)
        *is_unproved = true;
    return XL_OK;
}

static enum xl_run_outcome outcome_of(enum xl_trial_state state,
                                      bool is_unproved)
{
    switch (state) {
    case XL_TRIAL_OK:
    case XL_TRIAL_PRUNED:
        return is_unproved ? XL_RUN_UNPROVED : XL_RUN_OK;
    case XL_TRIAL_WRONG:
        return XL_RUN_WRONG;
    case XL_TRIAL_INVALID:
        return XL_RUN_INVALID;
    default:
        return XL_RUN_FAILED;
    }
}

enum xl_status xl_attempt_recall(const struct xl_sweep *sweep,
                                 const struct xl_store_ref *ref,
                                 struct xl_sweep_news *news, struct xl_err *err)
{
    struct xl_heat heat;
    bool is_unproved = false;
    xl_heat_begin(&heat, sweep->race);
    enum xl_status rc =
        xl_query_samples(sweep->store, ref->trial, replay_row, &heat, err);
    if (rc == XL_OK)
        rc = xl_query_scores(sweep->store, ref->trial, find_unproved,
                             &is_unproved, err);
    news->from_store = true;
    news->is_dropped = ref->state == XL_TRIAL_PRUNED;
    news->outcome = outcome_of(ref->state, is_unproved);
    if (rc == XL_OK && news->outcome == XL_RUN_OK)
        rc = sum_up(&heat, news, err);
    if (rc == XL_OK)
        xl_race_close(sweep->race, &heat,
                      news->outcome == XL_RUN_OK && !news->is_dropped);
    xl_heat_release(&heat);
    return rc;
}
