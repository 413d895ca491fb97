/* SPDX-License-Identifier: Apache-2.0
 *
 * Bayesian optimisation with a Gaussian process over the legal points: a few
 * uniform draws, then always the unknown candidate of greatest expected
 * improvement, weighted by how likely it runs. Costs are logarithms where all
 * values have one sign, so that the process models ratios. What failed is
 * known and never proposed again; it counts as the worst cost seen, and so do
 * proposals that are not told yet ("constant liar", Ginsbourger et al.), so
 * that open proposals spread.
 *
 * All state follows from the history, so tells need no work: an ask takes in
 * what is new. Of a long history the best and the latest points are kept. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "tuner/strategy/cost.h"
#include "tuner/strategy/surrogate.h"

enum {
    STARTS = 8,
    MOST_ROWS = 320, /* then the best and the latest KEPT_ROWS stay */
    KEPT_ROWS = 256,
    STEPS = 12,     /* of a fit */
    STEPS_LATE = 4, /* of a fit over many rows, from the one before */
    LATE = 100,     /* rows */
    DRAWN = 4096,   /* candidates where not all members are */
    NEAR_BEST = 5,  /* points whose neighbours are candidates */
};

struct gp {
    struct xl_columns columns;
    struct xl_surrogate surrogate;
    enum xl_scale scale;
    uint32_t *records;    /* [MOST_ROWS] of rows */
    size_t seen;          /* records that are rows or were passed over */
    size_t fitted;        /* rows at the last fit; 0 = none */
    struct xl_theta next; /* of a fit over many rows: set by the next ask, so
                             that no ask pays for both */
    bool has_next;
    uint32_t around; /* record whose neighbours are candidates */
};

static void free_gp(void *state)
{
    struct gp *gp = state;
    if (!gp)
        return;
    xl_surrogate_release(&gp->surrogate);
    xl_columns_release(&gp->columns);
    xl_free(gp->records);
    xl_free(gp);
}

static enum xl_status make_gp(void **state, struct xl_search *search,
                              struct xl_err *err)
{
    struct gp *gp = xl_alloc_zero(1, sizeof *gp);
    *state = gp;
    if (!gp)
        return xl_fail(err, XL_ENOMEM, "no memory for a strategy");
    gp->around = XL_SEARCH_UNKNOWN;
    gp->records = xl_alloc_zero(MOST_ROWS, sizeof *gp->records);
    if (!gp->records)
        return xl_fail(err, XL_ENOMEM, "no memory for a strategy");
    XL_TRY(xl_columns_init(&gp->columns, search->space, err));
    return xl_surrogate_init(&gp->surrogate, &gp->columns, err);
}

/* -- costs ---------------------------------------------------------------- */

static struct xl_sight sight_of(const struct gp *gp, const struct xl_record *r)
{
    if (!r->is_told)
        return (struct xl_sight){ .kind = XL_SIGHT_OPEN };
    if (!xl_record_is_ok(r))
        return (struct xl_sight){ .kind = XL_SIGHT_FAILED };
    return (struct xl_sight){ .y = xl_cost(gp->scale, r) };
}

/* -- rows follow records -------------------------------------------------- */

static void start_over(struct gp *gp)
{
    xl_surrogate_clear(&gp->surrogate);
    gp->seen = 0;
}

/* The best half of the rows kept, in gp->records; found by insertion into a
 * short sorted list. */
static size_t find_best(const struct xl_search *search, size_t most, size_t end,
                        uint32_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < end; i++) {
        if (!xl_record_is_ok(&search->records[i]))
            continue;
        double value = search->records[i].outcome.values[0];
        size_t at = n;
        while (at > 0 && search->records[out[at - 1]].outcome.values[0] < value)
            at--;
        if (at == most)
            continue;
        n += n < most;
        memmove(out + at + 1, out + at, (n - at - 1) * sizeof *out);
        out[at] = (uint32_t)i;
    }
    return n;
}

static enum xl_status add_row(struct gp *gp, const struct xl_search *search,
                              size_t record, struct xl_err *err)
{
    const struct xl_record *r = &search->records[record];
    assert(gp->surrogate.n < MOST_ROWS);
    gp->records[gp->surrogate.n] = (uint32_t)record;
    return xl_surrogate_add(&gp->surrogate, r->code, sight_of(gp, r), err);
}

/* Rows anew: all records, or the best and the latest of too many. */
static enum xl_status choose_rows(struct gp *gp, const struct xl_search *search,
                                  struct xl_err *err)
{
    uint32_t best[KEPT_ROWS / 2];
    size_t latest = search->n_records - KEPT_ROWS / 2;
    start_over(gp);
    size_t n = find_best(search, KEPT_ROWS / 2, latest, best);
    for (size_t i = 0; i < n; i++)
        XL_TRY(add_row(gp, search, best[i], err));
    for (size_t i = latest; i < search->n_records; i++)
        XL_TRY(add_row(gp, search, i, err));
    gp->seen = search->n_records;
    return XL_OK;
}

static bool is_same(struct xl_sight a, struct xl_sight b)
{
    return a.kind == b.kind && (a.kind != XL_SIGHT_OK || a.y == b.y);
}

static enum xl_status follow(struct gp *gp, const struct xl_search *search,
                             struct xl_err *err)
{
    enum xl_scale scale = xl_scale_find(search);
    struct xl_surrogate *s = &gp->surrogate;
    if (scale != gp->scale)
        start_over(gp);
    gp->scale = scale;
    if (s->n + (search->n_records - gp->seen) > MOST_ROWS)
        return choose_rows(gp, search, err);
    for (size_t i = 0; i < s->n; i++) {
        struct xl_sight sight = sight_of(gp, &search->records[gp->records[i]]);
        if (!is_same(sight, s->rows[i].sight))
            xl_surrogate_change(s, i, sight);
    }
    for (; gp->seen < search->n_records; gp->seen++)
        XL_TRY(add_row(gp, search, gp->seen, err));
    return XL_OK;
}

/* -- candidates ----------------------------------------------------------- */

static enum xl_status draw_columns(struct gp *gp, struct xl_search *search,
                                   struct xl_err *err)
{
    uint32_t best[NEAR_BEST];
    size_t n = find_best(search, NEAR_BEST, search->n_records, best);
    XL_TRY(xl_columns_draw(&gp->columns, search, DRAWN, err));
    for (size_t i = 0; i < n; i++)
        XL_TRY(xl_columns_add_near(&gp->columns, search,
                                   search->records[best[i]].code, err));
    gp->around = n ? best[0] : XL_SEARCH_UNKNOWN;
    return XL_OK;
}

static enum xl_status follow_best(struct gp *gp, struct xl_search *search,
                                  struct xl_err *err)
{
    uint32_t best;
    if (!find_best(search, 1, search->n_records, &best) || best == gp->around)
        return XL_OK;
    gp->around = best;
    return xl_columns_add_near(&gp->columns, search, search->records[best].code,
                               err);
}

static size_t fit_interval(size_t rows)
{
    return rows < 20 ? 5 : rows < 60 ? 10 : rows < KEPT_ROWS ? 20 : 64;
}

static enum xl_status learn(struct gp *gp, struct xl_search *search,
                            struct xl_err *err)
{
    struct xl_surrogate *s = &gp->surrogate;
    size_t told = search->n_records;
    bool is_anew = false;
    if (gp->has_next) {
        xl_surrogate_set(s, &gp->next);
        gp->has_next = false;
    }
    if (!gp->fitted || told >= gp->fitted + fit_interval(gp->fitted)) {
        bool is_late = s->n >= LATE;
        XL_TRY(
            xl_surrogate_fit(s, is_late ? STEPS_LATE : STEPS, &gp->next, err));
        if (is_late)
            gp->has_next = true;
        else
            xl_surrogate_set(s, &gp->next);
        gp->fitted = told;
        if (!gp->columns.is_all) {
            XL_TRY(draw_columns(gp, search, err));
            is_anew = true;
        }
    } else if (!gp->columns.is_all) {
        XL_TRY(follow_best(gp, search, err));
    }
    return xl_surrogate_refresh(s, is_anew, err);
}

/* E max(best - y, 0) for y normal, in units of the targets. */
static double improvement(double best, double mean, double sd)
{
    double t = (best - mean) / sd;
    double density = 0.3989422804014327 * exp(-0.5 * t * t);
    return (best - mean) * 0.5 * erfc(-t * 0.7071067811865476) + sd * density;
}

static bool choose(const struct gp *gp, const struct xl_search *search,
                   struct xl_ask *ask)
{
    const struct xl_surrogate *s = &gp->surrogate;
    double best = xl_surrogate_best(s), most = -1;
    uint64_t code = XL_SPACE_NONE;
    for (size_t c = 0; c < gp->columns.n; c++) {
        double gain =
            improvement(best, xl_surrogate_mean(s, c), xl_surrogate_sd(s, c));
        if (s->failures > 0)
            gain *= xl_surrogate_feasible(s, c);
        if (gain > most && !xl_search_knows(search, gp->columns.codes[c])) {
            most = gain;
            code = gp->columns.codes[c];
        }
    }
    if (code == XL_SPACE_NONE)
        return false;
    xl_space_decode(search->space, code, ask->point);
    ask->how = "improvement";
    return true;
}

static enum xl_status ask_gp(void *state, struct xl_search *search,
                             struct xl_ask *ask, struct xl_err *err)
{
    struct gp *gp = state;
    if (search->n_records < STARTS || xl_scale_find(search) == XL_SCALE_NONE)
        return xl_search_draw(search, ask, err);
    XL_TRY(follow(gp, search, err));
    XL_TRY(learn(gp, search, err));
    if (choose(gp, search, ask))
        return XL_OK;
    return xl_search_draw(search, ask, err);
}

const struct xl_strategy_kind xl_strategy_gp = {
    .name = "gp",
    .make = make_gp,
    .free = free_gp,
    .ask = ask_gp,
};
