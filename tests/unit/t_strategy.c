/* SPDX-License-Identifier: Apache-2.0
 *
 * Strategies on functions whose optimum is known. Each check is a function of
 * a strategy kind and is shown a kind that must not pass. */
#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "tests/harness/test.h"
#include "tests/unit/strategy_fixture.h"
#include "tests/unit/uniform.h"
#include "tuner/strategy/search.h"

enum {
    BUDGET = 60,
    SEEDS = 200
};

/* -- checks, each shown a kind that fails it ------------------------------ */

/* Proposes members only, none twice, and ends exactly at the space's end. */
static bool covers_exactly(const struct xl_test_plan *run)
{
    static struct xl_test_trace trace;
    uint32_t point[XL_SPACE_DIMS];
    xl_test_run(run, &trace);
    if (trace.is_fault || trace.end != XL_ASK_SPACE ||
        trace.n != xl_space_count(run->space))
        return false;
    for (size_t i = 0; i < trace.n; i++) {
        xl_space_decode(run->space, trace.codes[i], point);
        if (!xl_space_has(run->space, point))
            return false;
        for (size_t j = 0; j < i; j++)
            if (trace.codes[j] == trace.codes[i])
                return false;
    }
    return true;
}

/* Better than random search by more than three standard errors of the mean
 * difference over the seeds. */
static bool learns(const struct xl_strategy_kind *kind,
                   const struct xl_space *space, xl_test_function *f)
{
    static struct xl_test_trace own, base;
    double sum = 0, squares = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct xl_test_plan run = {
            .kind = kind, .space = space, .f = f, .budget = BUDGET, .seed = seed
        };
        xl_test_run(&run, &own);
        run.kind = xl_strategy_find("random");
        run.seed = seed + 1000;
        xl_test_run(&run, &base);
        if (own.is_fault || !own.has_best || !base.has_best)
            return false;
        double gain = own.best - base.best;
        sum += gain;
        squares += gain * gain;
    }
    double mean = sum / SEEDS;
    double variance = squares / SEEDS - mean * mean;
    return mean > 3 * sqrt(variance / SEEDS);
}

static enum xl_status ask_same(void *state, struct xl_search *search,
                               struct xl_ask *ask, struct xl_err *err)
{
    (void)state;
    (void)err;
    xl_space_at(search->space, search->asked / 2, ask->point);
    return XL_OK;
}

static enum xl_status ask_blindly(void *state, struct xl_search *search,
                                  struct xl_ask *ask, struct xl_err *err)
{
    (void)state;
    return xl_search_draw(search, ask, err);
}

static enum xl_status ask_half(void *state, struct xl_search *search,
                               struct xl_ask *ask, struct xl_err *err)
{
    XL_TRY(ask_blindly(state, search, ask, err));
    if (search->asked > xl_space_count(search->space) / 2)
        ask->end = XL_ASK_SPACE;
    return XL_OK;
}

static enum xl_status ask_outside(void *state, struct xl_search *search,
                                  struct xl_ask *ask, struct xl_err *err)
{
    (void)state;
    (void)err;
    xl_space_decode(search->space, search->asked, ask->point);
    return XL_OK;
}

static const struct xl_strategy_kind repeats = { .name = "repeats",
                                                 .ask = ask_same };
static const struct xl_strategy_kind ignores = { .name = "ignores",
                                                 .ask = ask_blindly };
static const struct xl_strategy_kind gives_up = { .name = "gives up",
                                                  .ask = ask_half };
static const struct xl_strategy_kind strays = { .name = "strays",
                                                .ask = ask_outside };

static void every_strategy_covers_the_space(struct xl_test *t)
{
    struct xl_space *space = xl_test_space(t, 4);
    struct xl_test_plan run = { .space = space,
                                .f = xl_test_sphere,
                                .budget = 5000 };
    for (size_t i = 0; xl_strategy_kind_at(i); i++) {
        run.kind = xl_strategy_kind_at(i);
        for (run.seed = 0; run.seed < 3; run.seed++) {
            run.open = 1;
            XL_CHECK(t, covers_exactly(&run));
            run.f = xl_test_faulty;
            run.open = 7;
            XL_CHECK(t, covers_exactly(&run));
        }
    }
    static const struct xl_strategy_kind *const bad[] = { &repeats, &gives_up,
                                                          &strays };
    run.open = 1;
    for (size_t i = 0; i < 3; i++) {
        run.kind = bad[i];
        XL_CHECK(t, !covers_exactly(&run));
    }
    xl_space_free(space);
}

/* A budget of all points but one is spent in full, whatever the size. */
static void every_strategy_spends_its_budget(struct xl_test *t)
{
    static struct xl_test_trace trace;
    for (uint32_t n = 3; n < 5; n++) {
        struct xl_space *space = xl_test_space(t, n);
        for (size_t i = 0; xl_strategy_kind_at(i); i++) {
            size_t budget = (size_t)xl_space_count(space) - 1;
            xl_test_run(&(struct xl_test_plan){ .kind = xl_strategy_kind_at(i),
                                                .space = space,
                                                .f = xl_test_faulty,
                                                .budget = budget,
                                                .open = n },
                        &trace);
            XL_CHECK(t, !trace.is_fault && trace.end == XL_ASK_BUDGET);
            XL_CHECK_EQ(t, trace.n, budget);
        }
        xl_space_free(space);
    }
}

static xl_test_function *const functions[] = { xl_test_sphere, xl_test_ripples,
                                               xl_test_faulty };

static void genetic_search_learns(struct xl_test *t)
{
    struct xl_space *space = xl_test_space(t, 16);
    for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
        XL_CHECK(t, learns(xl_strategy_find("ga"), space, functions[f]));
        XL_CHECK(t, !learns(&ignores, space, functions[f]));
    }
    XL_CHECK(t, !learns(&repeats, space, xl_test_sphere));
    xl_space_free(space);
}

/* Uphill leads into the half of the space where nothing runs; the other half
 * has enough ripples to go on with. */
static struct xl_outcome cliff(const struct xl_space *space,
                               const uint32_t *point)
{
    struct xl_outcome outcome = xl_test_ripples(space, point);
    uint64_t mixed = xl_space_code(space, point) * 0x9e3779b97f4a7c15u;
    outcome.values[0] += 2 * (double)point[0] / xl_space_dim(space, 0)->n;
    outcome.values[0] += (double)(mixed >> 60) / 16;
    if (2 * point[0] >= xl_space_dim(space, 0)->n)
        outcome.status = XL_OUTCOME_FAILED;
    return outcome;
}

/* Share of failures in the second half of searches. */
static double late_failures(const struct xl_strategy_kind *kind,
                            const struct xl_space *space)
{
    static struct xl_test_trace trace;
    size_t failed = 0, n = 0;
    for (uint64_t seed = 0; seed < 6; seed++) {
        xl_test_run(&(struct xl_test_plan){ .kind = kind,
                                            .space = space,
                                            .f = cliff,
                                            .budget = 160,
                                            .open = 2,
                                            .seed = seed },
                    &trace);
        for (size_t i = trace.n / 2; i < trace.n; i++, n++) {
            uint32_t point[XL_SPACE_DIMS];
            xl_space_decode(space, trace.codes[i], point);
            failed += cliff(space, point).status != XL_OUTCOME_OK;
        }
    }
    return (double)failed / (double)n;
}

static void failures_are_learnt_from(struct xl_test *t)
{
    struct xl_space *space = xl_test_space(t, 16);
    for (size_t i = 0; xl_strategy_kind_at(i); i++) {
        const struct xl_strategy_kind *kind = xl_strategy_kind_at(i);
        bool learns_at_all =
            strcmp(kind->name, "random") != 0 && strcmp(kind->name, "grid");
        double share = late_failures(kind, space);
        xl_test_check(t, (share < 0.45) == learns_at_all, __FILE__, __LINE__,
                      "%s: %.2f of the later proposals fail", kind->name,
                      share);
    }
    xl_space_free(space);
}

static bool same_traces(const struct xl_test_plan *a,
                        const struct xl_test_plan *b)
{
    static struct xl_test_trace x, y;
    xl_test_run(a, &x);
    xl_test_run(b, &y);
    return x.n == y.n && x.n > 0 &&
           memcmp(x.codes, y.codes, x.n * sizeof *x.codes) == 0;
}

static void seeds_fix_the_sequence(struct xl_test *t)
{
    struct xl_space *space = xl_test_space(t, 12);
    for (size_t i = 0; xl_strategy_kind_at(i); i++) {
        struct xl_test_plan run = { .kind = xl_strategy_kind_at(i),
                                    .space = space,
                                    .f = xl_test_ripples,
                                    .budget = 200,
                                    .open = 3,
                                    .seed = 9 };
        struct xl_test_plan other = run;
        other.seed = 10;
        XL_CHECK(t, same_traces(&run, &run));
        bool is_seeded = strcmp(run.kind->name, "grid") != 0;
        XL_CHECK_EQ(t, same_traces(&run, &other), !is_seeded);
    }
    xl_space_free(space);
}

/* No two points are equally good. */
static struct xl_outcome faulty_and_distinct(const struct xl_space *space,
                                             const uint32_t *point)
{
    struct xl_outcome outcome = xl_test_faulty(space, point);
    outcome.values[0] -= 1e-6 * (double)xl_space_code(space, point);
    return outcome;
}

/* A result that comes a second time changes nothing; but ga may have started
 * anew between the two. */
static void told_twice_is_told_once(struct xl_test *t)
{
    struct xl_space *space = xl_test_space(t, 12);
    for (size_t i = 0; xl_strategy_kind_at(i); i++) {
        const char *name = xl_strategy_kind_at(i)->name;
        if (strcmp(name, "ga") == 0)
            continue;
        struct xl_test_plan once = { .kind = xl_strategy_kind_at(i),
                                     .space = space,
                                     .f = faulty_and_distinct,
                                     .budget = 250,
                                     .seed = 4 };
        struct xl_test_plan twice = once;
        twice.is_told_twice = true;
        xl_test_check(t, same_traces(&once, &twice), __FILE__, __LINE__,
                      "%s: the same results twice lead elsewhere", name);
    }
    xl_space_free(space);
}

/* What is known is told again; then both go on alike. */
static void replayed_tells_resume(struct xl_test *t)
{
    struct xl_space *space = xl_test_space(t, 12);
    for (size_t i = 0; xl_strategy_kind_at(i); i++) {
        struct xl_strategy *runs[2] = { NULL };
        uint64_t codes[2][80];
        for (int r = 0; r < 2; r++) {
            xl_strategy_make(
                &runs[r], xl_strategy_kind_at(i), space,
                &(struct xl_strategy_options){ .seed = 4, .budget = 80 }, NULL);
            for (size_t n = 0; n < (r ? 80 : 40); n++) {
                struct xl_ask ask;
                XL_CHECK_EQ(t, xl_strategy_ask(runs[r], &ask, NULL), XL_OK);
                XL_CHECK_EQ(t, ask.number, n);
                codes[r][n] = ask.code;
                struct xl_outcome outcome = xl_test_faulty(space, ask.point);
                xl_strategy_tell(runs[r], ask.point, &outcome, NULL);
            }
        }
        XL_CHECK(t, memcmp(codes[0], codes[1], 40 * sizeof **codes) == 0);
        for (size_t n = 40; n < 80; n++) {
            struct xl_ask ask;
            xl_strategy_ask(runs[0], &ask, NULL);
            XL_CHECK_EQ(t, ask.code, codes[1][n]);
            struct xl_outcome outcome = xl_test_faulty(space, ask.point);
            xl_strategy_tell(runs[0], ask.point, &outcome, NULL);
        }
        xl_strategy_free(runs[0]);
        xl_strategy_free(runs[1]);
    }
    xl_space_free(space);
}

/* The member proposed at a place of the order is uniform over seeds, early,
 * just before half and in the list of the rest. */
static void random_order_is_uniform(struct xl_test *t)
{
    static struct xl_test_trace trace;
    static size_t counts[3][1024];
    struct xl_space *space = xl_test_space(t, 3);
    size_t n = (size_t)xl_space_count(space);
    size_t at[3] = { 0, n / 2 - 1, n - 2 };
    memset(counts, 0, sizeof counts);
    for (uint64_t seed = 0; seed < 20 * n; seed++) {
        xl_test_run(&(struct xl_test_plan){ .kind = xl_strategy_find("random"),
                                            .space = space,
                                            .f = xl_test_sphere,
                                            .seed = seed },
                    &trace);
        for (int i = 0; i < 3; i++) {
            uint32_t point[XL_SPACE_DIMS];
            xl_space_decode(space, trace.codes[at[i]], point);
            counts[i][xl_space_index(space, point)]++;
        }
    }
    for (int i = 0; i < 3; i++)
        XL_CHECK(t, fabs(xl_test_deviate(counts[i], n)) < 4);
    /* Half the members drawn twice as often would be seen. */
    for (size_t i = 0; i < n / 2; i++)
        counts[0][i] *= 2;
    XL_CHECK(t, xl_test_deviate(counts[0], n) > 4);
    xl_space_free(space);
}

/* No structure at all, so that the population never draws together. */
static struct xl_outcome noise(const struct xl_space *space,
                               const uint32_t *point)
{
    struct xl_rng rng;
    xl_rng_seed(&rng, xl_space_code(space, point));
    return xl_test_ok_value(xl_rng_unit(&rng));
}

/* How often a value that neither parent had could have come, and came. */
struct chance {
    size_t could, came;
};

static void count_mutated(const struct xl_space *space,
                          const struct xl_ask *ask, struct chance tally[4][16])
{
    uint32_t parents[2][XL_SPACE_DIMS];
    for (size_t i = 0; i < 2; i++)
        xl_space_decode(space, ask->parents[i < ask->n_parents ? i : 0],
                        parents[i]);
    for (size_t d = 0; d < 4; d++) {
        for (uint32_t v = 0; v < xl_space_dim(space, d)->n; v++) {
            if (v == parents[0][d] || v == parents[1][d])
                continue;
            tally[d][v].could++;
            tally[d][v].came += ask->point[d] == v;
        }
    }
}

/* Each value comes by mutation, and those of a nominal dimension about as
 * readily as each other. */
static void mutation_reaches_every_value(struct xl_test *t)
{
    struct xl_dim dims[] = { xl_test_dim(XL_DIM_ORDERED, 16),
                             xl_test_dim(XL_DIM_NOMINAL, 5),
                             xl_test_dim(XL_DIM_ORDERED, 16),
                             xl_test_dim(XL_DIM_ORDERED, 16) };
    struct xl_space *space = NULL;
    struct xl_strategy *s = NULL;
    struct chance tally[4][16] = { 0 };
    struct xl_err err = { 0 };
    /* Without rules, so that no repair stands in for a mutation. */
    enum xl_status rc = xl_space_make(
        &space, &(struct xl_space_options){ .dims = dims, .n_dims = 4 }, &err);
    XL_CHECK_STATUS(t, rc, XL_OK, &err);
    XL_CHECK_EQ(t,
                xl_strategy_make(
                    &s, xl_strategy_find("ga"), space,
                    &(struct xl_strategy_options){ .seed = 1, .budget = 2500 },
                    &err),
                XL_OK);
    for (;;) {
        struct xl_ask ask;
        XL_CHECK_STATUS(t, xl_strategy_ask(s, &ask, &err), XL_OK, &err);
        if (ask.end)
            break;
        XL_CHECK_EQ(t, ask.generation, ask.number / 10);
        struct xl_outcome outcome = noise(space, ask.point);
        XL_CHECK_EQ(t, xl_strategy_tell(s, ask.point, &outcome, &err), XL_OK);
        if (ask.n_parents)
            count_mutated(space, &ask, tally);
    }
    for (size_t d = 0; d < 4; d++) {
        const struct xl_dim *dim = xl_space_dim(space, d);
        double least = dim->kind == XL_DIM_NOMINAL ? 0.7 : 0.2, mean = 0;
        for (uint32_t v = 0; v < dim->n; v++)
            mean += (double)tally[d][v].came / (double)tally[d][v].could /
                    (double)dim->n;
        for (uint32_t v = 0; v < dim->n; v++)
            xl_test_check(t,
                          (double)tally[d][v].came >
                              least * mean * (double)tally[d][v].could,
                          __FILE__, __LINE__,
                          "value %u of dimension %zu came %zu of %zu times", v,
                          d, tally[d][v].came, tally[d][v].could);
    }
    xl_strategy_free(s);
    xl_space_free(space);
}

static void default_budget_is_fifty(struct xl_test *t)
{
    static struct xl_test_trace trace;
    struct xl_space *space = xl_test_space(t, 16);
    struct xl_test_plan run = { .kind = xl_strategy_find("ga"),
                                .space = space,
                                .f = xl_test_sphere };
    xl_test_run(&run, &trace);
    XL_CHECK_EQ(t, trace.n, 50);
    XL_CHECK_EQ(t, trace.end, XL_ASK_BUDGET);
    xl_space_free(space);
}

static void suggestions_come_first(struct xl_test *t)
{
    struct xl_space *space = xl_test_space(t, 6);
    struct xl_strategy *s = NULL;
    struct xl_ask ask;
    uint32_t a[XL_SPACE_DIMS] = { 1, 0, 1, 2, 0 };
    uint32_t b[XL_SPACE_DIMS] = { 2, 0, 1, 2, 0 };
    uint32_t none[XL_SPACE_DIMS] = { 3, 0, 1, 2, 0 };
    double value;
    xl_strategy_make(&s, xl_strategy_find("random"), space,
                     &(struct xl_strategy_options){ .seed = 1 }, NULL);
    XL_CHECK(t, !xl_strategy_best(s, a, &value));
    XL_CHECK_EQ(t, xl_strategy_suggest(s, none, NULL), XL_EUSAGE);
    XL_CHECK_EQ(t, xl_strategy_tell(s, none, &(struct xl_outcome){ 0 }, NULL),
                XL_EUSAGE);
    /* A point told from elsewhere is learnt and left out. */
    struct xl_outcome known = xl_test_ok_value(7);
    XL_CHECK_EQ(t, xl_strategy_tell(s, a, &known, NULL), XL_OK);
    xl_strategy_suggest(s, a, NULL);
    xl_strategy_suggest(s, b, NULL);
    xl_strategy_suggest(s, b, NULL);
    XL_CHECK_EQ(t, xl_strategy_ask(s, &ask, NULL), XL_OK);
    XL_CHECK_EQ(t, ask.code, xl_space_code(space, b));
    XL_CHECK_TEXT(t, ask.how, "suggested");
    struct xl_outcome bad = xl_test_ok_value((double)NAN);
    XL_CHECK_EQ(t, xl_strategy_tell(s, b, &bad, NULL), XL_OK);
    size_t n = 1;
    for (;; n++) {
        XL_CHECK_EQ(t, xl_strategy_ask(s, &ask, NULL), XL_OK);
        if (ask.end)
            break;
        XL_CHECK(t, ask.code != xl_space_code(space, a) &&
                        ask.code != xl_space_code(space, b));
    }
    XL_CHECK_EQ(t, n, xl_space_count(space) - 1);
    XL_CHECK(t, xl_strategy_best(s, b, &value) && value == 7);
    XL_CHECK_EQ(t, xl_space_code(space, b), xl_space_code(space, a));
    xl_strategy_free(s);
    xl_space_free(space);
}

static bool sum_bytes(void *ctx, size_t nbytes)
{
    *(size_t *)ctx += nbytes;
    return false;
}

/* Ten million points, walked by rules or only drawn. */
static void large_spaces_need_little(struct xl_test *t)
{
    static struct xl_test_trace trace;
    struct xl_dim dims[8];
    for (size_t d = 0; d < 8; d++)
        dims[d] = xl_test_dim(d % 3 ? XL_DIM_ORDERED : XL_DIM_NOMINAL,
                              d < 7 ? 10 : 20);
    for (size_t n_dims = 7; n_dims <= 8; n_dims++) {
        struct xl_space *space = NULL;
        size_t bytes = 0;
        xl_alloc_set_hook(sum_bytes, &bytes);
        XL_CHECK_EQ(t,
                    xl_space_make(&space,
                                  &(struct xl_space_options){
                                      .dims = dims,
                                      .n_dims = n_dims,
                                      .rules = { .legal = xl_test_fits } },
                                  NULL),
                    XL_OK);
        for (size_t i = 0; xl_strategy_kind_at(i); i++) {
            struct xl_test_plan run = { .kind = xl_strategy_kind_at(i),
                                        .space = space,
                                        .f = xl_test_sphere,
                                        .budget = 150 };
            xl_test_run(&run, &trace);
            XL_CHECK(t, !trace.is_fault && trace.n == 150);
        }
        xl_alloc_set_hook(NULL, NULL);
        /* Models keep a sample of the points and rows of results. */
        XL_CHECK(t, bytes < (size_t)160 << 20);
        XL_CHECK_EQ(t, xl_space_is_counted(space), n_dims == 7);
        double share =
            (double)xl_space_count(space) / (double)xl_space_raw(space);
        XL_CHECK_NEAR(t, share, 0.76, n_dims == 7 ? 1e-9 : 0.01);
        xl_space_free(space);
    }
}

/* Either a fault is reported or the run is the one without a fault. */
static void survives_failed_allocations(struct xl_test *t)
{
    static struct xl_test_trace whole, cut;
    struct xl_space *space = xl_test_space(t, 3);
    for (size_t i = 0; xl_strategy_kind_at(i); i++) {
        struct xl_test_plan run = { .kind = xl_strategy_kind_at(i),
                                    .space = space,
                                    .f = xl_test_sphere,
                                    .budget = 5000 };
        bool done = false;
        xl_test_run(&run, &whole);
        for (size_t n = 0; n < 400 && !done; n++) {
            size_t left = n;
            xl_alloc_set_hook(xl_test_fail_nth, &left);
            xl_test_run(&run, &cut);
            xl_alloc_set_hook(NULL, NULL);
            done = !cut.is_fault;
        }
        XL_CHECK(t, done && cut.n == whole.n);
        XL_CHECK(t, memcmp(cut.codes, whole.codes,
                           whole.n * sizeof *whole.codes) == 0);
    }
    xl_space_free(space);
}

static void names_are_found(struct xl_test *t)
{
    const struct xl_strategy_kind *kind;
    struct xl_err err = { 0 };
    for (size_t i = 0; xl_strategy_kind_at(i); i++) {
        kind = xl_strategy_kind_at(i);
        XL_CHECK(t, xl_strategy_find(xl_strategy_kind_name(kind)) == kind);
    }
    XL_CHECK_EQ(t, xl_strategy_choose(&kind, "randon", &err), XL_EUSAGE);
    XL_CHECK(t, strstr(err.message, "'random'"));
    XL_CHECK_EQ(t, xl_strategy_choose(&kind, "zzzzzzzz", &err), XL_EUSAGE);
    XL_CHECK(t, strstr(err.message, "grid"));
}

const struct xl_test_case xl_suite_strategy[] = {
    XL_CASE(every_strategy_covers_the_space),
    XL_CASE(every_strategy_spends_its_budget),
    XL_CASE(genetic_search_learns),
    XL_CASE(failures_are_learnt_from),
    XL_CASE(seeds_fix_the_sequence),
    XL_CASE(told_twice_is_told_once),
    XL_CASE(replayed_tells_resume),
    XL_CASE(random_order_is_uniform),
    XL_CASE(mutation_reaches_every_value),
    XL_CASE(default_budget_is_fifty),
    XL_CASE(suggestions_come_first),
    XL_CASE(large_spaces_need_little),
    XL_CASE(survives_failed_allocations),
    XL_CASE(names_are_found),
    { 0 },
};
