/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "kernel/base/json.h"
#include "kernel/base/cmd_print.h"
#include "tuner/measure/bench_int.h"
#include "tuner/measure/bench_report.h"
#include "tuner/measure/bench_where.h"
#include "tuner/measure/host.h"
#include "tuner/measure/micro.h"

enum {
    MOST_NAMES = 32
};

static enum xl_status print_json(cJSON *root, struct xl_err *err)
{
    cJSON_AddItemToObject(root, "host", xl_host_json());
    cJSON_AddItemToObject(root, "build", xl_build_json());
    return xl_print_json(root, err);
}

static enum xl_status list_kernels(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    const struct xl_micro *const *m = xl_micro_all();
    cJSON *root, *list;
    if (!ctx->json) {
        for (; *m; m++)
            printf("%-12s %-16s %s (%s)\n", (*m)->name, (*m)->shape, (*m)->what,
                   (*m)->size_names);
        return XL_OK;
    }
    root = cJSON_CreateObject();
    list = cJSON_AddArrayToObject(root, "kernels");
    for (; *m; m++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", (*m)->name);
        cJSON_AddStringToObject(o, "shape", (*m)->shape);
        cJSON_AddStringToObject(o, "what", (*m)->what);
        cJSON_AddItemToArray(list, o);
    }
    return print_json(root, err);
}

static enum xl_status unknown_kernel(const char *name, struct xl_err *err)
{
    const char *names[MOST_NAMES];
    char hint[80];
    size_t n = 0;
    for (const struct xl_micro *const *m = xl_micro_all(); *m; m++)
        names[n++] = (*m)->name;
    return xl_fail(err, XL_EUSAGE,
                   "'%s' is no kernel of bench%s; 'bench kernel' lists them",
                   name, xl_cmd_hint(name, names, n, hint, sizeof hint));
}

static bool wants_json(const struct xl_cmd_ctx *ctx)
{
    const char *format =
        xl_opt_text(&ctx->opts, XL_GROUP_OWN, XL_BENCH_OPT_OUTPUT);
    return ctx->json || strcmp(format, "json") == 0 ||
           strcmp(format, "ndjson") == 0;
}

enum xl_status xl_bench_kernel(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    struct xl_micro_report report;
    if (ctx->opts.n_args == 1)
        return list_kernels(ctx, err);
    if (ctx->opts.n_args > 2)
        return xl_fail(err, XL_EUSAGE, "bench kernel takes one name");
    const struct xl_micro *micro = xl_micro_find(ctx->opts.args[1]);
    if (!micro)
        return unknown_kernel(ctx->opts.args[1], err);
    enum xl_status rc = xl_micro_run(
        micro, xl_opt_text(&ctx->opts, XL_GROUP_OWN, XL_BENCH_OPT_SHAPE),
        (size_t)xl_opt_int(&ctx->opts, XL_GROUP_OWN, XL_BENCH_OPT_REPEATS),
        &report, err);
    if (rc == XL_OK && wants_json(ctx)) {
        rc = print_json(xl_micro_json(&report), err);
    } else if (rc == XL_OK) {
        struct xl_buf out;
        xl_buf_init(&out, 0);
        xl_micro_markdown(&report, &out);
        rc = xl_print_text(&out, err);
    }
    xl_micro_report_release(&report);
    return rc;
}

enum xl_status xl_bench_where(struct xl_cmd_ctx *ctx,
                              const struct xl_model *model,
                              struct xl_plan *plan,
                              const struct xl_trial_load *workload,
                              struct xl_err *err)
{
    struct xl_where where;
    struct xl_buf out;
    XL_TRY(xl_where_measure(
        &where, model, plan, workload,
        (size_t)xl_opt_int(&ctx->opts, XL_GROUP_OWN, XL_BENCH_OPT_REPEATS),
        err));
    if (wants_json(ctx))
        return print_json(xl_where_json(&where), err);
    xl_buf_init(&out, 0);
    xl_where_markdown(&where, &out);
    return xl_print_text(&out, err);
}
