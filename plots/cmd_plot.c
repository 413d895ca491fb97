/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/cmd.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/base/cmd_print.h"
#include "plots/compare.h"
#include "plots/plot.h"
#include "plots/record.h"

enum {
    OPT_RUN,
    OPT_LOG_DIR,
    OPT_OUT,
    OPT_GNUPLOT,
    OPT_NO_GNUPLOT
};

static const struct xl_opt rows[] = {
    [OPT_RUN] = { .name = "run",
                  .kind = XL_OPT_LIST,
                  .arg = "RUN",
                  .help = "folder of the run, its name under --log-dir, or "
                          "'latest'; left out, the newest; several are "
                          "compared" },
    [OPT_LOG_DIR] = { .name = "log-dir",
                      .kind = XL_OPT_TEXT,
                      .arg = "DIR",
                      .help = "where runs are kept",
                      .fallback = "runs" },
    [OPT_OUT] = { .name = "out",
                  .kind = XL_OPT_TEXT,
                  .arg = "DIR",
                  .help = "folder for the comparison of several runs; left "
                          "out, one named after them under --log-dir" },
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
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "run", dir);
    cJSON_AddNumberToObject(root, "trials", (double)result->n_trials);
    cJSON_AddBoolToObject(root, "gnuplot", result->has_gnuplot);
    cJSON_AddStringToObject(root, "report", result->report);
    cJSON *files = cJSON_AddArrayToObject(root, "files");
    for (size_t i = 0; i < result->n_files; i++)
        cJSON_AddItemToArray(files, cJSON_CreateString(result->files[i]));
    return xl_print_json(root, err);
}

/* Where a comparison goes when nothing is said. */
static char *name_comparison(char *const *dirs, size_t n, const char *log_dir)
{
    struct xl_buf name;
    xl_buf_init(&name, 0);
    xl_buf_text(&name, "comparison");
    for (size_t i = 0; i < n; i++) {
        const char *slash = strrchr(dirs[i], '/');
        const char *last = slash && slash[1] ? slash + 1 : "run";
        xl_buf_printf(&name, "%s%.60s", i ? "_vs_" : "_",
                      slash ? last : dirs[i]);
    }
    char *path = xl_buf_ok(&name) ? xl_io_join(log_dir, name.data) : NULL;
    xl_buf_release(&name);
    return path;
}

static enum xl_status compare(struct xl_cmd_ctx *ctx, char *const *dirs,
                              size_t n, const struct xl_plot_options *options,
                              char **out, struct xl_plot_result *result,
                              struct xl_err *err)
{
    const char *asked = xl_opt_text(&ctx->opts, XL_GROUP_OWN, OPT_OUT);
    const char *log_dir = xl_opt_text(&ctx->opts, XL_GROUP_OWN, OPT_LOG_DIR);
    const char *folders[XL_COMPARE_RUNS];
    *out = asked ? xl_strdup(asked) : name_comparison(dirs, n, log_dir);
    if (!*out)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        folders[i] = dirs[i];
    return xl_compare_runs(
        &(struct xl_compare_options){
            .dirs = folders, .n = n, .out = *out, .plot = *options },
        result, err);
}

/* Paths of PNG, or of SVG where there is no gnuplot, and of the page; the
 * other forms stand beside them. */
static void print_paths(const struct xl_plot_result *result)
{
    for (size_t i = 0; i < result->n_files; i++)
        if (!strstr(result->files[i], "/plots/"))
            puts(result->files[i]);
}

static enum xl_status tell(struct xl_cmd_ctx *ctx, const char *dir,
                           const struct xl_plot_result *result,
                           bool wants_gnuplot, struct xl_err *err)
{
    if (!result->has_gnuplot && wants_gnuplot)
        fprintf(stderr, "gnuplot is not on the PATH: three charts drawn as "
                        "SVG; 'apt-get install gnuplot-nox' gives all\n");
    if (ctx->json)
        return print_json(dir, result, err);
    print_paths(result);
    return XL_OK;
}

static enum xl_status locate_all(struct xl_cmd_ctx *ctx, char **dirs, size_t *n,
                                 struct xl_err *err)
{
    const struct xl_opt_value *runs = &ctx->opts.values[XL_GROUP_OWN][OPT_RUN];
    const char *log_dir = xl_opt_text(&ctx->opts, XL_GROUP_OWN, OPT_LOG_DIR);
    size_t asked = runs->n_texts ? runs->n_texts : 1;
    if (asked > XL_COMPARE_RUNS)
        return xl_fail(err, XL_EUSAGE, "cannot compare %zu runs; at most %d",
                       asked, XL_COMPARE_RUNS);
    for (; *n < asked; ++*n)
        XL_TRY(xl_record_locate(runs->n_texts ? runs->texts[*n] : NULL, log_dir,
                                &dirs[*n], err));
    return XL_OK;
}

static enum xl_status run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    char *dirs[XL_COMPARE_RUNS] = { NULL }, *out = NULL;
    size_t n = 0;
    struct xl_plot_result result = { 0 };
    struct xl_plot_options options = {
        .gnuplot = xl_opt_text(&ctx->opts, XL_GROUP_OWN, OPT_GNUPLOT),
        .no_gnuplot = xl_opt_bool(&ctx->opts, XL_GROUP_OWN, OPT_NO_GNUPLOT),
    };
    enum xl_status rc = XL_OK;
    if (ctx->opts.n_args)
        return xl_fail(err, XL_EUSAGE, "unexpected '%s'; --run names the run",
                       ctx->opts.args[0]);
    XL_TRY_DONE(rc, locate_all(ctx, dirs, &n, err));
    options.dir = dirs[0];
    rc = n > 1 ? compare(ctx, dirs, n, &options, &out, &result, err)
               : xl_plot_run(&options, &result, err);
    if (rc != XL_OK)
        goto done;
    rc = tell(ctx, out ? out : dirs[0], &result, !options.no_gnuplot, err);
    xl_plot_result_release(&result);
done:
    for (size_t i = 0; i < XL_COMPARE_RUNS; i++)
        xl_free(dirs[i]);
    xl_free(out);
    return rc;
}

const struct xl_cmd xl_cmd_plot = {
    .name = "plot",
    .summary = "draw a run: pictures and one self-contained HTML report",
    .usage = "[--run RUN [--run RUN]...] [--log-dir DIR]",
    .example = "xltune plot --run runs/parallel_20250101_120000",
    .details = "Reads the exported files of the run (summary.csv, "
               "trials.jsonl, samples.csv,\nratings.csv, best.json, "
               "run_meta.json) and prints the paths of what it drew.\nData "
               "and scripts stay in RUN/plots: 'cd RUN && gnuplot -d "
               "plots/NAME.gp' draws\none again. Several --run are "
               "drawn side by side into a folder of their own.",
    .rows = rows,
    .n_rows = sizeof rows / sizeof rows[0],
    .takes_words = true,
    .run = run,
};
