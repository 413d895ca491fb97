/* SPDX-License-Identifier: Apache-2.0
 *
 * Hints: good ones shorten a search, wrong ones cost little, none is ever a
 * result. */
#include <math.h>
#include <string.h>

#include "tests/harness/test.h"
#include "tests/unit/made_table.h"
#include "tests/unit/strategy_fixture.h"
#include "tuner/strategy/search.h"

enum {
    BUDGET = 30,
    MOST = 256,
};

/* How the hints of a table come about. */
enum honesty {
    NONE,
    TRUE_TIMES_THREE, /* of another machine: all off by one factor */
    INVERTED,         /* the best is called the worst */
};

static struct xl_strategy *make(struct xl_test *t, const struct xl_table *table,
                                const char *mode, uint64_t seed)
{
    struct xl_strategy *s = NULL;
    struct xl_err err = { 0 };
    struct xl_strategy_options options = { .seed = seed, .budget = BUDGET };
    enum xl_status rc = xl_strategy_make(&s, xl_strategy_find(mode),
                                         xl_table_space(table), &options, &err);
    XL_CHECK_STATUS(t, rc, XL_OK, &err);
    return s;
}

static void give_hints(struct xl_test *t, struct xl_strategy *s,
                       const struct xl_table *table, enum honesty honesty)
{
    const struct xl_space *space = xl_table_space(table);
    uint32_t point[XL_SPACE_DIMS];
    for (uint64_t i = 0; honesty != NONE && i < xl_space_count(space); i += 5) {
        struct xl_err err = { 0 };
        xl_space_at(space, i, point);
        struct xl_outcome o = xl_table_outcome(table, point);
        if (o.status != XL_OUTCOME_OK)
            continue;
        struct xl_hint hint = { .value = 3 * o.values[0], .doubt = 0.1 };
        if (honesty == INVERTED)
            hint.value = 1 / o.values[0];
        XL_CHECK_STATUS(t, xl_strategy_hint(s, point, &hint, &err), XL_OK,
                        &err);
    }
}

/* Points of a search over the table; *best its best value. */
static size_t run(struct xl_test *t, const struct xl_table *table,
                  const char *mode, enum honesty honesty, uint64_t seed,
                  uint64_t *codes, double *best)
{
    struct xl_strategy *s = make(t, table, mode, seed);
    struct xl_ask ask;
    uint32_t point[XL_SPACE_DIMS];
    size_t n = 0;
    double seen = -(double)INFINITY;
    give_hints(t, s, table, honesty);
    while (xl_strategy_ask(s, &ask, NULL) == XL_OK && !ask.end) {
        struct xl_outcome o = xl_table_outcome(table, ask.point);
        codes[n++] = ask.code;
        if (o.status == XL_OUTCOME_OK)
            seen = fmax(seen, o.values[0]);
        XL_CHECK(t, xl_strategy_tell(s, ask.point, &o, NULL) == XL_OK);
    }
    XL_CHECK(t, xl_strategy_best(s, point, best) && *best == seen);
    xl_strategy_free(s);
    return n;
}

/* Mean of log(best / optimum) over tables and seeds; 0 = always found. */
static double regret(struct xl_test *t, const char *mode, enum xl_made kind,
                     enum honesty honesty)
{
    double sum = 0;
    size_t n = 0;
    for (uint64_t i = 0; i < 6; i++) {
        struct xl_table *table = NULL;
        struct xl_err err = { 0 };
        uint64_t codes[MOST];
        uint32_t point[XL_SPACE_DIMS];
        double best, optimum = -(double)INFINITY;
        XL_CHECK_STATUS(t, xl_made_table(&table, kind, i, &err), XL_OK, &err);
        const struct xl_space *space = xl_table_space(table);
        for (uint64_t k = 0; k < xl_space_count(space); k++) {
            xl_space_at(space, k, point);
            struct xl_outcome o = xl_table_outcome(table, point);
            if (o.status == XL_OUTCOME_OK)
                optimum = fmax(optimum, o.values[0]);
        }
        for (uint64_t seed = 1; seed <= 3; seed++, n++) {
            run(t, table, mode, honesty, seed, codes, &best);
            sum += log(best / optimum);
        }
        xl_table_free(table);
    }
    return sum / (double)n;
}

static void good_hints_shorten(struct xl_test *t)
{
    double without = regret(t, "auto", XL_MADE_RUGGED, NONE);
    double with = regret(t, "auto", XL_MADE_RUGGED, TRUE_TIMES_THREE);
    XL_CHECK(t, with < 0.5 * without);
}

/* Searches that cannot weigh hints begin from the best of them. */
static void all_but_the_blind_read_hints(struct xl_test *t)
{
    for (size_t i = 0; xl_strategy_kind_at(i); i++) {
        const char *mode = xl_strategy_kind_name(xl_strategy_kind_at(i));
        double without = regret(t, mode, XL_MADE_RUGGED, NONE);
        double with = regret(t, mode, XL_MADE_RUGGED, TRUE_TIMES_THREE);
        bool is_blind = !strcmp(mode, "random") || !strcmp(mode, "grid");
        xl_test_check(t, is_blind ? with == without : with < 0.7 * without,
                      __FILE__, __LINE__, "%s: %.3f with hints, %.3f without",
                      mode, with, without);
    }
}

static double random_regret(struct xl_test *t, enum xl_made kind)
{
    double sum = 0;
    size_t n = 0;
    for (uint64_t i = 0; i < 6; i++) {
        struct xl_table *table = NULL;
        struct xl_err err = { 0 };
        uint32_t point[XL_SPACE_DIMS];
        double optimum = -(double)INFINITY;
        XL_CHECK_STATUS(t, xl_made_table(&table, kind, i, &err), XL_OK, &err);
        const struct xl_space *space = xl_table_space(table);
        for (uint64_t k = 0; k < xl_space_count(space); k++) {
            xl_space_at(space, k, point);
            optimum = fmax(optimum, xl_table_outcome(table, point).values[0]);
        }
        for (uint64_t seed = 1; seed <= 8; seed++, n++) {
            struct xl_strategy *s = make(t, table, "random", seed);
            struct xl_ask ask;
            double best = -(double)INFINITY;
            while (xl_strategy_ask(s, &ask, NULL) == XL_OK && !ask.end)
                best = fmax(best, xl_table_outcome(table, ask.point).values[0]);
            sum += log(best / optimum);
            xl_strategy_free(s);
        }
        xl_table_free(table);
    }
    return sum / (double)n;
}

/* They cost something, but no more than not searching at all. */
static void wrong_hints_cost_little(struct xl_test *t)
{
    double with = regret(t, "auto", XL_MADE_RUGGED, INVERTED);
    XL_CHECK(t, with < random_regret(t, XL_MADE_RUGGED));
}

static void hints_keep_the_sequence(struct xl_test *t)
{
    uint64_t a[MOST], b[MOST];
    double best;
    struct xl_table *table = NULL;
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t, xl_made_table(&table, XL_MADE_SMOOTH, 3, &err), XL_OK,
                    &err);
    size_t n = run(t, table, "auto", TRUE_TIMES_THREE, 9, a, &best);
    size_t m = run(t, table, "auto", TRUE_TIMES_THREE, 9, b, &best);
    XL_CHECK_EQ(t, n, m);
    for (size_t i = 0; i < n; i++) {
        XL_CHECK_EQ(t, a[i], b[i]);
        for (size_t k = 0; k < i; k++)
            XL_CHECK(t, a[i] != a[k]);
    }
    xl_table_free(table);
}

static void bad_hints_are_refused(struct xl_test *t)
{
    struct xl_table *table = NULL;
    struct xl_err err = { 0 };
    uint32_t point[XL_SPACE_DIMS];
    struct xl_ask ask;
    XL_CHECK_STATUS(t, xl_made_table(&table, XL_MADE_TINY, 3, &err), XL_OK,
                    &err);
    struct xl_strategy *s = make(t, table, "gp", 1);
    xl_space_at(xl_table_space(table), 0, point);
    const struct xl_hint bad[] = {
        { .group = XL_STRATEGY_GROUPS, .value = 1 },
        { .value = (double)NAN },
        { .value = 1, .doubt = -1 },
        { .value = 1, .doubt = (double)NAN },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        XL_CHECK_EQ(t, xl_strategy_hint(s, point, &bad[i], NULL), XL_EUSAGE);
    const struct xl_hint good = { .value = 1, .doubt = 0 };
    XL_CHECK_EQ(t, xl_strategy_hint(s, point, &good, NULL), XL_OK);
    XL_CHECK_EQ(t, xl_strategy_ask(s, &ask, NULL), XL_OK);
    XL_CHECK_EQ(t, xl_strategy_hint(s, point, &good, NULL), XL_EUSAGE);
    xl_strategy_free(s);
    xl_table_free(table);
}

/* Every other member is warned of. Returns how many of those were chosen; *n:
 * of all choices. */
static size_t warned_choices(struct xl_test *t, const struct xl_table *table,
                             const char *mode, double weight, size_t *n)
{
    const struct xl_space *space = xl_table_space(table);
    struct xl_strategy *s = make(t, table, mode, 3);
    struct xl_search warned = { .space = space };
    struct xl_past past = { .has_failed = true, .weight = weight };
    struct xl_ask ask;
    size_t hit = 0;
    uint32_t point[XL_SPACE_DIMS];
    for (uint64_t i = 0; i < xl_space_count(space); i += 2) {
        xl_space_at(space, i, point);
        xl_search_recall(&warned, xl_space_code(space, point), &past, NULL);
        XL_CHECK_EQ(t, xl_strategy_recall(s, point, &past, NULL), XL_OK);
    }
    *n = 0;
    while (xl_strategy_ask(s, &ask, NULL) == XL_OK && !ask.end) {
        struct xl_outcome o = xl_table_outcome(table, ask.point);
        bool is_drawn =
            !strcmp(ask.how, "uniform") || !strcmp(ask.how, "immigrant");
        *n += !is_drawn;
        hit += !is_drawn && xl_search_past(&warned, ask.code);
        XL_CHECK(t, xl_strategy_tell(s, ask.point, &o, NULL) == XL_OK);
    }
    xl_strategy_free(s);
    xl_search_release(&warned);
    return hit;
}

/* What an earlier run of the same kind saw fail is left to draws; what one of
 * another kind saw may be chosen. */
static void what_is_warned_of_is_not_chosen(struct xl_test *t)
{
    struct xl_table *table = NULL;
    struct xl_err err = { 0 };
    size_t n, believed = 0;
    XL_CHECK_STATUS(t, xl_made_table(&table, XL_MADE_SMOOTH, 3, &err), XL_OK,
                    &err);
    for (size_t i = 0; xl_strategy_kind_at(i); i++) {
        const char *mode = xl_strategy_kind_name(xl_strategy_kind_at(i));
        if (!strcmp(mode, "random") || !strcmp(mode, "grid"))
            continue;
        XL_CHECK_EQ(t, warned_choices(t, table, mode, 1, &n), 0);
        XL_CHECK(t, n > 5);
        believed += warned_choices(t, table, mode, 0.1, &n) == 0;
    }
    XL_CHECK(t, believed < 3);
    xl_table_free(table);
}

static void the_weightiest_past_counts(struct xl_test *t)
{
    struct xl_search search = { 0 };
    static const struct xl_past_row rows[] = {
        { 9, { true, 0.5 } },  { 2, { true, 0.2 } }, { 7, { false, 1 } },
        { 2, { false, 0.6 } }, { 2, { true, 0.6 } }, { 2, { false, 0.6 } },
        { 11, { true, 0.1 } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        XL_CHECK_EQ(
            t, xl_search_recall(&search, rows[i].code, &rows[i].past, NULL),
            XL_OK);
    XL_CHECK_EQ(t, search.n_pasts, 4);
    XL_CHECK(t, xl_search_past(&search, 2)->has_failed);
    XL_CHECK_NEAR(t, xl_search_past(&search, 2)->weight, 0.6, 0);
    XL_CHECK_NEAR(t, xl_search_past(&search, 11)->weight, 0.1, 0);
    XL_CHECK(t, !xl_search_past(&search, 8) && !xl_search_past(&search, 12));
    XL_CHECK(t, xl_search_shuns(&search, 9) && xl_search_shuns(&search, 2));
    XL_CHECK(t, !xl_search_shuns(&search, 11) && !xl_search_shuns(&search, 7));
    xl_search_release(&search);
}

static void bad_pasts_are_refused(struct xl_test *t)
{
    static const double bad[] = { 0, -1, 1.5, (double)NAN };
    const struct xl_past good = { .weight = 1 };
    struct xl_table *table = NULL;
    uint32_t point[XL_SPACE_DIMS];
    struct xl_ask ask;
    XL_CHECK_EQ(t, xl_made_table(&table, XL_MADE_TINY, 3, NULL), XL_OK);
    struct xl_strategy *s = make(t, table, "gp", 1);
    xl_space_at(xl_table_space(table), 0, point);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        XL_CHECK_EQ(t,
                    xl_strategy_recall(
                        s, point, &(struct xl_past){ .weight = bad[i] }, NULL),
                    XL_EUSAGE);
    XL_CHECK_EQ(t, xl_strategy_recall(s, point, &good, NULL), XL_OK);
    XL_CHECK_EQ(t, xl_strategy_ask(s, &ask, NULL), XL_OK);
    XL_CHECK_EQ(t, xl_strategy_recall(s, point, &good, NULL), XL_EUSAGE);
    xl_strategy_free(s);
    xl_table_free(table);
}

const struct xl_test_case xl_suite_hint[] = {
    XL_CASE(good_hints_shorten),
    XL_CASE(all_but_the_blind_read_hints),
    XL_CASE(wrong_hints_cost_little),
    XL_CASE(hints_keep_the_sequence),
    XL_CASE(bad_hints_are_refused),
    XL_CASE(what_is_warned_of_is_not_chosen),
    XL_CASE(the_weightiest_past_counts),
    XL_CASE(bad_pasts_are_refused),
    { 0 },
};
