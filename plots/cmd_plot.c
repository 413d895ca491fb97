/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/base/alloc.h"
#include "kernel/base/cmd.h"
#include "kernel/base/json.h"
#include "plots/plot.h"
#include "plots/record.h"

enum {
    OPT_RUN,
    OPT_LOG_DIR,
    OPT_GNUPLOT,
    OPT_NO_GNUPLOT
};

static const struct xl_opt rows[] = {
    [OPT_RUN] = { .name = "run",
                  .kind = XL_OPT_TEXT,
                  .arg = "RUN",
                  .help = "folder of the run, or its name under --log-dir; "
                          "left out, the newest" },
    [OPT_LOG_DIR] = { .name = "log-dir",
                      .kind = XL_OPT_TEXT,
                      .arg = "DIR",
                      .help = "where runs are kept",
                      .fallback = "runs" },
    [OPT_GNUPLOT] = { .name = "gnuplot",
                      .kind = XL_OPT_TEXT,
                      .arg = "PROGRAM",
                      .help = "gnuplot to use; left out, the one on the "
                              "PATH" },
    [OPT_NO_GNUPLOT] = { .name = "no-gnuplot",
                         .kind = XL_OPT_BOOL,
                         .help = "draw only the three charts that need no "
                                 "gnuplot, as SVG" },
};

static enum xl_status print_json(const char *dir,
                                 const struct xl_plot_result *result,
                                 struct xl_err *err)
{
    struct xl_buf text;
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "run", dir);
    cJSON_AddNumberToObject(root, "trials", (double)result->n_trials);
    cJSON_AddBoolToObject(root, "gnuplot", result->has_gnuplot);
    cJSON_AddStringToObject(root, "report", result->report);
    cJSON *files = cJSON_AddArrayToObject(root, "files");
    for (size_t i = 0; i < result->n_files; i++)
        cJSON_AddItemToArray(files, cJSON_CreateString(result->files[i]));
    xl_buf_init(&text, 0);
    xl_json_print(root, true, &text);
    cJSON_Delete(root);
    enum xl_status rc = xl_buf_check(&text, "the list of files", err);
    if (rc == XL_OK)
        puts(text.data);
    xl_buf_release(&text);
    return rc;
}

static enum xl_status run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    char *dir = NULL;
    struct xl_plot_result result;
    struct xl_plot_options options = {
        .gnuplot = xl_opt_text(&ctx->opts, XL_GROUP_OWN, OPT_GNUPLOT),
        .no_gnuplot = xl_opt_bool(&ctx->opts, XL_GROUP_OWN, OPT_NO_GNUPLOT),
    };
    if (ctx->opts.n_args)
        return xl_fail(err, XL_EUSAGE, "unexpected '%s'; --run names the run",
                       ctx->opts.args[0]);
    XL_TRY(xl_record_locate(xl_opt_text(&ctx->opts, XL_GROUP_OWN, OPT_RUN),
                            xl_opt_text(&ctx->opts, XL_GROUP_OWN, OPT_LOG_DIR),
                            &dir, err));
    options.dir = dir;
    enum xl_status rc = xl_plot_run(&options, &result, err);
    if (rc != XL_OK)
        goto done;
    if (!result.has_gnuplot && !options.no_gnuplot)
        fprintf(stderr, "gnuplot is not on the PATH: three charts drawn as "
                        "SVG; 'apt-get install gnuplot-nox' gives all\n");
    if (ctx->json)
        rc = print_json(dir, &result, err);
    for (size_t i = 0; i < result.n_files && !ctx->json; i++)
        puts(result.files[i]);
    xl_plot_result_release(&result);
done:
    xl_free(dir);
    return rc;
}

const struct xl_cmd xl_cmd_plot = {
    .name = "plot",
    .summary = "draw a run: pictures and one self-contained HTML report",
    .usage = "[--run RUN] [--log-dir DIR]",
    .example = "xltune plot --run runs/parallel_20250101_120000",
    .details = "Reads the exported files of the run (summary.csv, "
               "trials.jsonl, samples.csv,\nratings.csv, best.json, "
               "run_meta.json) and prints the paths of what it drew.\nData "
               "and scripts stay in RUN/plots: 'cd RUN && gnuplot -d "
               "plots/NAME.gp' draws\none again.",
    .rows = rows,
    .n_rows = sizeof rows / sizeof rows[0],
    .run = run,
};
