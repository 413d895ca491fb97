/* SPDX-License-Identifier: Apache-2.0
 *
 * Variable neighbourhood search with a surrogate prescreen: each step makes
 * eight unknown points around where it stands (adjacent ones, or other values
 * of one dimension, or children of elites), and proposes the one that its five
 * nearest results predict to be best. It moves by the Metropolis rule at a
 * falling temperature. Where nothing is gained for long it goes on from an
 * elite or from a uniform draw. */
#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "tuner/strategy/scale.h"
#include "tuner/strategy/vary.h"

enum {
    STARTS = 10,
    MADE = 8,        /* points screened a step */
    NEAREST = 5,     /* results that predict */
    MOST_READ = 512, /* latest results that predictions read */
    ELITES = 5,
    STALL = 30, /* results without gain: start anew */
};

static const double draw_share = 0.1;
static const double adjacent_share = 0.35, hamming_share = 0.40;
static const double first_heat = 0.3, cooling = 0.985;

struct vnd {
    uint32_t at; /* record where the search stands; UNKNOWN = nowhere */
    uint32_t elites[ELITES]; /* [n_elites] records, best first */
    size_t n_elites, stalled;
    bool is_lost; /* the next result is the new place */
    double heat;
    uint64_t *near; /* [degree] scratch */
};

static void free_vnd(void *state)
{
    struct vnd *vnd = state;
    if (!vnd)
        return;
    xl_free(vnd->near);
    xl_free(vnd);
}

static enum xl_status make_vnd(void **state, struct xl_search *search,
                               struct xl_err *err)
{
    struct vnd *vnd = xl_alloc_zero(1, sizeof *vnd);
    *state = vnd;
    if (!vnd)
        return xl_fail(err, XL_ENOMEM, "no memory for a strategy");
    vnd->at = XL_SEARCH_UNKNOWN;
    vnd->heat = first_heat;
    vnd->near =
        xl_alloc_zero(xl_space_degree(search->space) + 1, sizeof *vnd->near);
    return vnd->near ? XL_OK
                     : xl_fail(err, XL_ENOMEM, "no memory for a strategy");
}

static double value_of(const struct xl_search *search, uint32_t record)
{
    return search->records[record].outcome.values[0];
}

/* -- where it stands ------------------------------------------------------ */

static void note_elite(struct vnd *vnd, const struct xl_search *search,
                       uint32_t record)
{
    size_t kept = 0;
    for (size_t i = 0; i < vnd->n_elites; i++)
        if (vnd->elites[i] != record)
            vnd->elites[kept++] = vnd->elites[i];
    vnd->n_elites = kept;
    if (!xl_record_is_ok(&search->records[record]))
        return;
    size_t at = kept;
    while (at > 0 &&
           value_of(search, vnd->elites[at - 1]) < value_of(search, record))
        at--;
    if (at == ELITES)
        return;
    vnd->n_elites += kept < ELITES;
    memmove(vnd->elites + at + 1, vnd->elites + at,
            (vnd->n_elites - at - 1) * sizeof *vnd->elites);
    vnd->elites[at] = record;
}

/* Deviation of the costs seen, the unit of the temperature. */
static double deviation(const struct xl_search *search, enum xl_scale scale)
{
    double n = 0, mean = 0, sum = 0;
    for (size_t i = 0; i < search->n_records; i++) {
        if (!xl_record_is_ok(&search->records[i]))
            continue;
        double x = xl_scale_cost(scale, &search->records[i]), by = x - mean;
        mean += by / ++n;
        sum += by * (x - mean);
    }
    return n > 1 ? sqrt(sum / n) : 0;
}

static void move_on(struct vnd *vnd, struct xl_search *search)
{
    vnd->stalled = 0;
    vnd->heat = first_heat;
    if (vnd->n_elites && xl_rng_below(&search->rng, 2))
        vnd->at = vnd->elites[xl_rng_below(&search->rng, vnd->n_elites)];
    else
        vnd->is_lost = true;
}

static enum xl_status tell_vnd(void *state, struct xl_search *search,
                               size_t index, bool is_again, struct xl_err *err)
{
    struct vnd *vnd = state;
    uint32_t record = (uint32_t)index, leader = XL_SEARCH_UNKNOWN;
    (void)err;
    if (vnd->n_elites)
        leader = vnd->elites[0];
    note_elite(vnd, search, record);
    bool is_gain = vnd->n_elites && vnd->elites[0] != leader;
    vnd->stalled = is_gain ? 0 : vnd->stalled + !is_again;
    if (!is_again)
        vnd->heat *= cooling;
    if (vnd->stalled >= STALL)
        move_on(vnd, search);
    if (vnd->at == record && !xl_record_is_ok(&search->records[record]))
        vnd->at = XL_SEARCH_UNKNOWN;
    if (is_again || !xl_record_is_ok(&search->records[record]))
        return XL_OK;
    if (vnd->at == XL_SEARCH_UNKNOWN || vnd->is_lost ||
        search->n_records <= STARTS) {
        vnd->at = vnd->is_lost ? record : vnd->elites[0];
        vnd->is_lost = false;
        return XL_OK;
    }
    enum xl_scale scale = xl_scale_find(search);
    double loss = xl_scale_cost(scale, &search->records[record]) -
                  xl_scale_cost(scale, &search->records[vnd->at]);
    double unit = deviation(search, scale) * vnd->heat;
    if (loss <= 0 ||
        (unit > 0 && xl_rng_unit(&search->rng) < exp(-loss / unit)))
        vnd->at = record;
    return XL_OK;
}

/* -- a step --------------------------------------------------------------- */

/* The cost that the nearest results say of a point, weighted by closeness.
 * Failures count as the worst of them, a point among failures alone is worse
 * than any other. */
static double predict(const struct xl_search *search, enum xl_scale scale,
                      const uint32_t *point)
{
    double far[NEAREST], cost[NEAREST], sum = 0, weights = 0;
    double worst = (double)-INFINITY;
    size_t n = 0, first = 0;
    if (search->n_records > MOST_READ)
        first = search->n_records - MOST_READ;
    for (size_t i = first; i < search->n_records; i++) {
        const struct xl_record *r = &search->records[i];
        uint32_t other[XL_SPACE_DIMS];
        if (!r->is_told)
            continue;
        xl_space_decode(search->space, r->code, other);
        double by = xl_space_distance(search->space, point, other);
        size_t at = n;
        while (at > 0 && far[at - 1] > by)
            at--;
        if (at == NEAREST)
            continue;
        n += n < NEAREST;
        memmove(far + at + 1, far + at, (n - at - 1) * sizeof *far);
        memmove(cost + at + 1, cost + at, (n - at - 1) * sizeof *cost);
        far[at] = by;
        cost[at] = xl_record_is_ok(r) ? xl_scale_cost(scale, r) : (double)NAN;
    }
    for (size_t i = 0; i < n; i++)
        worst = fmax(worst, cost[i]);
    for (size_t i = 0; i < n; i++) {
        double weight = 1 / (far[i] + 1e-6);
        weights += weight;
        sum += weight * (isnan(cost[i]) ? worst : cost[i]);
    }
    return isinf(worst) || !n ? (double)INFINITY : sum / weights;
}

static bool pick_near(struct vnd *vnd, struct xl_search *search,
                      struct xl_ask *ask, enum xl_near near)
{
    size_t n = xl_space_neighbours(search->space, ask->point, near, vnd->near);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!xl_search_shuns(search, vnd->near[i]))
            vnd->near[kept++] = vnd->near[i];
    if (!kept)
        return false;
    xl_space_decode(search->space, vnd->near[xl_rng_below(&search->rng, kept)],
                    ask->point);
    return true;
}

/* One unknown point; false when there is none this way. All points of a step
 * are made the same way: the screen would always prefer children of elites
 * to what is around a new place. */
static bool make_one(struct vnd *vnd, struct xl_search *search, double way,
                     struct xl_ask *ask)
{
    ask->n_parents = 1;
    ask->parents[0] = search->records[vnd->at].code;
    xl_space_decode(search->space, ask->parents[0], ask->point);
    if (way < adjacent_share) {
        ask->how = "adjacent";
        return pick_near(vnd, search, ask, XL_NEAR_ADJACENT);
    }
    if (way < adjacent_share + hamming_share || vnd->n_elites < 2) {
        ask->how = "neighbour";
        return pick_near(vnd, search, ask, XL_NEAR_HAMMING);
    }
    uint32_t a = vnd->elites[xl_rng_below(&search->rng, vnd->n_elites)];
    uint32_t b = vnd->elites[xl_rng_below(&search->rng, vnd->n_elites)];
    xl_vary_breed(search, search->records[a].code, search->records[b].code,
                  ask);
    return xl_vary_settle(search, vnd->near, ask);
}

static enum xl_status ask_vnd(void *state, struct xl_search *search,
                              struct xl_ask *ask, struct xl_err *err)
{
    struct vnd *vnd = state;
    enum xl_scale scale = xl_scale_find(search);
    double least = 0, way;
    bool has = false;
    if (xl_search_hinted(search, ask))
        return XL_OK;
    if (search->n_records < STARTS || vnd->at == XL_SEARCH_UNKNOWN ||
        vnd->is_lost || xl_rng_unit(&search->rng) < draw_share)
        return xl_search_draw(search, ask, err);
    way = xl_rng_unit(&search->rng);
    for (size_t i = 0; i < MADE; i++) {
        struct xl_ask made = *ask;
        if (!make_one(vnd, search, way, &made))
            continue;
        double cost = predict(search, scale, made.point);
        if (has && cost >= least)
            continue;
        has = true;
        least = cost;
        *ask = made;
    }
    return has ? XL_OK : xl_search_draw(search, ask, err);
}

const struct xl_strategy_kind xl_strategy_vnd = {
    .name = "vnd",
    .make = make_vnd,
    .free = free_vnd,
    .ask = ask_vnd,
    .tell = tell_vnd,
};
