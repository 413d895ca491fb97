/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of the judge: outputs and ratings. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/judge.h"
#include "judge/outputs.h"
#include "judge/ratings.h"
#include "judge/rows.h"
#include "kernel/base/alloc.h"
#include "kernel/base/csv.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "tests/harness/test.h"

static const int32_t some_ids[] = { 3, 0, 2147483647, 17 };

static struct xl_output make_output(void)
{
    struct xl_output output = { .ids = some_ids,
                                .n_ids = 4,
                                .text = "a\xff\n\"b\"",
                                .n_text = 6,
                                .prompt_tokens = 512,
                                .is_greedy = true };
    xl_params_init(&output.params);
    output.params.value[XL_PARAM_HEADS_PER_BAND] = 3;
    output.params.value[XL_PARAM_CHUNK_SIZE] = 48;
    output.params.value[XL_PARAM_WORKERS] = 2;
    return output;
}

/* -- names ----------------------------------------------------------------- */

static void names_are_as_documented(struct xl_test *t)
{
    char name[XL_OUTPUT_NAME];
    struct xl_output_name parts = { .backend = "parallel",
                                    .heads_per_band = 2,
                                    .chunk_size = 64,
                                    .workers = 4,
                                    .index = 7 };
    xl_output_name(name, &parts);
    XL_CHECK_TEXT(t, name, "b=parallel__h=2__ck=64__w=4__i=7");
    parts.workers = 0;
    xl_output_name(name, &parts);
    XL_CHECK_TEXT(t, name, "b=parallel__h=2__ck=64__i=7");
}

static void hostile_names_stay_in_their_folder(struct xl_test *t)
{
    static const char *const hostile[] = {
        "../../etc/passwd",
        "a/b",
        "x\ny",
        "",
        "`rm`$(x)'\"",
        "\xff\xfe",
        "a__h=9__i=1",
        "0123456789012345678901234567890123456789///////////////////",
    };
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        char name[XL_OUTPUT_NAME];
        xl_output_name(name,
                       &(struct xl_output_name){ .backend = hostile[i],
                                                 .heads_per_band = INT64_MIN,
                                                 .chunk_size = INT64_MAX,
                                                 .workers = INT64_MAX,
                                                 .index = SIZE_MAX });
        XL_CHECK(t, strncmp(name, "b=", 2) == 0);
        XL_CHECK(t, strspn(name, "abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789-.%=_") == strlen(name));
        XL_CHECK(t, strstr(name, "__i=18446744073709551615") != NULL);
        XL_CHECK(t, strstr(name + 2, "__h=") == strstr(name, "__"));
    }
}

/* -- outputs --------------------------------------------------------------- */

static void check_loaded(struct xl_test *t, const struct xl_output *got,
                         const struct xl_output *want)
{
    XL_CHECK_EQ(t, got->n_ids, want->n_ids);
    XL_CHECK(t, memcmp(got->ids, want->ids, want->n_ids * 4) == 0);
    XL_CHECK_EQ(t, got->n_text, want->n_text);
    XL_CHECK(t, memcmp(got->text, want->text, want->n_text) == 0);
    XL_CHECK_EQ(t, got->prompt_tokens, want->prompt_tokens);
    XL_CHECK(t, got->is_greedy == want->is_greedy);
    XL_CHECK(t, memcmp(got->params.value, want->params.value,
                       sizeof got->params.value) == 0);
}

static void outputs_are_saved_once_and_read_back(struct xl_test *t)
{
    struct xl_output output = make_output();
    struct xl_outputs list;
    struct xl_arena arena;
    struct xl_err err = { 0 };
    char file[XL_OUTPUT_FILE];
    static const int32_t other_ids[] = { 3, 0, 2147483647, 18 };
    xl_arena_init(&arena, 0);
    for (size_t i = 0; i < 2; i++) {
        XL_CHECK_STATUS(t, xl_outputs_save(t->dir, &output, file, &err), XL_OK,
                        &err);
        XL_CHECK_TEXT(t, file, "b=parallel__h=3__ck=48__w=2__i=0.txt");
    }
    output.params.value[XL_PARAM_PREFILL_BLOCK] = 128; /* not in the name */
    XL_CHECK_STATUS(t, xl_outputs_save(t->dir, &output, file, &err), XL_OK,
                    &err);
    XL_CHECK_TEXT(t, file, "b=parallel__h=3__ck=48__w=2__i=1.txt");
    output.ids = other_ids; /* equal parameters, another text: both are kept */
    output.is_greedy = false;
    XL_CHECK_STATUS(t, xl_outputs_save(t->dir, &output, file, &err), XL_OK,
                    &err);
    XL_CHECK_TEXT(t, file, "b=parallel__h=3__ck=48__w=2__i=2.txt");
    XL_CHECK_STATUS(t, xl_outputs_load(t->dir, &arena, &list, &err), XL_OK,
                    &err);
    if (XL_CHECK(t, list.n == 3)) {
        struct xl_output first = make_output();
        check_loaded(t, &list.items[0], &first);
        check_loaded(t, &list.items[2], &output);
        XL_CHECK_TEXT(t, list.items[1].file,
                      "b=parallel__h=3__ck=48__w=2__i=1.txt");
    }
    xl_arena_release(&arena);
}

static enum xl_status load(struct xl_test *t, struct xl_err *err)
{
    struct xl_outputs list;
    struct xl_arena arena;
    xl_arena_init(&arena, 0);
    enum xl_status rc = xl_outputs_load(t->dir, &arena, &list, err);
    xl_arena_release(&arena);
    return rc;
}

static void broken_ids_files_are_refused(struct xl_test *t)
{
    static const char *const broken[] = {
        "",
        "{}",
        "[]",
        "{\"params\":{},\"ids\":[1],\"prompt_tokens\":-1}",
        "{\"params\":{},\"ids\":[1]}",
        "{\"params\":{},\"ids\":1,\"prompt_tokens\":1}",
        "{\"params\":{},\"ids\":[-1],\"prompt_tokens\":1}",
        "{\"params\":{},\"ids\":[0.5],\"prompt_tokens\":1}",
        "{\"params\":{},\"ids\":[2147483648],\"prompt_tokens\":1}",
        "{\"params\":{},\"ids\":[\"1\"],\"prompt_tokens\":1}",
        "{\"params\":{},\"ids\":[null],\"prompt_tokens\":1}",
        "{\"params\":[],\"ids\":[1],\"prompt_tokens\":1}",
        "{\"params\":{\"chunk\":1},\"ids\":[1],\"prompt_tokens\":1}",
        "{\"params\":{\"chunk_size\":0},\"ids\":[1],\"prompt_tokens\":1}",
        "{\"params\":{},\"ids\":[1],\"prompt_tokens\":1,\"greedy\":1}",
    };
    struct xl_err err = { 0 };
    xl_test_write(t, "x.txt", "text");
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        err = (struct xl_err){ 0 };
        xl_test_write(t, "x.ids.json", broken[i]);
        XL_CHECK(t, load(t, &err) != XL_OK);
        XL_CHECK(t, strstr(err.message, "x.ids.json") != NULL);
    }
    xl_test_write(t, "x.ids.json",
                  "{\"params\":{},\"ids\":[1],\"prompt_tokens\":1}");
    XL_CHECK_STATUS(t, load(t, &err), XL_OK, &err);
    xl_test_write(t, "y.ids.json",
                  "{\"params\":{},\"ids\":[],\"prompt_tokens\":1}");
    XL_CHECK(t, load(t, &err) != XL_OK); /* its text is missing */
}

static void truncated_ids_files_are_refused(struct xl_test *t)
{
    struct xl_output output = make_output();
    struct xl_err err = { 0 };
    struct xl_buf whole;
    char *path =
        xl_io_join(t->dir, "b=parallel__h=3__ck=48__w=2__i=0.ids.json");
    xl_buf_init(&whole, 1 << 20);
    XL_CHECK_STATUS(t, xl_outputs_save(t->dir, &output, NULL, &err), XL_OK,
                    &err);
    XL_CHECK_STATUS(t, xl_io_read(path, &whole, &err), XL_OK, &err);
    for (size_t n = 0; n + 1 < whole.len; n += 3) {
        XL_CHECK_STATUS(t, xl_io_replace(path, whole.data, n, &err), XL_OK,
                        &err);
        XL_CHECK(t, load(t, &err) != XL_OK);
    }
    xl_buf_release(&whole);
    xl_free(path);
}

static void a_missing_folder_is_said(struct xl_test *t)
{
    struct xl_outputs list;
    struct xl_arena arena;
    struct xl_err err = { 0 };
    char *path = xl_io_join(t->dir, "nowhere");
    xl_arena_init(&arena, 0);
    XL_CHECK_STATUS(t, xl_outputs_load(path, &arena, &list, &err), XL_ENOTFOUND,
                    &err);
    XL_CHECK(t, strstr(err.message, "nowhere") != NULL);
    xl_arena_release(&arena);
    xl_free(path);
}

/* -- running out of memory ------------------------------------------------- */

static void every_failed_allocation_is_an_error(struct xl_test *t)
{
    struct xl_output output = make_output();
    struct xl_err err = { 0 };
    bool clean = false;
    XL_CHECK_STATUS(t, xl_outputs_save(t->dir, &output, NULL, &err), XL_OK,
                    &err);
    for (size_t n = 0; n < 200 && !clean; n++) {
        size_t left = n;
        xl_alloc_set_hook(xl_test_fail_nth, &left);
        enum xl_status rc = load(t, &err);
        xl_alloc_set_hook(NULL, NULL);
        clean = left <= n; /* no allocation was failed */
        XL_CHECK(t, clean == (rc == XL_OK));
        XL_CHECK(t, clean || n < 199);
    }
    XL_CHECK(t, clean);
}

/* -- ratings --------------------------------------------------------------- */

static const char first_columns[] =
    "file,backend,heads_per_band,chunk_size,workers,avg_logprob,ppl,"
    "len_tokens,distinct2,distinct3,verdict,tier,";

static void make_ratings(struct xl_rating ratings[2])
{
    for (size_t i = 0; i < 2; i++) {
        ratings[i] = (struct xl_rating){ .text_hash = "abc", .group = i + 1 };
        xl_params_init(&ratings[i].params);
        xl_scores_clear(ratings[i].scores);
        ratings[i].ruling.tier = XL_TIER_KERNEL;
    }
    ratings[0].file = "b=parallel__h=2__ck=64__i=0.txt";
    ratings[0].params.value[XL_PARAM_CHUNK_SIZE] = 17;
    ratings[0].scores[XL_SCORE_AVG_LOGPROB] =
        (struct xl_score){ .is_known = true,
                           .value = -2.5,
                           .n = 64,
                           .has_interval = true,
                           .blocks = 4,
                           .lo = -2.75,
                           .hi = -2.25 };
    ratings[0].scores[XL_SCORE_PPL] = xl_score_point(exp(2.5), 64);
    ratings[0].scores[XL_SCORE_LEN_TOKENS] = xl_score_point(64, 64);
    ratings[1].file = "odd, \"name\"\n\xff.txt";
    ratings[1].ruling.verdict = XL_VERDICT_FAIL;
    ratings[1].scores[XL_SCORE_PPL] = xl_score_point(HUGE_VAL, 64);
    ratings[1].scores[XL_SCORE_KL_MEAN] =
        (struct xl_score){ .is_known = true,
                           .value = XL_UNKNOWN,
                           .has_interval = true,
                           .lo = HUGE_VAL,
                           .hi = XL_UNKNOWN };
    snprintf(ratings[1].ruling.reason, XL_REASON_ROOM, "x, \"y\"");
}

static void read_saved(struct xl_test *t, const char *name, struct xl_buf *out)
{
    struct xl_err err = { 0 };
    char *path = xl_io_join(t->dir, name);
    xl_buf_init(out, 1 << 20);
    XL_CHECK_STATUS(t, xl_io_read(path, out, &err), XL_OK, &err);
    xl_free(path);
}

static void ratings_csv_is_a_table(struct xl_test *t)
{
    struct xl_rating ratings[2];
    struct xl_err err = { 0 };
    struct xl_arena arena;
    struct xl_csv csv = { 0 };
    struct xl_buf text;
    make_ratings(ratings);
    XL_CHECK_STATUS(t, xl_ratings_save(t->dir, ratings, 2, &err), XL_OK, &err);
    read_saved(t, "ratings.csv", &text);
    XL_CHECK(t,
             strncmp(text.data, first_columns, sizeof first_columns - 1) == 0);
    XL_CHECK(t, !strstr(text.data, "nan") && !strstr(text.data, "inf,"));
    xl_arena_init(&arena, 0);
    XL_CHECK_STATUS(
        t, xl_csv_parse(text.data, text.len, "ratings.csv", &arena, &csv, &err),
        XL_OK, &err);
    if (XL_CHECK(t, csv.n_rows == 3)) {
        for (size_t i = 1; i < 3; i++)
            XL_CHECK_EQ(t, csv.rows[i].n_fields, csv.rows[0].n_fields);
        XL_CHECK_TEXT(t, csv.rows[1].fields[3], "17");
        XL_CHECK_TEXT(t, csv.rows[1].fields[5], "-2.5");
        XL_CHECK_TEXT(t, csv.rows[2].fields[6], ""); /* infinite perplexity */
        XL_CHECK_TEXT(t, csv.rows[2].fields[10], "fail");
        XL_CHECK_TEXT(t, csv.rows[2].fields[12], "x, \"y\"");
    }
    xl_arena_release(&arena);
    xl_buf_release(&text);
}

/* What stands in a flat table is what stands in the object. */
static void any_object_is_a_line(struct xl_test *t)
{
    struct xl_buf out;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name", "a \"b\", c");
    cJSON_AddNumberToObject(o, "value", 0.25);
    cJSON_AddNullToObject(o, "unknown");
    cJSON_AddItemToObject(o, "list", cJSON_CreateIntArray((int[]){ 1, 2 }, 2));
    xl_buf_init(&out, 0);
    xl_row_csv_names(o, &out);
    xl_row_csv(o, &out);
    XL_CHECK_TEXT(t, out.data,
                  "name,value,unknown,list\n"
                  "\"a \"\"b\"\", c\",0.25,,\"[1,2]\"\n");
    xl_buf_release(&out);
    cJSON_Delete(o);
}

static void check_line(struct xl_test *t, const char *line, size_t n, size_t i)
{
    struct xl_err err = { 0 };
    cJSON *root = NULL;
    XL_CHECK_STATUS(t, xl_json_parse(line, n, "ratings.jsonl", &root, &err),
                    XL_OK, &err);
    if (!root)
        return;
    XL_CHECK_TEXT(t, root->child->string, "file");
    const cJSON *ppl = xl_json_member(root, "ppl");
    const cJSON *lo = xl_json_member(root, "avg_logprob_lo");
    const cJSON *kl = xl_json_member(root, "kl_mean");
    XL_CHECK(t, i == 0 ? cJSON_IsNumber(ppl) : cJSON_IsNull(ppl));
    XL_CHECK(t, i == 0 ? cJSON_IsNumber(lo) : cJSON_IsNull(lo));
    XL_CHECK(t, cJSON_IsNull(kl));
    XL_CHECK(t, cJSON_IsObject(xl_json_member(root, "params")));
    cJSON_Delete(root);
}

static void ratings_jsonl_is_strict(struct xl_test *t)
{
    struct xl_rating ratings[2];
    struct xl_err err = { 0 };
    struct xl_buf text;
    make_ratings(ratings);
    XL_CHECK_STATUS(t, xl_ratings_save(t->dir, ratings, 2, &err), XL_OK, &err);
    read_saved(t, "ratings.jsonl", &text);
    const char *at = text.data;
    size_t lines = 0;
    for (const char *end; (end = strchr(at, '\n')) != NULL; at = end + 1)
        check_line(t, at, (size_t)(end - at), lines++);
    XL_CHECK_EQ(t, lines, 2);
    XL_CHECK(t, *at == '\0');
    xl_buf_release(&text);
}

/* -- kept logits ----------------------------------------------------------- */

static void kept_logits_go_where_the_cache_is(struct xl_test *t)
{
    char want[300];
    setenv("XLTUNE_CACHE", "off", 1);
    char *folder = xl_judge_folder();
    XL_CHECK(t, !folder);
    xl_free(folder);
    setenv("XLTUNE_CACHE", t->dir, 1);
    snprintf(want, sizeof want, "%s/reference", t->dir);
    folder = xl_judge_folder();
    XL_CHECK_TEXT(t, folder, want);
    xl_free(folder);
    unsetenv("XLTUNE_CACHE"); /* as the harness has it */
    folder = xl_judge_folder();
    XL_CHECK(t, folder && strstr(folder, "/xltune/reference"));
    xl_free(folder);
}

const struct xl_test_case xl_suite_judge_files[] = {
    XL_CASE(names_are_as_documented),
    XL_CASE(hostile_names_stay_in_their_folder),
    XL_CASE(outputs_are_saved_once_and_read_back),
    XL_CASE(broken_ids_files_are_refused),
    XL_CASE(truncated_ids_files_are_refused),
    XL_CASE(a_missing_folder_is_said),
    XL_CASE(every_failed_allocation_is_an_error),
    XL_CASE(ratings_csv_is_a_table),
    XL_CASE(any_object_is_a_line),
    XL_CASE(ratings_jsonl_is_strict),
    XL_CASE(kept_logits_go_where_the_cache_is),
    { 0 },
};
