/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions drawn jointly at a few hundred points from a Gaussian process that
 * has seen rows: with K = L L^T over the rows and A = L^-1 k(rows, points) the
 * mean is A^T L^-1 z, the covariance k(points, points) - A^T A, and a draw is
 * the mean plus that covariance's factor times normal numbers. */
#include <gsl/gsl_blas.h>
#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "tuner/strategy/insight_int.h"

/* Points may be equal to each other: what rounding leaves of zero. */
static const double jitter = 1e-6;

/* Matrices of one job, on one allocation. */
struct parts {
    double *k;     /* [n_rows][n_rows] covariance of rows, then L */
    double *a;     /* [n_rows][n_points] */
    double *c;     /* [n_points][n_points] covariance of points, its factor */
    double *z;     /* [n_rows] */
    double *mean;  /* [n_points] */
    double *white; /* [n_points] */
    double *all;
};

static enum xl_status open_parts(struct parts *p, size_t n, size_t m,
                                 struct xl_err *err)
{
    p->all = xl_alloc_zero(n * n + n * m + m * m + n + 2 * m, sizeof *p->all);
    if (!p->all)
        return xl_fail(err, XL_ENOMEM, "no memory for %zu points", m);
    p->k = p->all;
    p->a = p->k + n * n;
    p->c = p->a + n * m;
    p->z = p->c + m * m;
    p->mean = p->z + n;
    p->white = p->mean + m;
    return XL_OK;
}

static void fill_rows(const struct xl_draw_job *job, double *k)
{
    double signal = exp(job->theta->signal), noise = exp(job->theta->noise);
    for (size_t i = 0; i < job->n_rows; i++) {
        for (size_t j = 0; j <= i; j++)
            k[i * job->n_rows + j] =
                signal * xl_matern(job->rows[i].point, job->rows[j].point);
        k[i * job->n_rows + i] += noise;
    }
}

/* The lower half in place; written out, for GSL's ends the program where the
 * matrix is not positive. */
static enum xl_status factorise(double *k, size_t n, struct xl_err *err)
{
    for (size_t i = 0; i < n; i++) {
        double *own = k + i * n;
        for (size_t j = 0; j <= i; j++) {
            const double *row = k + j * n;
            double sum = own[j];
            for (size_t l = 0; l < j; l++)
                sum -= own[l] * row[l];
            if (j < i)
                own[j] = sum / row[j];
            else if (sum > 0)
                own[i] = sqrt(sum);
            else
                return xl_fail(err, XL_EFAILED,
                               "the results are no sample of a Gaussian "
                               "process");
        }
    }
    return XL_OK;
}

static void condition(const struct xl_draw_job *job, struct parts *p)
{
    size_t n = job->n_rows, m = job->n_points;
    double signal = exp(job->theta->signal);
    gsl_matrix_view k = gsl_matrix_view_array(p->k, n, n);
    gsl_matrix_view a = gsl_matrix_view_array(p->a, n, m);
    gsl_matrix_view c = gsl_matrix_view_array(p->c, m, m);
    gsl_vector_view z = gsl_vector_view_array(p->z, n);
    gsl_vector_view mean = gsl_vector_view_array(p->mean, m);
    for (size_t i = 0; i < n; i++) {
        p->z[i] = job->rows[i].z;
        for (size_t j = 0; j < m; j++)
            p->a[i * m + j] =
                signal * xl_matern(job->rows[i].point, &job->points[j]);
    }
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j <= i; j++)
            p->c[i * m + j] =
                signal * xl_matern(&job->points[i], &job->points[j]);
        p->c[i * m + i] += jitter * signal;
    }
    gsl_blas_dtrsm(CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, 1,
                   &k.matrix, &a.matrix);
    gsl_blas_dtrsv(CblasLower, CblasNoTrans, CblasNonUnit, &k.matrix,
                   &z.vector);
    gsl_blas_dgemv(CblasTrans, 1, &a.matrix, &z.vector, 0, &mean.vector);
    gsl_blas_dsyrk(CblasLower, CblasTrans, -1, &a.matrix, 1, &c.matrix);
}

static void draw_all(struct xl_draws *draws, const struct parts *p,
                     struct xl_rng *rng)
{
    size_t m = draws->n_points;
    for (size_t s = 0; s < draws->n; s++) {
        double *y = draws->values + s * m;
        for (size_t i = 0; i < m; i++)
            p->white[i] = xl_rng_normal(rng);
        for (size_t i = 0; i < m; i++) {
            double sum = p->mean[i];
            for (size_t j = 0; j <= i; j++)
                sum += p->c[i * m + j] * p->white[j];
            y[i] = sum;
        }
    }
}

enum xl_status xl_draws_make(struct xl_draws *draws,
                             const struct xl_draw_job *job, struct xl_rng *rng,
                             struct xl_err *err)
{
    struct parts p = { .all = NULL };
    enum xl_status rc;
    *draws = (struct xl_draws){ .n_points = job->n_points, .n = job->n };
    XL_TRY_DONE(rc, open_parts(&p, job->n_rows, job->n_points, err));
    fill_rows(job, p.k);
    XL_TRY_DONE(rc, factorise(p.k, job->n_rows, err));
    condition(job, &p);
    XL_TRY_DONE(rc, factorise(p.c, job->n_points, err));
    draws->values =
        xl_alloc_zero(job->n * job->n_points, sizeof *draws->values);
    if (draws->values)
        draw_all(draws, &p, rng);
    else
        rc = xl_fail(err, XL_ENOMEM, "no memory for %zu functions", job->n);
done:
    xl_free(p.all);
    return rc;
}

void xl_draws_release(struct xl_draws *draws)
{
    xl_free(draws->values);
    *draws = (struct xl_draws){ 0 };
}

/* Row i told by all others is off by (K^-1 z)_i / (K^-1)_ii, and K^-1 is
 * V^T V for V = L^-1. */
static double missed(const struct xl_draw_job *job, const struct parts *p)
{
    size_t n = job->n_rows;
    double sum = 0;
    gsl_matrix_view k = gsl_matrix_view_array(p->k, n, n);
    gsl_matrix_view v = gsl_matrix_view_array(p->a, n, n);
    gsl_vector_view z = gsl_vector_view_array(p->z, n);
    gsl_matrix_set_identity(&v.matrix);
    gsl_blas_dtrsm(CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, 1,
                   &k.matrix, &v.matrix);
    gsl_blas_dtrsv(CblasLower, CblasNoTrans, CblasNonUnit, &k.matrix,
                   &z.vector);
    gsl_blas_dtrsv(CblasLower, CblasTrans, CblasNonUnit, &k.matrix, &z.vector);
    for (size_t i = 0; i < n; i++) {
        double diagonal = 0;
        for (size_t j = i; j < n; j++)
            diagonal += p->a[j * n + i] * p->a[j * n + i];
        sum += p->z[i] / diagonal * (p->z[i] / diagonal);
    }
    return sum;
}

enum xl_status xl_draws_explained(const struct xl_draw_job *job,
                                  double *explained, struct xl_err *err)
{
    size_t n = job->n_rows;
    struct parts p = { .all = NULL };
    double mean = 0, total = 0;
    enum xl_status rc;
    XL_TRY_DONE(rc, open_parts(&p, n, n, err));
    fill_rows(job, p.k);
    XL_TRY_DONE(rc, factorise(p.k, n, err));
    for (size_t i = 0; i < n; i++) {
        p.z[i] = job->rows[i].z;
        mean += p.z[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++)
        total += (p.z[i] - mean) * (p.z[i] - mean);
    *explained = total > 0 ? fmax(0, 1 - missed(job, &p) / total) : 0;
done:
    xl_free(p.all);
    return rc;
}
