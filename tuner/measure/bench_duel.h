/* SPDX-License-Identifier: Apache-2.0
 *
 * A duel of two configurations in one process: rounds in which both run once,
 * taking turns at going first, and the ratio within each round.
 */
#ifndef XL_BENCH_DUEL_H
#define XL_BENCH_DUEL_H

#include <cjson/cJSON.h>

#include "kernel/base/err.h"
#include "kernel/model/plan.h"
#include "tuner/measure/bench.h"
#include "tuner/measure/duel.h"

struct xl_bench_duel_job {
    const struct xl_model *model;
    struct xl_plan *plans[XL_SIDES];
    struct xl_trial_load workload;
    size_t rounds;     /* quiet ones wanted; 0 = adaptive, see duel.h */
    bool is_challenge; /* see duel.h; with value alone */
    /* What a repetition comes to, for XL_DUEL_VALUE; NULL = nothing. */
    double (*value)(void *ctx, const struct xl_run_sample *sample);
    void *value_ctx;
    xl_bench_progress *progress; /* or NULL */
    void *progress_ctx;
};

/* Release also after an error (xl_duel_release). */
enum xl_status xl_bench_duel_run(const struct xl_bench_duel_job *job,
                                 struct xl_duel *duel, struct xl_err *err);

/* {"level":, "rounds":, ..., "prefill": {"ratio":, "ci":, "verdict":, "sides":
 * [{"tok_s":, ...}, ...], "ratios": [...]}, "decode": {...}}. */
cJSON *xl_bench_duel_json(const struct xl_duel *duel);

/* XL_ESLOWER when side 0 is slower in a phase; with strict XL_EUNFIT when the
 * machine was not quiet and XL_EUNPROVED when a phase is not resolved. */
enum xl_status xl_bench_duel_status(const struct xl_duel *duel, bool strict,
                                    struct xl_err *err);

/* The sides of --vs texts. Items are separated by commas; neighbouring
 * name=value items are one side, everything else (a file, the NAME of
 * ./configs/NAME.json, "defaults") is a side of its own. A second list of
 * name=value needs a second --vs. XL_EUSAGE unless there are one or two. */
struct xl_duel_sides {
    size_t n;
    char *texts[XL_SIDES]; /* heap */
};
enum xl_status xl_duel_sides_parse(struct xl_duel_sides *sides,
                                   const char *const *texts, size_t n,
                                   struct xl_err *err);
void xl_duel_sides_release(struct xl_duel_sides *sides);

/* Lays what the side names over params. */
enum xl_status xl_duel_side_apply(const char *side, struct xl_params *params,
                                  struct xl_err *err);

#endif
