/* SPDX-License-Identifier: Apache-2.0
 *
 * The self-check of kernels: what it lists, that it can fail, and what the
 * program says of it. */
#include <math.h>
#include <stdio.h>

#include "kernel/base/alloc.h"
#include "kernel/base/json.h"
#include "kernel/gemm/gemm.h"
#include "kernel/run/check_int.h"
#include "tests/harness/test.h"
#include "tests/unit/cli_fixture.h"

static void kernels_pass_and_planted_faults_fail(struct xl_test *t)
{
    struct xl_err err = { 0 };
    size_t n_faults = 0, n_gemm = 0;
    struct xl_check_list *list = xl_alloc_zero(1, sizeof *list);
    if (!XL_CHECK(t, list != NULL))
        return;
    XL_CHECK_STATUS(t, xl_check_kernels(list, &err), XL_OK, &err);
    XL_CHECK(t, list->n < XL_CHECKS_MOST);
    for (size_t i = 0; i < list->n; i++) {
        const struct xl_check *check = &list->checks[i];
        n_faults += check->is_fault;
        n_gemm += check->kind[0] == 'g';
        if (!check->why_not && !XL_CHECK(t, check->ok))
            printf("%s %s\n", check->kind, check->name);
    }
    XL_CHECK_EQ(t, n_faults, 2);
    XL_CHECK(t, n_gemm > XL_GEMM_COUNT);
    xl_free(list);
}

static void check_holds_its_tolerance(struct xl_test *t)
{
    struct xl_check check = { 0 };
    xl_check_settle(&check, 0.5, 1);
    XL_CHECK(t, check.ok);
    xl_check_settle(&check, 1.5, 1);
    XL_CHECK(t, !check.ok);
    xl_check_settle(&check, (double)NAN, 1);
    XL_CHECK(t, !check.ok);
    check.is_fault = true;
    xl_check_settle(&check, 0.5, 1);
    XL_CHECK(t, !check.ok);
    xl_check_settle(&check, 1.5, 1);
    XL_CHECK(t, check.ok);
    float got[2] = { 1, NAN };
    double want[2] = { 1, 1 };
    XL_CHECK(t, isinf(xl_check_distance(got, want, 2)));
    XL_CHECK_NEAR(t, xl_check_distance(got, want, 1), 0, 0);
}

static void selftest_reports_every_check(struct xl_test *t)
{
    struct xl_cli cli = { 0 };
    if (xl_cli_ok(t, &cli, XL_WORDS("selftest", "--json"))) {
        cJSON *root = xl_cli_json(t, &cli);
        const cJSON *checks = xl_json_member(root, "checks");
        XL_CHECK(t, cJSON_IsTrue(xl_json_member(root, "ok")));
        XL_CHECK(t, cJSON_GetArraySize(checks) > 20);
        cJSON_Delete(root);
    }
    xl_cli_release(&cli);
}

const struct xl_test_case xl_suite_check[] = {
    XL_CASE(kernels_pass_and_planted_faults_fail),
    XL_CASE(check_holds_its_tolerance),
    XL_CASE(selftest_reports_every_check),
    { 0 },
};
