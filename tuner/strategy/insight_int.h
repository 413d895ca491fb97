/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of insight.c. Included only there and by tests. */
#ifndef XL_INSIGHT_INT_H
#define XL_INSIGHT_INT_H

#include "tuner/strategy/insight.h"
#include "tuner/strategy/surrogate.h"

/* Functions drawn from a process, at points of a space. */
struct xl_draws {
    size_t n_points, n;
    double *values; /* [n][n_points] */
};

/* What draws are made of: the rows told and the points asked about. */
struct xl_draw_job {
    const struct xl_theta *theta;
    const struct xl_fit_row *rows; /* weighted by theta */
    size_t n_rows;
    const struct xl_lane_point *points; /* [n_points] weighted by theta */
    size_t n_points, n;
};

/* XL_EFAILED where the covariance is not positive. */
enum xl_status xl_draws_make(struct xl_draws *draws,
                             const struct xl_draw_job *job, struct xl_rng *rng,
                             struct xl_err *err);
void xl_draws_release(struct xl_draws *draws);

/* Share of the variance of the rows that each predicts from the others. */
enum xl_status xl_draws_explained(const struct xl_draw_job *job,
                                  double *explained, struct xl_err *err);

/* A sample of a space with a value a point. */
struct xl_split {
    const struct xl_space *space;
    const uint32_t (*points)[XL_SPACE_DIMS]; /* [n] */
    size_t n;
    bool is_all; /* the sample is the space: nothing to correct for */
};

/* Share of the variance of y [n] that the means over dimension a explain. */
double xl_split_main(const struct xl_split *split, const double *y, size_t a);

/* rest [n]: what is left of y when each dimension's own means are taken off,
 * so that a sample that is uneven in one leaks nothing into pairs. */
void xl_split_rest(const struct xl_split *split, const double *y, double *rest);

/* Share of the variance of y that the means of rest over both explain. */
double xl_split_pair(const struct xl_split *split, const double *y,
                     const double *rest, size_t a, size_t b);

#endif
