/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run of very many trials costs, by counts: of statements, of steps
 * SQLite took, of bytes asked for. A run of four times the trials may cost
 * four times as much and no more; what is held at once may not grow. How long
 * 100,000 trials take is measured by runs/large.sh. */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/json.h"
#include "plots/plot.h"
#include "tests/unit/large_run.h"
#include "tests/unit/run_fixture.h"
#include "tests/unit/store_fixture.h"
#include "tuner/store/export.h"
#include "tuner/store/run_summary.h"
#include "tuner/store/store_int.h"

enum {
    FEW = 1250,
    MANY = 4 * FEW,
    SAMPLES = 3,
    PIECE = 4 << 20 /* the largest single block an export may ask for */
};

/* Linear growth: four times, and a tenth for what is not exactly so. */
static const double most_growth = 4.4;

struct cost {
    size_t n_trials;
    int64_t runs, steps, sorts, scans; /* of all statements */
    int64_t most_runs_of_one;
    size_t bytes, largest; /* asked for */
    size_t files;          /* bytes written */
};

static bool count_bytes(void *ctx, size_t nbytes)
{
    struct cost *cost = ctx;
    cost->bytes += nbytes;
    if (nbytes > cost->largest)
        cost->largest = nbytes;
    return false;
}

static void count_statements(struct xl_store *store, struct cost *cost)
{
    for (size_t i = 0; i < XL_STMT_COUNT; i++) {
        sqlite3_stmt *stmt = store->stmts[i];
        if (!stmt)
            continue;
        int runs = sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_RUN, 0);
        cost->runs += runs;
        cost->steps += sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 0);
        cost->sorts += sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_SORT, 0);
        cost->scans +=
            sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_FULLSCAN_STEP, 0);
        if (runs > cost->most_runs_of_one)
            cost->most_runs_of_one = runs;
    }
}

static const char *dir_of(const struct xl_test *t, size_t n)
{
    char name[40];
    snprintf(name, sizeof name, "run_%zu", n);
    return xl_fix_path(t, name);
}

static void make(struct xl_test *t, size_t n)
{
    struct xl_err err = { 0 };
    struct xl_large_run run = { .dir = dir_of(t, n),
                                .n_trials = n,
                                .n_samples = SAMPLES };
    XL_CHECK_STATUS(t, xl_large_run_make(&run, &err), XL_OK, &err);
}

/* Does `work` on the run of n trials and counts. */
static struct cost
cost_of(struct xl_test *t, size_t n,
        enum xl_status (*work)(struct xl_store *store, const char *dir,
                               struct cost *cost, struct xl_err *err))
{
    struct xl_err err = { 0 };
    struct xl_store *store = NULL;
    struct xl_store_opts opts = { .mode = XL_STORE_READ };
    struct cost cost = { .n_trials = n };
    char path[600];
    snprintf(path, sizeof path, "%s/trials.db", dir_of(t, n));
    XL_CHECK_STATUS(t, xl_store_open(&store, path, &opts, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_store_sweep_find(store, NULL, &err), XL_OK, &err);
    struct cost before = { 0 };
    count_statements(store, &before);
    xl_alloc_set_hook(count_bytes, &cost);
    enum xl_status rc = work(store, dir_of(t, n), &cost, &err);
    xl_alloc_set_hook(NULL, NULL);
    XL_CHECK_STATUS(t, rc, XL_OK, &err);
    count_statements(store, &cost);
    cost.runs -= before.runs;
    cost.steps -= before.steps;
    cost.sorts -= before.sorts;
    cost.scans -= before.scans;
    xl_store_close(store);
    return cost;
}

static size_t growth_is_linear(struct xl_test *t, const struct cost *few,
                               const struct cost *many)
{
    XL_CHECK(t, (double)many->steps <= most_growth * (double)few->steps);
    XL_CHECK(t, (double)many->bytes <= most_growth * (double)few->bytes);
    return many->largest;
}

/* -- export --------------------------------------------------------------- */

static enum xl_status do_export(struct xl_store *store, const char *dir,
                                struct cost *cost, struct xl_err *err)
{
    (void)cost;
    return xl_export_run(store, dir, err);
}

static void export_is_one_pass(struct xl_test *t)
{
    struct cost few, many;
    struct xl_err err = { 0 };
    make(t, FEW);
    make(t, MANY);
    few = cost_of(t, FEW, do_export);
    many = cost_of(t, MANY, do_export);
    size_t largest = growth_is_linear(t, &few, &many);
    XL_CHECK(t, largest <= PIECE && few.largest <= PIECE);
    /* The trials once, samples and scores once a trial; nothing sorted and no
     * table read from end to end. */
    XL_CHECK_EQ(t, many.runs, 1 + 2 * MANY);
    XL_CHECK_EQ(t, many.most_runs_of_one, MANY);
    XL_CHECK_EQ(t, many.sorts, 0);
    XL_CHECK_EQ(t, many.scans, 0);
    XL_CHECK(t, many.steps > MANY);
    struct xl_store *store = NULL;
    struct xl_store_opts opts = { .mode = XL_STORE_READ };
    char path[600];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/trials.db", dir_of(t, MANY));
    XL_CHECK_STATUS(t, xl_store_open(&store, path, &opts, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_store_sweep_find(store, NULL, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_run_verify(store, dir_of(t, MANY), &n, &err), XL_OK,
                    &err);
    XL_CHECK_EQ(t, n, MANY);
    xl_store_close(store);
}

/* -- list and show -------------------------------------------------------- */

static enum xl_status do_show(struct xl_store *store, const char *dir,
                              struct cost *cost, struct xl_err *err)
{
    struct xl_buf text;
    cJSON *root = NULL;
    xl_buf_init(&text, 0);
    enum xl_status rc = xl_run_describe(store, dir, &root, &text, err);
    cost->files = text.len;
    xl_buf_release(&text);
    cJSON_Delete(root);
    return rc;
}

static void show_reads_heads(struct xl_test *t)
{
    struct cost few, many;
    make(t, FEW);
    make(t, MANY);
    few = cost_of(t, FEW, do_show);
    many = cost_of(t, MANY, do_show);
    growth_is_linear(t, &few, &many);
    /* As many statements, and as much text, however long the run. */
    XL_CHECK_EQ(t, many.runs, few.runs);
    XL_CHECK(t, many.runs < 40);
    XL_CHECK(t, many.files < few.files + 100);
    XL_CHECK_EQ(t, many.sorts, few.sorts);
    /* Counting the states goes over an index, a few steps a trial. */
    XL_CHECK(t, many.steps < 12 * MANY);
}

/* -- plot and report ------------------------------------------------------ */

static struct cost plot(struct xl_test *t, size_t n)
{
    struct xl_err err = { 0 };
    struct xl_plot_result result;
    struct xl_plot_options options = { .dir = dir_of(t, n),
                                       .no_gnuplot = true };
    struct cost cost = { .n_trials = n };
    make(t, n);
    cost_of(t, n, do_export);
    xl_alloc_set_hook(count_bytes, &cost);
    enum xl_status rc = xl_plot_run(&options, &result, &err);
    xl_alloc_set_hook(NULL, NULL);
    XL_CHECK_STATUS(t, rc, XL_OK, &err);
    if (rc != XL_OK)
        return cost;
    XL_CHECK_EQ(t, result.n_trials, n);
    xl_plot_result_release(&result);
    struct xl_buf page;
    char name[60];
    snprintf(name, sizeof name, "run_%zu/report.html", n);
    xl_buf_init(&page, 0);
    xl_case_read(t, name, &page);
    cost.files = page.len;
    xl_buf_release(&page);
    return cost;
}

static void reports_stay_small(struct xl_test *t)
{
    struct cost few = plot(t, FEW), many = plot(t, MANY);
    growth_is_linear(t, &few, &many);
    /* The table ends at a thousand rows, a picture at 4000 points. */
    XL_CHECK(t, few.files > 100000 && many.files < 4000000);
}

/* -- the generator -------------------------------------------------------- */

static void generator_refuses(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_large_run run = { .dir = dir_of(t, 1),
                                .n_trials = XL_LARGE_RUN_MOST + 1,
                                .n_samples = 1 };
    XL_CHECK_STATUS(t, xl_large_run_make(&run, &err), XL_EUSAGE, &err);
}

const struct xl_test_case xl_suite_large[] = {
    XL_CASE(export_is_one_pass),
    XL_CASE(show_reads_heads),
    XL_CASE(reports_stay_small),
    XL_CASE(generator_refuses),
    { 0 },
};
