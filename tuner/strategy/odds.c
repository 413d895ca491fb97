/* SPDX-License-Identifier: Apache-2.0
 *
 * The share of the records around a point that ran, by a Gaussian kernel with
 * a weight for each dimension, and one record at the share of all. Weights are
 * those that foretell each record best from the others (logarithmic loss),
 * looked for one dimension after the other.
 *
 * The share of all is the other answer. A mixture weighs both by what they
 * foretold, as if each had been right with a known chance beforehand: while
 * few ran or few failed the one with a place counts most, for failures of
 * machines mostly have one, and where nine in ten failed without reason it is
 * given up in time. The process of the costs, which told the
 * same before, kept close to the few that ran there: gp scored -0.36 on such
 * tables. */
#include "tuner/strategy/odds.h"

#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"

enum {
    FIT_OWN = 96,  /* rows of a fit at most, evenly over the history */
    FIT_PAST = 48, /* and over what earlier runs know */
    FIT_ROWS = FIT_OWN + FIT_PAST,
    FIRST_FIT = 6,
    LEVELS = 5, /* of weights */
    FIRST_LEVEL = 2,
};

enum seen {
    SEEN_NOT,
    SEEN_RAN,
    SEEN_FAILED
};

static const float levels[LEVELS] = { 0, 1, 4, 16, 64 };
static const double step_price = 0.7; /* of a level moved, in loss */
static const double prior = 0.5;      /* that failures have a place */

enum xl_status xl_odds_init(struct xl_odds *odds,
                            const struct xl_columns *columns,
                            struct xl_err *err)
{
    (void)err;
    *odds = (struct xl_odds){ .columns = columns,
                              .lanes = xl_lanes_pick(),
                              .trust = prior,
                              .is_stale = true };
    for (size_t d = 0; d < columns->n_dims; d++)
        odds->weight[d] = levels[FIRST_LEVEL];
    return XL_OK;
}

void xl_odds_release(struct xl_odds *odds)
{
    xl_free(odds->taken);
    xl_free(odds->ran);
    *odds = (struct xl_odds){ 0 };
}

/* -- weights -------------------------------------------------------------- */

/* A fit on its way. Pairs (i, j < i) lie one after the other. */
struct fit {
    size_t n, n_dims, n_pairs;
    bool has_failed[FIT_ROWS];
    double weight[FIT_ROWS];
    double all, failed; /* sums of weights: of all rows, of those that failed */
    struct xl_lane_point points[FIT_ROWS];
    float *apart; /* [n_pairs] weighted squared distance */
    float *along; /* [n_pairs] the part of one dimension, without weight */
};

static double log_loss(double chance, bool has_failed)
{
    return -log(has_failed ? 1 - chance : chance);
}

/* The share of the rows but one that ran; half a failure is added. */
static double share_of_others(const struct fit *f, size_t row)
{
    double own = f->weight[row];
    double failed = f->failed - (f->has_failed[row] ? own : 0);
    return 1 - (failed + 0.5) / (f->all - own + 1);
}

/* Loss of all rows, each foretold from the others, with `by` more weight
 * of the dimension that along is of. */
static double loss_with(const struct fit *f, float by)
{
    double ran[FIT_ROWS] = { 0 }, failed[FIT_ROWS] = { 0 }, loss = 0;
    size_t p = 0;
    for (size_t i = 0; i < f->n; i++) {
        for (size_t j = 0; j < i; j++, p++) {
            double k = exp(-(double)(f->apart[p] + by * f->along[p]));
            *(f->has_failed[j] ? &failed[i] : &ran[i]) += f->weight[j] * k;
            *(f->has_failed[i] ? &failed[j] : &ran[j]) += f->weight[i] * k;
        }
    }
    for (size_t i = 0; i < f->n; i++) {
        double chance =
            (ran[i] + share_of_others(f, i)) / (ran[i] + failed[i] + 1);
        loss += f->weight[i] * log_loss(chance, f->has_failed[i]);
    }
    return loss;
}

static double flat_loss(const struct fit *f)
{
    double loss = 0;
    for (size_t i = 0; i < f->n; i++)
        loss +=
            f->weight[i] * log_loss(share_of_others(f, i), f->has_failed[i]);
    return loss;
}

static void measure(struct fit *f, size_t d)
{
    for (size_t i = 0, p = 0; i < f->n; i++) {
        const struct xl_lane_point *a = &f->points[i];
        for (size_t j = 0; j < i; j++, p++) {
            float by = a->x[d] - f->points[j].x[d];
            f->along[p] = a->is_nominal[d] ? (by != 0) : by * by;
        }
    }
}

static void shift(struct fit *f, float by)
{
    for (size_t p = 0; p < f->n_pairs; p++)
        f->apart[p] += by * f->along[p];
}

/* Every level that a weight is away from its first one has a price. */
static double price(size_t level)
{
    return step_price * fabs((double)level - FIRST_LEVEL);
}

static double prices(const struct fit *f, const float *weight)
{
    double sum = 0;
    for (size_t d = 0; d < f->n_dims; d++)
        for (size_t l = 0; l < LEVELS; l++)
            sum += weight[d] == levels[l] ? price(l) : 0;
    return sum;
}

/* The best level of each dimension in turn, the others as they are. */
static bool climb(struct fit *f, float *weight)
{
    bool is_changed = false;
    for (size_t d = 0; d < f->n_dims; d++) {
        float best = weight[d];
        double least = (double)INFINITY;
        measure(f, d);
        for (size_t l = 0; l < LEVELS; l++) {
            double loss = loss_with(f, levels[l] - weight[d]) + price(l);
            if (loss < least) {
                least = loss;
                best = levels[l];
            }
        }
        shift(f, best - weight[d]);
        is_changed |= best != weight[d];
        weight[d] = best;
    }
    return is_changed;
}

static void add_row(const struct xl_odds *odds, struct fit *f, uint64_t code,
                    const struct xl_past *past)
{
    xl_columns_point(odds->columns, code, &f->points[f->n]);
    f->has_failed[f->n] = past->has_failed;
    f->weight[f->n++] = past->weight;
    f->all += past->weight;
    f->failed += past->has_failed ? past->weight : 0;
}

/* Then the result of this search counts, and no past. */
static bool is_told(const struct xl_search *search, uint64_t code)
{
    uint32_t index = xl_search_find(search, code);
    return index != XL_SEARCH_UNKNOWN && search->records[index].is_told;
}

static void choose_rows(const struct xl_odds *odds,
                        const struct xl_search *search, struct fit *f)
{
    size_t step = (odds->n + FIT_OWN - 1) / FIT_OWN, passed = 0;
    for (size_t i = search->n_records; i-- > 0 && f->n < FIT_OWN;)
        if (odds->taken[i] != SEEN_NOT && passed++ % step == 0)
            add_row(
                odds, f, search->records[i].code,
                &(struct xl_past){ .has_failed = odds->taken[i] == SEEN_FAILED,
                                   .weight = 1 });
    step = (search->n_pasts + FIT_PAST - 1) / FIT_PAST;
    for (size_t i = 0; i < search->n_pasts; i += step)
        if (!is_told(search, search->pasts[i].code))
            add_row(odds, f, search->pasts[i].code, &search->pasts[i].past);
    f->n_pairs = f->n * (f->n - 1) / 2;
}

static enum xl_status fit_weights(struct xl_odds *odds,
                                  const struct xl_search *search,
                                  struct xl_err *err)
{
    struct fit *f = xl_alloc_zero(1, sizeof *f);
    enum xl_status rc = XL_OK;
    if (!f)
        return xl_fail(err, XL_ENOMEM, "no memory to fit %zu points", odds->n);
    f->n_dims = odds->columns->n_dims;
    choose_rows(odds, search, f);
    f->apart = xl_alloc_zero(2 * f->n_pairs + 1, sizeof *f->apart);
    if (f->apart) {
        f->along = f->apart + f->n_pairs;
        for (size_t d = 0; d < f->n_dims; d++) {
            measure(f, d);
            shift(f, odds->weight[d]);
        }
        odds->is_stale |= climb(f, odds->weight);
        double gain = flat_loss(f) - loss_with(f, 0) - prices(f, odds->weight);
        odds->trust = 1 / (1 + (1 - prior) / prior * exp(-gain));
    } else {
        rc = xl_fail(err, XL_ENOMEM, "no memory to fit %zu points", odds->n);
    }
    xl_free(f->apart);
    xl_free(f);
    return rc;
}

/* -- sums ----------------------------------------------------------------- */

static void add_to(const struct xl_odds *odds, uint64_t code, float weight,
                   float *sums, size_t first_tile)
{
    struct xl_lane_point point;
    const struct xl_columns *c = odds->columns;
    xl_columns_point(c, code, &point);
    memcpy(point.weight, odds->weight, sizeof point.weight);
    for (size_t t = first_tile; t < xl_columns_tiles(c); t++)
        odds->lanes->gauss(&point, c->u + t * XL_TILE, c->room, weight,
                           sums + t * XL_TILE);
}

static void add_record(const struct xl_odds *odds, uint64_t code,
                       enum seen seen, size_t first_tile)
{
    if (seen != SEEN_NOT)
        add_to(odds, code, 1, seen == SEEN_FAILED ? odds->failed : odds->ran,
               first_tile);
}

static void add_past(const struct xl_odds *odds, const struct xl_past_row *row,
                     size_t first_tile)
{
    add_to(odds, row->code, (float)row->past.weight,
           row->past.has_failed ? odds->failed : odds->ran, first_tile);
}

static enum xl_status reserve_sums(struct xl_odds *odds, struct xl_err *err)
{
    size_t room = odds->columns->room;
    if (room == odds->sum_room)
        return XL_OK;
    float *sums = xl_alloc_zero(2 * room, sizeof *sums);
    if (!sums)
        return xl_fail(err, XL_ENOMEM, "no memory for %zu candidates", room);
    xl_free(odds->ran);
    odds->ran = sums;
    odds->failed = sums + room;
    odds->sum_room = room;
    odds->is_stale = true;
    return XL_OK;
}

/* All sums of the columns that are new, or of all. */
static enum xl_status catch_up(struct xl_odds *odds,
                               const struct xl_search *search,
                               struct xl_err *err)
{
    const struct xl_columns *c = odds->columns;
    XL_TRY(reserve_sums(odds, err));
    odds->is_stale |= c->epoch != odds->epoch;
    if (!odds->is_stale && c->n == odds->n_columns)
        return XL_OK;
    size_t first = odds->is_stale ? 0 : odds->n_columns / XL_TILE;
    size_t from = first * XL_TILE;
    memset(odds->ran + from, 0, (odds->sum_room - from) * sizeof *odds->ran);
    memset(odds->failed + from, 0, (odds->sum_room - from) * sizeof *odds->ran);
    for (size_t i = 0; i < odds->n_taken; i++)
        add_record(odds, search->records[i].code, odds->taken[i], first);
    for (size_t i = 0; i < search->n_pasts; i++)
        if (!is_told(search, search->pasts[i].code))
            add_past(odds, &search->pasts[i], first);
    odds->is_stale = false;
    odds->epoch = c->epoch;
    odds->n_columns = c->n;
    return XL_OK;
}

/* -- following ------------------------------------------------------------ */

static enum xl_status reserve_taken(struct xl_odds *odds, size_t n,
                                    struct xl_err *err)
{
    if (n <= odds->taken_room)
        return XL_OK;
    uint8_t *taken = xl_realloc(odds->taken, odds->taken_room, 2 * n);
    if (!taken)
        return xl_fail(err, XL_ENOMEM, "no memory for %zu points", n);
    memset(taken + odds->taken_room, SEEN_NOT, 2 * n - odds->taken_room);
    odds->taken = taken;
    odds->taken_room = 2 * n;
    return XL_OK;
}

static void take(struct xl_odds *odds, const struct xl_search *search, size_t i)
{
    const struct xl_record *r = &search->records[i];
    enum seen now = !r->is_told          ? SEEN_NOT
                    : xl_record_is_ok(r) ? SEEN_RAN
                                         : SEEN_FAILED;
    enum seen before = odds->taken[i];
    if (now == before)
        return;
    odds->taken[i] = (uint8_t)now;
    odds->n += before == SEEN_NOT;
    odds->n_failed += now == SEEN_FAILED;
    odds->n_failed -= before == SEEN_FAILED;
    if (before != SEEN_NOT || xl_search_past(search, r->code))
        odds->is_stale = true;
    else if (!odds->is_stale)
        add_record(odds, r->code, now, 0);
}

enum xl_status xl_odds_follow(struct xl_odds *odds,
                              const struct xl_search *search,
                              struct xl_err *err)
{
    XL_TRY(reserve_taken(odds, search->n_records, err));
    XL_TRY(catch_up(odds, search, err));
    odds->n_taken = search->n_records;
    for (size_t i = 0; i < search->n_records; i++)
        take(odds, search, i);
    bool is_due = odds->n + search->n_pasts >= FIRST_FIT &&
                  (odds->n_failed || search->has_warnings) &&
                  odds->n > odds->fitted + odds->fitted / 10;
    if (is_due) {
        odds->fitted = odds->n;
        XL_TRY(fit_weights(odds, search, err));
    }
    return catch_up(odds, search, err); /* what was told another way */
}

double xl_odds_chance(const struct xl_odds *odds, size_t c)
{
    double all = 1 - ((double)odds->n_failed + 0.5) / ((double)odds->n + 1);
    double ran = (double)odds->ran[c], failed = (double)odds->failed[c];
    double here = (ran + all) / (ran + failed + 1);
    return all + odds->trust * (here - all);
}
