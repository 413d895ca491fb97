/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the files of the command bench. */
#ifndef XL_BENCH_INT_H
#define XL_BENCH_INT_H

#include <cjson/cJSON.h>

#include "kernel/base/cmd.h"
#include "kernel/base/err.h"
#include "kernel/model/plan.h"
#include "tuner/measure/trial.h"

/* Rows of the command's own options. */
enum {
    XL_BENCH_OPT_PROMPT,
    XL_BENCH_OPT_NEW,
    XL_BENCH_OPT_BATCH,
    XL_BENCH_OPT_REPEATS,
    XL_BENCH_OPT_SEED,
    XL_BENCH_OPT_OUTPUT,
    XL_BENCH_OPT_VS,
    XL_BENCH_OPT_PLOT,
    XL_BENCH_OPT_STRICT,
    XL_BENCH_OPT_FLOPS,
    XL_BENCH_OPT_SHAPE,
    XL_BENCH_OPTS
};

/* bench kernel NAME: measures and prints one kernel, or lists them. */
enum xl_status xl_bench_kernel(struct xl_cmd_ctx *ctx, struct xl_err *err);

/* bench --flops: prints where the time of the workload's tokens goes. */
enum xl_status xl_bench_where(struct xl_cmd_ctx *ctx,
                              const struct xl_model *model,
                              struct xl_plan *plan,
                              const struct xl_trial_load *workload,
                              struct xl_err *err);

/* bench --vs --plot DIR: writes the duel's document as DIR/duel.json and draws
 * it; tells on standard error what came of it. */
enum xl_status xl_bench_plot(const struct xl_cmd_ctx *ctx, const char *dir,
                             const cJSON *duel, struct xl_err *err);

#endif
