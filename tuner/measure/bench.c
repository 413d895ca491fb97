/* SPDX-License-Identifier: Apache-2.0
 *
 * Decode is held against the read bandwidth: weights once a token (all blocks
 * and the head, not the embedding table), state read and written. Prefill is
 * held against the fp32 multiply-add peak: 2 flops a block weight, the head
 * for the last token only, plus the chunkwise cell. */
#include "tuner/measure/bench.h"

#include <math.h>

#include "kernel/base/alloc.h"
#include "kernel/guard/memory.h"
#include "kernel/run/cost.h"

#define LEVEL 0.95

static void take_better(struct xl_limits *best, const struct xl_limits *other)
{
    best->read_gb_s = fmax(best->read_gb_s, other->read_gb_s);
    best->fma_gflops = fmax(best->fma_gflops, other->fma_gflops);
}

static enum xl_status estimate(struct xl_bench_phase *phase, struct xl_err *err)
{
    double *sorted = xl_alloc_zero(phase->n + 1, sizeof *sorted);
    size_t n = 0;
    if (!sorted)
        return xl_fail(err, XL_ENOMEM, "out of memory for %zu samples",
                       phase->n);
    for (size_t i = 0; i < phase->n; i++)
        if (isfinite(phase->samples[i]))
            sorted[n++] = phase->samples[i];
    phase->tok_s = xl_estimate_median(sorted, n, LEVEL);
    xl_free(sorted);
    return XL_OK;
}

static enum xl_status take_samples(const struct xl_bench_job *job,
                                   struct xl_bench_result *r,
                                   struct xl_err *err)
{
    struct xl_state state;
    struct xl_run_sample sample;
    XL_TRY(xl_state_init(&state, xl_model_config(job->model), err));
    enum xl_status rc =
        xl_trial_warm_up(job->plan, job->model, &state, &job->workload, err);
    for (size_t i = 0; i < job->repeats && rc == XL_OK; i++) {
        rc = xl_trial_run(job->plan, job->model, &state, &job->workload,
                          &sample, err);
        if (rc != XL_OK)
            break;
        r->prefill.samples[r->prefill.n++] = xl_sample_prefill_tok_s(&sample);
        r->decode.samples[r->decode.n++] = xl_sample_decode_tok_s(&sample);
    }
    xl_state_release(&state);
    return rc;
}

static enum xl_status set_fractions(const struct xl_bench_job *job,
                                    struct xl_bench_result *r,
                                    struct xl_err *err)
{
    const struct xl_config *config = xl_model_config(job->model);
    const int64_t *value = r->effective.value;
    double weight_bytes = value[XL_PARAM_WEIGHT_DTYPE] ? 2.0 : 4.0;
    struct xl_cost cost;
    XL_TRY(xl_cost_of(&cost, config, err));
    double bytes = xl_cost_decode_bytes(&cost, weight_bytes);
    double flops = xl_cost_prefill_flops(&cost, config,
                                         (size_t)value[XL_PARAM_CHUNK_SIZE]);
    r->decode.fraction_of_limit =
        r->decode.tok_s.median * bytes / (r->limits.read_gb_s * 1e9);
    r->prefill.fraction_of_limit =
        r->prefill.tok_s.median * flops / (r->limits.fma_gflops * 1e9);
    return XL_OK;
}

enum xl_status xl_bench_run(const struct xl_bench_job *job,
                            struct xl_bench_result *r, struct xl_err *err)
{
    struct xl_limits after;
    struct xl_memory memory;
    enum xl_status rc;
    *r = (struct xl_bench_result){
        .prompt_tokens = job->workload.n_prompt,
        .new_tokens = job->workload.new_tokens,
        .effective = *xl_plan_effective(job->plan),
        .load_s = job->load_s,
    };
    size_t workers = (size_t)r->effective.value[XL_PARAM_WORKERS];
    r->prefill.samples = xl_alloc_zero(job->repeats + 1, sizeof(double));
    r->decode.samples = xl_alloc_zero(job->repeats + 1, sizeof(double));
    if (!r->prefill.samples || !r->decode.samples) {
        rc = xl_fail(err, XL_ENOMEM, "out of memory for %zu samples",
                     job->repeats);
        goto done;
    }
    XL_TRY_DONE(rc, xl_limits_measure(&r->limits, workers, err));
    XL_TRY_DONE(rc, take_samples(job, r, err));
    XL_TRY_DONE(rc, xl_limits_measure(&after, workers, err));
    take_better(&r->limits, &after);
    XL_TRY_DONE(rc, estimate(&r->prefill, err));
    XL_TRY_DONE(rc, estimate(&r->decode, err));
    XL_TRY_DONE(rc, set_fractions(job, r, err));
    xl_memory_read(&memory);
    r->peak_rss_mb =
        memory.has_peak ? (double)memory.peak_bytes / 1048576.0 : (double)NAN;
done:
    if (rc != XL_OK)
        xl_bench_release(r);
    return rc;
}

void xl_bench_release(struct xl_bench_result *result)
{
    xl_free(result->prefill.samples);
    xl_free(result->decode.samples);
    *result = (struct xl_bench_result){ 0 };
}
