/* SPDX-License-Identifier: Apache-2.0
 *
 * Earlier runs: read back by the names of tunables, written as a table, and
 * begun from. The runs are real sweeps over a runner whose speeds are known. */
#include "tuner/sweep/warm.h"

#include <math.h>
#include <string.h>

#include "kernel/base/buf.h"
#include "kernel/base/json.h"
#include "tests/unit/store_fixture.h"
#include "tests/unit/sweep_fixture.h"
#include "tuner/space/table.h"
#include "tuner/sweep/history.h"
#include "tuner/sweep/insight_file.h"
#include "tuner/sweep/pareto.h"

enum {
    TRIALS = 40,
    CRASHES = 32,
};

static double speed_of(const struct xl_fake *fake, const struct xl_params *p)
{
    double chunk = (double)p->value[XL_PARAM_CHUNK_SIZE];
    double heads = (double)p->value[XL_PARAM_HEADS_PER_BAND];
    (void)fake;
    return 1000.0 * (double)p->value[XL_PARAM_WORKERS] /
           (1.0 + pow(log2(chunk / 48.0), 2.0)) / (1.0 + 0.1 * (heads - 1.0));
}

/* A sweep of random points, left in the case's folder. */
static bool run_earlier(struct xl_sweep_bench *b, struct xl_test *t,
                        const char *file, size_t trials)
{
    struct xl_sweep_start s;
    struct xl_sweep_plan plan = { .file = file,
                                  .mode = "random",
                                  .budget = trials,
                                  .repeats = 2,
                                  .seed = 5 };
    if (!xl_sweep_bench_open(b, t, NULL, NULL))
        return false;
    b->fake.speed = speed_of;
    b->fake.crash_chunk = CRASHES;
    if (!xl_sweep_start_open(b, &s, &plan))
        return false;
    xl_sweep_start_search(b, &s);
    xl_sweep_start_close(&s);
    return true;
}

static struct xl_store *open_earlier(struct xl_test *t, const char *file)
{
    struct xl_store *store = NULL;
    struct xl_err err = { 0 };
    struct xl_store_opts opts = { .mode = XL_STORE_READ };
    XL_CHECK_STATUS(t, xl_store_open(&store, xl_fix_path(t, file), &opts, &err),
                    XL_OK, &err);
    XL_CHECK_STATUS(t, xl_store_sweep_find(store, NULL, &err), XL_OK, &err);
    return store;
}

/* -- history -------------------------------------------------------------- */

static void history_is_what_was_measured(struct xl_test *t)
{
    struct xl_sweep_bench b;
    struct xl_history h;
    struct xl_err err = { 0 };
    size_t crashed = 0, right = 0;
    if (!run_earlier(&b, t, "a.db", TRIALS))
        return;
    struct xl_store *store = open_earlier(t, "a.db");
    XL_CHECK_STATUS(t, xl_history_load(&h, store, b.objective, &err), XL_OK,
                    &err);
    XL_CHECK_EQ(t, h.n, TRIALS);
    XL_CHECK_EQ(t, h.n_foreign, 0);
    for (size_t i = 0; i < h.n; i++) {
        const struct xl_history_row *row = &h.rows[i];
        bool is_crash = row->params.value[XL_PARAM_CHUNK_SIZE] == CRASHES;
        crashed += is_crash;
        right += is_crash
                     ? row->state == XL_TRIAL_FAILED && isnan(row->value)
                     : row->state == XL_TRIAL_OK &&
                           fabs(row->value / speed_of(NULL, &row->params) - 1) <
                               1e-6;
    }
    XL_CHECK(t, crashed > 0 && right == h.n);

    struct xl_table *table = NULL;
    struct xl_buf text;
    size_t failed = 0;
    xl_buf_init(&text, 0);
    XL_CHECK_STATUS(t, xl_history_table(&h, b.objective, &text, &err), XL_OK,
                    &err);
    XL_CHECK_STATUS(t, xl_table_parse(&table, text.data, text.len, "it", &err),
                    XL_OK, &err);
    const struct xl_space *space = xl_table_space(table);
    XL_CHECK_EQ(t, xl_space_count(space), TRIALS);
    for (uint64_t i = 0; i < TRIALS; i++) {
        uint32_t point[XL_SPACE_DIMS];
        xl_space_at(space, i, point);
        failed += xl_table_at(table, point).status != XL_OUTCOME_OK;
    }
    XL_CHECK_EQ(t, failed, crashed);
    xl_table_free(table);
    xl_buf_release(&text);
    xl_history_release(&h);
    xl_store_close(store);
    xl_sweep_bench_close(&b);
}

/* A tunable or a value that there is no more leaves its trials out, no more. */
static void stores_outlive_a_space(struct xl_test *t)
{
    struct xl_sweep_bench b;
    struct xl_history h;
    struct xl_err err = { 0 };
    if (!run_earlier(&b, t, "trials.db", TRIALS))
        return;
    XL_CHECK_EQ(t,
                xl_fix_sql(t, "UPDATE trial SET cfg = replace(cfg, "
                              "'\"spin\"', '\"gone\"') WHERE seq <= 3"),
                0);
    XL_CHECK_EQ(t,
                xl_fix_sql(t, "UPDATE trial SET cfg = replace(cfg, "
                              "'\"tiled\"', '\"lost\"') WHERE seq = 4"),
                0);
    struct xl_store *store = open_earlier(t, "trials.db");
    XL_CHECK_STATUS(t, xl_history_load(&h, store, b.objective, &err), XL_OK,
                    &err);
    XL_CHECK_EQ(t, h.n_foreign, 4);
    XL_CHECK_EQ(t, h.n, TRIALS - 4);
    xl_history_release(&h);
    xl_store_close(store);
    xl_sweep_bench_close(&b);
}

/* -- beginning from it ---------------------------------------------------- */

/* Speed of the best of `budget` trials, over that of the best there is. */
static double reached(struct xl_test *t, const struct xl_sweep_bench *b,
                      const char *from, uint64_t seed, size_t budget,
                      double factor)
{
    const struct xl_space *space = xl_param_space_space(b->space);
    struct xl_strategy *s = NULL;
    struct xl_err err = { 0 };
    struct xl_strategy_options options = { .seed = seed, .budget = budget };
    double best = 0, most = 0;
    uint32_t point[XL_SPACE_DIMS];
    struct xl_params params;
    XL_CHECK_STATUS(
        t,
        xl_strategy_make(&s, xl_strategy_find("auto"), space, &options, &err),
        XL_OK, &err);
    struct xl_warm warm = { .path = xl_fix_path(t, from ? from : ""),
                            .space = b->space,
                            .objective = b->objective,
                            .model_hash = "another" };
    if (from) {
        XL_CHECK_STATUS(t, xl_warm_start(&warm, s, &err), XL_OK, &err);
        XL_CHECK(t, warm.n_hints > 0 && !warm.is_same_model);
    }
    for (;;) {
        struct xl_ask ask;
        XL_CHECK_EQ(t, xl_strategy_ask(s, &ask, NULL), XL_OK);
        if (ask.end)
            break;
        xl_param_space_params(b->space, ask.point, &params);
        struct xl_outcome o = { .values = { factor *
                                            speed_of(NULL, &params) } };
        xl_strategy_tell(s, ask.point, &o, NULL);
        best = fmax(best, o.values[0]);
    }
    for (uint64_t i = 0; i < xl_space_count(space); i++) {
        xl_space_at(space, i, point);
        xl_param_space_params(b->space, point, &params);
        most = fmax(most, factor * speed_of(NULL, &params));
    }
    xl_strategy_free(s);
    return best / most;
}

/* On a machine that is three times as fast, with five trials. */
static void earlier_runs_shorten(struct xl_test *t)
{
    struct xl_sweep_bench b;
    double cold = 0, warm = 0;
    if (!run_earlier(&b, t, "a.db", TRIALS))
        return;
    for (uint64_t seed = 0; seed < 8; seed++) {
        cold += reached(t, &b, NULL, seed, 5, 3) / 8;
        warm += reached(t, &b, "a.db", seed, 5, 3) / 8;
    }
    xl_test_check(t, warm > 0.95 && warm > cold + 0.1, __FILE__, __LINE__,
                  "warm %.3f, cold %.3f", warm, cold);
    xl_sweep_bench_close(&b);
}

/* How many of 7 trials crash where an earlier run crashed. */
static size_t crashes_after(struct xl_test *t, const struct xl_sweep_bench *b,
                            enum xl_grade grade, uint64_t seed)
{
    struct xl_strategy *s = NULL;
    struct xl_strategy_options options = { .seed = seed, .budget = 7 };
    struct xl_err err = { 0 };
    struct xl_ask ask;
    size_t n = 0;
    struct xl_warm warm = { .path = xl_fix_path(t, "a.db"),
                            .space = b->space,
                            .objective = b->objective,
                            .model_hash = "m",
                            .match = { .grade = grade } };
    xl_strategy_make(&s, xl_strategy_find("auto"),
                     xl_param_space_space(b->space), &options, NULL);
    XL_CHECK_STATUS(t, xl_warm_start(&warm, s, &err), XL_OK, &err);
    XL_CHECK(t, warm.is_same_model && warm.n_failed > 0);
    XL_CHECK_EQ(t, warm.n_hints + warm.n_failed + warm.n_left_out, TRIALS);
    while (xl_strategy_ask(s, &ask, NULL) == XL_OK && !ask.end) {
        struct xl_params params;
        xl_param_space_params(b->space, ask.point, &params);
        bool is_crash = params.value[XL_PARAM_CHUNK_SIZE] == CRASHES;
        struct xl_outcome o = { .values = { speed_of(NULL, &params) } };
        if (is_crash)
            o.status = XL_OUTCOME_FAILED;
        xl_strategy_tell(s, ask.point, &o, NULL);
        n += is_crash;
    }
    xl_strategy_free(s);
    return n;
}

/* The crash is beside the best, where a search would look. */
static void earlier_failures_are_not_run_into(struct xl_test *t)
{
    struct xl_sweep_bench b;
    size_t same = 0, foreign = 0;
    if (!run_earlier(&b, t, "a.db", TRIALS))
        return;
    for (uint64_t seed = 0; seed < 8; seed++) {
        same += crashes_after(t, &b, XL_GRADE_EXACT, seed);
        foreign += crashes_after(t, &b, XL_GRADE_NONE, seed);
    }
    xl_test_check(t, 3 * same < 2 * foreign, __FILE__, __LINE__,
                  "%zu crashes after a run of this machine, %zu after another",
                  same, foreign);
    xl_sweep_bench_close(&b);
}

static void missing_runs_are_told(struct xl_test *t)
{
    struct xl_sweep_bench b;
    struct xl_strategy *s = NULL;
    struct xl_err err = { 0 };
    struct xl_strategy_options options = { .seed = 1 };
    if (!run_earlier(&b, t, "a.db", 5))
        return;
    xl_strategy_make(&s, xl_strategy_find("gp"), xl_param_space_space(b.space),
                     &options, NULL);
    struct xl_warm warm = { .path = xl_fix_path(t, "none.db"),
                            .space = b.space,
                            .objective = b.objective,
                            .model_hash = "" };
    XL_CHECK_EQ(t, xl_warm_start(&warm, s, &err), XL_ENOTFOUND);
    xl_strategy_free(s);
    xl_sweep_bench_close(&b);
}

/* -- insight.json --------------------------------------------------------- */

static void insight_is_written(struct xl_test *t)
{
    struct xl_sweep_bench b;
    struct xl_buf words;
    struct xl_err err = { 0 };
    cJSON *root = NULL;
    xl_buf_init(&words, 0);
    for (size_t few = 0; few < 2; few++) {
        const char *file = few ? "few.db" : "a.db";
        if (!run_earlier(&b, t, file, few ? 4 : TRIALS))
            return;
        struct xl_store *store = open_earlier(t, file);
        struct xl_insight_source source = { .run_dir = t->dir,
                                            .store = store,
                                            .space = b.space,
                                            .objective = b.objective,
                                            .seed = 1 };
        xl_buf_clear(&words);
        XL_CHECK_STATUS(t, xl_insight_file(&source, &words, &err), XL_OK, &err);
        XL_CHECK_STATUS(t,
                        xl_json_load(xl_fix_path(t, "insight.json"),
                                     XL_JSON_SMALL, &root, &err),
                        XL_OK, &err);
        const cJSON *list = xl_json_member(root, "importance");
        const cJSON *stop = xl_json_member(root, "stop");
        const char *first = NULL, *advice = NULL;
        xl_json_get_text(stop, "advice", &advice, NULL);
        XL_CHECK(t, strstr(words.data, "advice   "));
        if (few) {
            XL_CHECK_EQ(t, cJSON_GetArraySize(list), 0);
            XL_CHECK(t, advice && strstr(advice, "needs 8 measured"));
        } else {
            xl_json_get_text(list->child, "param", &first, NULL);
            XL_CHECK_TEXT(t, first, "workers"); /* a factor of two */
            xl_json_get_text(list->child->next, "param", &first, NULL);
            XL_CHECK_TEXT(t, first, "chunk_size");
            XL_CHECK(t, strstr(words.data, "matters  workers"));
            XL_CHECK(t, advice && !strstr(advice, "none"));
        }
        cJSON_Delete(root);
        xl_store_close(store);
        xl_sweep_bench_close(&b);
    }
    xl_buf_release(&words);
}

/* -- several objectives --------------------------------------------------- */

static void fronts_cover_their_share(struct xl_test *t)
{
    static const struct {
        double x, y;
        enum xl_trial_state state;
    } rows[] = {
        { 0, 4, XL_TRIAL_OK },     { 2, 3, XL_TRIAL_OK },
        { 1, 3, XL_TRIAL_OK }, /* beaten */
        { 4, 0, XL_TRIAL_PRUNED }, { 9, 9, XL_TRIAL_FAILED },
        { 2, 3, XL_TRIAL_OK }, /* the same again */
    };
    struct xl_history_row made[6];
    struct xl_history history = { .n = 6, .rows = made };
    struct xl_pareto pareto;
    memset(made, 0, sizeof made);
    for (size_t i = 0; i < 6; i++) {
        made[i].state = rows[i].state;
        made[i].values[0] = rows[i].x;
        made[i].values[1] = rows[i].y;
    }
    XL_CHECK_EQ(t, xl_pareto_find(&pareto, &history, 2, NULL), XL_OK);
    XL_CHECK_EQ(t, pareto.n, 3);
    XL_CHECK(t,
             pareto.rows[0] == 3 && pareto.rows[1] == 1 && pareto.rows[2] == 0);
    XL_CHECK_NEAR(t, pareto.volume, 6.0 / 16, 1e-12);
    xl_pareto_release(&pareto);
    made[4].state = XL_TRIAL_OK; /* best in both */
    XL_CHECK_EQ(t, xl_pareto_find(&pareto, &history, 2, NULL), XL_OK);
    XL_CHECK_EQ(t, pareto.n, 1);
    XL_CHECK_NEAR(t, pareto.volume, 1, 1e-12);
    xl_pareto_release(&pareto);
    history.n = 0;
    XL_CHECK_EQ(t, xl_pareto_find(&pareto, &history, 2, NULL), XL_OK);
    XL_CHECK(t, pareto.n == 0 && pareto.volume == 0);
    xl_pareto_release(&pareto);
}

const struct xl_test_case xl_suite_warm[] = {
    XL_CASE(history_is_what_was_measured),
    XL_CASE(stores_outlive_a_space),
    XL_CASE(earlier_runs_shorten),
    XL_CASE(earlier_failures_are_not_run_into),
    XL_CASE(missing_runs_are_told),
    XL_CASE(insight_is_written),
    XL_CASE(fronts_cover_their_share),
    { 0 },
};
