/* SPDX-License-Identifier: Apache-2.0
 *
 * What `bench store` runs, for what it does; how fast is not asked here. */
#include "tuner/sweep/overhead.h"

#include <string.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "tests/unit/store_fixture.h"

static void four_processes_finish(struct xl_test *t)
{
    struct xl_overhead cost;
    struct xl_err err = { 0 };
    struct xl_overhead_job job = { .dir = t->dir,
                                   .trials = 10000,
                                   .samples = 1 };
    XL_CHECK_STATUS(t, xl_overhead_processes(&cost, &job, 4, &err), XL_OK,
                    &err);
    XL_CHECK_EQ(t, cost.n, 10000);
    job.trials = 10;
    XL_CHECK_EQ(t, xl_overhead_processes(&cost, &job, 0, &err), XL_EUSAGE);
    /* Processes that cannot open the store are told of. */
    job.dir = "/nowhere/at/all";
    XL_CHECK(t, xl_overhead_processes(&cost, &job, 2, &err) != XL_OK);
}

static void searches_end(struct xl_test *t)
{
    static const char *const modes[] = { "random", "ga" };
    struct xl_err err = { 0 };
    struct xl_overhead cost;
    struct xl_overhead_job job = { .dir = t->dir, .trials = 200, .samples = 7 };
    for (size_t i = 0; i < 2; i++) {
        job.mode = modes[i];
        job.sync_full = i == 1;
        XL_CHECK_STATUS(t, xl_overhead_trials(&cost, &job, &err), XL_OK, &err);
        XL_CHECK(t, cost.n == 200 && cost.wall_s > 0);
    }
    job.mode = "randon";
    XL_CHECK_EQ(t, xl_overhead_trials(&cost, &job, &err), XL_EUSAGE);
    XL_CHECK(t, strstr(err.message, "'random'"));
    job.mode = "random";
    job.samples = 1000;
    XL_CHECK_EQ(t, xl_overhead_trials(&cost, &job, &err), XL_EUSAGE);
    XL_CHECK_STATUS(t, xl_overhead_asks(&cost, "gp", 20, 30, &err), XL_OK,
                    &err);
    XL_CHECK_EQ(t, cost.n, 10);
}

static void large_stores_answer(struct xl_test *t)
{
    struct xl_overhead_large large;
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t, xl_overhead_large(&large, t->dir, 2500, &err), XL_OK,
                    &err);
    XL_CHECK_EQ(t, large.n_best, 10);
    XL_CHECK(t, large.n_front >= 3 && large.n_front < 100);
    XL_CHECK(t, access(xl_fix_path(t, "large.db"), F_OK) != 0);
}

const struct xl_test_case xl_suite_overhead[] = {
    XL_CASE(four_processes_finish),
    XL_CASE(searches_end),
    XL_CASE(large_stores_answer),
    { 0 },
};
