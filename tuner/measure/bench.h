/* SPDX-License-Identifier: Apache-2.0
 *
 * Measures one configuration on one workload: warm-up, repetitions, medians
 * with intervals, and each speed beside the limit it runs into.
 */
#ifndef XL_BENCH_H
#define XL_BENCH_H

#include "kernel/base/err.h"
#include "kernel/model/plan.h"
#include "tuner/measure/limits.h"
#include "tuner/measure/stats.h"
#include "tuner/measure/trial.h"

struct xl_bench_phase {
    struct xl_estimate tok_s;
    double fraction_of_limit; /* NaN = unknown */
    double *samples;          /* [n] tokens a second, in order taken; heap */
    size_t n;
};

struct xl_bench_result {
    size_t prompt_tokens, new_tokens;
    struct xl_params effective;
    struct xl_bench_phase prefill, decode;
    struct xl_limits limits;
    double load_s;      /* opening the model and making the plan */
    double peak_rss_mb; /* NaN = unknown */
};

struct xl_bench_job {
    struct xl_plan *plan;
    const struct xl_model *model;
    struct xl_trial_load workload;
    size_t repeats;
    double load_s;
};

/* Limits are measured before and after with the plan's workers; the better
 * figure of each counts. On error result holds nothing. */
enum xl_status xl_bench_run(const struct xl_bench_job *job,
                            struct xl_bench_result *result, struct xl_err *err);
void xl_bench_release(struct xl_bench_result *result);

#endif
