/* SPDX-License-Identifier: Apache-2.0
 *
 * Exported files as other programs read them, checked by strict readers, and
 * the folders they lie in. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/csv.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "tests/unit/store_fixture.h"
#include "tuner/store/export.h"
#include "tuner/store/run_summary.h"
#include "tuner/store/rundir.h"

static const char hostile[] = "comma, \"quote\"\r\nnew line\t\xff\xc0 # end";

static int64_t add(struct xl_test *t, struct xl_store *store,
                   const struct xl_store_proposal *p)
{
    struct xl_err err = { 0 };
    struct xl_store_ref ref = { 0 };
    XL_CHECK_STATUS(t, xl_store_propose(store, p, &ref, &err), XL_OK, &err);
    return ref.trial;
}

static void add_failed(struct xl_test *t, struct xl_store *store)
{
    struct xl_err err = { 0 };
    struct xl_store_claim claim;
    struct xl_store_sample sample = xl_fix_sample(0);
    struct xl_store_proposal p = {
        .cfg = "{\"backend\":\"queued\",\"chunk_size\":32,\"workers\":2}",
        .origin = hostile,
    };
    xl_store_claim(store, add(t, store, &p), &claim, &err);
    xl_store_add_sample(store, &claim, &sample, &err);
    XL_CHECK_STATUS(
        t, xl_store_fail(store, &claim, XL_TRIAL_FAILED, hostile, false, &err),
        XL_OK, &err);
}

/* Trial 1 has all there can be, 2 failed with hostile words, 3 is queued, 4
 * has a result of which little is known. */
static struct xl_store *make_store(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_store_claim claim;
    struct xl_store *store = xl_fix_open(t);
    struct xl_store_proposal full = {
        .cfg = "{\"backend\":\"serial\",\"chunk_size\":64,"
               "\"heads_per_band\":2,\"workers\":0,\"pin\":true,"
               "\"tile_av\":\"8x32\"}",
        .inert = "streams,workers",
        .parents = "[7,8]",
        .has_generation = true,
        .generation = 4,
    };
    struct xl_store_proposal bare = { .cfg = "{\"backend\":\"native\"}" };
    struct xl_store_score scores[] = {
        { .name = "avg_logprob", .has_value = true, .value = -2.25 },
        { .name = "verdict", .has_value = true, .value = 1, .detail = "pass" },
        { .name = "broken", .has_value = true, .value = (double)NAN },
    };
    struct xl_store_result result = xl_fix_result(4000.125, 100.5);
    result.effective = "{\"chunk_size\":48,\"workers\":2}";
    int64_t trial = add(t, store, &full);
    xl_store_claim(store, trial, &claim, &err);
    for (int rep = 0; rep < 3; rep++) {
        struct xl_store_sample sample = xl_fix_sample(rep);
        sample.is_disturbed = rep == 1;
        sample.has_decode = rep != 2;
        xl_store_add_sample(store, &claim, &sample, &err);
    }
    XL_CHECK_STATUS(t, xl_store_finish(store, &claim, &result, &err), XL_OK,
                    &err);
    for (size_t i = 0; i < 3; i++)
        xl_store_set_score(store, trial, &scores[i], &err);
    add_failed(t, store);
    bare.cfg = "{\"backend\":\"native\"}";
    add(t, store, &bare);
    bare.cfg = "{\"backend\":\"actors\"}";
    xl_store_claim(store, add(t, store, &bare), &claim, &err);
    result = (struct xl_store_result){
        .decode_tok_s = { true, (double)INFINITY, 1, 2 },
        .prefill_tok_s = { true, 5, (double)NAN, (double)INFINITY },
        .has_value = true,
        .value = (double)NAN,
        .is_pruned = true,
    };
    XL_CHECK_STATUS(t, xl_store_finish(store, &claim, &result, &err), XL_OK,
                    &err);
    return store;
}

/* -- trials.jsonl --------------------------------------------------------- */

/* Line i of the text as a tree; the caller deletes it. */
static cJSON *line_at(struct xl_test *t, const struct xl_buf *text, size_t i)
{
    const char *at = text->data;
    struct xl_err err = { 0 };
    cJSON *root = NULL;
    for (; i && at; i--) {
        at = strchr(at, '\n');
        at += at != NULL;
    }
    if (!XL_CHECK(t, at && strchr(at, '\n')))
        return NULL;
    size_t n = (size_t)(strchr(at, '\n') - at);
    XL_CHECK_STATUS(t, xl_json_parse(at, n, "line", &root, &err), XL_OK, &err);
    return root;
}

static void check_full_line(struct xl_test *t, const cJSON *line)
{
    const cJSON *ci =
        xl_json_member(xl_json_member(line, "ci"), "decode_tok_s");
    const cJSON *samples = xl_json_member(line, "samples");
    XL_CHECK(t, cJSON_IsNull(xl_json_member(line, "workers"))); /* inert */
    XL_CHECK_NEAR(t, cJSON_GetNumberValue(xl_json_member(line, "chunk_size")),
                  48, 0);
    XL_CHECK_NEAR(t,
                  cJSON_GetNumberValue(xl_json_member(
                      xl_json_member(line, "params"), "workers")),
                  0, 0);
    XL_CHECK_NEAR(t, cJSON_GetNumberValue(xl_json_member(line, "decode_tok_s")),
                  100.5, 0);
    XL_CHECK_NEAR(t, cJSON_GetNumberValue(cJSON_GetArrayItem(ci, 0)), 99.5, 0);
    XL_CHECK_NEAR(t, cJSON_GetNumberValue(cJSON_GetArrayItem(ci, 1)), 101.5, 0);
    XL_CHECK_EQ(t, cJSON_GetArraySize(samples), 3);
    XL_CHECK(t, cJSON_IsTrue(xl_json_member(cJSON_GetArrayItem(samples, 1),
                                            "disturbed")));
    XL_CHECK(t, cJSON_IsNull(xl_json_member(cJSON_GetArrayItem(samples, 2),
                                            "decode_tok_s")));
    XL_CHECK_TEXT(t, cJSON_GetStringValue(xl_json_member(line, "status")),
                  "ok");
    XL_CHECK_TEXT(t,
                  cJSON_GetStringValue(xl_json_member(
                      xl_json_member(line, "quality"), "verdict")),
                  "pass");
    XL_CHECK(t, cJSON_IsNull(
                    xl_json_member(xl_json_member(line, "quality"), "broken")));
    XL_CHECK_EQ(t, cJSON_GetArraySize(xl_json_member(line, "parents")), 2);
    XL_CHECK_EQ(t, cJSON_GetArraySize(xl_json_member(line, "inert")), 2);
    XL_CHECK_NEAR(t, cJSON_GetNumberValue(xl_json_member(line, "generation")),
                  4, 0);
}

static void jsonl_lines_begin_with_the_contract_s_keys(struct xl_test *t)
{
    static const char *const first[] = {
        "backend",    "workers",       "heads_per_band",
        "chunk_size", "prefill_tok_s", "decode_tok_s",
        "prefill_s",  "decode_s",      "id",
        "status",     "params",        "samples",
        "ci",         "quality",
    };
    struct xl_err err = { 0 };
    struct xl_buf text;
    struct xl_store *store = make_store(t);
    xl_buf_init(&text, 0);
    XL_CHECK_STATUS(t, xl_export_jsonl(store, &text, &err), XL_OK, &err);
    XL_CHECK(t, !strstr(text.data, "nan") && !strstr(text.data, "inf"));
    for (size_t i = 0; i < 4; i++) {
        cJSON *line = line_at(t, &text, i);
        const cJSON *item = line ? line->child : NULL;
        for (size_t k = 0; item && k < sizeof first / sizeof *first; k++) {
            XL_CHECK_TEXT(t, item->string, first[k]);
            item = item->next;
        }
        XL_CHECK_NEAR(t, cJSON_GetNumberValue(xl_json_member(line, "id")),
                      (double)i + 1, 0);
        if (i == 0)
            check_full_line(t, line);
        if (i == 1)
            XL_CHECK_TEXT(t,
                          cJSON_GetStringValue(xl_json_member(line, "reason")),
                          "comma, \"quote\"\r\nnew line\t\xef\xbf\xbd"
                          "\xef\xbf\xbd # end");
        if (i == 3)
            XL_CHECK(t, cJSON_IsNull(xl_json_member(line, "decode_tok_s")) &&
                            cJSON_IsNull(xl_json_member(line, "objective")) &&
                            cJSON_IsNull(xl_json_member(
                                xl_json_member(line, "ci"), "prefill_tok_s")));
        cJSON_Delete(line);
    }
    xl_buf_release(&text);
    xl_store_close(store);
}

/* -- CSV ------------------------------------------------------------------ */

static const char *field(const struct xl_csv *csv, size_t row, const char *name)
{
    for (size_t i = 0; i < csv->rows[0].n_fields; i++)
        if (strcmp(csv->rows[0].fields[i], name) == 0)
            return csv->rows[row].fields[i];
    return "no such column";
}

static void check_table(struct xl_test *t, const struct xl_csv *csv,
                        size_t n_rows)
{
    XL_CHECK_EQ(t, csv->n_rows, n_rows);
    for (size_t i = 0; i < csv->n_rows; i++)
        XL_CHECK_EQ(t, csv->rows[i].n_fields, csv->rows[0].n_fields);
}

static void summary_begins_with_the_contract_s_columns(struct xl_test *t)
{
    static const char header[] =
        "backend,workers,heads_per_band,chunk_size,prefill_tok_s,decode_tok_s,"
        "prefill_s,decode_s,";
    struct xl_err err = { 0 };
    struct xl_buf text;
    struct xl_arena arena;
    struct xl_csv csv;
    struct xl_store *store = make_store(t);
    xl_arena_init(&arena, 0);
    xl_buf_init(&text, 0);
    XL_CHECK_STATUS(t, xl_export_summary(store, &text, &err), XL_OK, &err);
    XL_CHECK(t, strncmp(text.data, header, strlen(header)) == 0);
    XL_CHECK_STATUS(t,
                    xl_csv_parse(text.data, text.len, "s", &arena, &csv, &err),
                    XL_OK, &err);
    check_table(t, &csv, 5);
    XL_CHECK_TEXT(t, field(&csv, 1, "workers"), "");
    XL_CHECK_TEXT(t, field(&csv, 1, "chunk_size"), "48");
    XL_CHECK_TEXT(t, field(&csv, 1, "pin"), "true");
    XL_CHECK_TEXT(t, field(&csv, 1, "tile_av"), "8x32");
    XL_CHECK_TEXT(t, field(&csv, 1, "prefill_tok_s"), "4000.125");
    XL_CHECK_TEXT(t, field(&csv, 1, "prefill_tok_s_lo"), "3999.125");
    XL_CHECK_TEXT(t, field(&csv, 1, "decode_tok_s_hi"), "101.5");
    XL_CHECK_TEXT(t, field(&csv, 1, "objective"), "100.5");
    XL_CHECK_TEXT(t, field(&csv, 1, "verdict"), "pass");
    XL_CHECK_TEXT(t, field(&csv, 1, "n"), "3");
    XL_CHECK_TEXT(t, field(&csv, 2, "status"), "failed");
    XL_CHECK_TEXT(t, field(&csv, 2, "workers"), "2");
    XL_CHECK_TEXT(t, field(&csv, 2, "reason"), hostile);
    XL_CHECK_TEXT(t, field(&csv, 3, "status"), "queued");
    XL_CHECK_TEXT(t, field(&csv, 3, "prefill_tok_s"), "");
    XL_CHECK_TEXT(t, field(&csv, 4, "decode_tok_s"), "");
    xl_buf_clear(&text);
    XL_CHECK_STATUS(t, xl_export_samples(store, &text, &err), XL_OK, &err);
    XL_CHECK_STATUS(t,
                    xl_csv_parse(text.data, text.len, "s", &arena, &csv, &err),
                    XL_OK, &err);
    check_table(t, &csv, 5);
    XL_CHECK_TEXT(t, field(&csv, 2, "rep"), "1");
    XL_CHECK_TEXT(t, field(&csv, 2, "disturbed"), "true");
    XL_CHECK_TEXT(t, field(&csv, 3, "decode_tok_s"), "");
    XL_CHECK_TEXT(t, field(&csv, 4, "id"), "2");
    xl_buf_release(&text);
    xl_arena_release(&arena);
    xl_store_close(store);
}

/* -- the whole folder ----------------------------------------------------- */

static void replace_part(struct xl_test *t, const char *name,
                         const struct xl_buf *text, size_t from, size_t to)
{
    xl_io_replace(xl_fix_path(t, name), text->data + from, to - from, NULL);
}

static void verify_finds_faults(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_buf text;
    size_t n = 0;
    struct xl_store *store = make_store(t);
    const char *jsonl_path = xl_fix_path(t, "trials.jsonl");
    xl_buf_init(&text, 0);
    XL_CHECK_STATUS(t, xl_run_verify(store, t->dir, &n, &err), XL_ENOTFOUND,
                    &err);
    XL_CHECK_STATUS(t, xl_export_run(store, t->dir, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_run_verify(store, t->dir, &n, &err), XL_OK, &err);
    XL_CHECK_EQ(t, n, 4);
    xl_io_read(jsonl_path, &text, &err);
    size_t line = (size_t)(strchr(text.data, '\n') - text.data) + 1;
    replace_part(t, "trials.jsonl", &text, line, text.len);
    XL_CHECK_STATUS(t, xl_run_verify(store, t->dir, &n, &err), XL_EMISMATCH,
                    &err);
    replace_part(t, "trials.jsonl", &text, 0, text.len - 1);
    XL_CHECK_STATUS(t, xl_run_verify(store, t->dir, &n, &err), XL_EFORMAT,
                    &err);
    replace_part(t, "trials.jsonl", &text, 1, text.len);
    XL_CHECK_STATUS(t, xl_run_verify(store, t->dir, &n, &err), XL_EFORMAT,
                    &err);
    memcpy(strstr(text.data, "\"queued\",\"params"), "\"failed\"", 8);
    replace_part(t, "trials.jsonl", &text, 0, text.len);
    XL_CHECK_STATUS(t, xl_run_verify(store, t->dir, &n, &err), XL_EMISMATCH,
                    &err);
    XL_CHECK_STATUS(t, xl_export_run(store, t->dir, &err), XL_OK, &err);
    xl_buf_clear(&text);
    xl_io_read(xl_fix_path(t, "samples.csv"), &text, &err);
    size_t header = (size_t)(strchr(text.data, '\n') - text.data) + 1;
    replace_part(t, "samples.csv", &text, 0, header);
    XL_CHECK_STATUS(t, xl_run_verify(store, t->dir, &n, &err), XL_EMISMATCH,
                    &err);
    unlink(xl_fix_path(t, "samples.csv"));
    XL_CHECK_STATUS(t, xl_run_verify(store, t->dir, &n, &err), XL_ENOTFOUND,
                    &err);
    xl_buf_release(&text);
    xl_store_close(store);
}

static void runs_are_summed_up(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_run_summary run;
    struct xl_buf text;
    cJSON *root = NULL;
    struct xl_store *store = make_store(t);
    xl_run_summarize(&run, t->dir);
    XL_CHECK_STATUS(t, run.fault.status, XL_OK, &run.fault);
    XL_CHECK_EQ(t, run.n_trials, 4);
    XL_CHECK_EQ(t, run.n_measured, 2);
    XL_CHECK_EQ(t, run.n_failed, 1);
    XL_CHECK_EQ(t, run.n_open, 1);
    XL_CHECK(t, run.has_best && run.best_trial == 1);
    XL_CHECK_TEXT(t, run.mode, "random");
    xl_buf_init(&text, 0);
    XL_CHECK_STATUS(t, xl_run_describe(store, t->dir, &root, &text, &err),
                    XL_OK, &err);
    XL_CHECK(t, strstr(text.data, "trial 1: 100.5") != NULL);
    XL_CHECK_EQ(t, cJSON_GetArraySize(xl_json_member(root, "leaders")), 1);
    cJSON_Delete(root);
    xl_buf_release(&text);
    xl_store_close(store);
    xl_io_replace(xl_fix_path(t, "trials.db"), "broken", 6, NULL);
    xl_run_summarize(&run, t->dir);
    XL_CHECK_EQ(t, run.fault.status, XL_EFORMAT);
}

/* -- run folders ---------------------------------------------------------- */

static void make_run(struct xl_test *t, const char *backend, const char *stamp,
                     const char *tag, char **path)
{
    struct xl_err err = { 0 };
    const char *log_dir = xl_fix_path(t, "runs/deep");
    struct xl_rundir_name name = {
        .log_dir = log_dir, .backend = backend, .stamp = stamp, .tag = tag
    };
    XL_CHECK_STATUS(t, xl_rundir_create(&name, path, &err), XL_OK, &err);
    char *store = xl_io_join(*path, XL_RUNDIR_STORE);
    xl_io_replace(store, "x", 1, NULL);
    xl_free(store);
}

/* The oldest comes last by name. */
static void folders_are_named_and_found(struct xl_test *t)
{
    static const char *const want[] = { "serial_20250101_000000_zz",
                                        "native_20250301_000000",
                                        "native_20250301_000000_2" };
    struct xl_err err = { 0 };
    struct xl_rundir_list list;
    char log_dir[512], *paths[3], *found = NULL;
    int64_t a = 0, b = 0;
    snprintf(log_dir, sizeof log_dir, "%s", xl_fix_path(t, "runs/deep"));
    make_run(t, "native", "20250301_000000", NULL, &paths[0]);
    make_run(t, "serial", "20250101_000000", "zz", &paths[1]);
    make_run(t, "native", "20250301_000000", NULL, &paths[2]);
    mkdir(xl_fix_path(t, "runs/deep/serial_20990101_000000"), 0755);
    XL_CHECK_STATUS(t, xl_rundir_list(log_dir, &list, &err), XL_OK, &err);
    XL_CHECK_EQ(t, list.n, 3);
    for (size_t i = 0; i < list.n && i < 3; i++)
        XL_CHECK_TEXT(t, list.names[i], want[i]);
    xl_rundir_list_release(&list);
    XL_CHECK(t, xl_rundir_time(want[0], &a) && xl_rundir_time(want[1], &b));
    XL_CHECK(t, (b - a) / 86400 == 59 || (b - a) / 86400 == 58);
    XL_CHECK(t, !xl_rundir_time("serial_2025", &a));

    static const char *const words[] = { NULL, "latest",
                                         "native_20250301_000000_2" };
    for (size_t i = 0; i < 3; i++) {
        XL_CHECK_STATUS(t, xl_rundir_find(log_dir, words[i], &found, &err),
                        XL_OK, &err);
        XL_CHECK_TEXT(t, found, paths[2]);
        xl_free(found);
    }
    char *db = xl_io_join(paths[1], "trials.db");
    XL_CHECK_STATUS(t, xl_rundir_find("nowhere", db, &found, &err), XL_OK,
                    &err);
    XL_CHECK_TEXT(t, found, paths[1]);
    xl_free(found);
    xl_free(db);
    XL_CHECK_STATUS(
        t, xl_rundir_find(log_dir, "serial_20250101_000000", &found, &err),
        XL_ENOTFOUND, &err);
    XL_CHECK(t, strstr(err.message, want[0]) != NULL);
    XL_CHECK_STATUS(t, xl_rundir_find("nowhere", NULL, &found, &err),
                    XL_ENOTFOUND, &err);
    for (size_t i = 0; i < 3; i++)
        xl_free(paths[i]);
}

static void hostile_names(struct xl_test *t)
{
    static const char *const tags[] = { "",  "a/b",  "../x", "..", "a b",
                                        "$", "\xff", "a\nb", "-",  "ok.1" };
    char longest[80], *path = NULL;
    struct xl_err err = { 0 };
    struct xl_rundir_name name = { .log_dir = t->dir,
                                   .backend = "serial",
                                   .stamp = "20250101_000000" };
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        bool is_fine = i >= 8;
        name.tag = tags[i];
        XL_CHECK_STATUS(t, xl_rundir_create(&name, &path, &err),
                        is_fine ? XL_OK : XL_EUSAGE, &err);
        xl_free(path);
    }
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    name.tag = longest;
    XL_CHECK_STATUS(t, xl_rundir_create(&name, &path, &err), XL_EUSAGE, &err);
    XL_CHECK(t, path == NULL);
}

static void removal_follows_no_link(struct xl_test *t)
{
    struct xl_err err = { 0 };
    char *path = NULL;
    make_run(t, "native", "20250301_000000", NULL, &path);
    char *inner = xl_io_join(path, "outputs"), *link_path = NULL;
    mkdir(inner, 0755);
    link_path = xl_io_join(inner, "link");
    mkdir(xl_fix_path(t, "precious"), 0755);
    xl_io_replace(xl_fix_path(t, "precious/file"), "x", 1, NULL);
    XL_CHECK_EQ(t, symlink(xl_fix_path(t, "precious"), link_path), 0);
    XL_CHECK_STATUS(t, xl_rundir_remove(xl_fix_path(t, "precious"), &err),
                    XL_EUSAGE, &err);
    XL_CHECK_STATUS(t, xl_rundir_remove(path, &err), XL_OK, &err);
    XL_CHECK(t, !xl_io_exists(path));
    XL_CHECK(t, xl_io_exists(xl_fix_path(t, "precious/file")));
    xl_free(link_path);
    xl_free(inner);
    xl_free(path);
}

/* -- no memory ------------------------------------------------------------ */

static size_t allocations_left = SIZE_MAX;

static void *fail_malloc(size_t nbytes)
{
    return xl_test_fail_nth(&allocations_left, nbytes) ? NULL : malloc(nbytes);
}

/* With each single allocation failing in turn, an export either says so and
 * leaves the good files alone, or is whole. */
static void no_memory(struct xl_test *t)
{
    struct xl_err err = { 0 };
    struct xl_buf texts[3], again;
    cJSON_Hooks hooks = { fail_malloc, free };
    size_t failed = 0, n = 0;
    bool did_fail = true;
    struct xl_store *store = make_store(t);
    enum xl_status (*const forms[])(struct xl_store *, struct xl_buf *,
                                    struct xl_err *) = { xl_export_jsonl,
                                                         xl_export_summary,
                                                         xl_export_samples };
    for (size_t f = 0; f < 3; f++) {
        xl_buf_init(&texts[f], 0);
        XL_CHECK_STATUS(t, forms[f](store, &texts[f], &err), XL_OK, &err);
    }
    xl_alloc_set_hook(xl_test_fail_nth, &allocations_left);
    cJSON_InitHooks(&hooks);
    for (size_t k = 0; did_fail; k++) {
        size_t f = k % 3;
        xl_buf_init(&again, 0);
        allocations_left = k / 3;
        enum xl_status rc = forms[f](store, &again, &err);
        did_fail = allocations_left > k / 3 || f != 0;
        allocations_left = SIZE_MAX;
        failed += rc != XL_OK;
        /* cJSON's parser says "malformed" when its memory runs out. */
        XL_CHECK(t, rc == XL_OK || rc == XL_ENOMEM || rc == XL_EFORMAT);
        if (rc == XL_OK)
            XL_CHECK_TEXT(t, again.data, texts[f].data);
        xl_buf_release(&again);
    }
    cJSON_InitHooks(NULL);
    xl_alloc_set_hook(NULL, NULL);
    XL_CHECK(t, failed > 100);
    XL_CHECK_STATUS(t, xl_export_run(store, t->dir, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_run_verify(store, t->dir, &n, &err), XL_OK, &err);
    for (size_t f = 0; f < 3; f++)
        xl_buf_release(&texts[f]);
    xl_store_close(store);
}

const struct xl_test_case xl_suite_export[] = {
    XL_CASE(jsonl_lines_begin_with_the_contract_s_keys),
    XL_CASE(summary_begins_with_the_contract_s_columns),
    XL_CASE(verify_finds_faults),
    XL_CASE(runs_are_summed_up),
    XL_CASE(folders_are_named_and_found),
    XL_CASE(hostile_names),
    XL_CASE(removal_follows_no_link),
    XL_CASE(no_memory),
    { 0 },
};
