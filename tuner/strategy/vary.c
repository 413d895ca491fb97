/* SPDX-License-Identifier: Apache-2.0
 *
 * Mutation reaches every value: half of the mutations of an ordered dimension
 * are short geometric steps, half uniform. A child that is known moves to an
 * unknown neighbour, adjacent before Hamming: in replays of tuning tables that
 * order did better than the other. */
#include "tuner/strategy/vary.h"

static const double cross_share = 0.9;   /* children of two parents */
static const double uniform_share = 0.5; /* of mutations of ordered genes */

size_t xl_vary_free(const struct xl_space *space)
{
    size_t n = 0;
    for (size_t d = 0; d < xl_space_n_dims(space); d++)
        n += xl_space_dim(space, d)->n > 1;
    return n;
}

/* 1 with chance 1/2, 2 with 1/4, ... either way; reflected at the ends. */
static uint32_t step_value(struct xl_rng *rng, uint32_t value, uint32_t n)
{
    uint32_t by = 1;
    while (by < n - 1 && xl_rng_below(rng, 2))
        by++;
    bool is_up = xl_rng_below(rng, 2);
    if (is_up ? value + by >= n : value < by)
        is_up = !is_up;
    if (is_up ? value + by >= n : value < by)
        return is_up ? n - 1 : 0;
    return is_up ? value + by : value - by;
}

static void mutate(const struct xl_dim *dim, struct xl_rng *rng,
                   uint32_t *value)
{
    if (dim->kind == XL_DIM_ORDERED && xl_rng_unit(rng) >= uniform_share) {
        *value = step_value(rng, *value, dim->n);
        return;
    }
    uint32_t drawn = (uint32_t)xl_rng_below(rng, dim->n - 1);
    *value = drawn + (drawn >= *value);
}

void xl_vary_breed(struct xl_search *search, uint64_t a, uint64_t b,
                   struct xl_ask *ask)
{
    const struct xl_space *space = search->space;
    struct xl_rng *rng = &search->rng;
    uint32_t other[XL_SPACE_DIMS];
    bool crosses = a != b && xl_rng_unit(rng) < cross_share;
    xl_space_decode(space, a, ask->point);
    xl_space_decode(space, b, other);
    size_t n_free = xl_vary_free(space);
    ask->how = crosses ? "crossover" : "mutation";
    ask->n_parents = crosses ? 2 : 1;
    ask->parents[0] = a;
    ask->parents[1] = crosses ? b : 0;
    if (!n_free)
        return;
    bool changed = crosses;
    for (int round = 0; round == 0 || !changed; round++) {
        for (size_t d = 0; d < xl_space_n_dims(space); d++) {
            const struct xl_dim *dim = xl_space_dim(space, d);
            if (dim->n == 1)
                continue;
            if (crosses && xl_rng_below(rng, 2))
                ask->point[d] = other[d];
            if (xl_rng_below(rng, n_free) == 0) {
                mutate(dim, rng, &ask->point[d]);
                changed = true;
            }
        }
    }
}

/* Moves ask->point to one of its unknown neighbours; false without one. */
static bool sidestep(const struct xl_search *search, uint64_t *list,
                     struct xl_rng *rng, struct xl_ask *ask, enum xl_near near)
{
    size_t n = xl_space_neighbours(search->space, ask->point, near, list);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!xl_search_shuns(search, list[i]))
            list[kept++] = list[i];
    if (!kept)
        return false;
    xl_space_decode(search->space, list[xl_rng_below(rng, kept)], ask->point);
    return true;
}

bool xl_vary_settle(struct xl_search *search, uint64_t *near,
                    struct xl_ask *ask)
{
    if (!xl_space_repair(search->space, &search->rng, ask->point))
        return false;
    return !xl_search_shuns(search, xl_space_code(search->space, ask->point)) ||
           sidestep(search, near, &search->rng, ask, XL_NEAR_ADJACENT) ||
           sidestep(search, near, &search->rng, ask, XL_NEAR_HAMMING);
}
