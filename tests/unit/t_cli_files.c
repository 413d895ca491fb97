/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of a run folder after sweep, judge and plot, to the letter of
 * what other programs rely on; every JSON document the program prints; and
 * the winner that the next run applies. One sweep on the small test model and
 * one on the bundled model. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/csv.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "tests/unit/cli_fixture.h"

enum {
    REPEATS = 3
};

static const char *const metrics[] = { "prefill_tok_s", "decode_tok_s",
                                       "prefill_s", "decode_s", NULL };

/* A run and what belongs to it. */
struct world {
    struct xl_test *t;
    struct xl_cli cli;
    char model[512]; /* "" = the bundled one */
    char run[512];   /* relative to the case's folder */
    size_t trials;
};

/* -- small pieces --------------------------------------------------------- */

static void path_of(const struct world *w, const char *name, char *out,
                    size_t room)
{
    snprintf(out, room, "%s/%s/%s", w->t->dir, w->run, name);
}

static void read_file(const struct world *w, const char *name,
                      struct xl_buf *out)
{
    char path[1400];
    struct xl_err err = { 0 };
    path_of(w, name, path, sizeof path);
    XL_CHECK_STATUS(w->t, xl_io_read(path, out, &err), XL_OK, &err);
}

/* Words that JSON does not have but careless writers print. */
static bool has_nan(const char *text)
{
    static const char *const words[] = { ":nan",  ":-nan",     ":NaN", ":inf",
                                         ":-inf", ":Infinity", "[nan", "[inf",
                                         ",nan",  ",inf" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(text, words[i]))
            return true;
    return false;
}

static cJSON *parse(struct xl_test *t, const char *text, size_t n,
                    const char *name)
{
    struct xl_err err = { 0 };
    cJSON *json = NULL;
    XL_CHECK_STATUS(t, xl_json_parse(text, n, name, &json, &err), XL_OK, &err);
    XL_CHECK(t, !has_nan(text));
    return json;
}

static cJSON *load(const struct world *w, const char *name)
{
    struct xl_buf text;
    xl_buf_init(&text, 0);
    read_file(w, name, &text);
    cJSON *json = parse(w->t, text.data, text.len, name);
    xl_buf_release(&text);
    return json;
}

static void check_keys(struct xl_test *t, const cJSON *object,
                       const char *const *keys, const char *of)
{
    for (size_t i = 0; keys[i]; i++)
        xl_test_check(t, cJSON_HasObjectItem(object, keys[i]), __FILE__,
                      __LINE__, "%s lacks '%s'", of, keys[i]);
}

/* The first members of an object, in this order. */
static void check_first_keys(struct xl_test *t, const cJSON *object,
                             const char *const *keys, const char *of)
{
    const cJSON *item = object ? object->child : NULL;
    for (size_t i = 0; keys[i]; i++, item = item ? item->next : NULL)
        xl_test_check(t, item && strcmp(item->string, keys[i]) == 0, __FILE__,
                      __LINE__, "member %zu of %s is '%s', not '%s'", i, of,
                      item ? item->string : "", keys[i]);
}

/* Calls fn on each line's object; returns how many there were. */
static size_t each_line(const struct world *w, const char *name,
                        void (*fn)(const struct world *w, const cJSON *line))
{
    struct xl_buf text;
    size_t n = 0;
    xl_buf_init(&text, 0);
    read_file(w, name, &text);
    XL_CHECK(w->t, text.len && text.data[text.len - 1] == '\n');
    for (char *at = text.data; *at;) {
        char *end = strchr(at, '\n');
        if (!end)
            break;
        *end = '\0';
        cJSON *json = parse(w->t, at, (size_t)(end - at), name);
        XL_CHECK(w->t, cJSON_IsObject(json));
        fn(w, json);
        cJSON_Delete(json);
        at = end + 1;
        n++;
    }
    xl_buf_release(&text);
    return n;
}

/* Rows of a CSV below the header, which must begin with these columns. */
static size_t check_csv(const struct world *w, const char *name,
                        const char *header)
{
    struct xl_buf text;
    struct xl_arena arena;
    struct xl_csv csv = { 0 };
    struct xl_err err = { 0 };
    xl_buf_init(&text, 0);
    xl_arena_init(&arena, 0);
    read_file(w, name, &text);
    size_t n = strlen(header);
    xl_test_check(w->t,
                  strncmp(text.data, header, n) == 0 &&
                      (text.data[n] == ',' || text.data[n] == '\n'),
                  __FILE__, __LINE__, "%s begins '%.90s', not '%s'", name,
                  text.data, header);
    XL_CHECK_STATUS(w->t,
                    xl_csv_parse(text.data, text.len, name, &arena, &csv, &err),
                    XL_OK, &err);
    for (size_t i = 1; i < csv.n_rows; i++) {
        XL_CHECK_EQ(w->t, csv.rows[i].n_fields, csv.rows[0].n_fields);
        for (size_t k = 0; k < csv.rows[i].n_fields; k++)
            XL_CHECK(w->t, strcmp(csv.rows[i].fields[k], "nan") != 0 &&
                               strcmp(csv.rows[i].fields[k], "inf") != 0);
    }
    size_t rows = csv.n_rows;
    xl_arena_release(&arena);
    xl_buf_release(&text);
    return rows ? rows - 1 : 0;
}

/* -- the files ------------------------------------------------------------- */

static void check_meta(const struct world *w)
{
    static const char *const keys[] = {
        "backend", "model_path",  "prompt",         "new",
        "mode",    "generations", "population",     "trials",
        "repeats", "bounds",      "seed",           "command_line",
        "config",  "model_hash",  "prompt_hash",    "prompt_tokens",
        "host",    "build",       "schema_version", "versions",
        NULL
    };
    static const char *const versions[] = { "xltune", "sqlite", "openblas",
                                            NULL };
    static const char *const bounds[] = { "heads", "chunks", "workers", NULL };
    cJSON *meta = load(w, "run_meta.json");
    check_keys(w->t, meta, keys, "run_meta.json");
    check_keys(w->t, xl_json_member(meta, "bounds"), bounds, "bounds");
    check_keys(w->t, xl_json_member(meta, "versions"), versions, "versions");
    XL_CHECK_TEXT(w->t, xl_json_text(meta, "mode"), "random");
    XL_CHECK_TEXT(w->t, xl_json_text(meta, "prompt"), xl_cli_prompt());
    XL_CHECK_EQ(w->t, cJSON_GetNumberValue(xl_json_member(meta, "trials")),
                w->trials);
    XL_CHECK_EQ(w->t, cJSON_GetNumberValue(xl_json_member(meta, "repeats")),
                REPEATS);
    XL_CHECK_EQ(w->t, cJSON_GetNumberValue(xl_json_member(meta, "new")), 4);
    XL_CHECK_EQ(w->t, cJSON_GetNumberValue(xl_json_member(meta, "seed")), 11);
    cJSON_Delete(meta);
}

static void check_trial(const struct world *w, const cJSON *line)
{
    static const char *const first[] = {
        "backend",    "workers",       "heads_per_band",
        "chunk_size", "prefill_tok_s", "decode_tok_s",
        "prefill_s",  "decode_s",      NULL
    };
    static const char *const more[] = { "id",      "status",     "params",
                                        "samples", "ci",         "quality",
                                        "parents", "generation", NULL };
    check_first_keys(w->t, line, first, "a trial");
    check_keys(w->t, line, more, "a trial");
    /* A trial that is beaten after a few repetitions gets no more; one that
     * neighbours disturbed gets them again. */
    const char *status = xl_json_text(line, "status");
    int n = cJSON_GetArraySize(xl_json_member(line, "samples"));
    if (strcmp(status, "pruned") == 0)
        XL_CHECK(w->t, n >= 1);
    else if (XL_CHECK_TEXT(w->t, status, "ok"))
        XL_CHECK(w->t, n >= REPEATS);
    for (size_t i = 0; metrics[i]; i++) {
        const cJSON *ci =
            xl_json_member(xl_json_member(line, "ci"), metrics[i]);
        double x = cJSON_GetNumberValue(xl_json_member(line, metrics[i]));
        double lo = cJSON_GetNumberValue(cJSON_GetArrayItem(ci, 0));
        double hi = cJSON_GetNumberValue(cJSON_GetArrayItem(ci, 1));
        XL_CHECK(w->t, x > 0 && lo <= x && x <= hi);
    }
}

static void check_rating(const struct world *w, const cJSON *line)
{
    static const char *const first[] = {
        "file",        "backend", "heads_per_band", "chunk_size", "workers",
        "avg_logprob", "ppl",     "len_tokens",     "distinct2",  "distinct3",
        NULL
    };
    char path[1400], name[600];
    check_first_keys(w->t, line, first, "a rating");
    XL_CHECK(w->t,
             cJSON_GetNumberValue(xl_json_member(line, "avg_logprob")) < 0);
    XL_CHECK_EQ(w->t, cJSON_GetNumberValue(xl_json_member(line, "len_tokens")),
                4);
    snprintf(name, sizeof name, "outputs/%s", xl_json_text(line, "file"));
    path_of(w, name, path, sizeof path);
    XL_CHECK(w->t, xl_io_exists(path));
}

static bool has_suffix(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* b=..__h=..__ck=..[__w=..]__i=N.txt with the ids beside it. */
static size_t check_outputs(const struct world *w)
{
    char path[1400], ids[1400], name[300];
    size_t n = 0;
    path_of(w, "outputs", path, sizeof path);
    DIR *folder = opendir(path);
    if (!XL_CHECK(w->t, folder != NULL))
        return 0;
    for (struct dirent *item; (item = readdir(folder));) {
        if (!has_suffix(item->d_name, ".txt"))
            continue;
        const char *h = strstr(item->d_name, "__h=");
        const char *ck = strstr(item->d_name, "__ck=");
        const char *i = strstr(item->d_name, "__i=");
        XL_CHECK(w->t, strncmp(item->d_name, "b=", 2) == 0 && h && ck && i &&
                           h < ck && ck < i);
        snprintf(name, sizeof name, "outputs/%.*s.ids.json",
                 (int)(strlen(item->d_name) - 4), item->d_name);
        path_of(w, name, ids, sizeof ids);
        XL_CHECK(w->t, xl_io_exists(ids));
        cJSON_Delete(load(w, name));
        n++;
    }
    closedir(folder);
    return n;
}

static void check_best(const struct world *w)
{
    static const char *const keys[] = { "params", "metrics",    "quality",
                                        "key",    "provenance", NULL };
    static const char *const key[] = { "hardware", "model", "dtype", "context",
                                       NULL };
    static const char *const from[] = { "run", "trial", "versus", NULL };
    cJSON *best = load(w, "best.json");
    check_keys(w->t, best, keys, "best.json");
    check_keys(w->t, xl_json_member(best, "metrics"), metrics, "metrics");
    check_keys(w->t, xl_json_member(best, "key"), key, "key");
    check_keys(w->t, xl_json_member(best, "provenance"), from, "provenance");
    XL_CHECK_TEXT(
        w->t, xl_json_text(xl_json_member(best, "quality"), "verdict"), "pass");
    for (size_t i = 0; metrics[i]; i++) {
        char name[40];
        snprintf(name, sizeof name, "%s_ci", metrics[i]);
        XL_CHECK(w->t, cJSON_IsNumber(xl_json_member(
                           xl_json_member(best, "metrics"), metrics[i])));
        XL_CHECK(w->t,
                 cJSON_HasObjectItem(xl_json_member(best, "metrics"), name));
    }
    cJSON_Delete(best);
}

static void check_picture(const struct world *w, const char *name)
{
    static const char magic[] = "\x89PNG\r\n\x1a\n";
    struct xl_buf bytes;
    xl_buf_init(&bytes, 0);
    read_file(w, name, &bytes);
    xl_test_check(w->t, bytes.len > 1000 && memcmp(bytes.data, magic, 8) == 0,
                  __FILE__, __LINE__, "%s is no picture", name);
    xl_buf_release(&bytes);
}

/* One file: nothing in it is fetched from elsewhere. */
static void check_report(const struct world *w)
{
    static const char *const outside[] = { "src=\"http", "href=\"http",
                                           "src=\"/",    "url(http",
                                           "@import",    "src=\"max_" };
    struct xl_buf page;
    xl_buf_init(&page, 0);
    read_file(w, "report.html", &page);
    XL_CHECK(w->t, strstr(page.data, "<html") && strstr(page.data, "</html>"));
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        xl_test_check(w->t, !strstr(page.data, outside[i]), __FILE__, __LINE__,
                      "report.html needs %s", outside[i]);
    xl_buf_release(&page);
}

/* -- the next run -----------------------------------------------------------
 */

static const char *origin_of(const cJSON *config, const char *key)
{
    return xl_json_text(xl_json_member(config, key), "origin");
}

/* The values of the winner that the machine profile holds, and their origin;
 * without = they must not be there. A plan that runs replaces an automatic
 * number of streams or workers by the real one: most_differ of these. */
static void check_config(const struct world *w, const cJSON *config,
                         bool without, size_t most_differ)
{
    cJSON *best = load(w, "best.json");
    size_t applied = 0, differ = 0;
    for (const cJSON *it = xl_json_member(best, "params")->child; it;
         it = it->next) {
        bool machine =
            strcmp(origin_of(config, it->string), "machine profile") == 0;
        applied += machine;
        if (machine)
            differ += !cJSON_Compare(
                xl_json_member(xl_json_member(config, it->string), "value"), it,
                true);
    }
    XL_CHECK(w->t, without ? applied == 0 : applied > 0);
    XL_CHECK(w->t, differ <= most_differ);
    XL_CHECK_TEXT(w->t, origin_of(config, "chunk_size"),
                  without ? "golden profile" : "machine profile");
    cJSON_Delete(best);
}

static void run_json(struct world *w, const char *const *words, cJSON **json)
{
    const char *all[64] = { words[0] };
    size_t n = 1;
    if (w->model[0]) {
        all[n++] = "--model";
        all[n++] = w->model;
    }
    for (size_t i = 1; words[i]; i++)
        all[n++] = words[i];
    *json = xl_cli_ok(w->t, &w->cli, all) ? xl_cli_json(w->t, &w->cli) : NULL;
    XL_CHECK(w->t, !has_nan(w->cli.out.data));
}

static void check_applied(struct world *w)
{
    const char *prompt = xl_cli_prompt();
    cJSON *json;
    run_json(w, XL_WORDS("config", "show", "--origin", "--json"), &json);
    check_config(w, json, false, 0);
    cJSON_Delete(json);
    run_json(w, XL_WORDS("config", "show", "--origin", "--json", "--no-best"),
             &json);
    check_config(w, json, true, 0);
    cJSON_Delete(json);
    run_json(w,
             XL_WORDS("generate", "--prompt", prompt, "--max-new-tokens", "2",
                      "--json"),
             &json);
    check_config(w, xl_json_member(json, "config"), false, 2);
    cJSON_Delete(json);
    run_json(w,
             XL_WORDS("generate", "--prompt", prompt, "--max-new-tokens", "2",
                      "--json", "--no-best"),
             &json);
    check_config(w, xl_json_member(json, "config"), true, 2);
    cJSON_Delete(json);
}

/* -- sweeps ------------------------------------------------------------------
 */

/* Sweeps, judges and draws; false when that does not work. */
static bool make_run(struct world *w)
{
    cJSON *json;
    char trials[24];
    snprintf(trials, sizeof trials, "%zu", w->trials);
    run_json(w,
             XL_WORDS("sweep", "--mode", "random", "--trials", trials,
                      "--repeats", "3", "--rounds", "6", "--new", "4", "--seed",
                      "11", "--prompt", xl_cli_prompt(), "--tag", "files",
                      "--json"),
             &json);
    snprintf(w->run, sizeof w->run, "%s", xl_json_text(json, "run"));
    XL_CHECK_EQ(w->t, cJSON_GetNumberValue(xl_json_member(json, "measured")),
                w->trials);
    /* Those that could still win meet the whole gate, others only a screen. */
    double passed = cJSON_GetNumberValue(xl_json_member(json, "passed"));
    XL_CHECK(w->t, passed >= 1 && passed <= (double)w->trials);
    cJSON_Delete(json);
    if (!XL_CHECK(w->t, has_suffix(w->run, "_files")))
        return false;
    XL_CHECK(w->t, strncmp(w->run, "runs/parallel_", 14) == 0);
    run_json(w, XL_WORDS("judge", "--run", "latest", "--json"), &json);
    XL_CHECK_TEXT(w->t, xl_json_text(json, "run"), w->run);
    XL_CHECK_EQ(w->t, cJSON_GetArraySize(xl_json_member(json, "ratings")),
                w->trials);
    cJSON_Delete(json);
    bool ok =
        xl_cli_ok(w->t, &w->cli, XL_WORDS("plot", "--run", w->run, "--json"));
    cJSON_Delete(ok ? xl_cli_json(w->t, &w->cli) : NULL);
    return ok;
}

static void check_run(struct world *w)
{
    check_meta(w);
    XL_CHECK_EQ(w->t, each_line(w, "trials.jsonl", check_trial), w->trials);
    XL_CHECK_EQ(w->t,
                check_csv(w, "summary.csv",
                          "backend,workers,heads_per_band,chunk_size,"
                          "prefill_tok_s,decode_tok_s,prefill_s,decode_s"),
                w->trials);
    XL_CHECK_EQ(w->t, each_line(w, "ratings.jsonl", check_rating), w->trials);
    XL_CHECK_EQ(w->t,
                check_csv(w, "ratings.csv",
                          "file,backend,heads_per_band,chunk_size,workers,"
                          "avg_logprob,ppl,len_tokens,distinct2,distinct3"),
                w->trials);
    XL_CHECK_EQ(w->t, check_outputs(w), w->trials);
    check_best(w);
    check_picture(w, "max_decode_by_chunk_size.png");
    check_picture(w, "max_decode_by_heads_per_band.png");
    check_picture(w, "max_decode_by_workers.png");
    check_picture(w, "prefill_vs_decode.png");
    check_report(w);
}

static void small_model(struct xl_test *t)
{
    struct world w = { .t = t, .trials = 6 };
    snprintf(w.model, sizeof w.model, "%s", xl_test_data("models/tiny"));
    if (make_run(&w)) {
        check_run(&w);
        check_applied(&w);
    }
    xl_cli_release(&w.cli);
}

static void bundled_model(struct xl_test *t)
{
    struct world w = { .t = t, .trials = 3 };
    if (make_run(&w)) {
        check_run(&w);
        check_applied(&w);
    }
    xl_cli_release(&w.cli);
}

/* -- one document each
 * --------------------------------------------------------- */

/* What a duel finds depends on the hour: the exit code says what the document
 * does. */
static void check_profile(struct world *w)
{
    static const struct {
        const char *verdict;
        int code;
    } rows[] = { { "still best", 0 }, { "slower", 6 }, { "drifted", 7 } };
    xl_cli_run(
        w->t, &w->cli,
        XL_WORDS("profile", "check", w->run, "--model", w->model, "--json"));
    cJSON *json = xl_cli_json(w->t, &w->cli);
    const char *verdict = cJSON_GetStringValue(xl_json_member(json, "verdict"));
    int code = -1;
    for (size_t i = 0; verdict && i < sizeof rows / sizeof *rows; i++)
        if (strcmp(verdict, rows[i].verdict) == 0)
            code = rows[i].code;
    XL_CHECK_EQ(w->t, w->cli.code, code);
    cJSON_Delete(json);
}

/* Commands that report, on a run of the small model. */
static void one_document_each(struct xl_test *t)
{
    struct world w = { .t = t, .trials = 2 };
    char prompt[1400];
    snprintf(w.model, sizeof w.model, "%s", xl_test_data("models/tiny"));
    if (!make_run(&w))
        return;
    snprintf(prompt, sizeof prompt, "%s", xl_test_source("README.md"));
    const char *const *const lines[] = {
        XL_WORDS("runs", "list", "--json"),
        XL_WORDS("runs", "show", w.run, "--json"),
        XL_WORDS("runs", "export", w.run, "--json"),
        XL_WORDS("runs", "verify", w.run, "--json"),
        XL_WORDS("runs", "resume", w.run, "--json"),
        XL_WORDS("runs", "gc", "--keep", "5", "--json"),
        XL_WORDS("profile", "list", "--json"),
        XL_WORDS("profile", "show", w.run, "--json"),
        XL_WORDS("profile", "freeze", w.run, "fast", "--json"),
        XL_WORDS("config", "show", "--model", w.model, "--json"),
        XL_WORDS("config", "explain", "gemm", "--model", w.model, "--json"),
        XL_WORDS("kernels", "--json"),
        XL_WORDS("inspect", "--model", w.model, "--json"),
        XL_WORDS("inspect", "--model", w.model, "--tensors", "--wiring",
                 "--json"),
        XL_WORDS("tokenize", "--json"),
        XL_WORDS("detokenize", "--json"),
        XL_WORDS("generate", "--model", w.model, "--prompt", "AB",
                 "--max-new-tokens", "0", "--json"),
        XL_WORDS("generate", "--model", w.model, "--prompt", "AB",
                 "--max-new-tokens", "1", "--json"),
        XL_WORDS("score", "--text-file", prompt, "--json"),
        XL_WORDS("sweep", "--model", w.model, "--prompt", xl_cli_prompt(),
                 "--dry-run", "--json"),
        XL_WORDS("bench", "--model", w.model, "-p", "64", "-n", "4",
                 "--repeats", "2", "--json"),
        XL_WORDS("synth", "--preset", "demo", "--out", "noise", "--json"),
        XL_WORDS("judge", "--text", prompt, "--tokens", "200", "--json"),
    };
    w.cli.input = "7 8 9";
    w.cli.n_input = 5;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (!xl_cli_ok(t, &w.cli, lines[i]))
            continue;
        cJSON *json = xl_cli_json(t, &w.cli);
        xl_test_check(t, cJSON_IsObject(json) || cJSON_IsArray(json), __FILE__,
                      __LINE__, "'%s %s' prints no document", lines[i][0],
                      lines[i][1]);
        cJSON_Delete(json);
    }
    check_profile(&w);
    xl_cli_release(&w.cli);
}

/* A replay is a stream: one line an evaluation, numbered from 1. */
static void replay_is_a_numbered_stream(struct xl_test *t)
{
    static const char *const keys[] = { "eval", "params", "value",
                                        "best", "status", NULL };
    struct world w = { .t = t };
    char table[1024];
    double number = 0;
    snprintf(table, sizeof table, "%s", xl_test_data("table_small.csv"));
    bool ok = xl_cli_ok(t, &w.cli,
                        XL_WORDS("sweep", "--simulate", table, "--mode", "ga",
                                 "--trials", "10", "--seed", "3", "--json"));
    for (char *at = w.cli.out.data; ok && *at;) {
        char *end = strchr(at, '\n');
        if (!XL_CHECK(t, end != NULL))
            break;
        *end = '\0';
        cJSON *line = parse(t, at, (size_t)(end - at), "a line");
        check_first_keys(t, line, keys, "a line");
        XL_CHECK_EQ(t, cJSON_GetNumberValue(xl_json_member(line, "eval")),
                    ++number);
        cJSON_Delete(line);
        at = end + 1;
    }
    XL_CHECK_EQ(t, number, 10);
    xl_cli_release(&w.cli);
}

static void sees_what_is_no_json(struct xl_test *t)
{
    XL_CHECK(t, has_nan("{\"a\":nan}") && has_nan("{\"a\":[1,-1,inf]}"));
    XL_CHECK(t, !has_nan("{\"a\":\"nan\",\"b\":null}"));
}

const struct xl_test_case xl_suite_cli_files[] = {
    XL_CASE(small_model),          XL_CASE(bundled_model),
    XL_CASE(one_document_each),    XL_CASE(replay_is_a_numbered_stream),
    XL_CASE(sees_what_is_no_json), { 0 },
};
