/* SPDX-License-Identifier: Apache-2.0
 *
 * All state follows from the history and from how often it was asked, so a
 * replayed search does the same. Of a long history the best and the latest
 * points are kept.
 *
 * Hints are rows that are unsure. Those of one group (an earlier run, a model
 * of the machine) share an unknown factor, found where hint and result are of
 * one point; how far apart they are there says how unsure the others are. They
 * count less with every result and are dropped after HINTED. */
#include "tuner/strategy/gp_model.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/order.h"

enum {
    KEPT_ROWS = 256, /* of more than XL_GP_ROWS: the best and the latest */
    FULL = 24,       /* rows left when rows are chosen anew */
    STEPS = 12,      /* of a fit */
    STEPS_LATE = 4,  /* of a fit over many rows, from the one before */
    LATE = 100,      /* records */
    DRAWN = 4096,    /* candidates where not all members are */
    NEAR_BEST = 5,   /* points whose neighbours are candidates */
    SPARE = 64,      /* rows that a process has room for beyond its own */
    HINTED = 60,     /* results; then hints are dropped */
    HINT_ROWS = 48,
    HINT_FITTED = 20, /* results; until then a fit reads hints */
    HINT_FADE = 20,   /* results that double the doubt */
    HINT_PROVEN = 6,  /* results that can show a group to be worthless */
    JUDGED = 12,      /* results that can show the process to be so */
};

/* Of results it foretells: without structure it is 0.00 to 0.15, on recorded
 * tables 0.3 to 0.9. */
static const double least_skill = 0.1, skill_fade = 0.8;

/* A failure says nothing of cost: that is for the odds. Counted as the mean
 * with a variance of 1, hundreds of them without reason hid the slope of the
 * few that ran: -0.1 on made tables where nine in ten fail, 0.2 like this. */
static const double no_cost = 1e4;

/* Multiplications of a slice, two milliseconds or so. */
static const double slice_work = 3e6;

static void release_process(struct xl_process *p)
{
    xl_surrogate_release(&p->surrogate);
    xl_free(p->records);
}

void xl_gp_model_release(struct xl_gp_model *model)
{
    release_process(&model->processes[0]);
    release_process(&model->processes[1]);
    xl_theta_walk_free(model->walk);
    xl_odds_release(&model->odds);
    xl_columns_release(&model->columns);
    xl_free(model->scratch);
}

enum xl_status xl_gp_model_init(struct xl_gp_model *model,
                                struct xl_search *search, struct xl_err *err)
{
    *model = (struct xl_gp_model){ .around = XL_SEARCH_UNKNOWN };
    XL_TRY(xl_columns_init(&model->columns, search->space, err));
    XL_TRY(xl_odds_init(&model->odds, &model->columns, err));
    for (size_t i = 0; i < 2; i++) {
        struct xl_process *p = &model->processes[i];
        p->records = xl_alloc_zero(XL_GP_ROWS, sizeof *p->records);
        if (!p->records)
            return xl_fail(err, XL_ENOMEM, "no memory for a strategy");
        XL_TRY(xl_surrogate_init(&p->surrogate, &model->columns, err));
        p->surrogate.failed_doubt = no_cost;
    }
    return XL_OK;
}

static struct xl_process *current(struct xl_gp_model *model)
{
    return &model->processes[model->at];
}

static struct xl_process *coming(struct xl_gp_model *model)
{
    return &model->processes[1 - model->at];
}

/* -- rows ----------------------------------------------------------------- */

static struct xl_sight sight_of(const struct xl_gp_model *model,
                                const struct xl_record *r)
{
    if (!r->is_told)
        return (struct xl_sight){ .kind = XL_SIGHT_OPEN };
    if (!xl_record_is_ok(r))
        return (struct xl_sight){ .kind = XL_SIGHT_FAILED };
    return (struct xl_sight){ .y = xl_scale_cost(model->scale, r) };
}

static enum xl_status add_row(const struct xl_gp_model *model,
                              struct xl_process *p,
                              const struct xl_search *search, size_t record,
                              struct xl_err *err)
{
    const struct xl_record *r = &search->records[record];
    assert(p->surrogate.n < XL_GP_ROWS);
    p->records[p->surrogate.n] = (uint32_t)record;
    return xl_surrogate_add(&p->surrogate, r->code, sight_of(model, r), err);
}

/* Rows anew: all records, or the best and the latest of too many. */
static enum xl_status choose_rows(const struct xl_gp_model *model,
                                  struct xl_process *p,
                                  const struct xl_search *search,
                                  struct xl_err *err)
{
    uint32_t best[KEPT_ROWS / 2];
    size_t latest = 0, n = 0;
    xl_surrogate_clear(&p->surrogate);
    if (search->n_records > KEPT_ROWS) {
        latest = search->n_records - KEPT_ROWS / 2;
        n = xl_search_best(search, KEPT_ROWS / 2, latest, best);
    }
    XL_TRY(xl_surrogate_reserve(&p->surrogate,
                                n + search->n_records - latest + SPARE, err));
    for (size_t i = 0; i < n; i++)
        XL_TRY(add_row(model, p, search, best[i], err));
    for (size_t i = latest; i < search->n_records; i++)
        XL_TRY(add_row(model, p, search, i, err));
    return XL_OK;
}

static bool is_same(struct xl_sight a, struct xl_sight b)
{
    return a.kind == b.kind && (a.kind != XL_SIGHT_OK || a.y == b.y);
}

/* What was told since about points that are rows. */
static void follow_rows(const struct xl_gp_model *model, struct xl_process *p,
                        const struct xl_search *search)
{
    for (size_t i = 0; i < p->surrogate.n; i++) {
        if (p->records[i] == XL_SEARCH_UNKNOWN)
            continue;
        struct xl_sight sight =
            sight_of(model, &search->records[p->records[i]]);
        if (!is_same(sight, p->surrogate.rows[i].sight))
            xl_surrogate_change(&p->surrogate, i, sight);
    }
}

/* -- hints ---------------------------------------------------------------- */

/* How the hints of a group lie to the results. */
struct agreement {
    double shift;  /* of costs: result - hint */
    double spread; /* variance of that */
    size_t n;      /* points with both */
};

static bool hint_cost(const struct xl_gp_model *model,
                      const struct xl_hint_row *hint, double *cost)
{
    struct xl_record as_record = { .outcome = { .values = { hint->value } } };
    bool fits = (model->scale == XL_SCALE_GAIN && hint->value > 0) ||
                (model->scale == XL_SCALE_LOSS && hint->value < 0);
    if (fits)
        *cost = xl_scale_cost(model->scale, &as_record);
    return fits;
}

static const struct xl_record *result_of(const struct xl_search *search,
                                         uint64_t code)
{
    uint32_t index = xl_search_find(search, code);
    bool is_known =
        index != XL_SEARCH_UNKNOWN && xl_record_is_ok(&search->records[index]);
    return is_known ? &search->records[index] : NULL;
}

static struct agreement compare(const struct xl_gp_model *model,
                                const struct xl_search *search, uint32_t group)
{
    struct agreement a = { .n = 0 };
    double squares = 0, cost;
    for (size_t i = 0; i < search->n_hints; i++) {
        const struct xl_hint_row *hint = &search->hints[i];
        const struct xl_record *r = result_of(search, hint->code);
        if (hint->group != group || !r || !hint_cost(model, hint, &cost))
            continue;
        double by = xl_scale_cost(model->scale, r) - cost, off = by - a.shift;
        a.n++;
        a.shift += off / (double)a.n;
        squares += off * (by - a.shift);
    }
    a.spread = a.n > 1 ? squares / (double)(a.n - 1) : 0;
    return a;
}

static enum xl_status add_hint(struct xl_process *p,
                               const struct xl_hint_row *hint, double cost,
                               double doubt, struct xl_err *err)
{
    p->records[p->surrogate.n] = XL_SEARCH_UNKNOWN;
    return xl_surrogate_add(
        &p->surrogate, hint->code,
        (struct xl_sight){ .kind = XL_SIGHT_HINT, .y = cost, .doubt = doubt },
        err);
}

/* The cost that `most` hints of a group do not exceed. */
static double cut_of(struct xl_gp_model *model, const struct xl_search *search,
                     uint32_t group, size_t most, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < search->n_hints; i++)
        if (search->hints[i].group == group &&
            hint_cost(model, &search->hints[i], &model->scratch[*n]))
            ++*n;
    qsort(model->scratch, *n, sizeof *model->scratch, xl_order_reals);
    return *n > most ? model->scratch[most - 1] : (double)INFINITY;
}

/* Half of the rows for the best hints of the group, half spread evenly. */
static enum xl_status add_group(struct xl_gp_model *model,
                                const struct xl_search *search,
                                struct xl_process *p, uint32_t group,
                                size_t most, struct xl_err *err)
{
    struct agreement a = compare(model, search, group);
    double deviation2 = p->surrogate.deviation * p->surrogate.deviation;
    double fade = 1 + (double)p->surrogate.n_ok / HINT_FADE;
    size_t n, added = 0, passed = 0;
    if (!a.n || (a.n >= HINT_PROVEN && a.spread > deviation2))
        return XL_OK;
    double cut = cut_of(model, search, group, most / 2, &n), cost;
    size_t step = n / (most / 2) + 1;
    for (size_t i = 0; i < search->n_hints && added < most; i++) {
        const struct xl_hint_row *hint = &search->hints[i];
        if (hint->group != group || !hint_cost(model, hint, &cost))
            continue;
        bool is_taken = cost <= cut || passed++ % step == 0;
        if (!is_taken || xl_search_knows(search, hint->code))
            continue;
        double doubt = fmax(hint->doubt, a.spread / deviation2) * fade;
        XL_TRY(add_hint(p, hint, cost + a.shift, doubt, err));
        added++;
    }
    return XL_OK;
}

static enum xl_status add_hints(struct xl_gp_model *model,
                                const struct xl_search *search,
                                struct xl_process *p, struct xl_err *err)
{
    uint32_t groups = 0;
    if (!search->n_hints || p->surrogate.n_ok >= HINTED)
        return XL_OK;
    for (size_t i = 0; i < search->n_hints; i++)
        if (search->hints[i].group >= groups)
            groups = search->hints[i].group + 1;
    if (!model->scratch)
        model->scratch = xl_alloc_zero(search->n_hints, sizeof *model->scratch);
    if (!model->scratch)
        return xl_fail(err, XL_ENOMEM, "no memory for %zu hints",
                       search->n_hints);
    size_t most = HINT_ROWS / groups > 4 ? HINT_ROWS / groups : 4;
    for (uint32_t g = 0; g < groups; g++)
        if (p->surrogate.n + most <= XL_GP_ROWS / 2)
            XL_TRY(add_group(model, search, p, g, most, err));
    return XL_OK;
}

/* -- candidates ----------------------------------------------------------- */

static enum xl_status draw_columns(struct xl_gp_model *model,
                                   struct xl_search *search, struct xl_err *err)
{
    uint32_t best[NEAR_BEST];
    size_t n = xl_search_best(search, NEAR_BEST, search->n_records, best);
    XL_TRY(xl_columns_draw(&model->columns, search, DRAWN, err));
    for (size_t i = 0; i < n; i++)
        XL_TRY(xl_columns_add_near(&model->columns, search,
                                   search->records[best[i]].code, err));
    model->around = n ? best[0] : XL_SEARCH_UNKNOWN;
    return XL_OK;
}

static enum xl_status follow_best(struct xl_gp_model *model,
                                  struct xl_search *search, struct xl_err *err)
{
    uint32_t best;
    if (!xl_search_best(search, 1, search->n_records, &best) ||
        best == model->around)
        return XL_OK;
    model->around = best;
    return xl_columns_add_near(&model->columns, search,
                               search->records[best].code, err);
}

/* -- learning ------------------------------------------------------------- */

static size_t fit_interval(size_t rows)
{
    return rows < 20 ? 5 : rows < 60 ? 10 : rows < KEPT_ROWS ? 20 : 64;
}

/* Both at once: early, and where candidates are drawn anew with each fit. */
static enum xl_status fit_now(struct xl_gp_model *model,
                              struct xl_search *search, struct xl_err *err)
{
    struct xl_process *p = current(model);
    struct xl_theta theta;
    bool is_late = search->n_records >= LATE;
    if (search->n_hints && p->surrogate.n_ok < HINTED + SPARE) {
        XL_TRY(choose_rows(model, p, search, err));
        XL_TRY(add_hints(model, search, p, err));
    }
    p->surrogate.fits_hints = p->surrogate.n_ok < HINT_FITTED;
    XL_TRY(xl_surrogate_fit(&p->surrogate, is_late ? STEPS_LATE : STEPS, &theta,
                            err));
    xl_surrogate_set(&p->surrogate, &theta);
    if (model->columns.is_all)
        return xl_surrogate_refresh(&p->surrogate, false, err);
    XL_TRY(draw_columns(model, search, err));
    return xl_surrogate_refresh(&p->surrogate, true, err);
}

static enum xl_status start_building(struct xl_gp_model *model,
                                     struct xl_search *search,
                                     const struct xl_theta *theta,
                                     struct xl_err *err)
{
    struct xl_process *next = coming(model);
    xl_surrogate_set(&next->surrogate, theta);
    XL_TRY(choose_rows(model, next, search, err));
    model->is_building = true;
    return XL_OK;
}

static enum xl_status build_on(struct xl_gp_model *model, struct xl_err *err)
{
    struct xl_surrogate *next = &coming(model)->surrogate;
    double n = (double)next->n;
    bool is_done;
    XL_TRY(xl_surrogate_refresh_part(next, 1 + (size_t)(slice_work / (n * n)),
                                     &is_done, err));
    if (!is_done)
        return XL_OK;
    model->at = 1 - model->at;
    model->is_building = false;
    return XL_OK;
}

static enum xl_status walk_on(struct xl_gp_model *model,
                              struct xl_search *search, struct xl_err *err)
{
    struct xl_theta theta = current(model)->surrogate.theta;
    if (xl_theta_walk_on(model->walk))
        return XL_OK;
    xl_theta_walk_get(model->walk, &theta);
    xl_theta_walk_free(model->walk);
    model->walk = NULL;
    return start_building(model, search, &theta, err);
}

static enum xl_status learn(struct xl_gp_model *model, struct xl_search *search,
                            struct xl_err *err)
{
    struct xl_surrogate *s = &current(model)->surrogate;
    size_t told = search->n_records;
    bool is_due =
        !model->fitted || told >= model->fitted + fit_interval(model->fitted);
    if (model->walk)
        return walk_on(model, search, err);
    if (model->is_building)
        return build_on(model, err);
    if (is_due) {
        bool is_first = !model->fitted;
        model->fitted = told;
        if (is_first || told < LATE || !model->columns.is_all)
            return fit_now(model, search, err);
        return xl_surrogate_walk(s, STEPS_LATE, &model->walk, err);
    }
    if (model->columns.is_all && s->n + FULL > XL_GP_ROWS)
        return start_building(model, search, &s->theta, err);
    return XL_OK;
}

/* -- following ------------------------------------------------------------ */

static void stop_building(struct xl_gp_model *model)
{
    xl_theta_walk_free(model->walk);
    model->walk = NULL;
    model->is_building = false;
}

static enum xl_status take_in(struct xl_gp_model *model,
                              struct xl_search *search, struct xl_err *err)
{
    struct xl_process *own = current(model), *next = coming(model);
    enum xl_scale scale = xl_scale_find(search);
    size_t fresh = search->n_records - model->seen;
    bool is_full =
        own->surrogate.n + fresh > XL_GP_ROWS ||
        (model->is_building && next->surrogate.n + fresh > XL_GP_ROWS);
    model->seen = search->n_records;
    if (scale != model->scale || is_full) {
        model->scale = scale;
        stop_building(model);
        return choose_rows(model, own, search, err);
    }
    follow_rows(model, own, search);
    if (model->is_building)
        follow_rows(model, next, search);
    for (size_t i = search->n_records - fresh; i < search->n_records; i++) {
        XL_TRY(add_row(model, own, search, i, err));
        if (model->is_building)
            XL_TRY(add_row(model, next, search, i, err));
    }
    return XL_OK;
}

/* What the process is worth, found anew with one more row in ten. A fit can
 * lose its footing for a while, so skill that was there fades. */
static enum xl_status judge(struct xl_gp_model *model,
                            const struct xl_search *search, struct xl_err *err)
{
    double skill;
    if (search->n_records <= model->judged + model->judged / 10)
        return XL_OK;
    model->judged = search->n_records;
    XL_TRY(xl_surrogate_skill(&current(model)->surrogate, &skill, err));
    model->skill = fmax(skill, skill_fade * model->skill);
    return XL_OK;
}

bool xl_gp_model_is_blind(const struct xl_gp_model *model)
{
    const struct xl_surrogate *s = &model->processes[model->at].surrogate;
    return s->n_ok >= JUDGED && model->skill < least_skill;
}

enum xl_status xl_gp_model_follow(struct xl_gp_model *model,
                                  struct xl_search *search, struct xl_err *err)
{
    XL_TRY(take_in(model, search, err));
    XL_TRY(learn(model, search, err));
    if (!model->columns.is_all && model->fitted != search->n_records)
        XL_TRY(follow_best(model, search, err));
    XL_TRY(xl_surrogate_refresh(&current(model)->surrogate, false, err));
    XL_TRY(xl_odds_follow(&model->odds, search, err));
    return judge(model, search, err);
}

double xl_expected_improvement(double best, double mean, double sd)
{
    double t = (best - mean) / sd;
    double density = 0.3989422804014327 * exp(-0.5 * t * t);
    return (best - mean) * 0.5 * erfc(-t * 0.7071067811865476) + sd * density;
}
