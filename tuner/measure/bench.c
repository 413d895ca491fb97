/* SPDX-License-Identifier: Apache-2.0
 *
 * Clocks of a shared host drift by 20 % within minutes, so a speed is held
 * against limits that were measured beside it: before, after, and between
 * rounds when some seconds have gone by. */
#include "tuner/measure/bench.h"

#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/guard/memory.h"
#include "kernel/run/cost.h"
#include "tuner/measure/probe.h"

#define LEVEL         0.95
#define RECALIBRATE_S 10

struct bench {
    const struct xl_bench_job *job;
    struct xl_bench_result *results; /* [n_cells] */
    struct xl_state state;
    uint64_t calibrated_ns;
    uint64_t peak_bytes; /* largest of the stretches that counted; 0 = none */
    bool knows_peak;
    size_t done;
};

/* -- memory --------------------------------------------------------------- */

static void note_peak(struct bench *b)
{
    struct xl_memory memory;
    xl_memory_read(&memory);
    if (memory.has_peak && memory.peak_bytes > b->peak_bytes)
        b->peak_bytes = memory.peak_bytes;
}

/* -- limits --------------------------------------------------------------- */

static bool same_request(const struct xl_limits_request *a,
                         const struct xl_limits_request *b)
{
    return a->workers == b->workers && a->working_set == b->working_set;
}

/* Once for each distinct request; cells that ask the same share the figure. */
static enum xl_status calibrate(struct bench *b, struct xl_err *err)
{
    note_peak(b);
    for (size_t i = 0; i < b->job->n_cells; i++) {
        struct xl_limit_log *log = &b->results[i].limits;
        size_t j = 0;
        while (!same_request(&b->results[j].limits.request, &log->request))
            j++;
        if (j == i)
            XL_TRY(xl_limit_log_measure(log, err));
        else
            *log = b->results[j].limits;
    }
    /* The buffer of the limits must not count as the model's memory. */
    b->knows_peak = xl_memory_forget_peak();
    b->calibrated_ns = xl_clock_ns();
    return XL_OK;
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

static enum xl_status take_sample(struct bench *b, size_t cell,
                                  struct xl_err *err)
{
    const struct xl_bench_cell *c = &b->job->cells[cell];
    struct xl_run_sample sample;
    XL_TRY(xl_trial_run(c->plan, b->job->model, &b->state, &c->workload,
                        &sample, err));
    xl_samples_add(
        &b->results[cell].samples,
        &(struct xl_speeds){ .tok_s = { { xl_sample_prefill_tok_s(&sample),
                                          xl_sample_decode_tok_s(&sample) } },
                             .dirt = sample.dirt });
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
    for (size_t round = 0; more; round++) {
        XL_TRY(run_round(b, round, &more, err));
        uint64_t age = xl_clock_ns() - b->calibrated_ns;
        if (more && age > (uint64_t)RECALIBRATE_S * 1000000000u)
            XL_TRY(calibrate(b, err));
    }
    return XL_OK;
}

/* -- begin and end -------------------------------------------------------- */

static enum xl_status begin(struct bench *b, struct xl_err *err)
{
    const struct xl_config *config = xl_model_config(b->job->model);
    for (size_t i = 0; i < b->job->n_cells; i++) {
        const struct xl_bench_cell *c = &b->job->cells[i];
        struct xl_bench_result *r = &b->results[i];
        struct xl_bench_needs needs[XL_SPEED_COUNT];
        r->prompt_tokens = c->workload.n_prompt;
        r->new_tokens = c->workload.new_tokens;
        r->batch = c->workload.batch ? c->workload.batch : 1;
        r->effective = *xl_plan_effective(c->plan);
        r->load_s = c->load_s;
        XL_TRY(xl_samples_init(&r->samples, b->job->repeats, err));
        XL_TRY(xl_bench_needs_of(needs, c->plan, config, &c->workload, err));
        double bytes = needs[XL_SPEED_DECODE].working_set;
        r->limits.request = (struct xl_limits_request){
            .workers = (size_t)r->effective.value[XL_PARAM_WORKERS],
            .working_set = isfinite(bytes) ? (uint64_t)bytes : 0,
        };
        XL_TRY(xl_trial_warm_up(c->plan, b->job->model, &b->state, &c->workload,
                                err));
    }
    return XL_OK;
}

static enum xl_status finish_one(struct bench *b, size_t cell,
                                 struct xl_err *err)
{
    struct xl_bench_result *r = &b->results[cell];
    struct xl_bench_needs needs[XL_SPEED_COUNT];
    struct xl_limits best = xl_limit_log_best(&r->limits);
    XL_TRY(xl_bench_needs_of(needs, b->job->cells[cell].plan,
                             xl_model_config(b->job->model),
                             &b->job->cells[cell].workload, err));
    for (size_t i = 0; i < XL_SPEED_COUNT; i++) {
        struct xl_bench_phase *p = &r->phases[i];
        struct xl_bench_bound bound = xl_bench_bound_of(&needs[i], &best);
        XL_TRY(xl_samples_estimate(&r->samples, 0, (enum xl_speed)i, LEVEL,
                                   &p->tok_s, err));
        p->limit = bound.limit;
        p->fraction_of_limit = p->tok_s.median * bound.seconds;
    }
    r->peak_rss_mb = b->knows_peak && b->peak_bytes
                         ? (double)b->peak_bytes / 1048576.0
                         : (double)NAN;
    return XL_OK;
}

enum xl_status xl_bench_run(const struct xl_bench_job *job,
                            struct xl_bench_result *results, struct xl_err *err)
{
    struct bench b = { .job = job, .results = results };
    enum xl_status rc;
    XL_TRY(xl_state_init(&b.state, xl_model_config(job->model), err));
    XL_TRY_DONE(rc, begin(&b, err));
    XL_TRY_DONE(rc, calibrate(&b, err));
    b.peak_bytes = 0; /* what came before may have held other buffers */
    XL_TRY_DONE(rc, run_rounds(&b, err));
    XL_TRY_DONE(rc, calibrate(&b, err));
    for (size_t i = 0; i < job->n_cells && rc == XL_OK; i++)
        rc = finish_one(&b, i, err);
done:
    xl_state_release(&b.state);
    return rc;
}

void xl_bench_release(struct xl_bench_result *result)
{
    xl_samples_release(&result->samples);
    *result = (struct xl_bench_result){ 0 };
}
