/* SPDX-License-Identifier: Apache-2.0
 *
 * A Gaussian process over the candidates of a search: what it expects of each
 * candidate and how sure it is. Included only inside tuner/strategy and by
 * tests.
 *
 *     XL_TRY(xl_surrogate_init(&s, &columns, err));
 *     XL_TRY(xl_surrogate_add(&s, code, (struct xl_sight){ .y = 1.5 }, err));
 *     ...
 *     XL_TRY(xl_surrogate_fit(&s, 12, &theta, err)); // sometimes
 *     xl_surrogate_set(&s, &theta);
 *     XL_TRY(xl_surrogate_refresh(&s, false, err));
 *     double m = xl_surrogate_mean(&s, c), sd = xl_surrogate_sd(&s, c);
 *
 * Targets are costs, smaller is better, on any scale: the process sees them
 * standardised. What is not known yet counts as the worst cost seen. So does
 * what failed while failures are few; where half fail or more, a failure says
 * nothing of cost and counts as the mean.
 */
#ifndef XL_SURROGATE_H
#define XL_SURROGATE_H

#include "tuner/strategy/columns.h"

/* What is known of a row. */
struct xl_sight {
    double y;
    enum xl_sight_kind {
        XL_SIGHT_OK,
        XL_SIGHT_FAILED,
        XL_SIGHT_OPEN, /* proposed, not told */
        XL_SIGHT_HINT  /* no result: y is what somebody expects */
    } kind;
    double doubt; /* of a hint: variance, on the scale of the process */
};

/* Logarithms of the hyper-parameters, for standardised targets. */
struct xl_theta {
    double length[XL_SPACE_DIMS]; /* [n_dims] */
    double signal, noise;         /* variances */
};

struct xl_surrogate_row {
    uint64_t code;
    struct xl_lane_point point;
    struct xl_sight sight;
};

struct xl_surrogate {
    struct xl_columns *columns;
    const struct xl_lanes *lanes;
    struct xl_theta theta;
    size_t n, room; /* rows */
    struct xl_surrogate_row *rows;
    double *factor;              /* [room][room] lower Cholesky factor */
    double *sums[XL_TILE_SUMS];  /* [room] of the right-hand sides, solved */
    float *line;                 /* [room] scratch */
    size_t n_tiles, tile_room;   /* tiles that hold all rows; allocated */
    float *tiles;                /* [tile_room][room][XL_TILE] */
    float *variance;             /* [tile_room * XL_TILE] */
    float *totals[XL_TILE_SUMS]; /* [tile_room * XL_TILE] */
    size_t n_columns;            /* taken in */
    bool is_stale;               /* theta changed: refresh */
    bool fits_hints;             /* a fit reads them as results */
    double failed_doubt;         /* variance of what a failure counts as */
    double offset; /* taken from costs, so that floats resolve them */
    /* Of the targets; kept by every change. */
    double worst, best, mean, deviation, failures;
    size_t n_ok;
};

/* Columns are used, not owned. Release also on failure. */
enum xl_status xl_surrogate_init(struct xl_surrogate *surrogate,
                                 struct xl_columns *columns,
                                 struct xl_err *err);
void xl_surrogate_release(struct xl_surrogate *surrogate);

/* Room for so many rows, so that adding them moves nothing. */
enum xl_status xl_surrogate_reserve(struct xl_surrogate *surrogate, size_t rows,
                                    struct xl_err *err);

/* Forgets the rows and keeps the hyper-parameters. */
void xl_surrogate_clear(struct xl_surrogate *surrogate);

/* Adds a row; each code once. */
enum xl_status xl_surrogate_add(struct xl_surrogate *surrogate, uint64_t code,
                                struct xl_sight sight, struct xl_err *err);

/* Changes what is known of a row. Cheap for the latest rows. */
void xl_surrogate_change(struct xl_surrogate *surrogate, size_t row,
                         struct xl_sight sight);

/* Takes in columns that were added; after a fit, or columns drawn anew
 * (is_anew), all of them. */
enum xl_status xl_surrogate_refresh(struct xl_surrogate *surrogate,
                                    bool is_anew, struct xl_err *err);

/* The same in parts: takes in at most so many tiles (64 columns each) and the
 * rows first. *is_done when all are in; until then nothing may be read. */
enum xl_status xl_surrogate_refresh_part(struct xl_surrogate *surrogate,
                                         size_t most_tiles, bool *is_done,
                                         struct xl_err *err);

/* Most likely hyper-parameters, by at most so many quasi-Newton steps from
 * the present ones. The surrogate itself stays as it is. */
enum xl_status xl_surrogate_fit(const struct xl_surrogate *surrogate,
                                size_t steps, struct xl_theta *theta,
                                struct xl_err *err);

/* The same fit as a walk of single evaluations (xl_theta_walk_on); later
 * changes of the surrogate do not touch it. */
struct xl_theta_walk;
enum xl_status xl_surrogate_walk(const struct xl_surrogate *surrogate,
                                 size_t steps, struct xl_theta_walk **walk,
                                 struct xl_err *err);

/* Takes hyper-parameters; refresh afterwards. */
void xl_surrogate_set(struct xl_surrogate *surrogate,
                      const struct xl_theta *theta);

/* Of column c, in standard deviations of the targets. */
double xl_surrogate_mean(const struct xl_surrogate *surrogate, size_t c);
double xl_surrogate_sd(const struct xl_surrogate *surrogate, size_t c);

/* The least cost seen, on the same scale. */
double xl_surrogate_best(const struct xl_surrogate *surrogate);

/* How likely column c runs, 0..1. */
double xl_surrogate_feasible(const struct xl_surrogate *surrogate, size_t c);

/* How much better than their mean a process foretells its rows that ran, each
 * from all others: the share of the squared distance that is saved, 0..1. */
enum xl_status xl_surrogate_skill(const struct xl_surrogate *surrogate,
                                  double *skill, struct xl_err *err);

/* L^-1 times the standardised costs, with the factor L of the covariance. */
double xl_surrogate_solved(const struct xl_surrogate *surrogate, size_t row);

/* Correlation of two points under the weights of a. */
double xl_matern(const struct xl_lane_point *a, const struct xl_lane_point *b);

/* One row of a fit. */
struct xl_fit_row {
    const struct xl_lane_point *point;
    double z; /* standardised target */
};

/* The fit itself, apart from any surrogate; theta comes in and goes out. */
enum xl_status xl_theta_fit(struct xl_theta *theta,
                            const struct xl_fit_row *rows, size_t n,
                            size_t steps, struct xl_err *err);

/* The same one evaluation at a time: xl_theta_walk_on until it says false.
 * xl_theta_walk_get leaves theta alone when no step was possible. */
enum xl_status xl_theta_walk_make(struct xl_theta_walk **walk,
                                  const struct xl_theta *theta,
                                  const struct xl_fit_row *rows, size_t n,
                                  size_t steps, struct xl_err *err);
bool xl_theta_walk_on(struct xl_theta_walk *walk);
void xl_theta_walk_get(const struct xl_theta_walk *walk,
                       struct xl_theta *theta);
void xl_theta_walk_free(struct xl_theta_walk *walk);

/* Minus log marginal likelihood with priors, and its gradient [n_dims + 2]
 * (lengths, signal, noise; NULL = not wanted); INFINITY where the covariance
 * is not positive. work: 2 n (n + 1) doubles. */
double xl_theta_loss(const struct xl_theta *theta,
                     const struct xl_fit_row *rows, size_t n, double *gradient,
                     double *work);

#endif
