/* SPDX-License-Identifier: Apache-2.0
 *
 * 'judge rubric' as its users run it, against judges of several characters on
 * a loopback server. */
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "judge/control.h"
#include "judge/judge.h"
#include "judge/outputs.h"
#include "judge/rubric_texts.h"
#include "kernel/base/csv.h"
#include "kernel/base/json.h"
#include "kernel/run/generate.h"
#include "tests/harness/test.h"
#include "tests/unit/cli_fixture.h"
#include "tests/unit/http_fixture.h"
#include "tests/unit/rubric_fixture.h"
#include "tests/unit/run_fixture.h"

enum {
    PROMPT = 24,
    NEW = 24,
    PROMPTS = 9,
    CONTROLS = 30 /* questions */
};

/* -- a run ----------------------------------------------------------------- */

static void fill_prompt(int32_t *ids, size_t seed)
{
    for (size_t i = 0; i < PROMPT; i++)
        ids[i] = (int32_t)(32 + (i * 7 + seed * 13 + i * i * seed) % 60);
}

static bool save_output(struct xl_test *t, struct xl_model *model,
                        const char *weights)
{
    char dir[300];
    int32_t prompt[PROMPT];
    struct xl_plan *plan = NULL;
    struct xl_state state = { 0 };
    struct xl_generate_result result = { 0 };
    struct xl_buf text;
    struct xl_err err = { 0 };
    struct xl_output output = { .prompt_tokens = PROMPT, .is_greedy = true };
    fill_prompt(prompt, 0);
    xl_buf_init(&text, 0);
    xl_params_init(&output.params);
    snprintf(dir, sizeof dir, "%s/run/outputs", t->dir);
    struct xl_generate_options options = {
        .prompt = prompt, .n_prompt = PROMPT, .max_new = NEW, .ignore_eos = true
    };
    bool ok =
        XL_CHECK_STATUS(t,
                        xl_params_set(&output.params, XL_PARAM_WEIGHT_DTYPE,
                                      weights, XL_LAYER_FLAG, "a test", &err),
                        XL_OK, &err) &&
        XL_CHECK_STATUS(t, xl_plan_make(&plan, model, &output.params, &err),
                        XL_OK, &err) &&
        XL_CHECK_STATUS(t, xl_state_init(&state, xl_model_config(model), &err),
                        XL_OK, &err) &&
        XL_CHECK_STATUS(
            t, xl_generate(plan, model, &state, &options, &result, &err), XL_OK,
            &err);
    for (size_t i = 0; ok && i < result.n; i++)
        xl_buf_char(&text, (char)result.ids[i]);
    output.ids = result.ids;
    output.n_ids = result.n;
    output.text = text.data;
    output.n_text = text.len;
    ok = ok && XL_CHECK_STATUS(t, xl_outputs_save(dir, &output, NULL, &err),
                               XL_OK, &err);
    xl_buf_release(&text);
    xl_generate_release(&result);
    xl_state_release(&state);
    xl_plan_free(plan);
    return ok;
}

static void add_ids(cJSON *object, const char *key, size_t seed)
{
    int32_t ids[PROMPT];
    fill_prompt(ids, seed);
    cJSON_AddItemToObject(object, key, cJSON_CreateIntArray(ids, PROMPT));
}

/* best.json names the configuration with these weights. */
static void crown(struct xl_test *t, const char *weights)
{
    char text[80];
    snprintf(text, sizeof text, "{\"params\": {\"weight_dtype\": \"%s\"}}",
             weights);
    xl_case_text(t, "run/best.json", text);
}

/* RUN with two configurations, one of which writes something else than the
 * reference; further prompts; the log-prob judge's verdicts, the given one
 * for both. */
static bool make_run(struct xl_test *t, const char *verdict)
{
    struct xl_model *model = NULL;
    struct xl_err err = { 0 };
    struct xl_buf lines;
    char path[300];
    bool ok = XL_CHECK_STATUS(
        t, xl_model_open(&model, xl_test_data("models/tiny"), &err), XL_OK,
        &err);
    ok = ok && save_output(t, model, "fp32") && save_output(t, model, "int4");
    xl_model_close(model);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "model_path", xl_test_data("models/tiny"));
    add_ids(root, "prompt_ids", 0);
    snprintf(path, sizeof path, "%s/run/run_meta.json", t->dir);
    XL_CHECK_STATUS(t, xl_json_save(path, root, &err), XL_OK, &err);
    cJSON_Delete(root);
    xl_buf_init(&lines, 0);
    for (size_t i = 1; i <= PROMPTS; i++) {
        root = cJSON_CreateObject();
        add_ids(root, "prompt_ids", i);
        xl_json_print(root, false, &lines);
        xl_buf_char(&lines, '\n');
        cJSON_Delete(root);
    }
    xl_case_text(t, "prompts.jsonl", lines.data);
    xl_buf_clear(&lines);
    for (size_t i = 0; i < 2; i++)
        xl_buf_printf(&lines,
                      "{\"file\": \"b=parallel__h=0__ck=64__i=%zu.txt\", "
                      "\"verdict\": \"%s\"}\n",
                      i, verdict);
    xl_case_text(t, "run/ratings.jsonl", lines.data);
    xl_buf_release(&lines);
    return ok;
}

/* What is compared: the run's own prompt, and each further one of the
 * configuration that writes something else. */
static void texts_are_those_that_differ(struct xl_test *t)
{
    struct xl_rubric_texts texts;
    if (!make_run(t, "pass") || !xl_rubric_bench_texts(t, &texts))
        return;
    XL_CHECK_EQ(t, texts.n_configs, 2);
    XL_CHECK_EQ(t, texts.n_differing, 1);
    XL_CHECK_EQ(t, texts.n_pairs, 2 + PROMPTS);
    XL_CHECK(t, texts.pairs[0].is_equal && !texts.pairs[1].is_equal);
    for (size_t i = 0; i < texts.n_pairs; i++) {
        const struct xl_rubric_pair *p = &texts.pairs[i];
        XL_CHECK_EQ(t, p->config, i > 0);
        XL_CHECK_EQ(t, p->reference.n, NEW);
        XL_CHECK_EQ(t, p->candidate.n, NEW);
        XL_CHECK(t, (memcmp(p->reference.bytes, p->candidate.bytes, NEW) ==
                     0) == p->is_equal);
    }
    xl_rubric_texts_release(&texts);
}

/* -- sessions -------------------------------------------------------------- */

#define RUBRIC(api, ...)                                                       \
    XL_WORDS("judge", "rubric", "--run", "run", "--judge-model", "judge:1b",   \
             "--prompts", "prompts.jsonl", "--api", api, __VA_ARGS__)

/* One session with that judge; the document it printed, or NULL. */
static cJSON *session(struct xl_test *t, struct xl_rubric_bench *b, int want,
                      const char *flag)
{
    struct xl_http_server server;
    struct xl_cli cli = { 0 };
    cJSON *json = NULL;
    xl_http_server_open(t, &server, xl_rubric_bench_play, b);
    xl_cli_run(t, &cli, RUBRIC(server.base, "--json", flag));
    xl_test_check(t, cli.code == want, __FILE__, __LINE__,
                  "exit code %d, not %d: %s", cli.code, want, cli.err.data);
    if (cli.out.len)
        json = xl_cli_json(t, &cli);
    xl_cli_release(&cli);
    xl_http_server_close(&server);
    return json;
}

static const char *member(const cJSON *o, const char *key)
{
    const char *text = cJSON_GetStringValue(xl_json_member(o, key));
    return text ? text : "";
}

static double number(const cJSON *o, const char *key)
{
    return cJSON_GetNumberValue(xl_json_member(o, key));
}

static const cJSON *rating(const cJSON *json, int i)
{
    return cJSON_GetArrayItem(xl_json_member(json, "ratings"), i);
}

static const cJSON *part(const cJSON *json, const char *key)
{
    return xl_json_member(json, key);
}

/* What earlier judges answered. */
static void forget(const struct xl_test *t)
{
    char replies[300];
    snprintf(replies, sizeof replies, "%s/run/rubric/replies.jsonl", t->dir);
    remove(replies);
}

static void characters_are_known_by_their_controls(struct xl_test *t)
{
    static const struct {
        bool is_trusted;
        const char *opinions[2]; /* of fp32 and of int4 */
    } expected[XL_JUDGE_CHARACTERS] = {
        [XL_JUDGE_HONEST] = { true, { "fine", "veto" } },
        [XL_JUDGE_FAIR] = { true, { "fine", "fine" } },
        [XL_JUDGE_PARTIAL] = { false, { "none", "none" } },
        [XL_JUDGE_OBEDIENT] = { false, { "none", "none" } },
        [XL_JUDGE_BABBLER] = { false, { "none", "none" } },
        [XL_JUDGE_BLUNT] = { false, { "none", "none" } },
    };
    if (!make_run(t, "pass"))
        return;
    for (int c = 0; c < XL_JUDGE_CHARACTERS; c++) {
        struct xl_rubric_bench b;
        forget(t);
        if (!xl_rubric_bench_open(t, &b, (enum xl_rubric_character)c))
            return;
        bool is_trusted = expected[c].is_trusted;
        cJSON *json = session(t, &b, is_trusted ? 0 : 7, NULL);
        const cJSON *s = part(json, "session");
        xl_test_check(t, cJSON_IsTrue(part(s, "trusted")) == is_trusted,
                      __FILE__, __LINE__, "character %d: %s", c,
                      member(s, "trust"));
        for (int i = 0; i < 2; i++) {
            const cJSON *r = rating(json, i);
            XL_CHECK_TEXT(t, member(r, "opinion"), expected[c].opinions[i]);
            XL_CHECK_TEXT(t, member(r, "verdict"), "pass");
            bool is_veto = c == XL_JUDGE_HONEST && i == 1;
            XL_CHECK_TEXT(t, member(r, "final"), is_veto ? "fail" : "pass");
            XL_CHECK(t, cJSON_IsNumber(part(r, "overall")) == is_trusted);
        }
        /* An untrusted judge is asked nothing but the controls. */
        if (!is_trusted && c != XL_JUDGE_BABBLER)
            XL_CHECK_EQ(t, b.asked, CONTROLS - XL_CONTROL_PASSAGES);
        XL_CHECK_EQ(t, b.mentions, 0);
        cJSON_Delete(json);
        xl_rubric_bench_close(&b);
    }
}

static void a_veto_lowers_and_nothing_lifts(struct xl_test *t)
{
    static const struct {
        const char *verdict;
        enum xl_rubric_character character;
        int code; /* with --strict */
        const char *finals[2];
    } cases[] = {
        { "inconclusive", XL_JUDGE_HONEST, 5, { "inconclusive", "fail" } },
        { "fail", XL_JUDGE_HONEST, 5, { "fail", "fail" } },
        { "inconclusive",
          XL_JUDGE_FAIR,
          0,
          { "inconclusive", "inconclusive" } },
        { "fail", XL_JUDGE_FAIR, 0, { "fail", "fail" } },
        { "fail", XL_JUDGE_PARTIAL, 7, { "fail", "fail" } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct xl_rubric_bench b;
        forget(t);
        if (!make_run(t, cases[i].verdict) ||
            !xl_rubric_bench_open(t, &b, cases[i].character))
            return;
        crown(t, i % 2 ? "fp32" : "int4");
        cJSON *json = session(t, &b, cases[i].code, "--strict");
        const cJSON *s = part(json, "session");
        XL_CHECK(t, strstr(member(s, "winner"), i % 2 ? "__i=0" : "__i=1"));
        XL_CHECK(t, cJSON_IsTrue(part(s, "winner_vetoed")) == (i == 0));
        for (int k = 0; k < 2; k++)
            XL_CHECK_TEXT(t, member(rating(json, k), "final"),
                          cases[i].finals[k]);
        cJSON_Delete(json);
        xl_rubric_bench_close(&b);
    }
}

static void files_are_as_the_predecessor_wrote_them(struct xl_test *t)
{
    static const char header[] =
        "file,backend,heads_per_band,chunk_size,workers,coherence,relevance,"
        "fluency,overall,rationale,";
    struct xl_rubric_bench b;
    struct xl_buf text;
    struct xl_err err = { 0 };
    struct xl_arena arena;
    struct xl_csv csv;
    cJSON *line = NULL;
    if (!make_run(t, "pass") || !xl_rubric_bench_open(t, &b, XL_JUDGE_HONEST))
        return;
    cJSON_Delete(session(t, &b, 0, NULL));
    xl_buf_init(&text, 0);
    xl_arena_init(&arena, 0);
    xl_case_read(t, "run/ratings_ollama.csv", &text);
    XL_CHECK(t, strncmp(text.data, header, sizeof header - 1) == 0);
    XL_CHECK_STATUS(
        t, xl_csv_parse(text.data, text.len, "csv", &arena, &csv, &err), XL_OK,
        &err);
    XL_CHECK_EQ(t, b.n_contexts, 1);
    XL_CHECK_EQ(t, csv.n_rows, 3);
    XL_CHECK_TEXT(t, csv.rows[1].fields[0], "b=parallel__h=0__ck=64__i=0.txt");
    XL_CHECK_TEXT(t, csv.rows[1].fields[8], "8");
    XL_CHECK_TEXT(t, csv.rows[1].fields[9], "why 8");
    XL_CHECK_TEXT(t, csv.rows[2].fields[8], "3");
    xl_buf_release(&text);
    xl_case_read(t, "run/ratings_ollama.jsonl", &text);
    const char *end = strchr(text.data, '\n');
    XL_CHECK_STATUS(t,
                    xl_json_parse(text.data, (size_t)(end - text.data), "line",
                                  &line, &err),
                    XL_OK, &err);
    XL_CHECK_EQ(t, (int)number(line, "overall"), 8);
    size_t column = 0;
    for (const cJSON *m = line->child; m; m = m->next)
        XL_CHECK_TEXT(t, csv.rows[0].fields[column++], m->string);
    XL_CHECK_EQ(t, column, csv.rows[0].n_fields);
    cJSON_Delete(line);
    xl_buf_release(&text);
    xl_case_read(t, "run/rubric/replies.jsonl", &text);
    XL_CHECK(t, strstr(text.data, "2024-05-07T12:00:00Z") != NULL);
    xl_arena_release(&arena);
    xl_buf_release(&text);
    xl_rubric_bench_close(&b);
}

/* -- going on -------------------------------------------------------------- */

static size_t lines_of(struct xl_test *t, const char *name)
{
    struct xl_buf text;
    size_t n = 0;
    xl_buf_init(&text, 0);
    xl_case_read(t, name, &text);
    for (size_t i = 0; i < text.len; i++)
        n += text.data[i] == '\n';
    xl_buf_release(&text);
    return n;
}

/* Starts the program; a signal ends it at question b->most. */
static int run_until_signal(struct xl_test *t, struct xl_rubric_bench *b)
{
    struct xl_http_server server;
    const char *path = getenv("XLTUNE");
    int status = 0;
    xl_http_server_open(t, &server, xl_rubric_bench_play, b);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (chdir(t->dir) != 0 || !freopen("/dev/null", "w", stdout) ||
            !freopen("/dev/null", "w", stderr))
            _exit(126);
        const char *program = path && *path ? path : XL_BUILD_DIR "/xltune";
        execl(program, program, "judge", "rubric", "--run", "run",
              "--judge-model", "judge:1b", "--prompts", "prompts.jsonl",
              "--api", server.base, (char *)NULL);
        _exit(127);
    }
    b->child = pid;
    sem_post(&b->is_born);
    XL_CHECK(t, pid > 0 && waitpid(pid, &status, 0) == pid);
    xl_http_server_close(&server);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void what_was_rated_is_not_asked_again(struct xl_test *t)
{
    static const int signals[] = { SIGKILL, SIGINT, SIGTERM };
    struct xl_rubric_bench b;
    if (!make_run(t, "pass") || !xl_rubric_bench_open(t, &b, XL_JUDGE_HONEST))
        return;
    sem_init(&b.is_born, 0, 0);
    b.end.manner = XL_HTTP_STALL;
    for (size_t i = 0; i < 3; i++) {
        b.most += 11;
        b.signal = signals[i];
        XL_CHECK_EQ(t, run_until_signal(t, &b), 128 + signals[i]);
        XL_CHECK_EQ(t, b.asked, b.most);
        XL_CHECK_EQ(t, lines_of(t, "run/rubric/replies.jsonl"), b.most);
    }
    size_t before = b.asked;
    b.most = 0;
    cJSON *json = session(t, &b, 0, NULL);
    const cJSON *s = part(json, "session");
    /* Two equal texts make one question of two orders. */
    XL_CHECK_EQ(t, (size_t)number(s, "questions"),
                b.asked + XL_CONTROL_PASSAGES);
    XL_CHECK_EQ(t, (size_t)number(s, "replies_found"),
                before + XL_CONTROL_PASSAGES);
    XL_CHECK_TEXT(t, member(rating(json, 1), "opinion"), "veto");
    cJSON_Delete(json);
    size_t all = b.asked;
    json = session(t, &b, 0, NULL);
    XL_CHECK_EQ(t, b.asked, all); /* everything is known by now */
    XL_CHECK_TEXT(t, member(rating(json, 1), "opinion"), "veto");
    cJSON_Delete(json);
    json = session(t, &b, 0, "--seed=2");
    XL_CHECK_EQ(t, b.asked, 2 * all);
    cJSON_Delete(json);
    sem_destroy(&b.is_born);
    xl_rubric_bench_close(&b);
}

static void trouble_has_one_line_and_a_code(struct xl_test *t)
{
    static const struct {
        struct xl_http_answer end;
        int code;
        const char *says;
    } cases[] = {
        { { .code = 500 }, 1, "/api/chat' answers 500" },
        { { .code = 404 }, 1, "/api/chat' answers 404" },
        { { .manner = XL_HTTP_ENDLESS }, 1, "more than 1048576 bytes" },
        { { .manner = XL_HTTP_RAW }, 1, "cannot talk with 'http://127" },
        { { .manner = XL_HTTP_STALL }, 4, "does not answer in time; start" },
        { { .manner = XL_HTTP_HANG }, 4, "does not answer in time; start" },
    };
    struct xl_rubric_bench b;
    if (!make_run(t, "pass") || !xl_rubric_bench_open(t, &b, XL_JUDGE_HONEST))
        return;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct xl_http_server server;
        struct xl_cli cli = { 0 };
        b.most = b.asked + 2;
        b.end = cases[i].end;
        xl_http_server_open(t, &server, xl_rubric_bench_play, &b);
        bool is_late = cases[i].code == 4;
        xl_cli_run(t, &cli,
                   RUBRIC(server.base, "--timeout", is_late ? "0.3" : "600",
                          "--retries", "0"));
        xl_http_server_close(&server);
        XL_CHECK_EQ(t, cli.code, cases[i].code);
        xl_test_check(t, strstr(cli.err.data, cases[i].says) != NULL, __FILE__,
                      __LINE__, "case %zu says: %s", i, cli.err.data);
        XL_CHECK(t,
                 strchr(cli.err.data, '\n') == cli.err.data + cli.err.len - 1);
        if (!is_late) /* a busy machine may be late for a good answer too */
            XL_CHECK_EQ(t, b.asked, b.most); /* each case went two further */
        xl_cli_release(&cli);
    }
    xl_rubric_bench_close(&b);
}

static void wrong_words_are_refused(struct xl_test *t)
{
    char closed[64];
    struct xl_cli cli = { 0 };
    const struct {
        const char *const *words;
        int code;
        const char *says;
    } cases[] = {
        { XL_WORDS("judge", "rubric"), 2, "--run" },
        { XL_WORDS("judge", "rubric", "--run", "run"), 2, "--judge-model" },
        { XL_WORDS("judge", "rubric", "--run", "gone", "--judge-model", "m"), 1,
          "no run 'gone'" },
        { XL_WORDS("judge", "rubric", "--run", "run", "--judge-model", "m",
                   "--api", "https://127.0.0.1"),
          2, "must begin with http://" },
        { XL_WORDS("judge", "rubric", "--run", "run", "--judge-model", "m",
                   "--api", "http://me:secret@127.0.0.1"),
          2, "the port must be" },
        { XL_WORDS("judge", "rubric", "--run", "run", "--judge-model", "m",
                   "--seed", "-1"),
          2, "--seed" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        xl_cli_run(t, &cli, cases[i].words);
        XL_CHECK_EQ(t, cli.code, cases[i].code);
        xl_test_check(t, strstr(cli.err.data, cases[i].says) != NULL, __FILE__,
                      __LINE__, "case %zu says: %s", i, cli.err.data);
    }
    if (make_run(t, "pass")) {
        xl_http_closed_port(t, closed);
        xl_cli_run(t, &cli, RUBRIC(closed, "--retries", "0"));
        XL_CHECK_EQ(t, cli.code, 1);
        XL_CHECK(t, strstr(cli.err.data, closed) != NULL);
        XL_CHECK(t, strstr(cli.err.data, "name another with --api") != NULL);
    }
    xl_cli_release(&cli);
}

const struct xl_test_case xl_suite_rubric_run[] = {
    XL_CASE(texts_are_those_that_differ),
    XL_CASE(characters_are_known_by_their_controls),
    XL_CASE(a_veto_lowers_and_nothing_lifts),
    XL_CASE(files_are_as_the_predecessor_wrote_them),
    XL_CASE(what_was_rated_is_not_asked_again),
    XL_CASE(trouble_has_one_line_and_a_code),
    XL_CASE(wrong_words_are_refused),
    { 0 },
};
