/* SPDX-License-Identifier: Apache-2.0
 *
 * A shared host drifts by 20 % within minutes, and some jump to half their
 * speed within seconds. So a sample is held against limits that were probed
 * right before and right after it, not against the best of the whole run. */
#include "tuner/measure/bench.h"

#include <math.h>

#include "kernel/base/alloc.h"
#include "kernel/guard/memory.h"
#include "kernel/run/cost.h"
#include "tuner/measure/probe.h"

#define LEVEL 0.95

enum {
    WARM_TOKENS = 2
};

struct bench {
    const struct xl_bench_job *job;
    struct xl_bench_result *results; /* [n_cells] */
    struct cell {
        struct xl_bench_needs needs[XL_SPEED_COUNT];
        bool lives_in_cache;
    } * cells; /* [n_cells] */
    struct xl_state state;
    struct xl_limit_meter *meter;
    struct xl_limits_request probed; /* by the last probe; zeros = none */
    struct xl_limits limits;         /* that it gave */
    bool knows_peak;
    size_t done;
};

/* -- limits --------------------------------------------------------------- */

static bool same_request(const struct xl_limits_request *a,
                         const struct xl_limits_request *b)
{
    return a->workers == b->workers && a->working_set == b->working_set &&
           a->probed == b->probed;
}

/* To all cells that ask for the same. */
static enum xl_status note_limits(struct bench *b,
                                  const struct xl_limits_request *request,
                                  const struct xl_limits *limits,
                                  struct xl_err *err)
{
    for (size_t i = 0; i < b->job->n_cells; i++) {
        struct xl_limit_log *log = &b->results[i].limits;
        if (same_request(&log->request, request))
            XL_TRY(xl_limit_log_add(log, limits, err));
    }
    return XL_OK;
}

static enum xl_status measure_limits(struct bench *b, struct xl_err *err)
{
    for (size_t i = 0; i < b->job->n_cells; i++) {
        const struct xl_limit_log *log = &b->results[i].limits;
        struct xl_limits limits;
        if (log->n)
            continue; /* another cell has asked for the same */
        XL_TRY(xl_limit_meter_measure(b->meter, &log->request, &limits, err));
        XL_TRY(note_limits(b, &log->request, &limits, err));
    }
    return XL_OK;
}

static enum xl_status probe_limits(struct bench *b, size_t cell,
                                   struct xl_err *err)
{
    const struct xl_limits_request *request = &b->results[cell].limits.request;
    XL_TRY(xl_limit_meter_probe(b->meter, request, &b->limits, err));
    b->probed = *request;
    return note_limits(b, request, &b->limits, err);
}

/* -- samples -------------------------------------------------------------- */

static void report(struct bench *b)
{
    const struct xl_bench_job *job = b->job;
    size_t total = 0;
    if (!job->progress)
        return;
    for (size_t i = 0; i < job->n_cells; i++) {
        const struct xl_samples *s = &b->results[i].samples;
        size_t left = s->wanted - xl_samples_quiet(s);
        total += s->n + (left < s->most - s->n ? left : s->most - s->n);
    }
    job->progress(job->progress_ctx, b->done, total);
}

/* A probe leaves none of the model in the caches: a pass and two tokens bring
 * back one that lives there. */
static enum xl_status warm_again(struct bench *b, size_t cell,
                                 struct xl_err *err)
{
    const struct xl_bench_cell *c = &b->job->cells[cell];
    struct xl_trial_load load = c->workload;
    struct xl_run_sample discarded;
    size_t pass =
        (size_t)xl_plan_effective(c->plan)->value[XL_PARAM_PREFILL_BLOCK];
    load.n_prompt = load.n_prompt < pass ? load.n_prompt : pass;
    load.new_tokens =
        load.new_tokens < WARM_TOKENS ? load.new_tokens : WARM_TOKENS;
    return xl_trial_run(c->plan, b->job->model, &b->state, &load, &discarded,
                        err);
}

/* What was probed after the last sample stands before this one, if it is what
 * this cell asks for. */
static enum xl_status take_sample(struct bench *b, size_t cell,
                                  struct xl_err *err)
{
    const struct xl_bench_cell *c = &b->job->cells[cell];
    struct xl_bench_result *r = &b->results[cell];
    struct xl_run_sample sample;
    if (!same_request(&b->probed, &r->limits.request))
        XL_TRY(probe_limits(b, cell, err));
    struct xl_limits before = b->limits;
    if (b->cells[cell].lives_in_cache)
        XL_TRY(warm_again(b, cell, err));
    XL_TRY(xl_trial_run(c->plan, b->job->model, &b->state, &c->workload,
                        &sample, err));
    XL_TRY(probe_limits(b, cell, err));
    struct xl_speeds row = { .tok_s = { { xl_sample_prefill_tok_s(&sample),
                                          xl_sample_decode_tok_s(&sample) } },
                             .dirt = sample.dirt };
    xl_bench_hold_beside(&row, b->cells[cell].needs, &before, &b->limits);
    xl_samples_add(&r->samples, &row);
    b->done++;
    report(b);
    return XL_OK;
}

/* Odd rounds go backwards, and the start moves on. */
static size_t cell_at(size_t round, size_t place, size_t n)
{
    size_t at = (round / 2 + place) % n;
    return round % 2 ? n - 1 - at : at;
}

/* *more: does any cell want another round? */
static enum xl_status run_round(struct bench *b, size_t round, bool *more,
                                struct xl_err *err)
{
    size_t n = b->job->n_cells;
    *more = false;
    for (size_t i = 0; i < n; i++) {
        size_t cell = cell_at(round, i, n);
        if (!xl_samples_want_more(&b->results[cell].samples))
            continue;
        XL_TRY(take_sample(b, cell, err));
        if (xl_samples_want_more(&b->results[cell].samples))
            *more = true;
    }
    return XL_OK;
}

static enum xl_status run_rounds(struct bench *b, struct xl_err *err)
{
    bool more = true;
    for (size_t round = 0; more; round++)
        XL_TRY(run_round(b, round, &more, err));
    return XL_OK;
}

/* -- begin and end -------------------------------------------------------- */

static enum xl_status begin_cell(struct bench *b, size_t at, struct xl_err *err)
{
    const struct xl_bench_cell *c = &b->job->cells[at];
    struct xl_bench_result *r = &b->results[at];
    struct cell *cell = &b->cells[at];
    r->prompt_tokens = c->workload.n_prompt;
    r->new_tokens = c->workload.new_tokens;
    r->batch = c->workload.batch ? c->workload.batch : 1;
    r->effective = *xl_plan_effective(c->plan);
    r->engines = xl_plan_engines(xl_model_config(b->job->model), &r->effective);
    r->load_s = c->load_s;
    XL_TRY(xl_samples_init(&r->samples, b->job->repeats, err));
    XL_TRY(xl_bench_needs_of(cell->needs, c->plan,
                             xl_model_config(b->job->model), &c->workload,
                             err));
    double bytes = cell->needs[XL_SPEED_DECODE].working_set;
    uint64_t set = isfinite(bytes) ? (uint64_t)bytes : 0;
    enum xl_limit reading = xl_limit_meter_reading(b->meter, set);
    cell->lives_in_cache = reading == XL_LIMIT_READ_L3;
    r->limits.request = (struct xl_limits_request){
        .workers = (size_t)r->effective.value[XL_PARAM_WORKERS],
        .working_set = set,
        .probed = 1u << reading | 1u << cell->needs[XL_SPEED_PREFILL].flops_at |
                  1u << cell->needs[XL_SPEED_DECODE].flops_at,
    };
    return xl_trial_warm_up(c->plan, b->job->model, &b->state, &c->workload,
                            &r->warm_up, err);
}

static enum xl_status begin(struct bench *b, struct xl_err *err)
{
    b->cells = xl_alloc_zero(b->job->n_cells, sizeof *b->cells);
    if (!b->cells)
        return xl_fail(err, XL_ENOMEM, "out of memory for %zu configurations",
                       b->job->n_cells);
    XL_TRY(xl_state_init(&b->state, xl_model_config(b->job->model), err));
    XL_TRY(xl_limit_meter_make(&b->meter, err));
    for (size_t i = 0; i < b->job->n_cells; i++)
        XL_TRY(begin_cell(b, i, err));
    XL_TRY(measure_limits(b, err));
    b->knows_peak = xl_memory_forget_peak();
    return XL_OK;
}

/* The meter's buffer is not the model's memory; it was there all the time. */
static double peak_rss_mb(const struct bench *b)
{
    struct xl_memory memory;
    xl_memory_read(&memory);
    if (!b->knows_peak || !memory.has_peak)
        return (double)NAN;
    return ((double)memory.peak_bytes -
            (double)xl_limit_meter_bytes(b->meter)) /
           1048576.0;
}

static enum xl_status finish(struct bench *b, struct xl_err *err)
{
    double peak = peak_rss_mb(b);
    for (size_t i = 0; i < b->job->n_cells; i++) {
        struct xl_bench_result *r = &b->results[i];
        struct xl_limits best = xl_limit_log_best(&r->limits);
        r->peak_rss_mb = peak;
        for (size_t k = 0; k < XL_SPEED_COUNT; k++) {
            struct xl_bench_phase *p = &r->phases[k];
            enum xl_speed speed = (enum xl_speed)k;
            p->limit = xl_bench_bound_of(&b->cells[i].needs[k], &best).limit;
            XL_TRY(xl_samples_estimate(&r->samples, 0, speed, LEVEL, &p->tok_s,
                                       err));
            XL_TRY(xl_samples_of_limit(&r->samples, speed, LEVEL, &p->of_limit,
                                       err));
        }
    }
    return XL_OK;
}

enum xl_status xl_bench_run(const struct xl_bench_job *job,
                            struct xl_bench_result *results, struct xl_err *err)
{
    struct bench b = { .job = job, .results = results };
    enum xl_status rc;
    XL_TRY_DONE(rc, begin(&b, err));
    XL_TRY_DONE(rc, run_rounds(&b, err));
    rc = finish(&b, err);
done:
    xl_limit_meter_free(b.meter);
    xl_state_release(&b.state);
    xl_free(b.cells);
    return rc;
}

void xl_bench_release(struct xl_bench_result *result)
{
    xl_samples_release(&result->samples);
    xl_limit_log_release(&result->limits);
    *result = (struct xl_bench_result){ 0 };
}
