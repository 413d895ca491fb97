/* SPDX-License-Identifier: Apache-2.0
 *
 * With K = L L^T over the rows and k(c) the covariance of a candidate with
 * them, every candidate keeps v(c) = L^-1 k(c). A new row appends one number
 * to each v(c), so an evaluation costs one pass over the candidates instead
 * of a new solve, and
 *
 *     variance(c) = k(c, c) - v.v        mean(c) = v . (L^-1 targets)
 *
 * The targets change with every row (they are standardised, and a failure
 * counts as the worst cost so far, or nearer the mean the more fail: counted
 * as the worst throughout, gp scored -1.3 where nine rows in ten failed
 * without reason), so four right-hand sides are kept apart
 * and combined when read: the costs known, ones, rows without a cost, and
 * rows that failed. The last one makes the same process a regression of
 * failure: where candidates do not run. */
#include "tuner/strategy/surrogate.h"

#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"

enum {
    COST,
    ONE,
    WITHOUT,
    FAILED,
    ROOM = 64, /* rows at first */
};

static const double first_length = -0.35667494393873245; /* log 0.7 */
static const double first_noise = -4.605170185988092;    /* log 0.01 */

enum xl_status xl_surrogate_init(struct xl_surrogate *surrogate,
                                 struct xl_columns *columns, struct xl_err *err)
{
    (void)err;
    *surrogate = (struct xl_surrogate){
        .columns = columns,
        .lanes = xl_lanes_pick(),
        .theta = { .noise = first_noise },
        .is_stale = true,
        .failed_doubt = 1, /* as unsure as the prior */
    };
    for (size_t d = 0; d < columns->n_dims; d++)
        surrogate->theta.length[d] = first_length;
    return XL_OK;
}

void xl_surrogate_release(struct xl_surrogate *s)
{
    xl_free(s->rows);
    xl_free(s->factor);
    xl_free(s->sums[0]);
    xl_free(s->line);
    xl_free(s->tiles);
    xl_free(s->variance);
    *s = (struct xl_surrogate){ 0 };
}

void xl_surrogate_clear(struct xl_surrogate *s)
{
    s->n = 0;
    s->is_stale = true;
}

/* -- room ----------------------------------------------------------------- */

static void link_sums(struct xl_surrogate *s)
{
    for (size_t i = 0; i < XL_TILE_SUMS; i++) {
        s->sums[i] = s->sums[0] + i * s->room;
        s->totals[i] = s->variance + (i + 1) * s->tile_room * XL_TILE;
    }
}

/* Tiles for all columns with s->room rows; what they held is lost. */
static enum xl_status reserve_tiles(struct xl_surrogate *s, struct xl_err *err)
{
    size_t tiles = s->columns->room / XL_TILE, size;
    bool is_fit = xl_mul_size(tiles * XL_TILE * sizeof(float), s->room, &size);
    float *rows = is_fit ? xl_alloc(size) : NULL;
    float *variance =
        xl_alloc_zero(tiles * XL_TILE * (XL_TILE_SUMS + 1), sizeof *variance);
    if (!rows || !variance) {
        xl_free(rows);
        xl_free(variance);
        return xl_fail(err, XL_ENOMEM, "no memory for %zu candidates",
                       s->columns->n);
    }
    xl_free(s->tiles);
    xl_free(s->variance);
    s->tiles = rows;
    s->variance = variance;
    s->tile_room = tiles;
    s->n_tiles = 0;
    s->is_stale = true;
    link_sums(s);
    return XL_OK;
}

enum xl_status xl_surrogate_reserve(struct xl_surrogate *s, size_t wanted,
                                    struct xl_err *err)
{
    size_t room = (wanted + ROOM - 1) / ROOM * ROOM;
    if (room <= s->room)
        return XL_OK;
    struct xl_surrogate_row *rows = xl_alloc_zero(room, sizeof *rows);
    double *factor = xl_alloc_zero(room * room, sizeof *factor);
    double *sums = xl_alloc_zero(room * XL_TILE_SUMS, sizeof *sums);
    float *line = xl_alloc_zero(room, sizeof *line);
    if (!rows || !factor || !sums || !line) {
        xl_free(rows);
        xl_free(factor);
        xl_free(sums);
        xl_free(line);
        return xl_fail(err, XL_ENOMEM, "no memory for %zu observations", room);
    }
    if (s->n)
        memcpy(rows, s->rows, s->n * sizeof *rows);
    xl_free(s->rows);
    xl_free(s->factor);
    xl_free(s->sums[0]);
    xl_free(s->line);
    s->rows = rows;
    s->factor = factor;
    s->sums[0] = sums;
    s->line = line;
    s->room = room;
    s->is_stale = true;
    s->tile_room = 0; /* of another number of rows */
    link_sums(s);
    return XL_OK;
}

/* -- rows ----------------------------------------------------------------- */

static void right_side(struct xl_sight sight, double offset,
                       double out[XL_TILE_SUMS])
{
    bool is_ok = sight.kind == XL_SIGHT_OK || sight.kind == XL_SIGHT_HINT;
    out[COST] = is_ok ? sight.y - offset : 0;
    out[ONE] = 1;
    out[WITHOUT] = !is_ok;
    out[FAILED] = sight.kind == XL_SIGHT_FAILED;
}

static void weigh(const struct xl_surrogate *s, struct xl_lane_point *point)
{
    for (size_t d = 0; d < point->n_dims; d++)
        point->weight[d] = (float)exp(-2 * s->theta.length[d]);
}

/* Mean, deviation, best and worst of the targets. */
static void summarise(struct xl_surrogate *s)
{
    double sum = 0, squares = 0;
    s->n_ok = 0;
    s->worst = s->best = s->failures = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct xl_sight *sight = &s->rows[i].sight;
        s->failures += sight->kind == XL_SIGHT_FAILED;
        if (sight->kind != XL_SIGHT_OK)
            continue;
        s->worst = s->n_ok ? fmax(s->worst, sight->y) : sight->y;
        s->best = s->n_ok ? fmin(s->best, sight->y) : sight->y;
        s->n_ok++;
    }
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < s->n; i++) {
            double y = s->rows[i].sight.y;
            if (s->rows[i].sight.kind != XL_SIGHT_OK)
                continue;
            if (pass)
                squares += (y - s->mean) * (y - s->mean);
            else
                sum += y;
        }
        s->mean = s->n_ok ? sum / (double)s->n_ok : 0;
    }
    s->deviation = s->n_ok ? sqrt(squares / (double)s->n_ok) : 0;
    if (!(s->deviation > 1e-12 * (1 + fabs(s->mean))))
        s->deviation = 1;
    s->failures /= s->n ? (double)s->n : 1;
}

/* Row i of the factor, and its part of the right-hand sides. */
static void factor_row(struct xl_surrogate *s, size_t i)
{
    double *own = s->factor + i * s->room, rhs[XL_TILE_SUMS];
    double signal = exp(s->theta.signal);
    double pivot = signal + exp(s->theta.noise);
    double least = exp(s->theta.noise) * 0.5;
    if (s->rows[i].sight.kind == XL_SIGHT_FAILED)
        pivot += s->failed_doubt;
    if (s->rows[i].sight.kind == XL_SIGHT_HINT)
        pivot += s->rows[i].sight.doubt;
    weigh(s, &s->rows[i].point);
    right_side(s->rows[i].sight, s->offset, rhs);
    for (size_t j = 0; j < i; j++) {
        const double *row = s->factor + j * s->room;
        double sum = signal * xl_matern(&s->rows[i].point, &s->rows[j].point);
        for (size_t k = 0; k < j; k++)
            sum -= own[k] * row[k];
        own[j] = sum / row[j];
        pivot -= own[j] * own[j];
        for (size_t r = 0; r < XL_TILE_SUMS; r++)
            rhs[r] -= own[j] * s->sums[r][j];
    }
    own[i] = sqrt(fmax(pivot, least));
    for (size_t r = 0; r < XL_TILE_SUMS; r++)
        s->sums[r][i] = rhs[r] / own[i];
}

static struct xl_lane_tile tile_at(const struct xl_surrogate *s, size_t t)
{
    struct xl_lane_tile tile = {
        .rows = s->tiles + t * s->room * XL_TILE,
        .variance = s->variance + t * XL_TILE,
    };
    for (size_t r = 0; r < XL_TILE_SUMS; r++)
        tile.sums[r] = s->totals[r] + t * XL_TILE;
    return tile;
}

/* Rows from..n-1 of tiles first..last-1. */
static void extend_tiles(struct xl_surrogate *s, size_t from, size_t first,
                         size_t last)
{
    float k[XL_TILE], a[XL_TILE_SUMS];
    const struct xl_columns *c = s->columns;
    for (size_t t = first; t < last; t++) {
        struct xl_lane_tile tile = tile_at(s, t);
        for (size_t i = from; i < s->n; i++) {
            const double *own = s->factor + i * s->room;
            for (size_t j = 0; j < i; j++)
                s->line[j] = (float)own[j];
            for (size_t r = 0; r < XL_TILE_SUMS; r++)
                a[r] = (float)s->sums[r][i];
            s->lanes->matern(&s->rows[i].point, c->u + t * XL_TILE, c->room,
                             (float)exp(s->theta.signal), k);
            s->lanes->extend(&tile, i, s->line, (float)(1 / own[i]), k, a);
        }
    }
}

static void start_tiles(struct xl_surrogate *s, size_t first, size_t last)
{
    float signal = (float)exp(s->theta.signal);
    for (size_t t = first; t < last; t++) {
        struct xl_lane_tile tile = tile_at(s, t);
        for (size_t c = 0; c < XL_TILE; c++) {
            tile.variance[c] = signal;
            for (size_t r = 0; r < XL_TILE_SUMS; r++)
                tile.sums[r][c] = 0;
        }
    }
    extend_tiles(s, 0, first, last);
    s->n_tiles = last;
}

enum xl_status xl_surrogate_add(struct xl_surrogate *s, uint64_t code,
                                struct xl_sight sight, struct xl_err *err)
{
    if (s->n == s->room)
        XL_TRY(xl_surrogate_reserve(s, 2 * s->room + 1, err));
    struct xl_surrogate_row *row = &s->rows[s->n++];
    row->code = code;
    row->sight = sight;
    xl_columns_point(s->columns, code, &row->point);
    summarise(s);
    if (s->is_stale)
        return XL_OK;
    factor_row(s, s->n - 1);
    extend_tiles(s, s->n - 1, 0, s->n_tiles);
    return XL_OK;
}

/* Takes rows from..n-1 back out of all tiles. */
static void retract(struct xl_surrogate *s, size_t from)
{
    for (size_t t = 0; t < s->n_tiles; t++) {
        struct xl_lane_tile tile = tile_at(s, t);
        for (size_t i = from; i < s->n; i++) {
            const float *row = tile.rows + i * XL_TILE;
            for (size_t c = 0; c < XL_TILE; c++)
                tile.variance[c] += row[c] * row[c];
            for (size_t r = 0; r < XL_TILE_SUMS; r++) {
                float a = (float)s->sums[r][i];
                for (size_t c = 0; c < XL_TILE; c++)
                    tile.sums[r][c] -= a * row[c];
            }
        }
    }
}

void xl_surrogate_change(struct xl_surrogate *s, size_t row,
                         struct xl_sight sight)
{
    s->rows[row].sight = sight;
    summarise(s);
    if (s->is_stale)
        return;
    retract(s, row);
    for (size_t i = row; i < s->n; i++)
        factor_row(s, i);
    extend_tiles(s, row, 0, s->n_tiles);
}

/* Room for rows and tiles, and the rows themselves. */
static enum xl_status prepare(struct xl_surrogate *s, struct xl_err *err)
{
    if (!s->room)
        XL_TRY(xl_surrogate_reserve(s, 1, err));
    if (s->columns->room / XL_TILE > s->tile_room)
        XL_TRY(reserve_tiles(s, err));
    if (!s->is_stale)
        return XL_OK;
    s->n_columns = s->n_tiles = 0;
    s->offset = s->mean;
    for (size_t i = 0; i < s->n; i++)
        factor_row(s, i);
    s->is_stale = false;
    return XL_OK;
}

enum xl_status xl_surrogate_refresh_part(struct xl_surrogate *s,
                                         size_t most_tiles, bool *is_done,
                                         struct xl_err *err)
{
    size_t tiles = xl_columns_tiles(s->columns);
    *is_done = false;
    if (s->is_stale)
        return prepare(s, err);
    size_t first = s->n_tiles;
    size_t last = first + most_tiles < tiles ? first + most_tiles : tiles;
    start_tiles(s, first, last);
    *is_done = last == tiles;
    s->n_columns = *is_done ? s->columns->n : last * XL_TILE;
    return XL_OK;
}

enum xl_status xl_surrogate_refresh(struct xl_surrogate *s, bool is_anew,
                                    struct xl_err *err)
{
    size_t tiles = xl_columns_tiles(s->columns), first;
    XL_TRY(prepare(s, err));
    if (is_anew)
        s->n_columns = 0;
    first = s->n_columns / XL_TILE; /* the last tile may have filled up */
    if (s->columns->n > s->n_columns)
        start_tiles(s, first, tiles);
    s->n_columns = s->columns->n;
    return XL_OK;
}

void xl_surrogate_set(struct xl_surrogate *s, const struct xl_theta *theta)
{
    s->theta = *theta;
    s->is_stale = true;
}

enum xl_status xl_surrogate_walk(const struct xl_surrogate *s, size_t steps,
                                 struct xl_theta_walk **walk,
                                 struct xl_err *err)
{
    struct xl_fit_row *rows = xl_alloc_zero(s->n + 1, sizeof *rows);
    size_t n = 0;
    if (!rows)
        return xl_fail(err, XL_ENOMEM, "no memory to fit %zu points", s->n);
    for (size_t i = 0; i < s->n; i++) {
        const struct xl_sight *sight = &s->rows[i].sight;
        bool is_hint = sight->kind == XL_SIGHT_HINT && s->fits_hints;
        if (sight->kind != XL_SIGHT_OK && !is_hint)
            continue;
        rows[n].point = &s->rows[i].point;
        rows[n++].z = (sight->y - s->mean) / s->deviation;
    }
    enum xl_status rc =
        xl_theta_walk_make(walk, &s->theta, rows, n, steps, err);
    xl_free(rows);
    return rc;
}

enum xl_status xl_surrogate_fit(const struct xl_surrogate *s, size_t steps,
                                struct xl_theta *theta, struct xl_err *err)
{
    struct xl_theta_walk *walk;
    *theta = s->theta;
    XL_TRY(xl_surrogate_walk(s, steps, &walk, err));
    while (xl_theta_walk_on(walk))
        ;
    xl_theta_walk_get(walk, theta);
    xl_theta_walk_free(walk);
    return XL_OK;
}

/* -- reading -------------------------------------------------------------- */

/* The cost of a row or column, standardised, from its four sums. */
static double combine(const struct xl_surrogate *s, double cost, double one,
                      double without, double failed)
{
    double share = fmin(1, 2 * s->failures);
    double failure = s->worst + share * (s->mean - s->worst);
    return (cost + (s->worst - s->offset) * (without - failed) +
            (failure - s->offset) * failed - (s->mean - s->offset) * one) /
           s->deviation;
}

double xl_surrogate_mean(const struct xl_surrogate *s, size_t c)
{
    return combine(s, (double)s->totals[COST][c], (double)s->totals[ONE][c],
                   (double)s->totals[WITHOUT][c], (double)s->totals[FAILED][c]);
}

double xl_surrogate_solved(const struct xl_surrogate *s, size_t row)
{
    return combine(s, s->sums[COST][row], s->sums[ONE][row],
                   s->sums[WITHOUT][row], s->sums[FAILED][row]);
}

double xl_surrogate_sd(const struct xl_surrogate *s, size_t c)
{
    return sqrt(fmax((double)s->variance[c], 1e-10));
}

double xl_surrogate_best(const struct xl_surrogate *s)
{
    return (s->best - s->mean) / s->deviation;
}

double xl_surrogate_feasible(const struct xl_surrogate *s, size_t c)
{
    double one = (double)s->totals[ONE][c],
           failed = (double)s->totals[FAILED][c];
    double chance = 1 - (s->failures + failed - s->failures * one);
    return fmin(1, fmax(0, chance));
}
