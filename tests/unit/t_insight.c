/* SPDX-License-Identifier: Apache-2.0
 *
 * Insight against functions whose Sobol indices are known on paper. */
#include "tuner/strategy/insight.h"

#include <math.h>
#include <string.h>

#include "tests/harness/test.h"
#include "tests/unit/strategy_fixture.h"
#include "tuner/strategy/insight_int.h"

enum {
    MOST_ROWS = 400,
    MOST_POINTS = 14000,
};

/* x of each dimension in -1..1, the middles of equal cells. */
typedef double formula(const double *x);

/* Shares 9, 4, 1 of 14, and a dimension without effect. */
static double slopes(const double *x)
{
    return 3 * x[0] - 2 * x[1] + x[2];
}

static double exp_of_slopes(const double *x)
{
    return exp(slopes(x));
}

static double product(const double *x)
{
    return x[0] * x[1];
}

/* Ishigami and Homma 1990 with a = 7, b = 0.1: S1 = 0.3139, S2 = 0.4424,
 * S13 = 0.2437, all others 0. */
static double ishigami(const double *x)
{
    const double pi = 3.14159265358979323846;
    double a = sin(pi * x[0]), b = sin(pi * x[1]), c = pi * x[2];
    return a + 7 * b * b + 0.1 * c * c * c * c * a;
}

static struct xl_space *cube(struct xl_test *t, size_t n_dims, uint32_t n)
{
    struct xl_dim dims[XL_SPACE_DIMS];
    struct xl_space *space = NULL;
    for (size_t d = 0; d < n_dims; d++)
        dims[d] = xl_test_dim(XL_DIM_ORDERED, n);
    struct xl_space_options options = { .dims = dims, .n_dims = n_dims };
    XL_CHECK_EQ(t, xl_space_make(&space, &options, NULL), XL_OK);
    return space;
}

static double at(const struct xl_space *space, formula *f,
                 const uint32_t *point)
{
    double x[XL_SPACE_DIMS];
    for (size_t d = 0; d < xl_space_n_dims(space); d++)
        x[d] = (2 * (double)point[d] + 1) / xl_space_dim(space, d)->n - 1;
    return f(x);
}

/* n members without repetition; may be all. */
static size_t told(const struct xl_space *space, formula *f, size_t n,
                   uint64_t seed, struct xl_insight_row *rows)
{
    struct xl_rng rng;
    xl_rng_seed(&rng, seed);
    uint64_t count = xl_space_count(space), left = n;
    size_t made = 0;
    for (uint64_t i = 0; i < count && left; i++) {
        uint32_t point[XL_SPACE_DIMS];
        if (xl_rng_below(&rng, count - i) >= left)
            continue;
        left--;
        xl_space_at(space, i, point);
        rows[made++] = (struct xl_insight_row){
            .code = xl_space_code(space, point),
            .outcome = xl_test_ok_value(at(space, f, point)),
        };
    }
    return made;
}

/* -- the split ------------------------------------------------------------ */

static uint32_t points[MOST_POINTS][XL_SPACE_DIMS];
static double values[MOST_POINTS], rest[MOST_POINTS];

static struct xl_split whole(const struct xl_space *space, formula *f)
{
    size_t n = (size_t)xl_space_count(space);
    for (size_t i = 0; i < n; i++) {
        xl_space_at(space, i, points[i]);
        values[i] = at(space, f, points[i]);
    }
    struct xl_split split = {
        .space = space,
        .points = (const uint32_t(*)[XL_SPACE_DIMS])points,
        .n = n,
        .is_all = true,
    };
    xl_split_rest(&split, values, rest);
    return split;
}

static void split_is_the_paper(struct xl_test *t)
{
    struct xl_space *space = cube(t, 3, 24);
    struct xl_split split = whole(space, ishigami);
    XL_CHECK_NEAR(t, xl_split_main(&split, values, 0), 0.3139, 0.005);
    XL_CHECK_NEAR(t, xl_split_main(&split, values, 1), 0.4424, 0.005);
    XL_CHECK_NEAR(t, xl_split_main(&split, values, 2), 0, 1e-9);
    XL_CHECK_NEAR(t, xl_split_pair(&split, values, rest, 0, 2), 0.2437, 0.005);
    xl_space_free(space);
    space = cube(t, 3, 6); /* pairs are split into six bins each */
    split = whole(space, product);
    XL_CHECK_NEAR(t, xl_split_main(&split, values, 0), 0, 1e-9);
    XL_CHECK_NEAR(t, xl_split_pair(&split, values, rest, 0, 1), 1, 1e-9);
    XL_CHECK_NEAR(t, xl_split_pair(&split, values, rest, 0, 2), 0, 1e-9);
    split = whole(space, slopes);
    XL_CHECK_NEAR(t, xl_split_main(&split, values, 0), 9.0 / 14, 1e-9);
    XL_CHECK_NEAR(t, xl_split_pair(&split, values, rest, 0, 1), 0, 1e-9);
    xl_space_free(space);
}

/* A dimension without effect gets nothing from a sample, on average; without
 * the correction it would get (bins - 1) / (n - 1). */
static void chance_is_taken_off(struct xl_test *t)
{
    enum {
        N = 100,
        TIMES = 200
    };
    struct xl_space *space = cube(t, 2, 8);
    struct xl_rng rng;
    double sum = 0, naive = 0;
    xl_rng_seed(&rng, 4);
    for (size_t k = 0; k < TIMES; k++) {
        struct xl_split split = {
            .space = space,
            .points = (const uint32_t(*)[XL_SPACE_DIMS])points,
            .n = N,
        };
        for (size_t i = 0; i < N; i++) {
            xl_space_sample(space, &rng, points[i]);
            values[i] = xl_rng_normal(&rng);
        }
        sum += xl_split_main(&split, values, 0) / TIMES;
        split.is_all = true;
        naive += xl_split_main(&split, values, 0) / TIMES;
    }
    XL_CHECK_NEAR(t, naive, 7.0 / 99, 0.01);
    XL_CHECK(t, sum < 0.025); /* negative ones count as 0 */
    xl_space_free(space);
}

/* -- the draws ------------------------------------------------------------ */

/* Mean and deviation of many functions are those of the process that gp
 * searches with, which is built another way. */
static void draws_are_the_process(struct xl_test *t)
{
    enum {
        N = 25,
        M = 40,
        TIMES = 4000
    };
    struct xl_space *space = cube(t, 2, 9);
    struct xl_columns columns;
    struct xl_surrogate s;
    struct xl_insight_row rows[MOST_ROWS];
    struct xl_fit_row fit[N];
    struct xl_lane_point at_points[M];
    struct xl_draws draws = { 0 };
    struct xl_rng rng;
    double worst_mean = 0, worst_sd = 0;
    size_t n = told(space, product, N, 3, rows);
    xl_rng_seed(&rng, 8);
    XL_CHECK_EQ(t, xl_columns_init(&columns, space, NULL), XL_OK);
    XL_CHECK_EQ(t, xl_surrogate_init(&s, &columns, NULL), XL_OK);
    for (size_t i = 0; i < n; i++)
        xl_surrogate_add(&s, rows[i].code,
                         (struct xl_sight){ .y = rows[i].outcome.values[0] },
                         NULL);
    XL_CHECK_EQ(t, xl_surrogate_refresh(&s, false, NULL), XL_OK);
    for (size_t i = 0; i < n; i++)
        fit[i] =
            (struct xl_fit_row){ &s.rows[i].point,
                                 (s.rows[i].sight.y - s.mean) / s.deviation };
    for (size_t c = 0; c < M; c++) {
        xl_columns_point(&columns, columns.codes[2 * c], &at_points[c]);
        memcpy(at_points[c].weight, s.rows[0].point.weight,
               sizeof at_points[c].weight);
    }
    struct xl_draw_job job = { &s.theta, fit, n, at_points, M, TIMES };
    XL_CHECK_EQ(t, xl_draws_make(&draws, &job, &rng, NULL), XL_OK);
    for (size_t c = 0; c < M; c++) {
        double sum = 0, squares = 0;
        for (size_t k = 0; k < TIMES; k++) {
            double y = draws.values[k * M + c];
            sum += y / TIMES;
            squares += y * y / TIMES;
        }
        double sd = sqrt(squares - sum * sum);
        worst_mean = fmax(worst_mean, fabs(sum - xl_surrogate_mean(&s, 2 * c)));
        worst_sd = fmax(worst_sd, fabs(sd / xl_surrogate_sd(&s, 2 * c) - 1));
    }
    XL_CHECK_NEAR(t, worst_mean, 0, 0.03);
    XL_CHECK_NEAR(t, worst_sd, 0, 0.05);
    xl_draws_release(&draws);
    xl_surrogate_release(&s);
    xl_columns_release(&columns);
    xl_space_free(space);
}

/* -- shares --------------------------------------------------------------- */

static const struct xl_insight_share *share_of(const struct xl_insight *insight,
                                               size_t a, size_t b)
{
    const struct xl_insight_share *list =
        a == b ? insight->mains : insight->pairs;
    size_t n = a == b ? insight->n_mains : insight->n_pairs;
    for (size_t i = 0; i < n; i++)
        if (list[i].a == a && list[i].b == b)
            return &list[i];
    return NULL;
}

static void shares_are_the_paper(struct xl_test *t)
{
    static const struct {
        formula *f;
        size_t n_dims, rows, a, b;
        uint32_t n;
        double share, within;
    } table[] = {
        { slopes, 4, 80, 0, 0, 7, 9.0 / 14, 0.05 },
        { slopes, 4, 80, 1, 1, 7, 4.0 / 14, 0.05 },
        { slopes, 4, 80, 2, 2, 7, 1.0 / 14, 0.05 },
        { slopes, 4, 80, 3, 3, 7, 0, 0.03 },
        { slopes, 4, 80, 0, 1, 7, 0, 0.03 },
        { exp_of_slopes, 4, 80, 0, 0, 7, 9.0 / 14, 0.05 },
        { product, 3, 80, 0, 1, 6, 1, 0.06 },
        { product, 3, 80, 0, 0, 6, 0, 0.03 },
        { ishigami, 3, 250, 0, 0, 8, 0.3139, 0.08 },
        { ishigami, 3, 250, 1, 1, 8, 0.4424, 0.08 },
        { ishigami, 3, 250, 2, 2, 8, 0, 0.04 },
        { ishigami, 3, 250, 0, 2, 8, 0.2437, 0.08 },
        { ishigami, 3, 250, 0, 1, 8, 0, 0.04 },
    };
    struct xl_insight insight = { 0 };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct xl_insight_row rows[MOST_ROWS];
        struct xl_err err = { 0 };
        if (i == 0 || table[i].f != table[i - 1].f) {
            struct xl_space *space = cube(t, table[i].n_dims, table[i].n);
            size_t n = told(space, table[i].f, table[i].rows, 7, rows);
            XL_CHECK_STATUS(t,
                            xl_insight_make(&insight, space, rows, n, 1, &err),
                            XL_OK, &err);
            XL_CHECK(t, insight.explained > 0.8);
            xl_space_free(space);
        }
        const struct xl_insight_share *s =
            share_of(&insight, table[i].a, table[i].b);
        xl_test_check(t,
                      s && fabs(s->share - table[i].share) <= table[i].within &&
                          s->lo <= s->share && s->share <= s->hi,
                      __FILE__, __LINE__, "row %zu: share %.3f [%.3f, %.3f]", i,
                      s ? s->share : (double)NAN, s ? s->lo : (double)NAN,
                      s ? s->hi : (double)NAN);
    }
    XL_CHECK(t, insight.mains[0].share >= insight.mains[1].share);
}

/* Few results: the interval is wide and holds the truth nearly always. */
static void intervals_hold_the_truth(struct xl_test *t)
{
    enum {
        TIMES = 12
    };
    struct xl_space *space = cube(t, 4, 6);
    struct xl_insight_row rows[MOST_ROWS];
    size_t held = 0;
    double wide = 0, narrow = 0;
    for (uint64_t seed = 0; seed < TIMES; seed++) {
        struct xl_insight few, many;
        size_t n = told(space, slopes, 16, seed, rows);
        XL_CHECK_EQ(t, xl_insight_make(&few, space, rows, n, seed, NULL),
                    XL_OK);
        n = told(space, slopes, 100, seed, rows);
        XL_CHECK_EQ(t, xl_insight_make(&many, space, rows, n, seed, NULL),
                    XL_OK);
        const struct xl_insight_share *a = share_of(&few, 0, 0),
                                      *b = share_of(&many, 0, 0);
        held += a->lo <= 9.0 / 14 && 9.0 / 14 <= a->hi;
        wide += a->hi - a->lo;
        narrow += b->hi - b->lo;
    }
    XL_CHECK(t, held >= TIMES - 3);
    XL_CHECK(t, wide > 1.5 * narrow);
    xl_space_free(space);
}

/* -- what is left --------------------------------------------------------- */

static double positive_slopes(const double *x)
{
    return 10 + slopes(x);
}

static void advice_follows_what_is_left(struct xl_test *t)
{
    struct xl_space *space = cube(t, 3, 6);
    struct xl_insight_row rows[MOST_ROWS];
    struct xl_insight insight;
    uint32_t point[XL_SPACE_DIMS];
    /* All but the best third of the slope: much is left, and guessed. */
    size_t n = told(space, positive_slopes, 216, 1, rows), kept = 0;
    XL_CHECK_EQ(t, n, 216);
    XL_CHECK_EQ(t, xl_insight_make(&insight, space, rows, n, 1, NULL), XL_OK);
    XL_CHECK(t, insight.is_over && insight.gain == 0 && insight.chance == 0);
    XL_CHECK_EQ(t, insight.n_guesses, 0);
    for (size_t i = 0; i < n; i++)
        if (rows[i].outcome.values[0] < 11 && i % 3)
            rows[kept++] = rows[i];
    XL_CHECK_EQ(t, xl_insight_make(&insight, space, rows, kept, 1, NULL),
                XL_OK);
    XL_CHECK(t, !insight.is_over && insight.is_ratio);
    XL_CHECK(t, insight.gain > 0.2 && insight.chance > 0.95);
    xl_space_decode(space, insight.guesses[0].code, point);
    XL_CHECK(t, point[0] == 5 && point[1] == 0);
    XL_CHECK(t, insight.guesses[0].lo < at(space, positive_slopes, point) &&
                    insight.guesses[0].hi > at(space, positive_slopes, point));
    /* The best is there: little is left. */
    n = told(space, positive_slopes, 216, 1, rows);
    kept = 0;
    for (size_t i = 0; i < n; i++)
        if (rows[i].outcome.values[0] > 12 || i % 3)
            rows[kept++] = rows[i];
    XL_CHECK_EQ(t, xl_insight_make(&insight, space, rows, kept, 1, NULL),
                XL_OK);
    XL_CHECK(t, insight.gain < 0.01 && insight.chance < 0.1);
    xl_space_free(space);
}

/* The slope leads to where all fail: less is left than if nothing was known
 * of there. */
static void failures_are_not_promised(struct xl_test *t)
{
    struct xl_space *space = cube(t, 3, 6);
    struct xl_insight_row rows[MOST_ROWS], ran[MOST_ROWS];
    struct xl_insight insight, blind;
    uint32_t point[XL_SPACE_DIMS];
    size_t n = told(space, positive_slopes, 150, 1, rows), n_ran = 0;
    for (size_t i = 0; i < n; i++) {
        xl_space_decode(space, rows[i].code, point);
        if (point[0] < 4)
            ran[n_ran++] = rows[i];
        else
            rows[i].outcome.status = XL_OUTCOME_FAILED;
    }
    XL_CHECK_EQ(t, xl_insight_make(&insight, space, rows, n, 1, NULL), XL_OK);
    XL_CHECK_EQ(t, insight.n_failed, n - n_ran);
    XL_CHECK_EQ(t, insight.n_ok, n_ran);
    XL_CHECK_EQ(t, xl_insight_make(&blind, space, ran, n_ran, 1, NULL), XL_OK);
    xl_test_check(t, insight.gain < 0.75 * blind.gain, __FILE__, __LINE__,
                  "gain %.3f, blind %.3f", insight.gain, blind.gain);
    XL_CHECK(t, insight.chance <= blind.chance);
    xl_space_free(space);
}

static void too_little_is_refused(struct xl_test *t)
{
    struct xl_space *space = cube(t, 3, 6);
    struct xl_insight_row rows[MOST_ROWS];
    struct xl_insight insight, again;
    struct xl_err err = { 0 };
    size_t n = told(space, slopes, XL_INSIGHT_LEAST - 1, 1, rows);
    XL_CHECK_EQ(t, xl_insight_make(&insight, space, rows, n, 1, &err),
                XL_EUSAGE);
    XL_CHECK(t, strstr(err.message, "needs 8 measured"));
    n = told(space, slopes, 30, 1, rows);
    XL_CHECK_EQ(t, xl_insight_make(&insight, space, rows, n, 1, NULL), XL_OK);
    XL_CHECK_EQ(t, xl_insight_make(&again, space, rows, n, 1, NULL), XL_OK);
    XL_CHECK(t, memcmp(&insight.mains, &again.mains, sizeof again.mains) == 0);
    for (size_t i = 0; i < n; i++)
        rows[i].outcome.values[0] = 3;
    XL_CHECK_EQ(t, xl_insight_make(&insight, space, rows, n, 1, &err),
                XL_EUSAGE);
    XL_CHECK(t, strstr(err.message, "same value"));
    xl_space_free(space);
}

const struct xl_test_case xl_suite_insight[] = {
    XL_CASE(split_is_the_paper),
    XL_CASE(chance_is_taken_off),
    XL_CASE(draws_are_the_process),
    XL_CASE(shares_are_the_paper),
    XL_CASE(intervals_hold_the_truth),
    XL_CASE(advice_follows_what_is_left),
    XL_CASE(failures_are_not_promised),
    XL_CASE(too_little_is_refused),
    { 0 },
};
