/* SPDX-License-Identifier: Apache-2.0
 *
 * A steady-state genetic search. The population is the best results of the
 * present epoch, so an elite stays without being measured again. Each
 * proposal is one child: two parents by tournament, crossover gene by gene,
 * mutation that can reach every value (half of the mutations of an ordered
 * gene are short geometric steps, half uniform). An illegal child moves to a
 * legal point near it; a child that is known already moves to an unknown
 * neighbour, adjacent before Hamming, and is replaced by an immigrant when
 * there is none. Immigrants also come when the population has drawn together,
 * and after a long time without gain all but the two best make room for a new
 * epoch.
 *
 * Generations are only a count: population proposals make one. Failed points
 * never enter the population, and being known they are never proposed again. */
#include "tuner/strategy/search.h"

#include <string.h>

#include "kernel/base/alloc.h"
#include "tuner/strategy/vary.h"

enum {
    TOURNAMENT = 3,
    KEPT = 2,  /* members that outlive a restart */
    STALL = 4, /* populations of results without gain: restart */
    MOST_POPULATION = 4096,
};

static const double immigrant_share = 0.3; /* while diversity is low */
static const double low_diversity = 0.08;  /* mean distance a free gene */

struct ga {
    uint32_t *members; /* [n] indices of records, best first */
    size_t n, room;
    size_t fresh;   /* uniform draws still due in this epoch */
    size_t stalled; /* results since the last gain */
    double best;    /* of the epoch; kept by n > 0 */
    uint64_t *near; /* [degree] scratch */
    size_t n_free;  /* dimensions with more than one value */
};

static double value_of(const struct xl_search *search, uint32_t index)
{
    return search->records[index].outcome.values[0];
}

static void free_ga(void *state)
{
    struct ga *ga = state;
    if (!ga)
        return;
    xl_free(ga->members);
    xl_free(ga->near);
    xl_free(ga);
}

static enum xl_status make_ga(void **state, struct xl_search *search,
                              struct xl_err *err)
{
    size_t population = search->options.population;
    XL_TRY(xl_search_check_population(search, MOST_POPULATION, err));
    struct ga *ga = xl_alloc_zero(1, sizeof *ga);
    *state = ga;
    if (!ga)
        return xl_fail(err, XL_ENOMEM, "no memory for a strategy");
    ga->room = ga->fresh = population;
    ga->members = xl_alloc_zero(population, sizeof *ga->members);
    ga->near =
        xl_alloc_zero(xl_space_degree(search->space) + 1, sizeof *ga->near);
    if (!ga->members || !ga->near)
        return xl_fail(err, XL_ENOMEM, "no memory for a strategy");
    for (size_t d = 0; d < xl_space_n_dims(search->space); d++)
        ga->n_free += xl_space_dim(search->space, d)->n > 1;
    return XL_OK;
}

/* -- the population ------------------------------------------------------- */

static void take_out(struct ga *ga, uint32_t index)
{
    size_t kept = 0;
    for (size_t i = 0; i < ga->n; i++)
        if (ga->members[i] != index)
            ga->members[kept++] = ga->members[i];
    ga->n = kept;
}

/* Sorted insertion; the worst falls out of a full population. An equal value
 * goes behind those that came before it. */
static void put_in(struct ga *ga, const struct xl_search *search,
                   uint32_t index)
{
    double value = value_of(search, index);
    size_t at = ga->n;
    while (at > 0 && value_of(search, ga->members[at - 1]) < value)
        at--;
    if (at == ga->room)
        return;
    if (ga->n < ga->room)
        ga->n++;
    memmove(ga->members + at + 1, ga->members + at,
            (ga->n - at - 1) * sizeof *ga->members);
    ga->members[at] = index;
}

static void restart(struct ga *ga)
{
    if (ga->n > KEPT)
        ga->n = KEPT;
    ga->fresh = ga->room - ga->n;
    ga->stalled = 0;
}

static enum xl_status tell_ga(void *state, struct xl_search *search,
                              size_t index, bool is_again, struct xl_err *err)
{
    struct ga *ga = state;
    (void)err;
    if (is_again)
        take_out(ga, (uint32_t)index);
    bool had = ga->n > 0;
    double best = had ? value_of(search, ga->members[0]) : 0;
    if (search->records[index].outcome.status == XL_OUTCOME_OK)
        put_in(ga, search, (uint32_t)index);
    bool is_gain =
        ga->n > 0 && (!had || value_of(search, ga->members[0]) > best);
    if (!is_again)
        ga->stalled = is_gain ? 0 : ga->stalled + 1;
    if (ga->stalled >= STALL * ga->room)
        restart(ga);
    return XL_OK;
}

static double diversity(const struct ga *ga, const struct xl_search *search)
{
    uint32_t best[XL_SPACE_DIMS], other[XL_SPACE_DIMS];
    double sum = 0;
    xl_space_decode(search->space, search->records[ga->members[0]].code, best);
    for (size_t i = 1; i < ga->n; i++) {
        xl_space_decode(search->space, search->records[ga->members[i]].code,
                        other);
        sum += xl_space_distance(search->space, best, other);
    }
    return sum / (double)(ga->n - 1) / (double)ga->n_free;
}

/* -- a child -------------------------------------------------------------- */

/* Members are sorted, so the winner is the least of a few numbers. */
static uint32_t select_parent(const struct ga *ga, struct xl_rng *rng)
{
    uint64_t best = ga->n;
    for (int i = 0; i < TOURNAMENT; i++) {
        uint64_t drawn = xl_rng_below(rng, ga->n);
        if (drawn < best)
            best = drawn;
    }
    return ga->members[best];
}

static enum xl_status ask_ga(void *state, struct xl_search *search,
                             struct xl_ask *ask, struct xl_err *err)
{
    struct ga *ga = state;
    ask->generation = ask->number / search->options.population;
    if (xl_search_hinted(search, ask))
        return XL_OK;
    /* Told results of other searchers fill the population as well. */
    if (ga->fresh && ga->n < ga->room) {
        ga->fresh--;
        return xl_search_draw(search, ask, err);
    }
    bool is_poor = ga->n < 2 || !ga->n_free;
    if (!is_poor && diversity(ga, search) < low_diversity)
        is_poor = xl_rng_unit(&search->rng) < immigrant_share;
    if (!is_poor) {
        uint32_t a = select_parent(ga, &search->rng),
                 b = select_parent(ga, &search->rng);
        xl_vary_breed(search, search->records[a].code, search->records[b].code,
                      ask);
        if (xl_vary_settle(search, ga->near, ask))
            return XL_OK;
    }
    XL_TRY(xl_search_draw(search, ask, err));
    ask->how = "immigrant";
    return XL_OK;
}

const struct xl_strategy_kind xl_strategy_ga = {
    .name = "ga",
    .budget = xl_search_generations,
    .make = make_ga,
    .free = free_ga,
    .ask = ask_ga,
    .tell = tell_ga,
};
