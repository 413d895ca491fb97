/* SPDX-License-Identifier: Apache-2.0
 *
 * selftest: this build on this machine. */
#include <stdio.h>

#include "kernel/base/alloc.h"
#include "kernel/base/cmd.h"
#include "kernel/base/json.h"
#include "kernel/base/cmd_print.h"
#include "kernel/run/check.h"

static const char *word_of(const struct xl_check *check)
{
    if (check->why_not)
        return "-";
    return check->ok ? "ok" : "FAILED";
}

static size_t n_failed(const struct xl_check_list *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++)
        n += !list->checks[i].why_not && !list->checks[i].ok;
    return n;
}

static size_t n_run(const struct xl_check_list *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++)
        n += !list->checks[i].why_not;
    return n;
}

static void print_table(const struct xl_check_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct xl_check *check = &list->checks[i];
        printf("%-6s  %-8s %-38s", word_of(check), check->kind, check->name);
        if (check->why_not)
            printf("  %s\n", check->why_not);
        else
            printf("  %8.2g, %s %.2g\n", check->error,
                   check->is_fault ? "must be beyond" : "allowed",
                   check->bound);
    }
    printf("%zu checks, %zu failed\n", n_run(list), n_failed(list));
}

static enum xl_status print_json(const struct xl_check_list *list,
                                 struct xl_err *err)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddBoolToObject(root, "ok", n_failed(list) == 0);
    cJSON *array = cJSON_AddArrayToObject(root, "checks");
    for (size_t i = 0; i < list->n; i++) {
        const struct xl_check *check = &list->checks[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "kind", check->kind);
        cJSON_AddStringToObject(item, "name", check->name);
        cJSON_AddBoolToObject(item, "available", !check->why_not);
        cJSON_AddBoolToObject(item, "is_fault", check->is_fault);
        if (check->why_not) {
            cJSON_AddStringToObject(item, "reason", check->why_not);
        } else {
            cJSON_AddBoolToObject(item, "ok", check->ok);
            xl_json_add_real(item, "error", check->error);
            xl_json_add_real(item, "bound", check->bound);
        }
        cJSON_AddItemToArray(array, item);
    }
    return xl_print_json(root, err);
}

static enum xl_status run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    struct xl_check_list *list = xl_alloc_zero(1, sizeof *list);
    if (!list)
        return xl_fail(err, XL_ENOMEM, "cannot check kernels: out of memory");
    enum xl_status rc = xl_check_kernels(list, err);
    if (rc == XL_OK && ctx->json)
        rc = print_json(list, err);
    else if (rc == XL_OK)
        print_table(list);
    if (rc == XL_OK && n_failed(list))
        rc = xl_fail(err, XL_EMISMATCH,
                     "%zu of %zu checks failed: do not trust this build on "
                     "this machine",
                     n_failed(list), n_run(list));
    xl_free(list);
    return rc;
}

const struct xl_cmd xl_cmd_selftest = {
    .name = "selftest",
    .summary = "checks this build on this machine",
    .usage = "[--json]",
    .example = "xltune selftest",
    .details = "Every cell, backend and matrix engine that is usable here "
               "computes a small problem and is held to another way of "
               "computing it; the clock is held to the system's; and each "
               "checker has to refuse a planted fault. Exit code 5 when one "
               "fails. 'judge selftest' does the same for the judge.",
    .run = run,
};
