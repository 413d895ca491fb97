/* SPDX-License-Identifier: Apache-2.0
 *
 * runs: list, show, diff, export, verify, resume, gc of run folders. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/cmd.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/base/cmd_print.h"
#include "tuner/store/cmd_runs_gc.h"
#include "tuner/store/export.h"
#include "tuner/store/export_peer.h"
#include "tuner/store/query.h"
#include "tuner/store/run_diff.h"
#include "tuner/store/rundir.h"
#include "tuner/store/run_summary.h"

enum {
    OPT_LOG_DIR,
    OPT_FORMAT,
    OPT_OUT,
    OPT_KEEP,
    OPT_OLDER,
    OPT_SIZE,
    OPT_YES,
    OPT_COUNT
};

/* Formats of export.def; the first stands for the three files of a run. */
static const char *const format_words[] = { "files",
#define XL_EXPORT(function, name, meaning) name,
#include "tuner/store/export.def"
#undef XL_EXPORT
                                            NULL };

static const struct xl_opt rows[OPT_COUNT] = {
    [OPT_LOG_DIR] = { .name = "log-dir",
                      .kind = XL_OPT_TEXT,
                      .arg = "DIR",
                      .help = "folder that holds the runs",
                      .fallback = "runs" },
    [OPT_FORMAT] = { .name = "format",
                     .kind = XL_OPT_TEXT,
                     .arg = "NAME",
                     .help = "export: one text instead of the run's files:"
#define XL_EXPORT(function, name, meaning) " " name
#include "tuner/store/export.def"
#undef XL_EXPORT
                     ,
                     .words = format_words,
                     .fallback = "files" },
    [OPT_OUT] = { .name = "out",
                  .kind = XL_OPT_TEXT,
                  .arg = "FILE",
                  .help = "export --format: write it there instead of to "
                          "standard output" },
    [OPT_KEEP] = { .name = "keep",
                   .kind = XL_OPT_INT,
                   .arg = "N",
                   .help = "gc: keep the N newest runs",
                   .lo = 0,
                   .hi = 1e9 },
    [OPT_OLDER] = { .name = "older-than",
                    .kind = XL_OPT_REAL,
                    .arg = "DAYS",
                    .help = "gc: only runs that are older",
                    .lo = 0,
                    .hi = 1e6 },
    [OPT_SIZE] = { .name = "max-size",
                   .kind = XL_OPT_REAL,
                   .arg = "MB",
                   .help = "gc: the oldest, until all others together hold "
                           "no more",
                   .lo = 0,
                   .hi = 1e9 },
    [OPT_YES] = { .name = "yes",
                  .kind = XL_OPT_BOOL,
                  .help = "gc: do remove; without it gc only says what it "
                          "would" },
};

static const char *log_dir_of(const struct xl_cmd_ctx *ctx)
{
    return xl_opt_text(&ctx->opts, XL_GROUP_OWN, OPT_LOG_DIR);
}

/* The report in the form asked for, when rc says that there is one. Takes
 * both forms. */
static enum xl_status print(const struct xl_cmd_ctx *ctx, enum xl_status rc,
                            cJSON *root, struct xl_buf *text,
                            struct xl_err *err)
{
    if (rc == XL_OK && ctx->json) {
        rc = xl_print_json(root, err);
        root = NULL;
    } else if (rc == XL_OK) {
        rc = xl_print_text(text, err);
    }
    cJSON_Delete(root);
    xl_buf_release(text);
    return rc;
}

/* -- list ----------------------------------------------------------------- */

/* width: of the names. */
static void list_line(const struct xl_run_summary *run, size_t width,
                      struct xl_buf *out)
{
    int pad = (int)width;
    if (run->fault.status != XL_OK) {
        xl_buf_printf(out, "%-*s  unreadable: %s\n", pad, run->name,
                      run->fault.message);
        return;
    }
    xl_buf_printf(out, "%-*s  %-6s %zu/%zu measured", pad, run->name, run->mode,
                  run->n_measured, run->n_trials);
    if (run->n_failed)
        xl_buf_printf(out, ", %zu failed", run->n_failed);
    if (run->n_open)
        xl_buf_printf(out, ", %zu open", run->n_open);
    if (run->has_best)
        xl_buf_printf(out, ", best %s %.4g", run->objective, run->best_value);
    xl_buf_char(out, '\n');
}

static size_t widest(const struct xl_rundir_list *list)
{
    size_t width = 0;
    for (size_t i = 0; i < list->n; i++) {
        size_t n = strlen(list->names[i]);
        width = n > width ? n : width;
    }
    return width;
}

static enum xl_status list_runs(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    struct xl_rundir_list list;
    struct xl_buf text;
    cJSON *root = cJSON_CreateObject();
    cJSON *array = cJSON_AddArrayToObject(root, "runs");
    enum xl_status rc = xl_rundir_list(log_dir_of(ctx), &list, err);

    xl_buf_init(&text, 0);
    for (size_t i = 0; rc == XL_OK && i < list.n; i++) {
        struct xl_run_summary run;
        char *path = xl_io_join(log_dir_of(ctx), list.names[i]);
        if (!path) {
            rc = xl_fail(err, XL_ENOMEM, "cannot list runs: out of memory");
            break;
        }
        xl_run_summarize(&run, path);
        list_line(&run, widest(&list), &text);
        cJSON_AddItemToArray(array, xl_run_summary_json(&run));
        xl_free(path);
    }
    if (rc == XL_OK && list.n == 0 && !ctx->json && !ctx->quiet)
        fprintf(stderr, "no run under '%s'\n", log_dir_of(ctx));
    xl_rundir_list_release(&list);
    return print(ctx, rc, root, &text, err);
}

/* -- one run -------------------------------------------------------------- */

struct open_run {
    char *path;
    struct xl_store *store;
};

static void close_run(struct open_run *run)
{
    xl_store_close(run->store);
    xl_free(run->path);
}

/* The run that word `at` names. */
static enum xl_status open_run(struct xl_cmd_ctx *ctx, size_t at,
                               struct open_run *run, struct xl_err *err)
{
    const char *name = ctx->opts.n_args > at ? ctx->opts.args[at] : NULL;
    *run = (struct open_run){ 0 };
    if (!name)
        return xl_fail(err, XL_EUSAGE,
                       "which run? 'runs list' names them; "
                       "'latest' is the newest");
    XL_TRY(xl_rundir_find(log_dir_of(ctx), name, &run->path, err));
    char *file = xl_io_join(run->path, XL_RUNDIR_STORE);
    struct xl_store_opts opts = { .mode = XL_STORE_READ };
    enum xl_status rc =
        file ? xl_store_open(&run->store, file, &opts, err)
             : xl_fail(err, XL_ENOMEM, "cannot open the run: out of memory");
    if (rc == XL_OK)
        rc = xl_store_sweep_find(run->store, NULL, err);
    xl_free(file);
    if (rc != XL_OK) {
        close_run(run);
        *run = (struct open_run){ 0 };
    }
    return rc;
}

static enum xl_status show_run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    struct open_run run;
    struct xl_buf text;
    cJSON *root = NULL;
    XL_TRY(open_run(ctx, 1, &run, err));
    xl_buf_init(&text, 0);
    enum xl_status rc = xl_run_describe(run.store, run.path, &root, &text, err);
    close_run(&run);
    return print(ctx, rc, root, &text, err);
}

static enum xl_status diff_runs(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    struct open_run a = { 0 }, b = { 0 };
    struct xl_buf text;
    cJSON *root = NULL;
    enum xl_status rc;
    if (ctx->opts.n_args < 3)
        return xl_fail(err, XL_EUSAGE,
                       "'runs diff' takes two runs; 'runs list' names them");
    xl_buf_init(&text, 0);
    XL_TRY_DONE(rc, open_run(ctx, 1, &a, err));
    XL_TRY_DONE(rc, open_run(ctx, 2, &b, err));
    XL_TRY_DONE(rc, xl_run_diff(&(struct xl_run_side){ a.path, a.store },
                                &(struct xl_run_side){ b.path, b.store }, &root,
                                err));
    xl_run_diff_text(root, &text);
done:
    close_run(&a);
    close_run(&b);
    return print(ctx, rc, root, &text, err);
}

/* The three files of a run, beside its store. */
static enum xl_status export_files(struct xl_cmd_ctx *ctx,
                                   const struct open_run *run,
                                   struct xl_err *err)
{
    XL_TRY(xl_export_run(run->store, run->path, err));
    if (!ctx->json) {
        printf("%s: trials.jsonl, summary.csv and samples.csv written\n",
               run->path);
        return XL_OK;
    }
    cJSON *root = cJSON_CreateObject();
    xl_json_add_string(root, "run", run->path);
    return xl_print_json(root, err);
}

/* One text, as --format names it. */
static enum xl_status export_text(struct xl_cmd_ctx *ctx,
                                  const struct open_run *run, size_t format,
                                  struct xl_err *err)
{
    static enum xl_status (*const writers[])(struct xl_store *, struct xl_buf *,
                                             struct xl_err *) = {
#define XL_EXPORT(function, name, meaning) xl_export_##function,
#include "tuner/store/export.def"
#undef XL_EXPORT
    };
    const char *out = xl_opt_text(&ctx->opts, XL_GROUP_OWN, OPT_OUT);
    struct xl_buf text;
    xl_buf_init(&text, 0);
    enum xl_status rc = writers[format - 1](run->store, &text, err);
    if (rc == XL_OK && out)
        rc = xl_io_replace(out, text.data, text.len, err);
    else if (rc == XL_OK)
        return xl_print_text(&text, err);
    xl_buf_release(&text);
    return rc;
}

static enum xl_status export_run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    struct open_run run;
    size_t format = xl_opt_word(&ctx->opts, XL_GROUP_OWN, OPT_FORMAT);
    if (!format && xl_opt_given(&ctx->opts, XL_GROUP_OWN, OPT_OUT))
        return xl_fail(err, XL_EUSAGE,
                       "--out is for one text; name it with --format");
    XL_TRY(open_run(ctx, 1, &run, err));
    enum xl_status rc = format ? export_text(ctx, &run, format, err)
                               : export_files(ctx, &run, err);
    close_run(&run);
    return rc;
}

static enum xl_status verify_run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    struct open_run run;
    size_t n = 0;
    XL_TRY(open_run(ctx, 1, &run, err));
    enum xl_status rc = xl_run_verify(run.store, run.path, &n, err);
    if (rc == XL_OK && ctx->json) {
        cJSON *root = cJSON_CreateObject();
        xl_json_add_string(root, "run", run.path);
        xl_json_add_real(root, "trials", (double)n);
        cJSON_AddBoolToObject(root, "ok", true);
        rc = xl_print_json(root, err);
    } else if (rc == XL_OK) {
        printf("%s: %zu trials, store sound, exported files agree\n", run.path,
               n);
    }
    close_run(&run);
    return rc;
}

static enum xl_status resume_run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    struct open_run run;
    struct xl_buf text;
    size_t counts[XL_TRIAL_STATE_COUNT], n_live = 0;
    XL_TRY(open_run(ctx, 1, &run, err));
    enum xl_status rc = xl_query_counts(run.store, counts, err);
    if (rc == XL_OK)
        rc = xl_store_live(run.store, &n_live, err);
    xl_buf_init(&text, 1 << 16);
    xl_buf_text(&text, "xltune sweep --resume ");
    if (rc == XL_OK)
        xl_buf_shell_word(&text, run.path);
    close_run(&run);
    if (rc == XL_OK && n_live && !ctx->quiet)
        fprintf(stderr, "a sweep is measuring in this run right now\n");
    if (rc == XL_OK && ctx->json) {
        cJSON *root = cJSON_CreateObject();
        xl_json_add_text(root, "command", text.data, text.len);
        for (size_t i = 0; i < XL_TRIAL_STATE_COUNT; i++)
            xl_json_add_real(root, xl_trial_state_name((enum xl_trial_state)i),
                             (double)counts[i]);
        xl_json_add_real(root, "live", (double)n_live);
        xl_buf_release(&text);
        return xl_print_json(root, err);
    }
    xl_buf_char(&text, '\n');
    if (rc == XL_OK)
        return xl_print_text(&text, err);
    xl_buf_release(&text);
    return rc;
}

/* -- gc ------------------------------------------------------------------- */

static enum xl_status gc_runs(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    const struct xl_opts *opts = &ctx->opts;
    struct xl_buf gone, kept;
    struct xl_runs_gc gc = {
        .log_dir = log_dir_of(ctx),
        .by_count = xl_opt_given(opts, XL_GROUP_OWN, OPT_KEEP),
        .by_age = xl_opt_given(opts, XL_GROUP_OWN, OPT_OLDER),
        .by_size = xl_opt_given(opts, XL_GROUP_OWN, OPT_SIZE),
        .keep = (size_t)xl_opt_int(opts, XL_GROUP_OWN, OPT_KEEP),
        .days = xl_opt_real(opts, XL_GROUP_OWN, OPT_OLDER),
        .megabytes = xl_opt_real(opts, XL_GROUP_OWN, OPT_SIZE),
        .remove = xl_opt_bool(opts, XL_GROUP_OWN, OPT_YES),
    };
    if (!gc.by_count && !gc.by_age && !gc.by_size)
        return xl_fail(err, XL_EUSAGE,
                       "gc needs --keep N, --older-than DAYS, --max-size MB "
                       "or several of them");
    cJSON *root = cJSON_CreateObject();
    cJSON *removed = cJSON_AddArrayToObject(root, "runs");
    cJSON_AddBoolToObject(root, "removed", gc.remove);
    xl_buf_init(&gone, 0);
    xl_buf_init(&kept, 0);
    enum xl_status rc = xl_runs_gc(&gc, removed, &gone, &kept, err);
    /* What was removed before a fault is told all the same. */
    struct xl_err *print_err = rc == XL_OK ? err : NULL;
    enum xl_status printed;
    if (!ctx->quiet && !ctx->json)
        fputs(kept.data, stderr);
    if (!ctx->quiet && !ctx->json && !gc.remove && gone.len)
        fprintf(stderr, "nothing was removed; --yes does it\n");
    if (ctx->json) {
        printed = xl_print_json(root, print_err);
        xl_buf_release(&gone);
    } else {
        printed = xl_print_text(&gone, print_err);
        cJSON_Delete(root);
    }
    xl_buf_release(&kept);
    return rc == XL_OK ? printed : rc;
}

/* -- the command ---------------------------------------------------------- */

static const struct action {
    const char *name;
    size_t runs; /* words it takes */
    enum xl_status (*run)(struct xl_cmd_ctx *ctx, struct xl_err *err);
} actions[] = {
    { "list", 0, list_runs },    { "show", 1, show_run },
    { "diff", 2, diff_runs },    { "export", 1, export_run },
    { "verify", 1, verify_run }, { "resume", 1, resume_run },
    { "gc", 0, gc_runs },
};
enum {
    N_ACTIONS = sizeof actions / sizeof *actions
};
/* The same names, for completion and hints. */
static const char *const verbs[] = { "list",   "show",   "diff", "export",
                                     "verify", "resume", "gc",   NULL };
_Static_assert(sizeof verbs / sizeof *verbs == N_ACTIONS + 1,
               "a verb for each action");

static enum xl_status run_action(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    char hint[80];
    size_t n_args = ctx->opts.n_args;
    const char *word = n_args ? ctx->opts.args[0] : "list";
    for (size_t i = 0; i < N_ACTIONS; i++) {
        if (strcmp(word, actions[i].name) != 0)
            continue;
        static const char *const most[] = { "no run", "one run", "two runs" };
        if (n_args > actions[i].runs + 1)
            return xl_fail(
                err, XL_EUSAGE, "'runs %s' takes %s; '%s' is too much", word,
                most[actions[i].runs], ctx->opts.args[actions[i].runs + 1]);
        return actions[i].run(ctx, err);
    }
    return xl_fail(err, XL_EUSAGE,
                   "unknown action '%s'%s; list, show, diff, export, verify, "
                   "resume and gc are there",
                   word,
                   xl_cmd_hint(word, verbs, N_ACTIONS, hint, sizeof hint));
}

const struct xl_cmd xl_cmd_runs = {
    .name = "runs",
    .summary = "list, show, diff, export, verify, resume, gc of run folders",
    .usage = "[list | show RUN | diff RUN RUN | export RUN | verify RUN | "
             "resume RUN | gc]",
    .example = "xltune runs show latest",
    .details = "RUN is a folder, a name under --log-dir, or 'latest'. diff "
               "sets the winners of two runs side by side: tunables, speeds, "
               "and what differs between machine, model and prompt. export "
               "writes trials.jsonl, summary.csv and samples.csv from "
               "trials.db; with --format it prints one text instead, also in "
               "Kernel Tuner's cache format and the T4 results format. verify "
               "checks the store and that these files agree "
               "with it (exit code 5 when not). resume prints the command "
               "that goes on with a run.",
    .verbs = verbs,
    .rows = rows,
    .n_rows = OPT_COUNT,
    .run = run_action,
};
