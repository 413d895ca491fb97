/* SPDX-License-Identifier: Apache-2.0
 *
 * The chance to run: its sums against the kernel written down, and what it
 * believes against failures that have a place and failures that have none. */
#include "tuner/strategy/odds.h"

#include <math.h>

#include "tests/harness/test.h"
#include "tests/unit/strategy_fixture.h"

enum {
    TOLD = 60
};

typedef bool fails_at(const struct xl_space *space, uint64_t code);

static bool fails_nowhere(const struct xl_space *space, uint64_t code)
{
    (void)space;
    return (code * 0x9e3779b97f4a7c15u >> 40) % 10 > 1;
}

/* Two thirds of one dimension, and a value of a nominal one. */
static bool fails_beyond(const struct xl_space *space, uint64_t code)
{
    uint32_t point[XL_SPACE_DIMS];
    xl_space_decode(space, code, point);
    return 3 * point[0] >= xl_space_dim(space, 0)->n || point[1] == 2;
}

/* A search as the frame keeps it, told without a strategy. */
struct stage {
    struct xl_space *space;
    struct xl_columns columns;
    struct xl_odds odds;
    struct xl_search search;
};

static void open_stage(struct xl_test *t, struct stage *stage, uint32_t n,
                       uint64_t seed)
{
    struct xl_err err = { 0 };
    *stage = (struct stage){ .space = xl_test_space(t, n) };
    stage->search.space = stage->space;
    xl_rng_seed(&stage->search.rng, seed);
    xl_rng_seed(&stage->search.draws, seed);
    XL_CHECK_STATUS(t, xl_columns_init(&stage->columns, stage->space, &err),
                    XL_OK, &err);
    XL_CHECK_STATUS(t, xl_odds_init(&stage->odds, &stage->columns, &err), XL_OK,
                    &err);
}

static void close_stage(struct stage *stage)
{
    xl_odds_release(&stage->odds);
    xl_columns_release(&stage->columns);
    xl_search_release(&stage->search);
    xl_space_free(stage->space);
}

static uint64_t draw_code(struct stage *stage)
{
    struct xl_ask ask = { 0 };
    xl_search_draw(&stage->search, &ask, NULL);
    return xl_space_code(stage->space, ask.point);
}

static void tell(struct xl_test *t, struct stage *stage, uint64_t code,
                 bool has_failed)
{
    uint32_t index = 0;
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t, xl_search_add(&stage->search, code, &index, &err), XL_OK,
                    &err);
    struct xl_record *r = &stage->search.records[index];
    r->is_told = true;
    r->outcome.status = has_failed ? XL_OUTCOME_FAILED : XL_OUTCOME_OK;
    XL_CHECK_STATUS(t, xl_odds_follow(&stage->odds, &stage->search, &err),
                    XL_OK, &err);
}

/* -- sums ----------------------------------------------------------------- */

/* The chance of a column, from the weights and all records. */
static double chance_of(const struct stage *stage, size_t c)
{
    const struct xl_odds *odds = &stage->odds;
    struct xl_lane_point at = { 0 }, of = { 0 };
    double ran = 0, failed = 0, n = 0, n_failed = 0;
    xl_columns_point(&stage->columns, stage->columns.codes[c], &at);
    for (size_t i = 0; i < stage->search.n_records; i++) {
        const struct xl_record *r = &stage->search.records[i];
        double q = 0;
        if (!r->is_told)
            continue;
        xl_columns_point(&stage->columns, r->code, &of);
        for (size_t d = 0; d < at.n_dims; d++) {
            double by = (double)at.x[d] - (double)of.x[d];
            by = at.is_nominal[d] ? by != 0 : by * by;
            q += (double)odds->weight[d] * by;
        }
        *(xl_record_is_ok(r) ? &ran : &failed) += exp(-q);
        n_failed += !xl_record_is_ok(r);
        n++;
    }
    double all = 1 - (n_failed + 0.5) / (n + 1);
    double here = (ran + all) / (ran + failed + 1);
    return odds->trust * here + (1 - odds->trust) * all;
}

static double farthest(const struct stage *stage)
{
    double most = 0;
    for (size_t c = 0; c < stage->columns.n; c += 5)
        most = fmax(
            most, fabs(chance_of(stage, c) - xl_odds_chance(&stage->odds, c)));
    return most;
}

/* Also what is told late or told another way, and columns that are drawn anew
 * or added where a space is too large for all. */
static void sums_are_those_of_the_kernel(struct xl_test *t)
{
    for (uint32_t n = 6; n <= 40; n += 34) {
        struct stage stage;
        uint32_t index;
        open_stage(t, &stage, n, 7);
        XL_CHECK_EQ(t, stage.columns.is_all, n == 6);
        for (size_t i = 0; i < TOLD; i++) {
            uint64_t code = draw_code(&stage);
            if (i % 7 == 0)
                xl_search_add(&stage.search, draw_code(&stage), &index, NULL);
            if (!stage.columns.is_all && i % 20 == 0)
                xl_columns_draw(&stage.columns, &stage.search, 300, NULL);
            if (!stage.columns.is_all && i % 9 == 0)
                xl_columns_add_near(&stage.columns, &stage.search, code, NULL);
            tell(t, &stage, code, fails_beyond(stage.space, code));
            if (i % 11 == 10)
                tell(t, &stage, stage.search.records[i - 3].code, i % 2);
            if (i % 5 == 0)
                XL_CHECK_NEAR(t, farthest(&stage), 0, 1e-5);
        }
        stage.odds.ran[0] += 0.5f; /* sums that are off must be seen */
        XL_CHECK(t, farthest(&stage) > 1e-5);
        close_stage(&stage);
    }
}

/* -- belief --------------------------------------------------------------- */

/* Mean chance of what fails and of what runs after TOLD draws. */
static void believe(struct xl_test *t, fails_at *fails, uint64_t seed,
                    double chance[2], double *trust)
{
    struct stage stage;
    double n[2] = { 0 };
    open_stage(t, &stage, 10, seed);
    chance[0] = chance[1] = 0;
    for (size_t i = 0; i < TOLD; i++) {
        uint64_t code = draw_code(&stage);
        tell(t, &stage, code, fails(stage.space, code));
    }
    for (size_t c = 0; c < stage.columns.n; c++) {
        bool runs = !fails(stage.space, stage.columns.codes[c]);
        chance[runs] += xl_odds_chance(&stage.odds, c);
        n[runs]++;
    }
    chance[0] /= n[0];
    chance[1] /= n[1];
    *trust = stage.odds.trust;
    close_stage(&stage);
}

/* Where failures have no place, chance makes some look as if they had one;
 * then neither what fails nor what runs may gain by it. */
static void places_are_found(struct xl_test *t)
{
    enum {
        SEEDS = 12
    };
    double chance[2], trust, sum = 0, failing = 0, running = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        believe(t, fails_beyond, seed, chance, &trust);
        XL_CHECK(t, trust > 0.95);
        failing += chance[0];
        running += chance[1];
        believe(t, fails_nowhere, seed, chance, &trust);
        XL_CHECK(t, fabs(chance[1] - chance[0]) < 0.05);
        sum += trust;
    }
    xl_test_check(t, failing < 0.2 * SEEDS && running > 0.6 * SEEDS, __FILE__,
                  __LINE__, "failing %.2f, running %.2f", failing / SEEDS,
                  running / SEEDS);
    XL_CHECK(t, sum < 0.6 * SEEDS);
}

const struct xl_test_case xl_suite_odds[] = {
    XL_CASE(sums_are_those_of_the_kernel),
    XL_CASE(places_are_found),
    { 0 },
};
