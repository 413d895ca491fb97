/* SPDX-License-Identifier: Apache-2.0
 *
 * The roofline against limits that were worked out by hand for a model of 7
 * billion weights, and what its hints are worth on a recorded table. */
#include "tuner/sweep/roofline.h"

#include <math.h>
#include <string.h>

#include "kernel/base/json.h"
#include "kernel/run/synth.h"
#include "tests/harness/test.h"
#include "tests/unit/made_table.h"

enum {
    FEW = 12, /* trials */
    SEEDS = 24,
    STEP = 21 /* one row in so many is hinted */
};

static void set(struct xl_test *t, struct xl_params *params, const char *pair)
{
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t,
                    xl_params_set_pair(params, pair, strlen(pair), "it", &err),
                    XL_OK, &err);
}

/* Two cores of 17 GB/s and, in tiles, 3.45 TFLOP/s each; the text has 33.5
 * GB/s and 7.0 TFLOP/s of both. */
static void large_models_are_worked_out(struct xl_test *t)
{
    static const struct {
        const char *dtype;
        double decode;
    } rows[] = {
        { "weight_dtype=bf16", 2.46 },
        { "weight_dtype=int8", 4.56 },
        { "weight_dtype=int4", 8.3 },
    };
    struct xl_config config;
    struct xl_err err = { 0 };
    struct xl_params params;
    struct xl_reading reading;
    XL_CHECK_STATUS(t, xl_synth_config(&config, "7b", &err), XL_OK, &err);
    struct xl_roofline roofline = { .config = &config,
                                    .prompt_tokens = 4096,
                                    .cores = 2 };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        xl_params_init(&params);
        set(t, &params, rows[i].dtype);
        XL_CHECK_STATUS(t,
                        xl_roofline_reading(&roofline, &params, &reading, &err),
                        XL_OK, &err);
        XL_CHECK_NEAR(t, reading.value[XL_METRIC_DECODE] / rows[i].decode, 1,
                      0.05);
        XL_CHECK_NEAR(t,
                      reading.value[XL_METRIC_LATENCY50] *
                          reading.value[XL_METRIC_DECODE],
                      1, 1e-9);
    }
    set(t, &params, "weight_dtype=bf16");
    set(t, &params, "gemm=amx");
    xl_roofline_reading(&roofline, &params, &reading, NULL);
    XL_CHECK_NEAR(t, reading.value[XL_METRIC_PREFILL] / 536, 1, 0.05);
    /* Small passes read the weights too often; one worker does half. */
    set(t, &params, "prefill_block=16");
    double all = reading.value[XL_METRIC_PREFILL];
    xl_roofline_reading(&roofline, &params, &reading, NULL);
    XL_CHECK(t, reading.value[XL_METRIC_PREFILL] < 0.2 * all);
    set(t, &params, "prefill_block=512");
    set(t, &params, "workers=1");
    xl_roofline_reading(&roofline, &params, &reading, NULL);
    XL_CHECK_NEAR(t, reading.value[XL_METRIC_PREFILL], all / 2, 1e-6 * all);
}

/* -- the recorded table --------------------------------------------------- */

struct recorded {
    struct xl_table *table;
    const struct xl_space *space;
    struct xl_config config;
    double best;
};

static bool open_recorded(struct xl_test *t, struct recorded *r)
{
    struct xl_err err = { 0 };
    uint32_t point[XL_SPACE_DIMS];
    XL_CHECK_STATUS(
        t, xl_config_load(&r->config, xl_test_source("models/demo"), &err),
        XL_OK, &err);
    enum xl_status rc =
        xl_table_load(&r->table, xl_test_source("runs/tables/demo.json"), &err);
    if (!XL_CHECK_STATUS(t, rc, XL_OK, &err))
        return false;
    r->space = xl_table_space(r->table);
    r->best = 0;
    for (uint64_t i = 0; i < xl_space_count(r->space); i++) {
        xl_space_at(r->space, i, point);
        r->best = fmax(r->best, xl_table_at(r->table, point).value);
    }
    return true;
}

/* What the roofline says of a row, for both phases alike. */
static double say(struct xl_test *t, const struct recorded *r,
                  const uint32_t *point)
{
    struct xl_roofline roofline = { &r->config, 256, 2 };
    struct xl_params params;
    struct xl_reading reading;
    struct xl_err err = { 0 };
    cJSON *json = NULL, *raw = xl_table_params(r->table, point);
    char *text = cJSON_PrintUnformatted(raw); /* numbers stand as they were */
    xl_params_init(&params);
    xl_json_parse(text, strlen(text), "a row", &json, NULL);
    XL_CHECK_STATUS(
        t, xl_params_from_json(&params, json, XL_LAYER_MACHINE, "it", &err),
        XL_OK, &err);
    xl_roofline_reading(&roofline, &params, &reading, NULL);
    cJSON_Delete(json);
    cJSON_Delete(raw);
    cJSON_free(text);
    return sqrt(reading.value[XL_METRIC_PREFILL] *
                reading.value[XL_METRIC_DECODE]);
}

static void hint(struct xl_test *t, const struct recorded *r,
                 struct xl_strategy *s, double power)
{
    uint32_t point[XL_SPACE_DIMS];
    for (uint64_t i = 0; i < xl_space_count(r->space); i += STEP) {
        struct xl_err err = { 0 };
        xl_space_at(r->space, i, point);
        struct xl_hint given = { .value = pow(say(t, r, point), power),
                                 .doubt = 1 };
        XL_CHECK_STATUS(t, xl_strategy_hint(s, point, &given, &err), XL_OK,
                        &err);
    }
}

/* Mean of log(best / found) after FEW trials; power 0: without hints, -1: what
 * the roofline does not say. */
static double regret(struct xl_test *t, const struct recorded *r, double power)
{
    double sum = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct xl_strategy *s = NULL;
        struct xl_ask ask;
        double found = 0;
        XL_CHECK_EQ(t,
                    xl_strategy_make(&s, xl_strategy_find("auto"), r->space,
                                     &(struct xl_strategy_options){
                                         .seed = seed, .budget = FEW },
                                     NULL),
                    XL_OK);
        if (power != 0)
            hint(t, r, s, power);
        while (xl_strategy_ask(s, &ask, NULL) == XL_OK && !ask.end) {
            struct xl_outcome o = xl_table_outcome(r->table, ask.point);
            found = fmax(found, o.values[0]);
            xl_strategy_tell(s, ask.point, &o, NULL);
        }
        sum += log(r->best / found);
        xl_strategy_free(s);
    }
    return sum / SEEDS;
}

static void hints_shorten_a_recorded_search(struct xl_test *t)
{
    struct recorded r;
    if (!open_recorded(t, &r))
        return;
    double without = regret(t, &r, 0), with = regret(t, &r, 1);
    double wrong = regret(t, &r, -1);
    xl_test_check(t, with < 0.75 * without, __FILE__, __LINE__,
                  "regret %.3f with, %.3f without", with, without);
    xl_test_check(t, wrong > with, __FILE__, __LINE__,
                  "regret %.3f with the opposite, %.3f with", wrong, with);
    xl_table_free(r.table);
}

const struct xl_test_case xl_suite_roofline[] = {
    XL_CASE(large_models_are_worked_out),
    XL_CASE(hints_shorten_a_recorded_search),
    { 0 },
};
