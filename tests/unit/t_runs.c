/* SPDX-License-Identifier: Apache-2.0
 *
 * What `runs` does beyond the run's own files: gc, formats of other tuners,
 * two runs side by side, and the views of the store. */
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "tests/unit/store_fixture.h"
#include "tuner/space/table.h"
#include "tuner/store/cmd_runs_gc.h"
#include "tuner/store/export_peer.h"
#include "tuner/store/run_diff.h"
#include "tuner/store/rundir.h"

/* -- gc ------------------------------------------------------------------- */

/* Three runs of different ages, each with a file of 1 MB; gc by the rules. */
static size_t n_gone(struct xl_test *t, struct xl_runs_gc gc)
{
    struct xl_err err = { 0 };
    struct xl_buf gone, kept;
    cJSON *paths = cJSON_CreateArray();
    xl_buf_init(&gone, 0);
    xl_buf_init(&kept, 0);
    gc.log_dir = t->dir;
    XL_CHECK_STATUS(t, xl_runs_gc(&gc, paths, &gone, &kept, &err), XL_OK, &err);
    size_t n = (size_t)cJSON_GetArraySize(paths);
    cJSON_Delete(paths);
    xl_buf_release(&gone);
    xl_buf_release(&kept);
    return n;
}

static void make_run(struct xl_test *t, const char *stamp, char **path)
{
    struct xl_err err = { 0 };
    struct xl_rundir_name name = { .log_dir = t->dir,
                                   .backend = "serial",
                                   .stamp = stamp };
    XL_CHECK_STATUS(t, xl_rundir_create(&name, path, &err), XL_OK, &err);
    char *store = xl_io_join(*path, XL_RUNDIR_STORE);
    xl_io_replace(store, "x", 1, NULL);
    xl_free(store);
}

static void runs_go_by_count_age_and_size(struct xl_test *t)
{
    static const char *const stamps[] = { "20250101_000000", "20250102_000000",
                                          "20250103_000000" };
    static char megabyte[1000000];
    struct xl_err err = { 0 };
    for (size_t i = 0; i < 3; i++) {
        char *path = NULL, *file;
        make_run(t, stamps[i], &path);
        file = xl_io_join(path, "outputs.bin");
        xl_io_replace(file, megabyte, sizeof megabyte, &err);
        int64_t bytes = xl_rundir_bytes(path);
        XL_CHECK(t, bytes > 1000000 && bytes < 1100000);
        xl_free(file);
        xl_free(path);
    }
    XL_CHECK_EQ(t, n_gone(t, (struct xl_runs_gc){ .by_count = true }), 3);
    XL_CHECK_EQ(
        t, n_gone(t, (struct xl_runs_gc){ .by_count = true, .keep = 2 }), 1);
    XL_CHECK_EQ(
        t, n_gone(t, (struct xl_runs_gc){ .by_age = true, .days = 1e6 }), 0);
    XL_CHECK_EQ(
        t, n_gone(t, (struct xl_runs_gc){ .by_size = true, .megabytes = 2.5 }),
        1);
    XL_CHECK_EQ(
        t, n_gone(t, (struct xl_runs_gc){ .by_size = true, .megabytes = 9 }),
        0);
    /* Every rule has to let a run go. */
    XL_CHECK_EQ(t,
                n_gone(t, (struct xl_runs_gc){ .by_size = true,
                                               .by_count = true,
                                               .keep = 1 }),
                2);
    XL_CHECK_EQ(t,
                n_gone(t, (struct xl_runs_gc){ .by_size = true,
                                               .megabytes = 1.5,
                                               .remove = true }),
                2);
    struct xl_rundir_list list;
    XL_CHECK_STATUS(t, xl_rundir_list(t->dir, &list, &err), XL_OK, &err);
    if (XL_CHECK_EQ(t, list.n, 1))
        XL_CHECK(t, strstr(list.names[0], stamps[2]) != NULL);
    xl_rundir_list_release(&list);
}

/* -- formats of other tuners ---------------------------------------------- */

static cJSON *exported(struct xl_test *t, struct xl_store *store,
                       enum xl_status (*form)(struct xl_store *,
                                              struct xl_buf *, struct xl_err *))
{
    struct xl_err err = { 0 };
    struct xl_buf text;
    cJSON *root = NULL;
    xl_buf_init(&text, 0);
    XL_CHECK_STATUS(t, form(store, &text, &err), XL_OK, &err);
    XL_CHECK_STATUS(t,
                    xl_json_parse(text.data, text.len, "export", &root, &err),
                    XL_OK, &err);
    xl_io_replace(xl_fix_path(t, "export.json"), text.data, text.len, NULL);
    xl_buf_release(&text);
    return root;
}

/* Five ended trials, the fourth without memory, and one that waits. */
static struct xl_store *five_trials(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_store_claim claim;
    struct xl_store *store = xl_fix_open(t);
    int64_t trials[6];
    for (int i = 0; i < 6; i++)
        trials[i] = xl_fix_propose(t, store, i);
    for (int i = 0; i < 5; i++)
        if (i != 3)
            xl_fix_measure(store, trials[i], 3, 100.0 + i, &err);
    XL_CHECK_STATUS(t, xl_store_claim(store, trials[3], &claim, &err), XL_OK,
                    &err);
    XL_CHECK_STATUS(
        t, xl_store_fail(store, &claim, XL_TRIAL_OOM, "none", false, &err),
        XL_OK, &err);
    return store;
}

/* The cache is read back by the reader of tables that others wrote. */
static void kernel_tuner_cache_is_written(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_table *table = NULL;
    struct xl_store *store = five_trials(t);
    cJSON *root = exported(t, store, xl_export_kernel_tuner);
    const cJSON *cache = xl_json_member(root, "cache");
    XL_CHECK_EQ(t, cJSON_GetArraySize(cache), 5);
    size_t n_failed = 0, n_times = 0;
    const cJSON *entry;
    cJSON_ArrayForEach(entry, cache)
    {
        const char *word = cJSON_GetStringValue(xl_json_member(entry, "time"));
        n_failed += word && strcmp(word, "RuntimeFailedConfig") == 0;
        n_times += (size_t)cJSON_GetArraySize(xl_json_member(entry, "times"));
    }
    XL_CHECK_EQ(t, n_failed, 1);
    XL_CHECK_EQ(t, n_times, 12);
    XL_CHECK_STATUS(t,
                    xl_table_load(&table, xl_fix_path(t, "export.json"), &err),
                    XL_OK, &err);
    xl_table_free(table);
    cJSON_Delete(root);
    xl_store_close(store);
}

static void t4_results_are_written(struct xl_test *t)
{
    struct xl_store *store = five_trials(t);
    cJSON *root = exported(t, store, xl_export_t4);
    const cJSON *results = xl_json_member(root, "results");
    const cJSON *good = cJSON_GetArrayItem(results, 0);
    const cJSON *failed = cJSON_GetArrayItem(results, 3);
    XL_CHECK_TEXT(t,
                  cJSON_GetStringValue(xl_json_member(root, "schema_version")),
                  "1.0.0");
    XL_CHECK_EQ(t, cJSON_GetArraySize(results), 5); /* the sixth is queued */
    XL_CHECK_TEXT(t, cJSON_GetStringValue(xl_json_member(good, "invalidity")),
                  "correct");
    XL_CHECK_NEAR(t, cJSON_GetNumberValue(xl_json_member(good, "correctness")),
                  1, 0);
    XL_CHECK(t, cJSON_IsObject(xl_json_member(good, "configuration")));
    XL_CHECK_EQ(t,
                cJSON_GetArraySize(
                    xl_json_member(xl_json_member(good, "times"), "runtimes")),
                3);
    XL_CHECK_TEXT(t, cJSON_GetStringValue(xl_json_member(failed, "invalidity")),
                  "runtime");
    XL_CHECK_NEAR(
        t, cJSON_GetNumberValue(xl_json_member(failed, "correctness")), 0, 0);
    XL_CHECK_EQ(t, cJSON_GetArraySize(xl_json_member(failed, "measurements")),
                0);
    cJSON_Delete(root);
    xl_store_close(store);
}

/* -- two runs side by side ------------------------------------------------ */

/* Sweep "two" of the same store, with configuration 1 and rounds of a duel. */
static struct xl_store *second_sweep(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_store *store = xl_fix_open(t);
    struct xl_store_sweep sweep = { .name = "two",
                                    .space = "{}",
                                    .sampler = "random",
                                    .objective = "decode",
                                    .build_id = "build",
                                    .model_hash = "model" };
    struct xl_store_fact fact = { "rounds", "duel", "[1]" };
    XL_CHECK_STATUS(t, xl_store_sweep_begin(store, &sweep, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_store_set_fact(store, &fact, &err), XL_OK, &err);
    xl_fix_measure(store, xl_fix_propose(t, store, 1), 3, 120, &err);
    return store;
}

/* What a run promoted is compared, whatever else measured faster; what was
 * measured is no fact that makes the comparison unfair. */
static void winners_stand_side_by_side(struct xl_test *t)
{
    struct xl_err err = { 0 };
    cJSON *root = NULL;
    struct xl_store *store = xl_fix_open(t), *other = second_sweep(t);
    struct xl_run_side one = { "one", store }, two = { "two", other };
    int64_t slow = xl_fix_propose(t, store, 1);
    struct xl_store_event promote = { .trial = slow,
                                      .kind = "promote",
                                      .text = "proved" };
    xl_fix_measure(store, slow, 3, 120, &err);
    xl_fix_measure(store, xl_fix_propose(t, store, 2), 3, 240, &err);
    for (int n_differ = 1; n_differ >= 0; n_differ--) {
        XL_CHECK_STATUS(t, xl_run_diff(&one, &two, &root, &err), XL_OK, &err);
        XL_CHECK_EQ(t, cJSON_GetArraySize(xl_json_member(root, "params")),
                    n_differ);
        XL_CHECK_EQ(t, cJSON_GetArraySize(xl_json_member(root, "facts")), 0);
        cJSON_Delete(root);
        XL_CHECK_STATUS(t, xl_store_event(store, &promote, &err), XL_OK, &err);
    }
    xl_store_close(other);
    xl_store_close(store);
}

static void two_runs_stand_side_by_side(struct xl_test *t)
{
    struct xl_err err = { 0 };
    cJSON *root = NULL;
    struct xl_buf text;
    struct xl_store *store = xl_fix_open(t);
    struct xl_run_side side = { "one", store };
    XL_CHECK_STATUS(t, xl_run_diff(&side, &side, &root, &err), XL_ENOTFOUND,
                    &err);
    XL_CHECK(t, strstr(err.message, "one") != NULL);
    xl_fix_measure(store, xl_fix_propose(t, store, 1), 3, 120, &err);
    struct xl_store *other = NULL;
    struct xl_store_opts opts = { .mode = XL_STORE_READ };
    XL_CHECK_STATUS(
        t, xl_store_open(&other, xl_fix_path(t, "trials.db"), &opts, &err),
        XL_OK, &err);
    XL_CHECK_STATUS(t, xl_store_sweep_find(other, NULL, &err), XL_OK, &err);
    struct xl_run_side twin = { "two", other };
    XL_CHECK_STATUS(t, xl_run_diff(&side, &twin, &root, &err), XL_OK, &err);
    XL_CHECK_EQ(t, cJSON_GetArraySize(xl_json_member(root, "params")), 0);
    XL_CHECK_EQ(t, cJSON_GetArraySize(xl_json_member(root, "facts")), 0);
    XL_CHECK_NEAR(
        t,
        cJSON_GetNumberValue(xl_json_member(
            xl_json_member(xl_json_member(root, "metrics"), "decode_tok_s"),
            "ratio")),
        1, 0);
    xl_buf_init(&text, 0);
    xl_run_diff_text(root, &text);
    XL_CHECK(t, strstr(text.data, "same configuration") != NULL);
    xl_buf_release(&text);
    cJSON_Delete(root);
    xl_store_close(other);
    xl_store_close(store);
}

/* -- views ---------------------------------------------------------------- */

static void views_answer_what_people_ask(struct xl_test *t)
{
    struct xl_store *store = five_trials(t);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(*) FROM trials"), 6);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(*) FROM ranking"), 4);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT seq FROM ranking LIMIT 1"), 5);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(*) FROM repetitions"), 12);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT n FROM failures"), 1);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(DISTINCT trial) FROM tunables"),
                6);
    XL_CHECK_EQ(t, xl_fix_sql(t, "SELECT count(*) FROM scores"), 0);
    xl_store_close(store);
}

const struct xl_test_case xl_suite_runs[] = {
    XL_CASE(runs_go_by_count_age_and_size),
    XL_CASE(kernel_tuner_cache_is_written),
    XL_CASE(t4_results_are_written),
    XL_CASE(two_runs_stand_side_by_side),
    XL_CASE(winners_stand_side_by_side),
    XL_CASE(views_answer_what_people_ask),
    { 0 },
};
