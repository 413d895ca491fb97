/* SPDX-License-Identifier: Apache-2.0
 *
 * Measures configurations on workloads: warm-up, interleaved repetitions,
 * medians with intervals, and each speed beside the limit it runs into.
 *
 * All cells of a job are measured in rounds, each once a round, in an order
 * that turns, so that drift of the machine falls on all alike.
 */
#ifndef XL_BENCH_H
#define XL_BENCH_H

#include "kernel/base/err.h"
#include "kernel/model/plan.h"
#include "tuner/measure/limits.h"
#include "tuner/measure/samples.h"
#include "tuner/measure/stats.h"
#include "tuner/measure/trial.h"

struct xl_bench_phase {
    struct xl_estimate tok_s;
    enum xl_limit limit;         /* that it runs into; COUNT = unknown */
    struct xl_estimate of_limit; /* of samples over the limits beside them */
};

struct xl_bench_result {
    size_t prompt_tokens, new_tokens; /* of each sequence */
    size_t batch;                     /* sequences decoded at once */
    struct xl_params effective;
    struct xl_plan_engines engines;
    struct xl_samples samples;
    struct xl_bench_phase phases[XL_SPEED_COUNT];
    struct xl_limit_log limits; /* all at first, then those beside samples */
    double load_s;              /* opening the model and making the plan */
    struct xl_steady warm_up;
    double peak_rss_mb; /* of the process, all cells open; NaN = unknown */
};

struct xl_bench_cell {
    struct xl_plan *plan; /* cells may share one */
    struct xl_trial_load workload;
    double load_s;
};

/* Told after each repetition: done of total, which may grow. */
typedef void xl_bench_progress(void *ctx, size_t done, size_t total);

struct xl_bench_job {
    const struct xl_model *model;
    const struct xl_bench_cell *cells; /* [n_cells] */
    size_t n_cells, repeats;
    xl_bench_progress *progress; /* or NULL */
    void *progress_ctx;
};

/* Fills results[n_cells], which begin as {0}; release each, also after an
 * error. The limits that bind a cell are probed right before and right after
 * each of its samples, with its number of workers. */
enum xl_status xl_bench_run(const struct xl_bench_job *job,
                            struct xl_bench_result *results,
                            struct xl_err *err);
void xl_bench_release(struct xl_bench_result *result);

/* What a token of each phase needs at least, given limits: seconds, and the
 * limit that says so. NaN and COUNT when nothing is known. */
struct xl_bench_bound {
    double seconds;
    enum xl_limit limit;
};
struct xl_bench_needs {
    double flops, bytes;    /* a token; bytes read and written */
    double working_set;     /* bytes touched, each counted once */
    enum xl_limit flops_at; /* FMA, DOT_BF16 or TILE_BF16 */
};
enum xl_status xl_bench_needs_of(struct xl_bench_needs needs[XL_SPEED_COUNT],
                                 const struct xl_plan *plan,
                                 const struct xl_config *config,
                                 const struct xl_trial_load *workload,
                                 struct xl_err *err);
struct xl_bench_bound xl_bench_bound_of(const struct xl_bench_needs *needs,
                                        const struct xl_limits *limits);

/* Fills of_limit of a row from its speeds, by the mean of the limits before
 * and after it. Where one that binds a phase moved between the two, the row
 * becomes disturbed by XL_DIRT_LIMIT. */
void xl_bench_hold_beside(struct xl_speeds *row,
                          const struct xl_bench_needs needs[XL_SPEED_COUNT],
                          const struct xl_limits *before,
                          const struct xl_limits *after);

/* The limit that an engine's arithmetic runs into, by its name. */
enum xl_limit xl_bench_engine_limit(const char *engine);

#endif
