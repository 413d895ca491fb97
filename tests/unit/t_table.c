/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables and their replay. The cache is generated data in Kernel Tuner's
 * form; what it holds is counted here by a second reading through cJSON. */
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/base/rng.h"
#include "tests/harness/test.h"
#include "tuner/simulate/simulate.h"

static struct xl_table *load(struct xl_test *t, const char *name)
{
    struct xl_table *table = NULL;
    struct xl_err err = { 0 };
    enum xl_status rc = xl_table_load(&table, xl_test_data(name), &err);
    XL_CHECK_STATUS(t, rc, XL_OK, &err);
    return table;
}

/* The value number of a label, or UINT32_MAX. */
static uint32_t value_of(const struct xl_space *space, size_t d,
                         const char *label)
{
    const struct xl_dim *dim = xl_space_dim(space, d);
    for (uint32_t v = 0; v < dim->n; v++)
        if (strcmp(dim->labels[v], label) == 0)
            return v;
    return UINT32_MAX;
}

static void csv_is_a_space(struct xl_test *t)
{
    struct xl_table *table = load(t, "table_small.csv");
    if (!table)
        return;
    const struct xl_space *space = xl_table_space(table);
    XL_CHECK_TEXT(t, xl_table_objective(table), "prefill_tok_s");
    XL_CHECK(t, xl_table_is_max(table));
    XL_CHECK_EQ(t, xl_space_n_dims(space), 3);
    XL_CHECK_EQ(t, xl_space_count(space), 48);
    XL_CHECK_EQ(t, xl_space_raw(space), 4 * 6 * 3);
    XL_CHECK_EQ(t, xl_space_dim(space, 0)->kind, XL_DIM_NOMINAL);
    XL_CHECK_EQ(t, xl_space_dim(space, 1)->kind, XL_DIM_ORDERED);
    for (uint32_t v = 1; v < 6; v++)
        XL_CHECK(t, xl_space_dim(space, 1)->at[v - 1] <
                        xl_space_dim(space, 1)->at[v]);
    uint32_t point[XL_SPACE_DIMS] = { value_of(space, 0, "queued"),
                                      value_of(space, 1, "16"),
                                      value_of(space, 2, "4") };
    XL_CHECK_EQ(t, xl_table_at(table, point).status, XL_OUTCOME_FAILED);
    point[0] = value_of(space, 0, "native");
    XL_CHECK(t, !xl_space_has(space, point));
    point[1] = value_of(space, 1, "128");
    point[2] = value_of(space, 2, "1");
    XL_CHECK_EQ(t, xl_table_at(table, point).status, XL_OUTCOME_INVALID);
    xl_table_free(table);
}

static const struct row {
    const char *text, *fault; /* fault NULL: good */
} csv_texts[] = {
    { "# objective=x direction=min\na,value\n1,2\n", NULL },
    { "# objective=x direction=min\na,value\n1,2\n1.0,3\n", "same" },
    { "# objective=x direction=up\na,value\n1,2\n", "begins" },
    { "a,value\n1,2\n", "begins" },
    { "", "begins" },
    { "# objective=x direction=min\n", "no rows" },
    { "# objective=x direction=min\na,value\n", "no rows" },
    { "# objective=x direction=min\na,time\n1,2\n", "value" },
    { "# objective=x direction=min\nvalue\n1\n", "value" },
    { "# objective=x direction=min\na,value\n1\n", "fields" },
    { "# objective=x direction=min\na,a,value\n1,1,2\n", "twice" },
    { "{\"cache\":{}}", "tune_params_keys" },
    { "{\"tune_params_keys\":[\"a\"],\"cache\":{}}", "no entries" },
    { "{\"tune_params_keys\":[\"a\"],\"cache\":{\"1\":{\"time\":2}}}",
      "no value of 'a'" },
    { "{\"tune_params_keys\":[\"a\"],\"cache\":{\"1\":{\"a\":1,"
      "\"time\":2}}}",
      NULL },
    { "{\"tune_params_keys\":[\"a\"],\"cache\":{\"1\":{\"a\":1,"
      "\"time\":2},\n",
      NULL },
    { "{\"tune_params_keys\":[\"a\"],\"cache\":{\"1\":{\"a\":1,", "" },
    { "{\"tune_params_keys\":[\"a\"],\"objective_higher_is_better\":1,"
      "\"cache\":{\"1\":{\"a\":1,\"time\":2}}}",
      "neither true nor false" },
};

static void faults_are_named(struct xl_test *t)
{
    for (size_t i = 0; i < sizeof csv_texts / sizeof *csv_texts; i++) {
        const struct row *row = &csv_texts[i];
        struct xl_table *table = NULL;
        struct xl_err err = { 0 };
        enum xl_status rc =
            xl_table_parse(&table, row->text, strlen(row->text), "it", &err);
        if (!row->fault) {
            XL_CHECK_STATUS(t, rc, XL_OK, &err);
            xl_table_free(table);
            continue;
        }
        xl_test_check(t, rc == XL_EFORMAT && strstr(err.message, row->fault),
                      __FILE__, __LINE__, "row %zu: '%s' in '%s'", i,
                      row->fault, err.message);
    }
}

/* What the cache says of its objective is believed before its name is. */
static void direction_is_as_said(struct xl_test *t)
{
    static const struct {
        const char *said, *objective;
        bool is_max;
    } rows[] = {
        { "", "time", false },
        { "", "GFLOP/s", true },
        { "\"objective_higher_is_better\":true,", "time", true },
        { "\"objective_higher_is_better\":false,", "time", false },
        { "\"objective_higher_is_better\":true,", "balanced", true },
        { "\"objective_higher_is_better\":false,", "GFLOP/s", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xl_table *table = NULL;
        struct xl_err err = { 0 };
        char text[300];
        snprintf(text, sizeof text,
                 "{\"objective\":\"%s\",%s\"tune_params_keys\":[\"a\"],"
                 "\"cache\":{\"1\":{\"a\":1,\"%s\":2}}}",
                 rows[i].objective, rows[i].said, rows[i].objective);
        XL_CHECK_STATUS(t,
                        xl_table_parse(&table, text, strlen(text), "it", &err),
                        XL_OK, &err);
        XL_CHECK_EQ(t, xl_table_is_max(table), rows[i].is_max);
        xl_table_free(table);
    }
}

/* Each entry of the cache, found again through the space. */
static void cache_agrees_with_its_file(struct xl_test *t)
{
    struct xl_table *table = load(t, "kernel_tuner_small.json");
    cJSON *root = NULL;
    struct xl_err err = { 0 };
    enum xl_status rc = xl_json_load(xl_test_data("kernel_tuner_small.json"),
                                     XL_JSON_SMALL, &root, &err);
    XL_CHECK_STATUS(t, rc, XL_OK, &err);
    if (!table || !root)
        return;
    const struct xl_space *space = xl_table_space(table);
    const cJSON *cache = cJSON_GetObjectItem(root, "cache");
    XL_CHECK_EQ(t, xl_space_count(space), cJSON_GetArraySize(cache));
    XL_CHECK(t, !xl_table_is_max(table));
    size_t failed = 0;
    for (uint64_t i = 0; i < xl_space_count(space); i++) {
        uint32_t point[XL_SPACE_DIMS];
        char key[256] = "";
        xl_space_at(space, i, point);
        for (size_t d = 0; d < xl_space_n_dims(space); d++) {
            const char *label = xl_space_dim(space, d)->labels[point[d]];
            const char *spelt = strcmp(label, "true") == 0    ? "True"
                                : strcmp(label, "false") == 0 ? "False"
                                                              : label;
            snprintf(key + strlen(key), sizeof key - strlen(key), "%s%s",
                     d ? "," : "", spelt);
        }
        const cJSON *entry = xl_json_member(cache, key);
        const cJSON *time = xl_json_member(entry, "time");
        struct xl_table_row row = xl_table_at(table, point);
        bool is_ok =
            cJSON_IsNumber(time) && !xl_json_member(entry, "__error__");
        XL_CHECK_EQ(t, row.status == XL_OUTCOME_OK, is_ok);
        if (is_ok)
            XL_CHECK_NEAR(t, row.value, time->valuedouble, 0);
        failed += !is_ok;
    }
    XL_CHECK(t, failed > 20 && failed < 200);
    cJSON_Delete(root);
    xl_table_free(table);
}

/* -- replay --------------------------------------------------------------- */

struct replay {
    struct xl_test *t;
    size_t evals, ok;
    double best;
    uint64_t codes[512];
};

static enum xl_status follow(void *ctx, const struct xl_simulate_event *event,
                             struct xl_err *err)
{
    struct replay *r = ctx;
    struct xl_test *t = r->t;
    struct xl_buf line;
    cJSON *root = NULL;
    xl_buf_init(&line, 0);
    xl_simulate_line(event, &line);
    XL_CHECK(t, line.data[line.len - 1] == '\n' &&
                    !memchr(line.data, '\n', line.len - 1));
    enum xl_status rc =
        xl_json_parse(line.data, line.len - 1, "line", &root, err);
    XL_CHECK(t, rc == XL_OK);
    XL_CHECK_EQ(t, cJSON_GetObjectItem(root, "eval")->valuedouble, ++r->evals);
    const cJSON *value = cJSON_GetObjectItem(root, "value");
    const cJSON *best = cJSON_GetObjectItem(root, "best");
    const char *status = cJSON_GetObjectItem(root, "status")->valuestring;
    bool is_ok = strcmp(status, "ok") == 0;
    XL_CHECK_EQ(t, cJSON_IsNumber(value), is_ok);
    if (is_ok && (!r->ok++ || value->valuedouble < r->best))
        r->best = value->valuedouble;
    XL_CHECK_EQ(t, cJSON_IsNumber(best), r->ok > 0);
    if (r->ok)
        XL_CHECK_NEAR(t, best->valuedouble, r->best, 0);
    const cJSON *params = cJSON_GetObjectItem(root, "params");
    XL_CHECK_EQ(t, cJSON_GetArraySize(params), 6);
    XL_CHECK(t, cJSON_IsNumber(cJSON_GetObjectItem(params, "block_x")));
    XL_CHECK(t, cJSON_IsString(cJSON_GetObjectItem(params, "layout")));
    XL_CHECK(t, cJSON_IsBool(cJSON_GetObjectItem(params, "vector")));
    for (size_t i = 0; i + 1 < r->evals; i++)
        XL_CHECK(t, r->codes[i] != event->ask->code);
    r->codes[r->evals - 1] = event->ask->code;
    cJSON_Delete(root);
    xl_buf_release(&line);
    return XL_OK;
}

struct stall {
    size_t evals, since, most, out_at; /* out_at: 0 = not yet */
    double best;
};

static enum xl_status count_stall(void *ctx,
                                  const struct xl_simulate_event *event,
                                  struct xl_err *err)
{
    struct stall *s = ctx;
    (void)err;
    bool is_better = event->has_best && s->best != event->best;
    s->evals++;
    s->since = is_better ? 0 : s->since + 1;
    s->best = event->has_best ? event->best : s->best;
    if (!s->out_at && s->since == s->most)
        s->out_at = s->evals;
    return XL_OK;
}

static void replay_tells_each_evaluation(struct xl_test *t)
{
    struct xl_table *table = load(t, "kernel_tuner_small.json");
    struct xl_err err = { 0 };
    if (!table)
        return;
    for (size_t i = 0; xl_strategy_kind_at(i); i++) {
        struct replay r = { .t = t };
        enum xl_status rc = xl_simulate_run(
            table,
            &(struct xl_simulate_options){
                .mode = xl_strategy_kind_name(xl_strategy_kind_at(i)),
                .trials = 60,
                .seed = 3 },
            follow, &r, &err);
        XL_CHECK_STATUS(t, rc, XL_OK, &err);
        XL_CHECK_EQ(t, r.evals, 60);
    }
    struct replay all = { .t = t };
    XL_CHECK_EQ(t,
                xl_simulate_run(table,
                                &(struct xl_simulate_options){
                                    .mode = "ga", .trials = 100000 },
                                follow, &all, &err),
                XL_OK);
    XL_CHECK_EQ(t, all.evals, xl_space_count(xl_table_space(table)));
    XL_CHECK_EQ(t,
                xl_simulate_run(table,
                                &(struct xl_simulate_options){ .mode = "gaa" },
                                follow, &all, &err),
                XL_EUSAGE);
    XL_CHECK(t, strstr(err.message, "'ga'"));
    xl_table_free(table);
}

/* Evaluations until patience is out, as lines say it: so many since the last
 * that was better. */
static void replay_loses_patience(struct xl_test *t)
{
    struct xl_table *table = load(t, "kernel_tuner_small.json");
    struct xl_err err = { 0 };
    if (!table)
        return;
    for (uint64_t seed = 0; seed < 5; seed++) {
        struct stall whole = { .most = 12 }, cut = { .most = 12 };
        struct xl_simulate_options options = { .mode = "random",
                                               .trials = 200,
                                               .seed = seed };
        XL_CHECK_EQ(t,
                    xl_simulate_run(table, &options, count_stall, &whole, &err),
                    XL_OK);
        options.patience = 12;
        XL_CHECK_EQ(t,
                    xl_simulate_run(table, &options, count_stall, &cut, &err),
                    XL_OK);
        XL_CHECK(t, whole.out_at > 12 && whole.evals > whole.out_at);
        XL_CHECK_EQ(t, cut.evals, whole.out_at);
    }
    xl_table_free(table);
}

/* -- hostile files -------------------------------------------------------- */

/* Whatever comes in, a table or a message comes out. Returns 1 for a table. */
static int feed(struct xl_test *t, const char *text, size_t n)
{
    struct xl_table *table = NULL;
    struct xl_err err = { 0 };
    enum xl_status rc = xl_table_parse(&table, text, n, "hostile", &err);
    XL_CHECK_EQ(t, rc == XL_OK, table != NULL);
    XL_CHECK_EQ(t, rc != XL_OK, err.message[0] != '\0');
    xl_table_free(table);
    return rc == XL_OK;
}

static void hostile_files_end_cleanly(struct xl_test *t)
{
    static const char *const names[] = { "table_small.csv",
                                         "kernel_tuner_small.json" };
    for (size_t f = 0; f < 2; f++) {
        struct xl_buf text;
        struct xl_rng rng;
        struct xl_err err = { 0 };
        xl_buf_init(&text, 0);
        xl_rng_seed(&rng, f);
        enum xl_status rc = xl_io_read(xl_test_data(names[f]), &text, &err);
        XL_CHECK_STATUS(t, rc, XL_OK, &err);
        int good = 0;
        for (size_t i = 0; i < 200; i++)
            good += feed(t, text.data, text.len * i / 200);
        /* A cache cut behind an entry's comma is an open cache, and good. */
        XL_CHECK(t, f == 0 || good < 5);
        for (size_t i = 0; i < 100; i++) {
            size_t at = (size_t)xl_rng_below(&rng, text.len);
            char old = text.data[at];
            text.data[at] ^= (char)(1 << xl_rng_below(&rng, 7));
            feed(t, text.data, text.len);
            text.data[at] = old;
        }
        XL_CHECK(t, feed(t, text.data, text.len));
        xl_buf_release(&text);
    }
}

static void survives_failed_allocations(struct xl_test *t)
{
    static const char text[] = "# objective=x direction=min\na,b,value\n1,x,2\n"
                               "2,y,3\n3,x,\n";
    bool done = false;
    for (size_t n = 0; n < 200 && !done; n++) {
        struct xl_table *table = NULL;
        struct xl_err err = { 0 };
        size_t left = n;
        xl_alloc_set_hook(xl_test_fail_nth, &left);
        enum xl_status rc =
            xl_table_parse(&table, text, sizeof text - 1, "it", &err);
        xl_alloc_set_hook(NULL, NULL);
        done = left <= n; /* no allocation was failed */
        XL_CHECK_STATUS(t, rc, done ? XL_OK : XL_ENOMEM, &err);
        xl_table_free(table);
    }
    XL_CHECK(t, done);
}

const struct xl_test_case xl_suite_table[] = {
    XL_CASE(csv_is_a_space),
    XL_CASE(faults_are_named),
    XL_CASE(direction_is_as_said),
    XL_CASE(cache_agrees_with_its_file),
    XL_CASE(replay_tells_each_evaluation),
    XL_CASE(replay_loses_patience),
    XL_CASE(hostile_files_end_cleanly),
    XL_CASE(survives_failed_allocations),
    { 0 },
};
