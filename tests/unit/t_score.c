/* SPDX-License-Identifier: Apache-2.0
 *
 * The scorer against counting, and searches against the scorer on tables that
 * were made up for it. */
#include "tuner/simulate/p_score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness/test.h"
#include "tests/unit/made_table.h"
#include "tests/unit/strategy_fixture.h"
#include "tuner/strategy/front.h"

enum {
    MOST_RUNS = 256
};

/* -- the baseline --------------------------------------------------------- */

/* Mean of the best over all draws of m of n rows, counted one by one. */
static double count_draws(const double *cost, size_t valid, size_t n, size_t m)
{
    double sum = 0;
    size_t draws = 0;
    for (unsigned set = 0; set < 1u << n; set++) {
        size_t size = 0, best = valid - 1;
        for (size_t i = n; i-- > 0;) {
            if (!(set >> i & 1))
                continue;
            size++;
            best = i < valid ? i : best;
        }
        if (size != m)
            continue;
        sum += cost[best];
        draws++;
    }
    return sum / (double)draws;
}

static void baseline_is_the_count(struct xl_test *t)
{
    static const double cost[] = { 1, 2, 2, 5, 9, 20, 21 };
    for (size_t valid = 1; valid <= 7; valid++)
        for (size_t n = valid; n <= 9; n++)
            for (size_t m = 1; m <= n; m++)
                XL_CHECK_NEAR(t, xl_p_score_random(cost, valid, n, m),
                              count_draws(cost, valid, n, m), 1e-9);
    /* Leaving failed rows out of the draw, a known mistake, is seen. */
    XL_CHECK(t, fabs(xl_p_score_random(cost, 5, 5, 2) -
                     count_draws(cost, 5, 9, 2)) > 0.1);
    static const double few[] = { 1, 2, 3, 6 };
    struct xl_mean mean = xl_mean_of(few, 4);
    XL_CHECK_NEAR(t, mean.mean, 3, 1e-12);
    XL_CHECK_NEAR(t, mean.hi - mean.mean, 3.18244630528 * sqrt(14.0 / 12),
                  1e-6);
    XL_CHECK(t, isnan(xl_mean_of(few, 1).lo));
}

/* -- searches ------------------------------------------------------------- */

static struct xl_mean score_of(struct xl_test *t, const char *mode,
                               enum xl_made kind, size_t tables, size_t seeds)
{
    static double all[MOST_RUNS];
    size_t n = 0;
    for (uint64_t i = 0; i < tables; i++) {
        struct xl_table *table = NULL;
        struct xl_p_score score;
        struct xl_err err = { 0 };
        struct xl_p_score_options options = { .mode = mode,
                                              .seeds = seeds,
                                              .first_seed = 100 * i };
        enum xl_status rc = xl_made_table(&table, kind, i + 50, &err);
        XL_CHECK_STATUS(t, rc, XL_OK, &err);
        rc = xl_p_score_make(&score, table, &options, &err);
        XL_CHECK_STATUS(t, rc, XL_OK, &err);
        for (size_t s = 0; rc == XL_OK && s < seeds; s++)
            all[n++] = score.per_seed[s];
        xl_p_score_release(&score);
        xl_table_free(table);
    }
    return xl_mean_of(all, n);
}

static void random_scores_zero(struct xl_test *t)
{
    struct xl_mean p = score_of(t, "random", XL_MADE_FAILURES, 2, 32);
    double half = p.mean - p.lo; /* two standard errors */
    XL_CHECK(t, fabs(p.mean) < 1.5 * half && half < 0.25);
    /* A search without chance scores the same on every seed. */
    p = score_of(t, "grid", XL_MADE_SMOOTH, 1, 4);
    XL_CHECK(t, p.hi - p.lo < 1e-12);
}

/* Least mean scores that a searcher has to reach; random reaches none. */
static const struct floor {
    enum xl_made kind;
    double automatic, other;
} floors[] = {
    { XL_MADE_SMOOTH, 0.8, 0.6 },    { XL_MADE_RUGGED, 0.6, 0.5 },
    { XL_MADE_FAILURES, 0.6, 0.35 }, { XL_MADE_TINY, 0.5, 0.2 },
    { XL_MADE_NOISY, 0.35, 0.2 },    { XL_MADE_SWITCHES, 0.6, 0.5 },
    { XL_MADE_SIGNS, 0.8, 0.5 },
};

static bool clears(struct xl_test *t, const char *mode, bool is_auto)
{
    for (size_t i = 0; i < sizeof floors / sizeof *floors; i++) {
        struct xl_mean p = score_of(t, mode, floors[i].kind, 2, 2);
        if (p.mean < (is_auto ? floors[i].automatic : floors[i].other))
            return false;
    }
    return true;
}

static void searches_clear_their_floors(struct xl_test *t)
{
    XL_CHECK(t, clears(t, "auto", true));
    XL_CHECK(t, clears(t, "tpe", false));
    XL_CHECK(t, clears(t, "vnd", false));
    XL_CHECK(t, !clears(t, "random", false));
    XL_CHECK(t, !clears(t, "grid", false));
}

/* A table that was recorded here: most seeds of auto end near its best. */
static void check_own(struct xl_test *t, const char *path, uint64_t points)
{
    enum {
        SEEDS = 6
    };
    struct xl_table *table = NULL;
    struct xl_p_score score;
    struct xl_err err = { 0 };
    enum xl_status rc = xl_table_load(&table, xl_test_source(path), &err);
    if (!XL_CHECK_STATUS(t, rc, XL_OK, &err))
        return;
    XL_CHECK(t, xl_table_is_max(table));
    XL_CHECK_EQ(t, xl_space_count(xl_table_space(table)), points);
    struct xl_p_score_options options = { .mode = "auto",
                                          .seeds = SEEDS,
                                          .first_seed = 1,
                                          .within = 0.03,
                                          .trials = 60 };
    XL_CHECK_STATUS(t, xl_p_score_make(&score, table, &options, &err), XL_OK,
                    &err);
    XL_CHECK(t, score.p.mean > 0);
    XL_CHECK(t, score.n_near * 10 >= SEEDS * 8);
    xl_p_score_release(&score);
    xl_table_free(table);
}

static void own_tables_are_tables(struct xl_test *t)
{
    check_own(t, "runs/tables/demo.json", 1008);
    check_own(t, "runs/tables/400m.json", 378);
}

/* Seeds near the optimum against a second count from the replay itself. */
static void near_seeds_are_counted(struct xl_test *t)
{
    enum {
        SEEDS = 6,
        TRIALS = 25
    };
    struct xl_table *table = NULL;
    struct xl_p_score score;
    size_t want = 0;
    XL_CHECK_EQ(t, xl_made_table(&table, XL_MADE_SMOOTH, 50, NULL), XL_OK);
    const struct xl_space *space = xl_table_space(table);
    double best = (double)INFINITY;
    uint32_t point[XL_SPACE_DIMS];
    for (uint64_t i = 0; i < xl_space_count(space); i++) {
        xl_space_at(space, i, point);
        best = fmin(best, xl_table_at(table, point).value);
    }
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct xl_strategy *s = NULL;
        double value = (double)NAN;
        XL_CHECK_EQ(t,
                    xl_strategy_make(
                        &s, xl_strategy_find("random"), space,
                        &(struct xl_strategy_options){ .seed = seed }, NULL),
                    XL_OK);
        for (size_t i = 0; i < TRIALS; i++) {
            struct xl_ask ask;
            XL_CHECK_EQ(t, xl_strategy_ask(s, &ask, NULL), XL_OK);
            struct xl_outcome outcome = xl_table_outcome(table, ask.point);
            xl_strategy_tell(s, ask.point, &outcome, NULL);
        }
        want += xl_strategy_best(s, point, &value) && -value <= 1.3 * best;
        xl_strategy_free(s);
    }
    struct xl_p_score_options options = {
        .mode = "random", .seeds = SEEDS, .within = 0.3, .trials = TRIALS
    };
    XL_CHECK_EQ(t, xl_p_score_make(&score, table, &options, NULL), XL_OK);
    XL_CHECK_EQ(t, score.n_near, want);
    XL_CHECK(t, want > 0 && want < SEEDS);
    xl_p_score_release(&score);
    options.within = 1e9;
    XL_CHECK_EQ(t, xl_p_score_make(&score, table, &options, NULL), XL_OK);
    XL_CHECK_EQ(t, score.n_near, SEEDS);
    xl_p_score_release(&score);
    xl_table_free(table);
}

static void bad_requests_are_refused(struct xl_test *t)
{
    static const char flat[] = "# objective=t direction=min\na,value\n"
                               "1,5\n2,5\n3,failed\n";
    struct xl_table *table = NULL;
    struct xl_p_score score;
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t,
                    xl_table_parse(&table, flat, sizeof flat - 1, "flat", &err),
                    XL_OK, &err);
    struct xl_p_score_options options = { .mode = "random", .seeds = 1 };
    XL_CHECK_EQ(t, xl_p_score_make(&score, table, &options, &err), XL_EUSAGE);
    XL_CHECK(t, strstr(err.message, "two different values"));
    options.seeds = 0;
    XL_CHECK_EQ(t, xl_p_score_make(&score, table, &options, &err), XL_EUSAGE);
    xl_table_free(table);
}

/* -- fronts --------------------------------------------------------------- */

enum {
    POINTS = 40,
    GRID = 12
};

/* Cells of a grid that some point covers; the points have grid values. */
static double count_cells(const double (*p)[XL_STRATEGY_VALUES], size_t n,
                          size_t m)
{
    size_t cells = 1, hits = 0;
    for (size_t v = 0; v < m; v++)
        cells *= GRID;
    for (size_t cell = 0; cell < cells; cell++) {
        bool is_hit = false;
        for (size_t i = 0; i < n && !is_hit; i++) {
            size_t left = cell;
            is_hit = true;
            for (size_t v = 0; v < m; v++, left /= GRID)
                is_hit &= p[i][v] > (double)(left % GRID);
        }
        hits += is_hit;
    }
    return (double)hits;
}

static void fronts_are_counted(struct xl_test *t)
{
    double p[POINTS][XL_STRATEGY_VALUES];
    uint32_t rank[POINTS];
    struct xl_rng rng;
    xl_rng_seed(&rng, 8);
    const double(*points)[XL_STRATEGY_VALUES] =
        (const double(*)[XL_STRATEGY_VALUES])p;
    for (size_t m = 1; m <= XL_STRATEGY_VALUES; m++) {
        double zero[XL_STRATEGY_VALUES] = { 0 }, volume = -1;
        for (size_t i = 0; i < POINTS; i++)
            for (size_t v = 0; v < XL_STRATEGY_VALUES; v++)
                p[i][v] = (double)xl_rng_below(&rng, GRID + 1);
        XL_CHECK_EQ(t, xl_front_volume(points, POINTS, m, zero, &volume, NULL),
                    XL_OK);
        XL_CHECK_NEAR(t, volume, count_cells(points, POINTS, m), 1e-9);
        xl_front_rank(points, POINTS, m, rank);
        for (size_t i = 0; i < POINTS; i++) {
            uint32_t want = 0;
            for (size_t j = 0; j < POINTS; j++)
                if (xl_front_dominates(p[j], p[i], m) && rank[j] >= want)
                    want = rank[j] + 1;
            XL_CHECK_EQ(t, rank[i], want);
        }
    }
}

/* Sum over the values of how far apart the neighbours of i are among its own
 * rank, as a share of all; infinite where it has one alone. */
static double crowding_of(const double (*p)[XL_STRATEGY_VALUES],
                          const uint32_t rank[POINTS], size_t m, size_t i)
{
    double sum = 0;
    for (size_t v = 0; v < m; v++) {
        double below = -(double)INFINITY, above = (double)INFINITY;
        double least = p[i][v], most = least;
        for (size_t j = 0; j < POINTS; j++) {
            double x = p[j][v];
            if (rank[j] != rank[i])
                continue;
            least = fmin(least, x);
            most = fmax(most, x);
            below = x < p[i][v] ? fmax(below, x) : below;
            above = x > p[i][v] ? fmin(above, x) : above;
        }
        sum +=
            most > least ? (above - below) / (most - least) : (double)INFINITY;
    }
    return sum;
}

static void crowds_are_of_neighbours(struct xl_test *t)
{
    double p[POINTS][XL_STRATEGY_VALUES], crowd[POINTS];
    uint32_t rank[POINTS], order[POINTS];
    struct xl_rng rng;
    xl_rng_seed(&rng, 6);
    const double(*points)[XL_STRATEGY_VALUES] =
        (const double(*)[XL_STRATEGY_VALUES])p;
    for (size_t m = 1; m <= XL_STRATEGY_VALUES; m++) {
        for (size_t i = 0; i < POINTS; i++)
            for (size_t v = 0; v < XL_STRATEGY_VALUES; v++)
                p[i][v] = xl_rng_unit(&rng);
        xl_front_rank(points, POINTS, m, rank);
        xl_front_crowd(points, POINTS, m, rank, order, crowd);
        for (size_t i = 0; i < POINTS; i++) {
            double want = crowding_of(points, rank, m, i);
            XL_CHECK(t, isinf(want) ? isinf(crowd[i])
                                    : fabs(crowd[i] - want) <= 1e-12);
        }
    }
}

static double front_of(struct xl_test *t, const char *mode,
                       const struct xl_space *space, uint64_t seed)
{
    static double p[120][XL_STRATEGY_VALUES];
    static const double reference[] = { -2, -2 };
    struct xl_strategy *s = NULL;
    double volume = 0;
    size_t n = 0;
    struct xl_strategy_options options = { .seed = seed,
                                           .budget = 120,
                                           .n_values = 2 };
    XL_CHECK_EQ(
        t, xl_strategy_make(&s, xl_strategy_find(mode), space, &options, NULL),
        XL_OK);
    for (;; n++) {
        struct xl_ask ask;
        XL_CHECK_EQ(t, xl_strategy_ask(s, &ask, NULL), XL_OK);
        if (ask.end)
            break;
        struct xl_outcome outcome = { 0 };
        for (size_t d = 0; d < 4; d++) {
            double k = xl_space_dim(space, d)->n;
            double x = ask.point[d] / fmax(1, k - 1);
            outcome.values[0] -= d ? (x - 0.5) * (x - 0.5) : x;
            outcome.values[1] -= d ? (x - 0.5) * (x - 0.5) : 1 - sqrt(x);
        }
        memcpy(p[n], outcome.values, sizeof p[n]);
        XL_CHECK_EQ(t, xl_strategy_tell(s, ask.point, &outcome, NULL), XL_OK);
    }
    xl_strategy_free(s);
    xl_front_volume((const double(*)[XL_STRATEGY_VALUES])p, n, 2, reference,
                    &volume, NULL);
    return volume;
}

/* Better than random by more than three standard errors. */
static bool front_grows(struct xl_test *t, const char *mode)
{
    double gain[12];
    struct xl_space *space = xl_test_space(t, 16);
    for (uint64_t seed = 0; seed < 12; seed++)
        gain[seed] = front_of(t, mode, space, seed) -
                     front_of(t, "random", space, seed + 100);
    xl_space_free(space);
    struct xl_mean mean = xl_mean_of(gain, 12);
    return mean.mean > 1.5 * (mean.hi - mean.mean);
}

static void fronts_grow(struct xl_test *t)
{
    XL_CHECK(t, front_grows(t, "nsga2"));
    XL_CHECK(t, front_grows(t, "auto"));
    XL_CHECK(t, !front_grows(t, "random"));
}

const struct xl_test_case xl_suite_score[] = {
    XL_CASE(baseline_is_the_count),
    XL_CASE(random_scores_zero),
    XL_CASE(searches_clear_their_floors),
    XL_CASE(own_tables_are_tables),
    XL_CASE(near_seeds_are_counted),
    XL_CASE(bad_requests_are_refused),
    XL_CASE(fronts_are_counted),
    XL_CASE(crowds_are_of_neighbours),
    XL_CASE(fronts_grow),
    { 0 },
};
