/* SPDX-License-Identifier: Apache-2.0
 *
 * Hyper-parameters by marginal likelihood with log-normal priors: lengths
 * around 0.7 of a dimension's range (deviation 1), signal variance around 1
 * (1), noise variance around 0.01 (1.5), those of common Bayesian
 * optimisers. Steps are BFGS with backtracking; an open fit can diverge, so
 * all logarithms are held within bounds.
 *
 * The factor is upper, U^T U = K, built from whole rows so that every inner
 * loop runs along memory. */
#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "tuner/strategy/surrogate.h"

enum {
    MOST = XL_SPACE_DIMS + 2,
    BACKTRACKS = 8,
};

static const double length_prior = -0.35667494393873245; /* log 0.7 */
static const double noise_prior = -4.605170185988092;    /* log 0.01 */
static const double noise_width = 1.5;
static const double least_noise = -9.0; /* 1.2e-4: floats resolve it */
static const double least_log = -5.0, most_log = 5.0;

/* -- loss ----------------------------------------------------------------- */

static double distance(const struct xl_lane_point *a,
                       const struct xl_lane_point *b, size_t d)
{
    double by = (double)a->x[d] - (double)b->x[d];
    if (a->is_nominal[d])
        return by == 0 ? 0 : 1;
    return by * by;
}

static double scaled(const double *inverse2, const struct xl_lane_point *a,
                     const struct xl_lane_point *b)
{
    double q = 0;
    for (size_t d = 0; d < a->n_dims; d++)
        q += inverse2[d] * distance(a, b, d);
    return 5 * q;
}

double xl_matern(const struct xl_lane_point *a, const struct xl_lane_point *b)
{
    double q = 0;
    for (size_t d = 0; d < a->n_dims; d++)
        q += (double)a->weight[d] * distance(a, b, d);
    double r = sqrt(5 * q);
    return (1 + r + 5 * q / 3) * exp(-r);
}

struct fit {
    const struct xl_lanes *lanes;
    const struct xl_fit_row *rows;
    size_t n, n_dims;
    double inverse2[XL_SPACE_DIMS];
    double signal, noise;
    double *upper;   /* [n][n] covariance, then its factor */
    double *inverse; /* [n][n] of the factor, then of the covariance */
    double *solved;  /* [n] */
    double *alpha;   /* [n] */
};

static void fill(struct fit *f)
{
    for (size_t i = 0; i < f->n; i++) {
        double *row = f->upper + i * f->n;
        for (size_t j = i; j < f->n; j++) {
            double q = scaled(f->inverse2, f->rows[i].point, f->rows[j].point);
            double r = sqrt(q);
            row[j] = f->signal * (1 + r + q / 3) * exp(-r);
        }
        row[i] += f->noise;
    }
}

static bool factorise(struct fit *f)
{
    size_t n = f->n;
    for (size_t k = 0; k < n; k++) {
        double *row = f->upper + k * n;
        if (!(row[k] > 1e-12))
            return false;
        double by = 1 / sqrt(row[k]);
        for (size_t j = k; j < n; j++)
            row[j] *= by;
        for (size_t i = k + 1; i < n; i++)
            f->lanes->subtract(f->upper + i * n + i, row[i], row + i, n - i);
    }
    return true;
}

/* solved = U^-T z, alpha = U^-1 solved. */
static void solve(struct fit *f)
{
    size_t n = f->n;
    for (size_t i = 0; i < n; i++)
        f->solved[i] = f->rows[i].z;
    for (size_t i = 0; i < n; i++) {
        const double *row = f->upper + i * n;
        f->solved[i] /= row[i];
        f->lanes->subtract(f->solved + i + 1, f->solved[i], row + i + 1,
                           n - i - 1);
    }
    for (size_t i = n; i-- > 0;) {
        const double *row = f->upper + i * n;
        double sum = f->solved[i];
        for (size_t j = i + 1; j < n; j++)
            sum -= row[j] * f->alpha[j];
        f->alpha[i] = sum / row[i];
    }
}

/* Rows of U^-1 from the last up, then K^-1 = U^-1 U^-T, upper half. */
static void invert(struct fit *f)
{
    size_t n = f->n;
    memset(f->inverse, 0, n * n * sizeof *f->inverse);
    for (size_t i = n; i-- > 0;) {
        double *own = f->inverse + i * n;
        const double *row = f->upper + i * n;
        for (size_t j = i + 1; j < n; j++)
            f->lanes->subtract(own + j, row[j], f->inverse + j * n + j, n - j);
        own[i] = 1;
        for (size_t j = i; j < n; j++)
            own[j] /= row[i];
    }
    for (size_t i = 0; i < n; i++) {
        const double *a = f->inverse + i * n;
        double *out = f->upper + i * n;
        for (size_t j = i; j < n; j++) {
            const double *b = f->inverse + j * n;
            double even = 0, odd = 0;
            size_t k = j;
            for (; k + 1 < n; k += 2) {
                even += a[k] * b[k];
                odd += a[k + 1] * b[k + 1];
            }
            out[j] = even + odd + (k < n ? a[k] * b[k] : 0);
        }
    }
}

static void differentiate(const struct fit *f, double *gradient)
{
    size_t n = f->n, d_signal = f->n_dims, d_noise = f->n_dims + 1;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i; j < n; j++) {
            double g =
                f->alpha[i] * f->alpha[j] - f->upper[i * n + j]; /* K^-1 */
            if (i == j) {
                gradient[d_signal] -= 0.5 * g * f->signal;
                gradient[d_noise] -= 0.5 * g * f->noise;
                continue;
            }
            const struct xl_lane_point *a = f->rows[i].point,
                                       *b = f->rows[j].point;
            double q = scaled(f->inverse2, a, b), r = sqrt(q);
            double e = exp(-r) * f->signal;
            gradient[d_signal] -= g * e * (1 + r + q / 3);
            double slope = g * e * (1 + r) * 5 / 3;
            for (size_t d = 0; d < f->n_dims; d++)
                gradient[d] -= slope * f->inverse2[d] * distance(a, b, d);
        }
    }
}

static double square(double x)
{
    return x * x;
}

/* Adds the priors' part to loss and gradient. */
static double penalise(const struct xl_theta *theta, size_t n_dims,
                       double *gradient)
{
    double sum = square(theta->signal) +
                 square((theta->noise - noise_prior) / noise_width);
    for (size_t d = 0; d < n_dims; d++)
        sum += square(theta->length[d] - length_prior);
    if (gradient) {
        for (size_t d = 0; d < n_dims; d++)
            gradient[d] += theta->length[d] - length_prior;
        gradient[n_dims] += theta->signal;
        gradient[n_dims + 1] +=
            (theta->noise - noise_prior) / (noise_width * noise_width);
    }
    return 0.5 * sum;
}

double xl_theta_loss(const struct xl_theta *theta,
                     const struct xl_fit_row *rows, size_t n, double *gradient,
                     double *work)
{
    struct fit f = { .lanes = xl_lanes_pick(),
                     .rows = rows,
                     .n = n,
                     .n_dims = rows[0].point->n_dims,
                     .signal = exp(theta->signal),
                     .noise = exp(theta->noise),
                     .upper = work,
                     .inverse = work + n * n,
                     .solved = work + 2 * n * n,
                     .alpha = work + 2 * n * n + n };
    for (size_t d = 0; d < f.n_dims; d++)
        f.inverse2[d] = exp(-2 * theta->length[d]);
    fill(&f);
    if (!factorise(&f))
        return (double)INFINITY;
    solve(&f);
    double loss = 0;
    for (size_t i = 0; i < n; i++)
        loss += 0.5 * square(f.solved[i]) + log(f.upper[i * n + i]);
    if (gradient) {
        memset(gradient, 0, (f.n_dims + 2) * sizeof *gradient);
        invert(&f);
        differentiate(&f, gradient);
    }
    return loss + penalise(theta, f.n_dims, gradient);
}

/* -- BFGS ----------------------------------------------------------------- */

/* A fit on its way. Every evaluation is a step of its own, so that whoever
 * has little time can stop between any two. */
struct xl_theta_walk {
    size_t n, n_dims, size;       /* size: n_dims + 2 */
    struct xl_lane_point *points; /* [n] */
    struct xl_fit_row *rows;      /* [n] */
    double *work;
    size_t steps; /* left */
    bool is_begun, is_done;
    double hessian[MOST][MOST]; /* inverse, approximate */
    double at[MOST], gradient[MOST], loss;
    bool has_way; /* looking along a line */
    double way[MOST], slope, by;
    size_t tries;
};

static struct xl_theta to_theta(const struct xl_theta_walk *w, const double *at)
{
    struct xl_theta theta = { .signal = at[w->n_dims],
                              .noise = at[w->n_dims + 1] };
    memcpy(theta.length, at, w->n_dims * sizeof *at);
    return theta;
}

static double evaluate(const struct xl_theta_walk *w, double *at,
                       double *gradient)
{
    for (size_t i = 0; i < w->size; i++) {
        double least = i + 1 == w->size ? least_noise : least_log;
        at[i] = fmin(most_log, fmax(least, at[i]));
    }
    struct xl_theta theta = to_theta(w, at);
    return xl_theta_loss(&theta, w->rows, w->n, gradient, w->work);
}

static void reset_hessian(struct xl_theta_walk *w)
{
    double norm = 0;
    for (size_t i = 0; i < w->size; i++)
        norm += square(w->gradient[i]);
    memset(w->hessian, 0, sizeof w->hessian);
    for (size_t i = 0; i < w->size; i++)
        w->hessian[i][i] = 1 / fmax(1, sqrt(norm));
}

/* The update of Broyden, Fletcher, Goldfarb and Shanno, left out where the
 * curvature is not positive. */
static void learn(struct xl_theta_walk *w, const double *step,
                  const double *change)
{
    double hy[MOST] = { 0 }, sy = 0, yhy = 0;
    size_t n = w->size;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++)
            hy[i] += w->hessian[i][j] * change[j];
        sy += step[i] * change[i];
        yhy += change[i] * hy[i];
    }
    if (sy < 1e-10)
        return;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            w->hessian[i][j] += (1 + yhy / sy) * step[i] * step[j] / sy -
                                (hy[i] * step[j] + step[i] * hy[j]) / sy;
}

/* Where to go from here; false when nothing falls. */
static bool choose_way(struct xl_theta_walk *w)
{
    double most = 0;
    w->slope = 0;
    w->by = 1;
    w->tries = 0;
    for (size_t i = 0; i < w->size; i++) {
        w->way[i] = 0;
        for (size_t j = 0; j < w->size; j++)
            w->way[i] -= w->hessian[i][j] * w->gradient[j];
        w->slope += w->way[i] * w->gradient[i];
        most = fmax(most, fabs(w->way[i]));
    }
    if (most > 2)
        w->by = 2 / most;
    w->has_way = w->slope < 0 && isfinite(most);
    return w->has_way;
}

/* Goes to next, which is lower; ends the walk where little is gained. */
static void move(struct xl_theta_walk *w, const double *next,
                 const double *gradient, double loss)
{
    double step[MOST], change[MOST];
    for (size_t i = 0; i < w->size; i++) {
        step[i] = next[i] - w->at[i];
        change[i] = gradient[i] - w->gradient[i];
    }
    learn(w, step, change);
    memcpy(w->at, next, sizeof w->at);
    memcpy(w->gradient, gradient, sizeof w->gradient);
    w->is_done = !(w->loss - loss > 1e-3) || --w->steps == 0;
    w->loss = loss;
    w->has_way = false;
}

static void try_next(struct xl_theta_walk *w)
{
    double next[MOST] = { 0 }, gradient[MOST] = { 0 };
    for (size_t i = 0; i < w->size; i++)
        next[i] = w->at[i] + w->by * w->way[i];
    double loss = evaluate(w, next, gradient);
    if (loss <= w->loss + 1e-4 * w->by * w->slope) {
        move(w, next, gradient, loss);
        return;
    }
    w->by *= 0.4;
    if (++w->tries < BACKTRACKS)
        return;
    w->is_done = true;
    if (loss < w->loss)
        move(w, next, gradient, loss);
    w->is_done = true;
}

bool xl_theta_walk_on(struct xl_theta_walk *w)
{
    if (w->is_done)
        return false;
    if (!w->is_begun) {
        w->loss = evaluate(w, w->at, w->gradient);
        reset_hessian(w);
        w->is_begun = true;
        w->is_done = !isfinite(w->loss) || w->steps == 0;
    } else if (w->has_way || choose_way(w)) {
        try_next(w);
    } else {
        w->is_done = true;
    }
    return !w->is_done;
}

void xl_theta_walk_get(const struct xl_theta_walk *w, struct xl_theta *theta)
{
    if (w->is_begun && isfinite(w->loss))
        *theta = to_theta(w, w->at);
}

void xl_theta_walk_free(struct xl_theta_walk *w)
{
    if (!w)
        return;
    xl_free(w->points);
    xl_free(w->rows);
    xl_free(w->work);
    xl_free(w);
}

enum xl_status xl_theta_walk_make(struct xl_theta_walk **walk,
                                  const struct xl_theta *theta,
                                  const struct xl_fit_row *rows, size_t n,
                                  size_t steps, struct xl_err *err)
{
    struct xl_theta_walk *w = xl_alloc_zero(1, sizeof *w);
    if (!w)
        return xl_fail(err, XL_ENOMEM, "no memory to fit %zu points", n);
    w->n = n;
    w->steps = steps;
    w->is_done = n < 2;
    w->points = xl_alloc_zero(n + 1, sizeof *w->points);
    w->rows = xl_alloc_zero(n + 1, sizeof *w->rows);
    w->work = xl_alloc(2 * n * (n + 1) * sizeof *w->work);
    if (!w->points || !w->rows || !w->work) {
        xl_theta_walk_free(w);
        return xl_fail(err, XL_ENOMEM, "no memory to fit %zu points", n);
    }
    for (size_t i = 0; i < n; i++) {
        w->points[i] = *rows[i].point;
        w->rows[i] = (struct xl_fit_row){ &w->points[i], rows[i].z };
    }
    w->n_dims = n ? rows[0].point->n_dims : 0;
    w->size = w->n_dims + 2;
    memcpy(w->at, theta->length, w->n_dims * sizeof *w->at);
    w->at[w->n_dims] = theta->signal;
    w->at[w->n_dims + 1] = theta->noise;
    *walk = w;
    return XL_OK;
}

enum xl_status xl_theta_fit(struct xl_theta *theta,
                            const struct xl_fit_row *rows, size_t n,
                            size_t steps, struct xl_err *err)
{
    struct xl_theta_walk *walk;
    if (n < 2)
        return XL_OK;
    XL_TRY(xl_theta_walk_make(&walk, theta, rows, n, steps, err));
    while (xl_theta_walk_on(walk))
        ;
    xl_theta_walk_get(walk, theta);
    xl_theta_walk_free(walk);
    return XL_OK;
}
