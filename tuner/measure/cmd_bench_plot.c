/* SPDX-License-Identifier: Apache-2.0
 *
 * bench --vs --plot: the duel as a file and a picture. */
#include <stdio.h>

#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "plots/plot.h"
#include "tuner/measure/bench_int.h"

enum xl_status xl_bench_plot(const struct xl_cmd_ctx *ctx, const char *dir,
                             const cJSON *duel, struct xl_err *err)
{
    struct xl_plot_result result;
    XL_TRY(xl_io_make_dirs(dir, err));
    XL_TRY(xl_json_save_in(dir, "duel.json", duel, err));
    XL_TRY(xl_plot_duel(&(struct xl_plot_options){ .dir = dir }, &result, err));
    const char *why_not = result.why_not[XL_PLOT_DUEL];
    if (!ctx->quiet && why_not)
        fprintf(stderr, "%s/duel.json is written, but not drawn: %s\n", dir,
                why_not);
    else if (!ctx->quiet && result.n_files)
        fprintf(stderr, "drawn: %s\n", result.files[0]);
    xl_plot_result_release(&result);
    return XL_OK;
}
