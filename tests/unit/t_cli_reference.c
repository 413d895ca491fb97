/* SPDX-License-Identifier: Apache-2.0
 *
 * The program against what the original code gave for the bundled model:
 * tests/data/demo-expected. The files were made by other programs. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/json.h"
#include "kernel/model/safetensors.h"
#include "kernel/param/param.h"
#include "tests/unit/cli_fixture.h"

#define TOKEN_TOLERANCE   1e-3
#define AVERAGE_TOLERANCE 1e-4
#define EVAL_AVERAGE      (-3.906796)

enum {
    GREEDY_TOKENS = 48,
    GREEDY_PROMPTS = 5,
    EVAL_TOKENS = 2048
};

static cJSON *load(struct xl_test *t, const char *name)
{
    cJSON *root = NULL;
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(
        t, xl_json_load(xl_test_data(name), XL_JSON_LARGE, &root, &err), XL_OK,
        &err);
    return root;
}

/* "1 2 3\n" */
static void print_ids(const cJSON *ids, struct xl_buf *out)
{
    xl_buf_clear(out);
    for (const cJSON *id = ids ? ids->child : NULL; id; id = id->next)
        xl_buf_printf(out, "%s%d", out->len ? " " : "", id->valueint);
    xl_buf_char(out, '\n');
}

static bool same_ids(const cJSON *a, const cJSON *b)
{
    return cJSON_IsArray(a) && cJSON_IsArray(b) && cJSON_Compare(a, b, true);
}

/* cJSON ends a text at its first NUL; the one case that begins with it. */
static const char control_text[] = "\0\001\177";

static const char *case_text(const cJSON *it, const char *key, size_t *n)
{
    const char *text = xl_json_text(it, key);
    bool is_control =
        !text[0] && cJSON_GetArraySize(xl_json_member(it, "ids")) == 3;
    *n = is_control ? sizeof control_text - 1 : strlen(text);
    return is_control ? control_text : text;
}

static void ids_are_the_reference_s(struct xl_test *t)
{
    struct xl_cli cli = { 0 };
    struct xl_buf ids;
    cJSON *cases = load(t, "demo-expected/tokenizer.json");
    xl_buf_init(&ids, 0);
    for (const cJSON *it = cases ? cases->child : NULL; it; it = it->next) {
        cli.input = case_text(it, "text", &cli.n_input);
        print_ids(xl_json_member(it, "ids"), &ids);
        if (xl_cli_ok(t, &cli, XL_WORDS("tokenize")))
            XL_CHECK_TEXT(t, cli.out.data, ids.data);
        if (!xl_cli_ok(t, &cli, XL_WORDS("tokenize", "--json")))
            continue;
        cJSON *json = xl_cli_json(t, &cli);
        XL_CHECK(t, same_ids(xl_json_member(json, "ids"),
                             xl_json_member(it, "ids")));
        cJSON_Delete(json);
    }
    XL_CHECK_EQ(t, cJSON_GetArraySize(cases), 25);
    xl_buf_release(&ids);
    xl_cli_release(&cli);
    cJSON_Delete(cases);
}

static void detokenize_gives_the_bytes_back(struct xl_test *t)
{
    struct xl_cli cli = { 0 };
    struct xl_buf ids;
    cJSON *cases = load(t, "demo-expected/tokenizer.json");
    xl_buf_init(&ids, 0);
    size_t n;
    for (const cJSON *it = cases ? cases->child : NULL; it; it = it->next) {
        print_ids(xl_json_member(it, "ids"), &ids);
        cli.input = ids.data;
        cli.n_input = ids.len;
        if (!xl_cli_ok(t, &cli, XL_WORDS("detokenize")))
            continue;
        const char *want = case_text(it, "decoded", &n);
        XL_CHECK_EQ(t, cli.out.len, n);
        XL_CHECK(t, cli.out.len == n && memcmp(cli.out.data, want, n) == 0);
    }
    xl_buf_release(&ids);
    xl_cli_release(&cli);
    cJSON_Delete(cases);
}

/* How many of the numbers differ by more than the tolerance. */
static size_t count_far(const cJSON *got, const cJSON *want, double tolerance)
{
    size_t far = 0;
    const cJSON *a = got ? got->child : NULL, *b = want ? want->child : NULL;
    for (; a && b; a = a->next, b = b->next)
        far += !(fabs(a->valuedouble - b->valuedouble) <= tolerance);
    return far + (a || b || !got || !want);
}

static void compare_greedy(struct xl_test *t, const struct xl_cli *cli,
                           const cJSON *want, double tolerance)
{
    cJSON *json = xl_cli_json(t, cli);
    XL_CHECK(t, same_ids(xl_json_member(json, "prompt_ids"),
                         xl_json_member(want, "prompt_ids")));
    XL_CHECK(
        t, same_ids(xl_json_member(json, "ids"), xl_json_member(want, "ids")));
    XL_CHECK_EQ(t, cJSON_GetArraySize(xl_json_member(json, "ids")),
                GREEDY_TOKENS);
    XL_CHECK_EQ(t,
                count_far(xl_json_member(json, "logprobs"),
                          xl_json_member(want, "logprobs"), tolerance),
                0);
    XL_CHECK_TEXT(t, xl_json_text(json, "finish_reason"), "length");
    cJSON_Delete(json);
}

static void greedy_text_is_the_reference_s(struct xl_test *t)
{
    struct xl_cli cli = { 0 };
    cJSON *cases = load(t, "demo-expected/greedy.json");
    for (const cJSON *it = cases ? cases->child : NULL; it; it = it->next)
        if (xl_cli_ok(t, &cli,
                      XL_WORDS("generate", "--prompt",
                               xl_json_text(it, "prompt"), "--max-new-tokens",
                               "48", "--json")))
            compare_greedy(t, &cli, it, TOKEN_TOLERANCE);
    XL_CHECK_EQ(t, cJSON_GetArraySize(cases), GREEDY_PROMPTS);
    xl_cli_release(&cli);
    cJSON_Delete(cases);
}

static void generates_on_every_backend(struct xl_test *t)
{
    struct xl_cli cli = { 0 };
    cJSON *cases = load(t, "demo-expected/greedy.json");
    const cJSON *first = cJSON_GetArrayItem(cases, 0);
    const char *const *backends = xl_param_row(XL_PARAM_BACKEND)->choices;
    for (size_t i = 0; backends[i]; i++)
        if (xl_cli_ok(t, &cli,
                      XL_WORDS("generate", "--backend", backends[i],
                               "--chunk-size", "5", "--prompt",
                               xl_json_text(first, "prompt"),
                               "--max-new-tokens", "48", "--json")))
            compare_greedy(t, &cli, first, TOKEN_TOLERANCE);
    xl_cli_release(&cli);
    cJSON_Delete(cases);
}

/* The text and its ids, read from the reference file, give the same scores. */
static void compare_scores(struct xl_test *t, const struct xl_cli *cli,
                           const float *want, bool has_bytes)
{
    cJSON *json = xl_cli_json(t, cli);
    cJSON *list = cJSON_CreateFloatArray(want, EVAL_TOKENS - 1);
    const cJSON *average = xl_json_member(json, "avg_logprob");
    const cJSON *ppl = xl_json_member(json, "ppl");
    XL_CHECK_EQ(t, cJSON_GetNumberValue(xl_json_member(json, "tokens")),
                EVAL_TOKENS - 1);
    XL_CHECK_NEAR(t, cJSON_GetNumberValue(average), EVAL_AVERAGE,
                  AVERAGE_TOLERANCE);
    XL_CHECK_NEAR(t, cJSON_GetNumberValue(ppl),
                  exp(-cJSON_GetNumberValue(average)), 1e-6);
    XL_CHECK_EQ(
        t, count_far(xl_json_member(json, "logprobs"), list, TOKEN_TOLERANCE),
        0);
    XL_CHECK(t, cJSON_IsNumber(xl_json_member(json, "bits_per_byte")) ==
                    has_bytes);
    cJSON_Delete(list);
    cJSON_Delete(json);
}

static void scores_are_the_reference_s(struct xl_test *t)
{
    struct xl_cli cli = { 0 };
    struct xl_err err = { 0 };
    struct xl_safetensors *file = NULL;
    struct xl_buf ids;
    char path[1024];
    xl_buf_init(&ids, 0);
    XL_CHECK_STATUS(
        t,
        xl_safetensors_open_file(
            &file, xl_test_data("demo-expected/eval.safetensors"), &err),
        XL_OK, &err);
    if (!file)
        return;
    const struct xl_tensor *want = xl_safetensors_find(file, "logprob");
    const struct xl_tensor *tokens = xl_safetensors_find(file, "tokens");
    if (XL_CHECK(t, want && tokens)) {
        const int32_t *id = tokens->data;
        for (size_t i = 0; i < EVAL_TOKENS; i++)
            xl_buf_printf(&ids, "%d\n", (int)id[i]);
        cli.input = ids.data;
        cli.n_input = ids.len;
        if (xl_cli_ok(t, &cli,
                      XL_WORDS("score", "--tokens-file", "-", "--per-token",
                               "--json")))
            compare_scores(t, &cli, want->data, false);
        snprintf(path, sizeof path, "%s",
                 xl_test_data("demo-expected/eval.txt"));
        if (xl_cli_ok(t, &cli,
                      XL_WORDS("score", "--text-file", path, "--per-token",
                               "--json")))
            compare_scores(t, &cli, want->data, true);
    }
    xl_safetensors_close(file);
    xl_buf_release(&ids);
    xl_cli_release(&cli);
}

/* What the comparisons above must not let pass. */
static void sees_a_wrong_answer(struct xl_test *t)
{
    const double a[] = { 1, 2, 3 }, b[] = { 1, 2.01, 3 }, c[] = { 1, 2 };
    const double nan[] = { 1, (double)NAN, 3 };
    cJSON *want = cJSON_CreateDoubleArray(a, 3);
    cJSON *lists[] = { cJSON_CreateDoubleArray(b, 3),
                       cJSON_CreateDoubleArray(c, 2),
                       cJSON_CreateDoubleArray(nan, 3), NULL };
    XL_CHECK_EQ(t, count_far(want, want, TOKEN_TOLERANCE), 0);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        XL_CHECK(t, count_far(lists[i], want, TOKEN_TOLERANCE) > 0);
        XL_CHECK(t, !same_ids(lists[i], want));
        cJSON_Delete(lists[i]);
    }
    cJSON_Delete(want);
}

/* What --json says of the logits: the id that generate takes next. */
static void sums_up_logits(struct xl_test *t)
{
    struct xl_cli cli = { 0 };
    char out[512];
    cJSON *all = load(t, "demo-expected/greedy.json");
    const cJSON *want = all ? all->child : NULL;
    struct xl_buf ids;
    xl_buf_init(&ids, 0);
    print_ids(xl_json_member(want, "prompt_ids"), &ids);
    cli.input = ids.data;
    cli.n_input = ids.len;
    snprintf(out, sizeof out, "%s/l.npy", t->dir);
    if (xl_cli_ok(
            t, &cli,
            XL_WORDS("logits", "--tokens-file", "-", "--out", out, "--json"))) {
        cJSON *json = xl_cli_json(t, &cli);
        XL_CHECK_EQ(t, xl_json_member(json, "tokens")->valueint,
                    cJSON_GetArraySize(xl_json_member(want, "prompt_ids")));
        XL_CHECK_TEXT(t, xl_json_text(json, "out"), out);
        XL_CHECK(t, cJSON_IsNull(xl_json_member(json, "state_out")));
        XL_CHECK(t, cJSON_IsTrue(xl_json_member(json, "finite")));
        XL_CHECK_EQ(t, xl_json_member(json, "next_id")->valueint,
                    xl_json_member(want, "ids")->child->valueint);
        XL_CHECK(t, xl_json_member(json, "min")->valuedouble <
                        xl_json_member(json, "max")->valuedouble);
        cJSON_Delete(json);
    }
    xl_buf_release(&ids);
    xl_cli_release(&cli);
    cJSON_Delete(all);
}

const struct xl_test_case xl_suite_cli_reference[] = {
    XL_CASE(ids_are_the_reference_s),
    XL_CASE(detokenize_gives_the_bytes_back),
    XL_CASE(greedy_text_is_the_reference_s),
    XL_CASE(generates_on_every_backend),
    XL_CASE(scores_are_the_reference_s),
    XL_CASE(sums_up_logits),
    XL_CASE(sees_a_wrong_answer),
    { 0 },
};
