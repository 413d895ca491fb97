/* SPDX-License-Identifier: Apache-2.0
 *
 * Bests of each phase put together: over histories that are written down, and
 * through whole sweeps of a runner whose phases want different things. */
#include "tuner/sweep/merge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/store_fixture.h"
#include "tests/unit/sweep_fixture.h"

enum {
    ROWS = 6,
    TRIALS = 24,
    REPEATS = 3,
    BEST_CHUNK = 48,
    DAMAGED = 96,
};

static const char space[] =
    "{\"params\": {\"chunk_size\": [16, 24, 32, 48, 56, 64, 80, 96],"
    " \"heads_per_band\": [1, 2], \"workers\": [3],"
    " \"decode_workers\": [1, 2, 3], \"inner_tile\": [1, 2, 4, 8]}}";

/* -- histories ------------------------------------------------------------ */

/* chunk_size, decode_workers, workers and both speeds. */
struct told {
    int64_t chunk, decode_workers, workers;
    double prefill, decode;
    enum xl_trial_state state;
};

static void fill(struct xl_history_row rows[ROWS], const struct told *told)
{
    for (size_t i = 0; i < ROWS; i++) {
        struct xl_history_row *row = &rows[i];
        memset(row, 0, sizeof *row);
        row->trial = (int64_t)i + 1;
        row->state = told[i].state;
        xl_params_init(&row->params);
        row->params.value[XL_PARAM_CHUNK_SIZE] = told[i].chunk;
        row->params.value[XL_PARAM_DECODE_WORKERS] = told[i].decode_workers;
        row->params.value[XL_PARAM_WORKERS] = told[i].workers;
        xl_reading_clear(&row->reading);
        if (told[i].state == XL_TRIAL_FAILED)
            continue;
        row->reading.value[XL_METRIC_PREFILL] = told[i].prefill;
        row->reading.value[XL_METRIC_DECODE] = told[i].decode;
    }
}

static size_t merge(struct xl_test *t, const struct told *told,
                    const char *text, struct xl_merged merged[XL_MERGE_MOST])
{
    struct xl_history_row rows[ROWS];
    struct xl_history history = { .n = ROWS, .rows = rows };
    struct xl_objective *objective = NULL;
    struct xl_err err = { 0 };
    size_t n = 0;
    fill(rows, told);
    XL_CHECK_STATUS(t, xl_objective_parse(&objective, text, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_merge_find(&history, objective, merged, &n, &err),
                    XL_OK, &err);
    xl_objective_free(objective);
    return n;
}

static void bests_go_together(struct xl_test *t)
{
    /* Of four workers nothing is gained: its decoding is slow. */
    struct told told[ROWS] = {
        { 16, 1, 2, 100, 90, XL_TRIAL_OK },
        { 32, 2, 2, 400, 40, XL_TRIAL_PRUNED },
        { 64, 2, 2, 200, 50, XL_TRIAL_OK },
        { 32, 4, 4, 900, 4, XL_TRIAL_OK },
        { 64, 3, 4, 100, 5, XL_TRIAL_OK },
        { 64, 1, 2, 999, 999, XL_TRIAL_FAILED },
    };
    struct xl_merged merged[XL_MERGE_MOST];
    XL_CHECK_EQ(t, merge(t, told, "balanced", merged), 1);
    XL_CHECK_EQ(t, merged[0].prefill, 2);
    XL_CHECK_EQ(t, merged[0].decode, 1);
    XL_CHECK_EQ(t, merged[0].params.value[XL_PARAM_CHUNK_SIZE], 32);
    XL_CHECK_EQ(t, merged[0].params.value[XL_PARAM_DECODE_WORKERS], 1);
    XL_CHECK_EQ(t, merged[0].params.value[XL_PARAM_WORKERS], 2);
    XL_CHECK_NEAR(t, merged[0].value, sqrt(400 * 90), 1e-9);

    /* Two that gain, best first. */
    told[4].decode = 80;
    XL_CHECK_EQ(t, merge(t, told, "balanced", merged), 2);
    XL_CHECK_EQ(t, merged[0].params.value[XL_PARAM_WORKERS], 4);
    XL_CHECK_EQ(t, merged[1].params.value[XL_PARAM_WORKERS], 2);
    told[4].decode = 5;

    /* Of one phase there is nothing to put together. */
    XL_CHECK_EQ(t, merge(t, told, "prefill", merged), 0);
    XL_CHECK_EQ(t, merge(t, told, "decode where memory < 1GiB", merged), 0);
    XL_CHECK_EQ(t, merge(t, told, "decode^0.7 * prefill^0.3", merged), 1);

    /* Nor where one is best in both, or they have met already. */
    told[0].decode = 30;
    told[2].decode = 30;
    XL_CHECK_EQ(t, merge(t, told, "balanced", merged), 0);
    told[0].decode = 90;
    told[2] = (struct told){ 32, 1, 2, 390, 89, XL_TRIAL_OK };
    XL_CHECK_EQ(t, merge(t, told, "balanced", merged), 0);
}

/* -- sweeps --------------------------------------------------------------- */

static double prefill_of(const struct xl_fake *fake, const struct xl_params *p)
{
    double chunk = (double)p->value[XL_PARAM_CHUNK_SIZE];
    double tile = (double)p->value[XL_PARAM_INNER_TILE];
    (void)fake;
    return 4000.0 / (1 + pow(log2(chunk / BEST_CHUNK), 2)) *
           (1 + 0.02 * log2(tile));
}

static double decode_of(const struct xl_fake *fake, const struct xl_params *p)
{
    (void)fake;
    return 300.0 / (double)p->value[XL_PARAM_DECODE_WORKERS];
}

/* Its decoding waits for the prompt's tunable, as it must not. */
static double decode_tied(const struct xl_fake *fake, const struct xl_params *p)
{
    double by = p->value[XL_PARAM_CHUNK_SIZE] == BEST_CHUNK ? 0.25 : 1;
    return by * decode_of(fake, p);
}

struct seen {
    size_t merged;
    int64_t trial; /* of the last merged one */
};

static enum xl_status note_merged(void *ctx, const struct xl_store_trial *row,
                                  struct xl_err *err)
{
    struct seen *seen = ctx;
    (void)err;
    if (row->origin && strcmp(row->origin, "merged") == 0) {
        seen->merged++;
        seen->trial = row->id;
    }
    return XL_OK;
}

/* One whole sweep; how many merged ones its store has then. */
static struct seen run_sweep(struct xl_test *t, const struct xl_fake *like,
                             uint64_t seed, struct xl_verdicts *v)
{
    struct xl_sweep_bench b;
    struct xl_sweep_start s;
    struct seen seen = { 0 };
    struct xl_sweep_plan plan = { .file = "a.db",
                                  .mode = "random",
                                  .budget = TRIALS,
                                  .repeats = REPEATS,
                                  .anchor_every = 4,
                                  .seed = seed,
                                  .in_memory = true };
    if (!xl_sweep_bench_open(&b, t, space, "balanced"))
        return seen;
    b.fake.speed = like->speed;
    b.fake.decode = like->decode;
    b.fake.noise = like->noise;
    b.fake.damaged_chunk = like->damaged_chunk;
    b.fake.seed = seed;
    remove(xl_fix_path(t, plan.file));
    if (xl_sweep_start_open(&b, &s, &plan)) {
        xl_sweep_start_search(&b, &s);
        xl_sweep_start_finish(&b, &s, 0, v);
        XL_CHECK_EQ(t, xl_query_trials(s.store, 0, note_merged, &seen, NULL),
                    XL_OK);
        xl_sweep_start_close(&s);
    }
    xl_sweep_bench_close(&b);
    return seen;
}

static void merged_ones_win(struct xl_test *t)
{
    struct xl_fake fake = { .speed = prefill_of,
                            .decode = decode_of,
                            .noise = 0.005 };
    struct xl_verdicts v;
    size_t merged = 0, won = 0, best = 0;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        struct seen seen = run_sweep(t, &fake, seed, &v);
        merged += seen.merged > 0;
        won += seen.merged && v.winner == seen.trial && v.proved;
        best += v.params.value[XL_PARAM_CHUNK_SIZE] == BEST_CHUNK &&
                v.params.value[XL_PARAM_DECODE_WORKERS] == 1;
    }
    xl_test_check(t, merged >= 4 && won >= 3 && best >= 20, __FILE__, __LINE__,
                  "%zu of 24 merged, %zu won, %zu best", merged, won, best);
}

/* A merged one is held to what it does, not to what it promised. */
static void promises_are_measured(struct xl_test *t)
{
    struct xl_fake fake = { .speed = prefill_of,
                            .decode = decode_tied,
                            .noise = 0.005 };
    struct xl_verdicts v;
    size_t merged = 0;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct seen seen = run_sweep(t, &fake, seed, &v);
        merged += seen.merged > 0;
        XL_CHECK(t, v.params.value[XL_PARAM_CHUNK_SIZE] != BEST_CHUNK);
    }
    XL_CHECK(t, merged > 0);
}

/* Nor does it pass the judge unasked. */
static void merged_ones_are_judged(struct xl_test *t)
{
    struct xl_fake fake = { .speed = prefill_of,
                            .decode = decode_of,
                            .noise = 0.005,
                            .damaged_chunk = BEST_CHUNK };
    struct xl_verdicts v;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        run_sweep(t, &fake, seed, &v);
        XL_CHECK(t, v.params.value[XL_PARAM_CHUNK_SIZE] != BEST_CHUNK);
    }
}

const struct xl_test_case xl_suite_merge[] = {
    XL_CASE(bests_go_together),
    XL_CASE(merged_ones_win),
    XL_CASE(promises_are_measured),
    XL_CASE(merged_ones_are_judged),
    { 0 },
};
