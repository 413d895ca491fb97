/* SPDX-License-Identifier: Apache-2.0
 *
 * NSGA-II (Deb et al., 2002), steady-state: each result joins the population
 * and the worst by rank, then crowding, leaves (Durillo et al., 2009, found
 * that to converge faster than whole generations). Parents win a tournament
 * of two by the same order. Children are made as those of ga, legal and
 * unknown. Failed points never enter. With one objective it is a genetic
 * search whose population is the best results.
 *
 * Every tenth proposal is drawn uniformly, since a population may draw
 * together on a part of the front. */

#include "kernel/base/alloc.h"
#include "tuner/strategy/front.h"
#include "tuner/strategy/search.h"
#include "tuner/strategy/vary.h"

enum {
    POPULATION = 20,
    MOST_POPULATION = 1024,
};

static const double draw_share = 0.1;

struct nsga2 {
    size_t room, n; /* members; one more while the worst is sought */
    uint32_t *members;
    double (*points)[XL_STRATEGY_VALUES];
    uint32_t *rank, *order;
    double *crowd;
    uint64_t *near; /* [degree] scratch */
};

static void free_nsga2(void *state)
{
    struct nsga2 *g = state;
    if (!g)
        return;
    xl_free(g->members);
    xl_free(g->points);
    xl_free(g->crowd);
    xl_free(g->near);
    xl_free(g);
}

static enum xl_status make_nsga2(void **state, struct xl_search *search,
                                 struct xl_err *err)
{
    size_t population = search->options.population;
    XL_TRY(xl_search_check_population(search, MOST_POPULATION, err));
    struct nsga2 *g = xl_alloc_zero(1, sizeof *g);
    *state = g;
    if (!g)
        return xl_fail(err, XL_ENOMEM, "no memory for a strategy");
    g->room = population > POPULATION ? population : POPULATION;
    g->members = xl_alloc_zero(3 * (g->room + 1), sizeof *g->members);
    g->points = xl_alloc_zero(g->room + 1, sizeof *g->points);
    g->crowd = xl_alloc_zero(g->room + 1, sizeof *g->crowd);
    g->near =
        xl_alloc_zero(xl_space_degree(search->space) + 1, sizeof *g->near);
    if (!g->members || !g->points || !g->crowd || !g->near)
        return xl_fail(err, XL_ENOMEM, "no memory for a strategy");
    g->rank = g->members + g->room + 1;
    g->order = g->rank + g->room + 1;
    return XL_OK;
}

/* Is member a before b? */
static bool is_better(const struct nsga2 *g, size_t a, size_t b)
{
    if (g->rank[a] != g->rank[b])
        return g->rank[a] < g->rank[b];
    return g->crowd[a] > g->crowd[b];
}

static void drop(struct nsga2 *g, size_t member)
{
    g->n--;
    for (size_t i = member; i < g->n; i++)
        g->members[i] = g->members[i + 1];
}

static void grade(struct nsga2 *g, const struct xl_search *search)
{
    size_t m = search->options.n_values;
    for (size_t i = 0; i < g->n; i++)
        for (size_t v = 0; v < m; v++)
            g->points[i][v] = search->records[g->members[i]].outcome.values[v];
    const double(*points)[XL_STRATEGY_VALUES] =
        (const double(*)[XL_STRATEGY_VALUES])g->points;
    xl_front_rank(points, g->n, m, g->rank);
    xl_front_crowd(points, g->n, m, g->rank, g->order, g->crowd);
}

static enum xl_status tell_nsga2(void *state, struct xl_search *search,
                                 size_t index, bool is_again,
                                 struct xl_err *err)
{
    struct nsga2 *g = state;
    (void)err;
    for (size_t i = 0; is_again && i < g->n; i++)
        if (g->members[i] == index)
            drop(g, i);
    if (search->records[index].outcome.status == XL_OUTCOME_OK)
        g->members[g->n++] = (uint32_t)index;
    grade(g, search);
    if (g->n <= g->room)
        return XL_OK;
    size_t worst = 0;
    for (size_t i = 1; i < g->n; i++)
        if (!is_better(g, i, worst))
            worst = i;
    drop(g, worst);
    grade(g, search);
    return XL_OK;
}

static uint64_t select_parent(const struct nsga2 *g, struct xl_search *search)
{
    size_t a = (size_t)xl_rng_below(&search->rng, g->n),
           b = (size_t)xl_rng_below(&search->rng, g->n);
    return search->records[g->members[is_better(g, a, b) ? a : b]].code;
}

static enum xl_status ask_nsga2(void *state, struct xl_search *search,
                                struct xl_ask *ask, struct xl_err *err)
{
    struct nsga2 *g = state;
    ask->generation = ask->number / search->options.population;
    if (xl_search_hinted(search, ask))
        return XL_OK;
    if (search->n_records < g->room / 2 || g->n < 2 ||
        xl_rng_unit(&search->rng) < draw_share)
        return xl_search_draw(search, ask, err);
    uint64_t a = select_parent(g, search), b = select_parent(g, search);
    xl_vary_breed(search, a, b, ask);
    if (xl_vary_settle(search, g->near, ask))
        return XL_OK;
    return xl_search_draw(search, ask, err);
}

const struct xl_strategy_kind xl_strategy_nsga2 = {
    .name = "nsga2",
    .budget = xl_search_generations,
    .make = make_nsga2,
    .free = free_nsga2,
    .ask = ask_nsga2,
    .tell = tell_nsga2,
};
