/* SPDX-License-Identifier: Apache-2.0
 *
 * The default search beside random search where it could lose: on tables made
 * up for the purpose, and on tables made against it while it searches. Runs
 * of one seed draw the same points, so where little is learnt random search on
 * the same table takes chance out of a score.
 *
 * XL_TEST_TABLES=n tries n times as many tables and prints what came of each
 * kind. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/order.h"
#include "tests/harness/test.h"
#include "tests/unit/made_table.h"
#include "tests/unit/strategy_fixture.h"
#include "tuner/simulate/p_score.h"
#include "tuner/strategy/worth.h"

/* -- kinds of tables ------------------------------------------------------ */

static size_t times(void)
{
    const char *text = getenv("XL_TEST_TABLES");
    long n = text ? strtol(text, NULL, 10) : 1;
    return n > 0 ? (size_t)n : 1;
}

struct contest {
    enum xl_made kind;
    double least; /* below 0: what random search of the same seed scores, 0 on
                     average, is taken off */
    size_t tables, seeds;
};

/* Means over tables: runs on one table are alike. */
static struct xl_mean score_of(struct xl_test *t, const char *mode,
                               const struct contest *c, size_t tables)
{
    size_t seeds = c->seeds;
    bool by_random = c->least < 0;
    double *mean = xl_alloc_zero(tables, sizeof *mean);
    for (uint64_t i = 0; mean && i < tables; i++) {
        struct xl_table *table = NULL;
        struct xl_p_score own = { 0 }, random = { 0 };
        struct xl_err err = { 0 };
        struct xl_p_score_options options = { .mode = mode,
                                              .seeds = seeds,
                                              .first_seed = 100 * i };
        enum xl_status rc = xl_made_table(&table, c->kind, i + 50, &err);
        if (rc == XL_OK)
            rc = xl_p_score_make(&own, table, &options, &err);
        options.mode = "random";
        if (rc == XL_OK && by_random)
            rc = xl_p_score_make(&random, table, &options, &err);
        XL_CHECK_STATUS(t, rc, XL_OK, &err);
        for (size_t s = 0; rc == XL_OK && s < seeds; s++)
            mean[i] += own.per_seed[s] / (double)seeds;
        for (size_t s = 0; rc == XL_OK && by_random && s < seeds; s++)
            mean[i] -= random.per_seed[s] / (double)seeds;
        xl_p_score_release(&own);
        xl_p_score_release(&random);
        xl_table_free(table);
    }
    struct xl_mean p = xl_mean_of(mean, tables);
    xl_free(mean);
    return p;
}

/* Where there is nothing to learn, or what seems to be learnt is not there,
 * the default has to be as good as random search within the error of so many
 * tables. XL_MADE_LURE is what it cannot: it goes where results get better,
 * and the best row is where they get worse. */
static const struct contest kinds[] = {
    { XL_MADE_SMOOTH, 0.8, 2, 2 },    { XL_MADE_RUGGED, 0.5, 2, 2 },
    { XL_MADE_NEEDLE, -0.1, 16, 1 },  { XL_MADE_FAILURES, 0.5, 2, 2 },
    { XL_MADE_TINY, 0.5, 6, 2 },      { XL_MADE_NOISY, 0.3, 4, 2 },
    { XL_MADE_DECEPTIVE, 0.2, 3, 2 }, { XL_MADE_SWITCHES, 0.5, 2, 2 },
    { XL_MADE_SIGNS, 0.7, 2, 2 },     { XL_MADE_LINEAR, 0.8, 2, 2 },
    { XL_MADE_PLATEAU, 0.1, 6, 2 },   { XL_MADE_DOOMED, -0.1, 24, 2 },
    { XL_MADE_FLAT, -0.1, 24, 1 },    { XL_MADE_PARITY, -0.1, 32, 2 },
    { XL_MADE_LABELS, 0.5, 2, 2 },    { XL_MADE_HANDFUL, 0, 64, 4 },
    { XL_MADE_HUGE, 0.8, 1, 2 },      { XL_MADE_CLIFF, 0.5, 3, 2 },
    { XL_MADE_ISLAND, 0.3, 6, 1 },    { XL_MADE_STRIPES, 0.5, 2, 2 },
    { XL_MADE_SPARSE, 0.6, 3, 2 },    { XL_MADE_HEAVY, 0.2, 6, 1 },
    { XL_MADE_LEVEL, -0.15, 16, 1 },  { XL_MADE_MIRAGE, 0.1, 6, 2 },
    { XL_MADE_REGIMES, 0.4, 3, 2 },   { XL_MADE_DECOY, 0.3, 3, 2 },
    { XL_MADE_LURE, -0.5, 6, 1 },
};

static void automatic_is_never_worse(struct xl_test *t)
{
    size_t n = sizeof kinds / sizeof *kinds, by = times();
    XL_CHECK_EQ(t, n, XL_MADE_KINDS);
    for (size_t i = 0; i < n; i++) {
        size_t tables = by * kinds[i].tables;
        const char *name = xl_made_name(kinds[i].kind);
        struct xl_mean p = score_of(t, "auto", &kinds[i], tables);
        if (by > 1)
            printf("%-10s %6.3f [%6.3f, %6.3f] %zu tables x %zu\n", name,
                   p.mean, p.lo, p.hi, tables, kinds[i].seeds);
        bool is_lost = p.hi < 0 && kinds[i].kind != XL_MADE_LURE;
        xl_test_check(t, p.mean > kinds[i].least && !is_lost, __FILE__,
                      __LINE__,
                      "auto scores %.3f [%.3f, %.3f] on %s, below %.3f", p.mean,
                      p.lo, p.hi, name, kinds[i].least);
    }
}

/* The same check sees a search that believes in what is not there. */
static void believers_are_seen(struct xl_test *t)
{
    static const struct contest parity = { XL_MADE_PARITY, -1, 12, 2 };
    struct xl_mean p = score_of(t, "gp", &parity, parity.tables);
    XL_CHECK(t, p.mean < -0.1 && p.hi < 0);
}

/* -- tables made against a search ----------------------------------------- */

enum {
    SIDE = 10,
    ROWS = SIDE * SIDE * SIDE,
    RUNS = 48
};

/* What a row costs is settled when it is asked for: as it was drawn up before
 * where the search drew it without looking, and the worst of all where it
 * chose it. The first `bait` choices are good. */
struct spite {
    double cost[ROWS], rising[ROWS];
    double curve[XL_SCORE_TO];
    size_t n_chosen, bait;
};

static void draw_up(struct spite *s, uint64_t seed)
{
    struct xl_rng rng;
    xl_rng_seed(&rng, seed + 777);
    for (size_t i = 0; i < ROWS; i++)
        s->cost[i] = exp(0.5 * xl_rng_normal(&rng));
    s->n_chosen = 0;
}

static struct xl_space *cube(struct xl_test *t)
{
    struct xl_dim dims[3];
    struct xl_space *space = NULL;
    for (size_t d = 0; d < 3; d++)
        dims[d] = xl_test_dim(XL_DIM_ORDERED, SIDE);
    XL_CHECK_EQ(
        t,
        xl_space_make(&space,
                      &(struct xl_space_options){ .dims = dims, .n_dims = 3 },
                      NULL),
        XL_OK);
    return space;
}

static void settle(struct spite *s, const struct xl_ask *ask, bool is_fair)
{
    bool is_drawn = strcmp(ask->how, "uniform") == 0;
    if (is_drawn || is_fair)
        return;
    double by = 0.01 * (double)ask->number;
    s->cost[ask->code] = s->n_chosen++ < s->bait ? 0.3 - 0.01 * by : 20 + by;
}

static void search_it(struct xl_test *t, struct spite *s, const char *mode,
                      const struct xl_space *space, uint64_t seed)
{
    struct xl_strategy *strategy = NULL;
    bool is_fair = strcmp(mode, "random") == 0;
    double best = (double)INFINITY;
    XL_CHECK_EQ(t,
                xl_strategy_make(&strategy, xl_strategy_find(mode), space,
                                 &(struct xl_strategy_options){ .seed = seed },
                                 NULL),
                XL_OK);
    for (size_t m = 0; m < XL_SCORE_TO; m++) {
        struct xl_ask ask;
        XL_CHECK_EQ(t, xl_strategy_ask(strategy, &ask, NULL), XL_OK);
        settle(s, &ask, is_fair);
        struct xl_outcome outcome = { .values = { -s->cost[ask.code] } };
        xl_strategy_tell(strategy, ask.point, &outcome, NULL);
        s->curve[m] = best = fmin(best, s->cost[ask.code]);
    }
    xl_strategy_free(strategy);
}

static double p_of(struct spite *s)
{
    double sum = 0;
    memcpy(s->rising, s->cost, sizeof s->rising);
    qsort(s->rising, ROWS, sizeof *s->rising, xl_order_reals);
    for (size_t m = XL_SCORE_FROM; m <= XL_SCORE_TO; m++) {
        double base = xl_p_score_random(s->rising, ROWS, ROWS, m);
        sum += (base - s->curve[m - 1]) / (base - s->rising[0]);
    }
    return sum / (XL_SCORE_TO - XL_SCORE_FROM + 1);
}

static struct xl_mean against(struct xl_test *t, const char *mode, size_t bait,
                              size_t runs)
{
    struct spite *s = xl_alloc_zero(1, sizeof *s);
    double *gain = xl_alloc_zero(runs, sizeof *gain);
    struct xl_space *space = cube(t);
    for (uint64_t seed = 0; s && gain && seed < runs; seed++) {
        s->bait = bait;
        draw_up(s, seed);
        search_it(t, s, mode, space, seed);
        gain[seed] = p_of(s);
        search_it(t, s, "random", space, seed);
        gain[seed] -= p_of(s);
    }
    struct xl_mean p = xl_mean_of(gain, runs);
    if (times() > 1)
        printf("against %-4s bait %2zu: %6.3f [%6.3f, %6.3f]\n", mode, bait,
               p.mean, p.lo, p.hi);
    xl_space_free(space);
    xl_free(gain);
    xl_free(s);
    return p;
}

/* The same adversary ruins a search that goes on believing. */
static void spite_costs_little(struct xl_test *t)
{
    size_t runs = RUNS * times();
    struct xl_mean p = against(t, "auto", 0, runs);
    XL_CHECK(t, p.mean > -0.15);
    p = against(t, "auto", 8, runs);
    XL_CHECK(t, p.mean > -0.15);
    p = against(t, "gp", 0, RUNS / 4);
    XL_CHECK(t, p.mean < -1);
    p = against(t, "ga", 0, RUNS / 4);
    XL_CHECK(t, p.mean < -0.5);
}

/* -- what it rests on ----------------------------------------------------- */

/* Draws between choices are those of random search, in its order. */
static void draws_are_those_of_random(struct xl_test *t)
{
    enum {
        ASKS = 120
    };
    static uint64_t order[ROWS];
    struct spite *s = xl_alloc_zero(1, sizeof *s);
    struct xl_space *space = cube(t);
    struct xl_strategy *random = NULL, *own = NULL;
    struct xl_strategy_options options = { .seed = 5 };
    size_t at = 0, n_chosen = 0;
    struct xl_ask ask;
    draw_up(s, 5);
    xl_strategy_make(&random, xl_strategy_find("random"), space, &options,
                     NULL);
    for (size_t i = 0; i < ROWS; i++) {
        XL_CHECK_EQ(t, xl_strategy_ask(random, &ask, NULL), XL_OK);
        order[i] = ask.code;
    }
    xl_strategy_make(&own, xl_strategy_find("auto"), space, &options, NULL);
    for (size_t i = 0; i < ASKS; i++) {
        XL_CHECK_EQ(t, xl_strategy_ask(own, &ask, NULL), XL_OK);
        settle(s, &ask, false);
        struct xl_outcome outcome = { .values = { -s->cost[ask.code] } };
        xl_strategy_tell(own, ask.point, &outcome, NULL);
        if (strcmp(ask.how, "uniform") != 0) {
            n_chosen++;
            continue;
        }
        /* A choice may have been what random would have drawn. */
        size_t skipped = at;
        while (at < ROWS && order[at] != ask.code)
            at++;
        XL_CHECK(t, at++ - skipped <= n_chosen);
    }
    XL_CHECK(t, n_chosen > 3 && n_chosen < ASKS / 3);
    XL_CHECK(t, at <= ASKS);
    xl_strategy_free(random);
    xl_strategy_free(own);
    xl_space_free(space);
    xl_free(s);
}

/* On a hill whose top is the best row nothing that is seen speaks against the
 * slope: the search has to doubt it by itself. */
static void what_promises_nothing_is_shared(struct xl_test *t)
{
    enum {
        ASKS = 200,
        KNOWN = 100 /* then the slope is */
    };
    for (uint64_t seed = 0; seed < 4; seed++) {
        struct xl_table *table = NULL;
        struct xl_strategy *strategy = NULL;
        struct xl_strategy_options options = { .seed = seed };
        size_t n_drawn = 0;
        XL_CHECK_EQ(t, xl_made_table(&table, XL_MADE_LURE, seed, NULL), XL_OK);
        xl_strategy_make(&strategy, xl_strategy_find("auto"),
                         xl_table_space(table), &options, NULL);
        for (size_t i = 0; i < ASKS; i++) {
            struct xl_ask ask;
            XL_CHECK_EQ(t, xl_strategy_ask(strategy, &ask, NULL), XL_OK);
            struct xl_outcome outcome = xl_table_outcome(table, ask.point);
            xl_strategy_tell(strategy, ask.point, &outcome, NULL);
            n_drawn += i >= KNOWN && strcmp(ask.how, "uniform") == 0;
        }
        XL_CHECK(t, 5 * n_drawn > 2 * (ASKS - KNOWN));
        xl_strategy_free(strategy);
        xl_table_free(table);
    }
}

static void tell(struct xl_worth *worth, enum xl_source source, double value)
{
    struct xl_record record = { .source = source,
                                .is_told = true,
                                .outcome.values = { value } };
    if (isnan(value))
        record.outcome.status = XL_OUTCOME_FAILED;
    xl_worth_tell(worth, &record);
}

static void worth_is_what_was_seen(struct xl_test *t)
{
    struct xl_worth worth = { 0 };
    for (size_t n = 1; n < 40; n++) {
        double sum = 0;
        for (size_t better = 0; better <= n; better++)
            sum += xl_worth_score(n, better, 0);
        XL_CHECK_NEAR(t, sum / (double)(n + 1), 1, 1e-12);
        XL_CHECK_NEAR(t, xl_worth_score(n, 0, n), 1, 1e-12);
    }
    XL_CHECK_NEAR(t, xl_worth_share(&worth), 1, 0);
    for (size_t i = 0; i < 8; i++)
        tell(&worth, XL_SOURCE_DRAWN, (double)i);
    for (size_t i = 0; i < 20; i++)
        tell(&worth, XL_SOURCE_CHOSEN, 9);
    XL_CHECK_NEAR(t, xl_worth_share(&worth), 1, 0);
    for (size_t i = 0; i < 40; i++)
        tell(&worth, XL_SOURCE_SUGGESTED, -9);
    XL_CHECK_NEAR(t, xl_worth_share(&worth), 1, 0);
    double last = 1;
    for (size_t i = 0; i < 16; i++) {
        tell(&worth, XL_SOURCE_CHOSEN, (double)NAN);
        XL_CHECK(t, xl_worth_share(&worth) <= last);
        last = xl_worth_share(&worth);
    }
    XL_CHECK(t, last > 0 && last < 0.1);
    for (size_t i = 0; i < 16; i++)
        tell(&worth, XL_SOURCE_CHOSEN, 9);
    XL_CHECK_NEAR(t, xl_worth_share(&worth), 1, 0);
}

const struct xl_test_case xl_suite_never[] = {
    XL_CASE(automatic_is_never_worse),
    XL_CASE(believers_are_seen),
    XL_CASE(spite_costs_little),
    XL_CASE(draws_are_those_of_random),
    XL_CASE(what_promises_nothing_is_shared),
    XL_CASE(worth_is_what_was_seen),
    { 0 },
};
