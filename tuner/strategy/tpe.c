/* SPDX-License-Identifier: Apache-2.0
 *
 * The tree-structured Parzen estimator (Bergstra et al., 2011), with the
 * joint kernels of its multivariate form: the best tenth of the results and
 * the others each give a density, and the candidate of the greatest ratio is
 * proposed. The densities are evaluated on all unknown members, or on a
 * sample with the neighbours of the best, in place of 24 draws.
 *
 * A density is a mixture of one kernel a result and the uniform one. Kernels
 * are discrete: Gaussian in an ordered dimension, 1 or 1 / (n + 1) in a
 * nominal one, both normalised over its values. Failures and proposals that
 * are not told yet belong to the others. */
#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "tuner/strategy/columns.h"
#include "tuner/strategy/scale.h"

enum {
    STARTS = 10,
    MOST_GOOD = 25,
    MOST_OTHERS = 400, /* the latest of a longer history */
    DRAWN = 4096,
};

static const double good_share = 0.1;
static const double first_width = 0.2; /* of the range, before n^-1/(d+4) */

struct tpe {
    struct xl_columns columns;
    float *good, *others; /* [room] densities of the columns */
    size_t room;
};

static void free_tpe(void *state)
{
    struct tpe *tpe = state;
    if (!tpe)
        return;
    xl_columns_release(&tpe->columns);
    xl_free(tpe->good);
    xl_free(tpe);
}

static enum xl_status make_tpe(void **state, struct xl_search *search,
                               struct xl_err *err)
{
    struct tpe *tpe = xl_alloc_zero(1, sizeof *tpe);
    *state = tpe;
    if (!tpe)
        return xl_fail(err, XL_ENOMEM, "no memory for a strategy");
    return xl_columns_init(&tpe->columns, search->space, err);
}

/* -- densities ------------------------------------------------------------ */

/* Sets the weights of a kernel among n; returns its height as a multiple of
 * the uniform density. */
static double shape(const struct xl_columns *columns, size_t n,
                    struct xl_lane_point *point)
{
    double height = 1;
    double scott = pow((double)n, -1 / ((double)columns->n_dims + 4));
    for (size_t d = 0; d < columns->n_dims; d++) {
        const struct xl_dim *dim =
            xl_space_dim(columns->space, columns->dims[d]);
        double k = dim->n, mass = 0;
        if (point->is_nominal[d]) {
            point->weight[d] = (float)log((double)n + 1);
            mass = 1 + (k - 1) / ((double)n + 1);
        } else {
            double width = fmax(first_width * scott, 0.5 / (k - 1));
            double by = 0.5 / (width * width);
            point->weight[d] = (float)by;
            for (uint32_t v = 0; v < dim->n; v++) {
                double u = (double)v / (k - 1) - (double)point->x[d];
                mass += exp(-by * u * u);
            }
        }
        height *= k / mass;
    }
    return fmin(height, 1e30);
}

static void add_kernel(const struct tpe *tpe, const struct xl_lanes *lanes,
                       uint64_t code, size_t n, float *density)
{
    struct xl_lane_point point;
    const struct xl_columns *c = &tpe->columns;
    xl_columns_point(c, code, &point);
    float height = (float)shape(c, n, &point);
    for (size_t t = 0; t < xl_columns_tiles(c); t++)
        lanes->gauss(&point, c->u + t * XL_TILE, c->room, height,
                     density + t * XL_TILE);
}

static void estimate(struct tpe *tpe, const struct xl_search *search,
                     const uint32_t *good, size_t n_good)
{
    const struct xl_lanes *lanes = xl_lanes_pick();
    size_t first = 0, n_others;
    for (size_t c = 0; c < tpe->room; c++)
        tpe->good[c] = tpe->others[c] = 1;
    for (size_t i = 0; i < n_good; i++)
        add_kernel(tpe, lanes, search->records[good[i]].code, n_good + 1,
                   tpe->good);
    if (search->n_records > MOST_OTHERS)
        first = search->n_records - MOST_OTHERS;
    n_others = search->n_records - first;
    for (size_t i = first; i < search->n_records; i++) {
        bool is_good = false;
        for (size_t g = 0; g < n_good; g++)
            is_good |= good[g] == i;
        if (!is_good)
            add_kernel(tpe, lanes, search->records[i].code, n_others,
                       tpe->others);
    }
}

/* -- asking --------------------------------------------------------------- */

static enum xl_status draw_columns(struct tpe *tpe, struct xl_search *search,
                                   const uint32_t *good, size_t n_good,
                                   struct xl_err *err)
{
    if (tpe->columns.is_all)
        return XL_OK;
    XL_TRY(xl_columns_draw(&tpe->columns, search, DRAWN, err));
    for (size_t i = 0; i < n_good && i < 5; i++)
        XL_TRY(xl_columns_add_near(&tpe->columns, search,
                                   search->records[good[i]].code, err));
    return XL_OK;
}

static enum xl_status reserve(struct tpe *tpe, struct xl_err *err)
{
    size_t room = tpe->columns.room;
    if (room <= tpe->room)
        return XL_OK;
    float *both = xl_alloc_zero(2 * room, sizeof *both);
    if (!both)
        return xl_fail(err, XL_ENOMEM, "no memory for %zu candidates", room);
    xl_free(tpe->good);
    tpe->good = both;
    tpe->others = both + room;
    tpe->room = room;
    return XL_OK;
}

static enum xl_status ask_tpe(void *state, struct xl_search *search,
                              struct xl_ask *ask, struct xl_err *err)
{
    struct tpe *tpe = state;
    uint32_t good[MOST_GOOD];
    double share = ceil(good_share * (double)search->n_records), most = 0;
    uint64_t code = XL_SPACE_NONE;
    size_t n =
        xl_search_best(search, share < MOST_GOOD ? (size_t)share : MOST_GOOD,
                       search->n_records, good);
    if (xl_search_hinted(search, ask))
        return XL_OK;
    if (search->n_records < STARTS || n == 0)
        return xl_search_draw(search, ask, err);
    XL_TRY(draw_columns(tpe, search, good, n, err));
    XL_TRY(reserve(tpe, err));
    estimate(tpe, search, good, n);
    for (size_t c = 0; c < tpe->columns.n; c++) {
        double ratio = (double)tpe->good[c] / (double)tpe->others[c];
        if (ratio > most && !xl_search_shuns(search, tpe->columns.codes[c])) {
            most = ratio;
            code = tpe->columns.codes[c];
        }
    }
    if (code == XL_SPACE_NONE)
        return xl_search_draw(search, ask, err);
    xl_space_decode(search->space, code, ask->point);
    ask->how = "density";
    return XL_OK;
}

const struct xl_strategy_kind xl_strategy_tpe = {
    .name = "tpe",
    .make = make_tpe,
    .free = free_tpe,
    .ask = ask_tpe,
};
