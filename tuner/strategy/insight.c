/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows are fitted once; then functions are drawn from the process, at
 * members drawn uniformly for the shares and at the most promising untried
 * members for the gain. What a quantity is for each function is what is known
 * of it: the mean is reported and 95 % of the functions are its interval.
 * The hyper-parameters are taken as they were fitted, so intervals are somewhat
 * narrow where there are few rows. */
#include "tuner/strategy/insight.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/order.h"
#include "tuner/strategy/gp_model.h"
#include "tuner/strategy/insight_int.h"

enum {
    ROWS = 256,     /* of more, the best half and an even spread */
    POINTS = 512,   /* that shares are counted over */
    DRAWS = 64,     /* functions */
    STEPS = 30,     /* of the fit */
    DRAWN = 4096,   /* candidates where not all members are */
    PROMISING = 96, /* untried members that the gain is read from */
};

static const double least_gain = 0.01; /* "at least 1 % better" */

struct work {
    struct xl_insight *insight;
    const struct xl_space *space;
    struct xl_search search;
    struct xl_columns columns;
    struct xl_surrogate surrogate;
    struct xl_theta theta;
    enum xl_scale scale;
    uint32_t *order; /* [n_records] of the points that ran, best first */
    size_t n_order;
    struct xl_fit_row *rows; /* [n_rows] */
    size_t n_rows;
    struct xl_lane_point *points;  /* [POINTS] */
    uint32_t (*at)[XL_SPACE_DIMS]; /* [POINTS] the same */
    double *rest;                  /* [DRAWS][POINTS] */
    double shares[DRAWS];
};

/* -- rows ----------------------------------------------------------------- */

static enum xl_status take_rows(struct work *w,
                                const struct xl_insight_row *rows, size_t n,
                                struct xl_err *err)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t index;
        XL_TRY(xl_search_add(&w->search, rows[i].code, &index, err));
        struct xl_record *r = &w->search.records[index];
        r->is_told = true;
        r->outcome = rows[i].outcome;
        if (!isfinite(r->outcome.values[0]))
            r->outcome.status = XL_OUTCOME_FAILED;
    }
    for (size_t i = 0; i < w->search.n_records; i++) {
        bool is_ok = xl_record_is_ok(&w->search.records[i]);
        w->insight->n_ok += is_ok;
        w->insight->n_failed += !is_ok;
    }
    w->scale = xl_scale_find(&w->search);
    w->insight->is_ratio = w->scale != XL_SCALE_PLAIN;
    if (w->insight->n_ok < XL_INSIGHT_LEAST)
        return xl_fail(err, XL_EUSAGE,
                       "insight needs %d measured configurations; there are "
                       "%zu",
                       XL_INSIGHT_LEAST, w->insight->n_ok);
    return XL_OK;
}

/* The best `most` records in order; a heap is not worth it for thousands. */
static void sort_records(struct work *w)
{
    const struct xl_record *records = w->search.records;
    for (size_t gap = w->n_order / 2; gap > 0; gap /= 2)
        for (size_t i = gap; i < w->n_order; i++) {
            uint32_t own = w->order[i];
            size_t j = i;
            for (; j >= gap && records[w->order[j - gap]].outcome.values[0] <
                                   records[own].outcome.values[0];
                 j -= gap)
                w->order[j] = w->order[j - gap];
            w->order[j] = own;
        }
}

static enum xl_status add_rows(struct work *w, struct xl_err *err)
{
    const struct xl_search *search = &w->search;
    size_t n = 0;
    w->order = xl_alloc_zero(search->n_records, sizeof *w->order);
    if (!w->order)
        return xl_fail(err, XL_ENOMEM, "no memory for insight");
    for (size_t i = 0; i < search->n_records; i++)
        if (xl_record_is_ok(&search->records[i]))
            w->order[w->n_order++] = (uint32_t)i;
    sort_records(w);
    size_t rest = w->n_order > ROWS / 2 ? w->n_order - ROWS / 2 : 0;
    size_t step = rest / (ROWS / 2) + 1;
    for (size_t i = 0; i < w->n_order && n < ROWS; i++) {
        if (i >= ROWS / 2 && (i - ROWS / 2) % step)
            continue;
        const struct xl_record *r = &search->records[w->order[i]];
        XL_TRY(xl_surrogate_add(
            &w->surrogate, r->code,
            (struct xl_sight){ .y = xl_scale_cost(w->scale, r) }, err));
        n++;
    }
    /* Failures only say where configurations run. */
    for (size_t i = 0; i < search->n_records && n < ROWS + ROWS / 2; i++) {
        if (xl_record_is_ok(&search->records[i]))
            continue;
        XL_TRY(xl_surrogate_add(&w->surrogate, search->records[i].code,
                                (struct xl_sight){ .kind = XL_SIGHT_FAILED },
                                err));
        n++;
    }
    return XL_OK;
}

static void weigh(const struct work *w, struct xl_lane_point *point)
{
    for (size_t d = 0; d < point->n_dims; d++)
        point->weight[d] = (float)exp(-2 * w->theta.length[d]);
}

/* The rows that ran, standardised, under the hyper-parameters of all. */
static enum xl_status fit(struct work *w, struct xl_err *err)
{
    struct xl_surrogate *s = &w->surrogate;
    if (!(s->worst > s->best))
        return xl_fail(err, XL_EUSAGE,
                       "all measured configurations came to the same value");
    XL_TRY(xl_surrogate_fit(s, STEPS, &w->theta, err));
    xl_surrogate_set(s, &w->theta);
    w->rows = xl_alloc_zero(s->n, sizeof *w->rows);
    if (!w->rows)
        return xl_fail(err, XL_ENOMEM, "no memory for insight");
    for (size_t i = 0; i < s->n; i++) {
        if (s->rows[i].sight.kind != XL_SIGHT_OK)
            continue;
        weigh(w, &s->rows[i].point);
        w->rows[w->n_rows].point = &s->rows[i].point;
        w->rows[w->n_rows++].z = (s->rows[i].sight.y - s->mean) / s->deviation;
    }
    struct xl_draw_job job = { .theta = &w->theta,
                               .rows = w->rows,
                               .n_rows = w->n_rows };
    return xl_draws_explained(&job, &w->insight->explained, err);
}

/* -- shares --------------------------------------------------------------- */

/* Of w->shares; sorts them. */
static struct xl_insight_share summary(struct work *w, size_t a, size_t b)
{
    struct xl_insight_share out = { .a = a, .b = b };
    qsort(w->shares, DRAWS, sizeof *w->shares, xl_order_reals);
    for (size_t s = 0; s < DRAWS; s++)
        out.share += w->shares[s] / DRAWS;
    size_t tail = DRAWS / 40;
    out.lo = w->shares[tail];
    out.hi = w->shares[DRAWS - 1 - tail];
    return out;
}

/* Into a list that is sorted, greatest first. */
static void insert(struct xl_insight_share *list, size_t *n, size_t most,
                   struct xl_insight_share one)
{
    size_t at = *n;
    while (at > 0 && list[at - 1].share < one.share)
        at--;
    if (at == most)
        return;
    *n += *n < most;
    memmove(list + at + 1, list + at, (*n - at - 1) * sizeof *list);
    list[at] = one;
}

static void split_all(struct work *w, const struct xl_split *split,
                      const struct xl_draws *draws)
{
    struct xl_insight *out = w->insight;
    const size_t *dims = w->columns.dims;
    for (size_t s = 0; s < DRAWS; s++)
        xl_split_rest(split, draws->values + s * draws->n_points,
                      w->rest + s * draws->n_points);
    for (size_t i = 0; i < w->columns.n_dims; i++) {
        for (size_t s = 0; s < DRAWS; s++)
            w->shares[s] = xl_split_main(
                split, draws->values + s * draws->n_points, dims[i]);
        insert(out->mains, &out->n_mains, XL_SPACE_DIMS,
               summary(w, dims[i], dims[i]));
        for (size_t j = 0; j < i; j++) {
            for (size_t s = 0; s < DRAWS; s++)
                w->shares[s] = xl_split_pair(
                    split, draws->values + s * draws->n_points,
                    w->rest + s * draws->n_points, dims[j], dims[i]);
            insert(out->pairs, &out->n_pairs, XL_INSIGHT_PAIRS,
                   summary(w, dims[j], dims[i]));
        }
    }
}

/* All members, or as many drawn uniformly. */
static size_t pick_points(struct work *w, bool *is_all)
{
    uint64_t count = xl_space_count(w->space);
    size_t n = 0;
    *is_all = xl_space_is_counted(w->space) && count <= POINTS;
    for (; n < POINTS; n++) {
        if (*is_all && n == count)
            break;
        if (*is_all)
            xl_space_at(w->space, n, w->at[n]);
        else if (!xl_space_sample(w->space, &w->search.rng, w->at[n]))
            break;
        xl_columns_point(&w->columns, xl_space_code(w->space, w->at[n]),
                         &w->points[n]);
        weigh(w, &w->points[n]);
    }
    return n;
}

static enum xl_status find_shares(struct work *w, struct xl_err *err)
{
    struct xl_draws draws = { 0 };
    struct xl_split split = {
        .space = w->space,
        .points = (const uint32_t(*)[XL_SPACE_DIMS])w->at,
    };
    split.n = pick_points(w, &split.is_all);
    struct xl_draw_job job = { .theta = &w->theta,
                               .rows = w->rows,
                               .n_rows = w->n_rows,
                               .points = w->points,
                               .n_points = split.n,
                               .n = DRAWS };
    enum xl_status rc = xl_draws_make(&draws, &job, &w->search.rng, err);
    if (rc == XL_OK)
        split_all(w, &split, &draws);
    xl_draws_release(&draws);
    return rc;
}

/* -- what is left to gain ------------------------------------------------- */

/* An untried member. */
struct hope {
    size_t column;
    double gain;
};

/* The `most` columns of greatest expected improvement that runs. */
static size_t find_hopes(const struct work *w, struct hope *hopes)
{
    const struct xl_surrogate *s = &w->surrogate;
    double best = xl_surrogate_best(s);
    size_t n = 0;
    for (size_t c = 0; c < w->columns.n; c++) {
        if (xl_search_knows(&w->search, w->columns.codes[c]))
            continue;
        double gain = xl_expected_improvement(best, xl_surrogate_mean(s, c),
                                              xl_surrogate_sd(s, c));
        gain *= s->failures > 0 ? xl_surrogate_feasible(s, c) : 1;
        size_t at = n;
        while (at > 0 && hopes[at - 1].gain < gain)
            at--;
        if (at == PROMISING)
            continue;
        n += n < PROMISING;
        memmove(hopes + at + 1, hopes + at, (n - at - 1) * sizeof *hopes);
        hopes[at] = (struct hope){ c, gain };
    }
    return n;
}

static double value_of(const struct work *w, double z)
{
    double y = z * w->surrogate.deviation + w->surrogate.mean;
    if (w->scale == XL_SCALE_LOSS)
        return -exp(y);
    return w->scale == XL_SCALE_GAIN ? exp(-y) : -y;
}

static void add_guesses(struct work *w, const struct hope *hopes, size_t n)
{
    struct xl_insight *out = w->insight;
    for (size_t i = 0; i < n; i++) {
        double mean = xl_surrogate_mean(&w->surrogate, hopes[i].column);
        double sd = xl_surrogate_sd(&w->surrogate, hopes[i].column);
        struct xl_insight_guess guess = {
            .code = w->columns.codes[hopes[i].column],
            .value = value_of(w, mean),
            .lo = value_of(w, mean + 1.96 * sd),
            .hi = value_of(w, mean - 1.96 * sd),
        };
        size_t at = out->n_guesses;
        while (at > 0 && out->guesses[at - 1].value < guess.value)
            at--;
        if (at == XL_INSIGHT_GUESSES)
            continue;
        out->n_guesses += out->n_guesses < XL_INSIGHT_GUESSES;
        memmove(out->guesses + at + 1, out->guesses + at,
                (out->n_guesses - at - 1) * sizeof guess);
        out->guesses[at] = guess;
    }
}

/* Point 0 is the best measured one, so that its luck is not held against the
 * others; those that a draw takes to fail are passed over, near ones
 * together. */
static void count_gain(struct work *w, const struct xl_draws *draws,
                       const struct hope *hopes)
{
    struct xl_insight *out = w->insight;
    for (size_t s = 0; s < draws->n; s++) {
        const double *y = draws->values + s * draws->n_points;
        double most = 0, luck = xl_rng_unit(&w->search.rng);
        for (size_t i = 1; i < draws->n_points; i++) {
            double runs =
                w->surrogate.failures > 0
                    ? xl_surrogate_feasible(&w->surrogate, hopes[i - 1].column)
                    : 1;
            if (luck < runs)
                most = fmax(most, y[0] - y[i]);
        }
        most *= w->surrogate.deviation;
        if (out->is_ratio)
            most = exp(most) - 1;
        out->gain += most / (double)draws->n;
        out->chance +=
            (most > (out->is_ratio ? least_gain : 0)) / (double)draws->n;
    }
}

static enum xl_status find_gain(struct work *w, struct xl_err *err)
{
    struct hope hopes[PROMISING + 1];
    struct xl_draws draws = { 0 };
    if (!w->columns.is_all)
        XL_TRY(xl_columns_draw(&w->columns, &w->search, DRAWN, err));
    for (size_t i = 0; !w->columns.is_all && i < w->n_order && i < 5; i++)
        XL_TRY(xl_columns_add_near(&w->columns, &w->search,
                                   w->search.records[w->order[i]].code, err));
    XL_TRY(xl_surrogate_refresh(&w->surrogate, true, err));
    size_t n = find_hopes(w, hopes);
    w->insight->is_over = n == 0;
    if (!n)
        return XL_OK;
    add_guesses(w, hopes, n);
    w->points[0] = *w->rows[0].point; /* rows begin with the best */
    for (size_t i = 0; i < n; i++) {
        xl_columns_point(&w->columns, w->columns.codes[hopes[i].column],
                         &w->points[i + 1]);
        weigh(w, &w->points[i + 1]);
    }
    struct xl_draw_job job = { .theta = &w->theta,
                               .rows = w->rows,
                               .n_rows = w->n_rows,
                               .points = w->points,
                               .n_points = n + 1,
                               .n = DRAWS };
    enum xl_status rc = xl_draws_make(&draws, &job, &w->search.rng, err);
    if (rc == XL_OK)
        count_gain(w, &draws, hopes);
    xl_draws_release(&draws);
    return rc;
}

/* -- all of it ------------------------------------------------------------ */

static enum xl_status make(struct work *w, const struct xl_insight_row *rows,
                           size_t n, struct xl_err *err)
{
    XL_TRY(take_rows(w, rows, n, err));
    XL_TRY(xl_columns_init(&w->columns, w->space, err));
    if (!w->columns.n_dims)
        return xl_fail(err, XL_EUSAGE, "the space has a single point");
    XL_TRY(xl_surrogate_init(&w->surrogate, &w->columns, err));
    XL_TRY(add_rows(w, err));
    XL_TRY(fit(w, err));
    w->points = xl_alloc_zero(POINTS, sizeof *w->points);
    w->at = xl_alloc_zero(POINTS, sizeof *w->at);
    w->rest = xl_alloc_zero((size_t)DRAWS * POINTS, sizeof *w->rest);
    if (!w->points || !w->at || !w->rest)
        return xl_fail(err, XL_ENOMEM, "no memory for insight");
    XL_TRY(find_shares(w, err));
    return find_gain(w, err);
}

enum xl_status xl_insight_make(struct xl_insight *insight,
                               const struct xl_space *space,
                               const struct xl_insight_row *rows, size_t n,
                               uint64_t seed, struct xl_err *err)
{
    struct work w = { .insight = insight, .space = space };
    *insight = (struct xl_insight){ 0 };
    w.search.space = space;
    w.search.options.n_values = 1;
    xl_rng_seed(&w.search.rng, seed);
    enum xl_status rc = make(&w, rows, n, err);
    xl_search_release(&w.search);
    xl_surrogate_release(&w.surrogate);
    xl_columns_release(&w.columns);
    xl_free(w.order);
    xl_free(w.rows);
    xl_free(w.points);
    xl_free(w.at);
    xl_free(w.rest);
    return rc;
}
