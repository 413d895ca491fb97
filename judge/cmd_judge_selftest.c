/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "judge/cmd_judge_int.h"
#include "judge/scores.h"
#include "judge/selftest.h"
#include "kernel/base/cmd_print.h"
#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/base/json.h"
#include "kernel/run/session.h"

static void show_progress(void *ctx, const char *name)
{
    (void)ctx;
    fprintf(stderr, "\r%-60s", name);
}

static cJSON *to_json(const struct xl_selftest_result *r)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "name", r->name);
    cJSON_AddBoolToObject(root, "ok", r->ok);
    cJSON_AddBoolToObject(root, "is_fault", r->claim != NULL);
    if (r->claim)
        cJSON_AddStringToObject(root, "gate", r->claim);
    else
        cJSON_AddNullToObject(root, "gate");
    xl_json_add_real(root, "value", r->is_known ? r->value : XL_UNKNOWN);
    xl_json_add_real(root, "bound", r->claim ? r->bound : XL_UNKNOWN);
    cJSON_AddStringToObject(root, "tier", xl_tier_name(r->tier));
    cJSON_AddStringToObject(root, "verdict", xl_verdict_name(r->verdict));
    cJSON_AddNumberToObject(root, "tokens", (double)r->tokens);
    cJSON_AddNumberToObject(root, "gates_refusing", (double)r->n_gates);
    cJSON_AddStringToObject(root, "reason", r->said);
    return root;
}

static enum xl_status print_json(const struct xl_selftest_result *results,
                                 size_t missed, double seconds,
                                 struct xl_err *err)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddBoolToObject(root, "ok", missed == 0);
    cJSON_AddNumberToObject(root, "seconds", seconds);
    cJSON *list = cJSON_AddArrayToObject(root, "tests");
    for (size_t i = 0; i < XL_SELFTEST_COUNT; i++)
        if (!results[i].is_left_out)
            cJSON_AddItemToArray(list, to_json(&results[i]));
    return xl_print_json_line(root, err);
}

static void print_table(const struct xl_selftest_result *results, size_t missed,
                        double seconds)
{
    size_t n = 0;
    printf("%-6s %-46s %-7s %-12s %6s  %s\n", "", "planted", "tier", "verdict",
           "tokens", "caught by");
    for (size_t i = 0; i < XL_SELFTEST_COUNT; i++) {
        const struct xl_selftest_result *r = &results[i];
        if (r->is_left_out)
            continue;
        n++;
        printf("%-6s %-46s %-7s %-12s %6zu  ", r->ok ? "ok" : "MISSED", r->name,
               xl_tier_name(r->tier), xl_verdict_name(r->verdict), r->tokens);
        if (!r->claim)
            puts(r->ok ? "nothing, as it should be" : r->said);
        else if (r->is_known)
            printf("%s: %.3g, allowed %.3g\n", r->claim, r->value, r->bound);
        else
            puts(r->said);
    }
    printf("%zu tests, %zu missed, %.1f s\n", n, missed, seconds);
}

enum xl_status xl_judge_cmd_selftest(struct xl_cmd_ctx *ctx, const char *params,
                                     size_t tokens, struct xl_err *err)
{
    bool talks = !ctx->quiet && isatty(STDERR_FILENO);
    struct xl_selftest_result results[XL_SELFTEST_COUNT];
    struct xl_selftest_spec spec = { .params = params,
                                     .tokens = tokens,
                                     .progress = talks ? show_progress : NULL };
    uint64_t begin = xl_clock_ns();
    size_t missed = 0;
    char *dir;
    XL_TRY(xl_session_model_dir(&ctx->opts, &dir, err));
    spec.model_dir = dir;
    enum xl_status rc = xl_judge_selftest(&spec, results, err);
    xl_free(dir);
    if (talks)
        fprintf(stderr, "\r%60s\r", "");
    XL_TRY(rc);
    for (size_t i = 0; i < XL_SELFTEST_COUNT; i++)
        missed += !results[i].ok;
    double seconds = (double)(xl_clock_ns() - begin) * 1e-9;
    if (ctx->json)
        XL_TRY(print_json(results, missed, seconds, err));
    else
        print_table(results, missed, seconds);
    if (missed)
        return xl_fail(err, XL_EMISMATCH,
                       "the judge missed %zu of %d: its verdicts are not to be "
                       "trusted",
                       missed, (int)XL_SELFTEST_COUNT);
    return XL_OK;
}
