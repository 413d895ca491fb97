/* SPDX-License-Identifier: Apache-2.0
 *
 * The model behind gp against dense linear algebra of another library, and
 * the loops behind the model against each other. */
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <string.h>

#include "kernel/base/rng.h"
#include "tests/harness/test.h"
#include "tests/unit/strategy_fixture.h"
#include "tuner/strategy/surrogate.h"

enum {
    ROWS = 40
};

static const double model_tolerance = 2e-3; /* floats against doubles */
static const double slope_tolerance = 1e-5;

/* -- loops ---------------------------------------------------------------- */

static void random_floats(struct xl_rng *rng, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)xl_rng_unit(rng);
}

static struct xl_lane_point random_point(struct xl_rng *rng)
{
    struct xl_lane_point point = { .n_dims = 3,
                                   .is_nominal = { false, true, false } };
    random_floats(rng, point.x, 3);
    for (size_t d = 0; d < 3; d++)
        point.weight[d] = (float)exp(4 * xl_rng_normal(rng));
    return point;
}

static void loops_agree_with_libm(struct xl_test *t)
{
    struct xl_rng rng;
    float u[3 * XL_TILE], k[XL_TILE], g[XL_TILE] = { 0 };
    xl_rng_seed(&rng, 1);
    const struct xl_lanes *lanes = xl_lanes_pick();
    for (size_t round = 0; round < 50; round++) {
        struct xl_lane_point p = random_point(&rng);
        random_floats(&rng, u, 3 * XL_TILE);
        u[XL_TILE + round] = p.x[1];
        memset(g, 0, sizeof g);
        lanes->matern(&p, u, XL_TILE, 2, k);
        lanes->gauss(&p, u, XL_TILE, 3, g);
        for (size_t c = 0; c < XL_TILE; c++) {
            double q = u[XL_TILE + c] == p.x[1] ? 0 : (double)p.weight[1];
            for (size_t d = 0; d < 3; d += 2)
                q += (double)p.weight[d] *
                     pow((double)u[d * XL_TILE + c] - (double)p.x[d], 2);
            double r = sqrt(5 * q), want = (1 + r + r * r / 3) * exp(-r);
            XL_CHECK_NEAR(t, k[c], 2 * want, 1e-5);
            XL_CHECK_NEAR(t, g[c], 3 * exp(-q), 1e-5);
        }
    }
}

/* Not nearly: the same bits, so that a search is the same everywhere. */
static bool same_bits(const struct xl_lanes *a, const struct xl_lanes *b,
                      float scale_of_b)
{
    static float rows[2][ROWS][XL_TILE];
    float sums[2][XL_TILE_SUMS + 1][XL_TILE] = { 0 };
    float u[3 * XL_TILE], k[XL_TILE], l[ROWS], w[XL_TILE_SUMS];
    const struct xl_lanes *pair[2] = { a, b };
    for (size_t v = 0; v < 2; v++) {
        struct xl_rng rng;
        xl_rng_seed(&rng, 3);
        struct xl_lane_tile tile = { .rows = rows[v][0],
                                     .variance = sums[v][XL_TILE_SUMS] };
        for (size_t i = 0; i < XL_TILE_SUMS; i++)
            tile.sums[i] = sums[v][i];
        for (size_t i = 0; i < ROWS; i++) {
            struct xl_lane_point p = random_point(&rng);
            random_floats(&rng, u, 3 * XL_TILE);
            random_floats(&rng, l, ROWS);
            random_floats(&rng, w, XL_TILE_SUMS);
            pair[v]->matern(&p, u, XL_TILE, v ? scale_of_b : 1.5f, k);
            pair[v]->gauss(&p, u, XL_TILE, 0.1f, k);
            pair[v]->extend(&tile, i, l, 0.3f, k, w);
        }
    }
    return memcmp(rows[0], rows[1], sizeof rows[0]) == 0 &&
           memcmp(sums[0], sums[1], sizeof sums[0]) == 0;
}

static void widths_give_the_same_bits(struct xl_test *t)
{
    size_t n = 0;
    for (; xl_lanes_at(n); n++)
        XL_CHECK(t, same_bits(xl_lanes_pick(), xl_lanes_at(n), 1.5f));
    XL_CHECK(t, n > 0);
    XL_CHECK(t, !same_bits(xl_lanes_pick(), xl_lanes_at(0), 1.5000001f));
}

/* -- the process ---------------------------------------------------------- */

/* What the surrogate should say of one column, with K inverted densely. */
struct oracle {
    const struct xl_surrogate *s;
    gsl_matrix *factor;
    gsl_vector *z, *failed, *one;
};

static double noise_of(const struct xl_surrogate *s, size_t row)
{
    const struct xl_sight *sight = &s->rows[row].sight;
    double noise = exp(s->theta.noise);
    if (sight->kind == XL_SIGHT_HINT)
        return noise + sight->doubt;
    return sight->kind == XL_SIGHT_FAILED ? noise + 1 : noise;
}

static double target_of(const struct xl_surrogate *s, size_t row)
{
    const struct xl_sight *sight = &s->rows[row].sight;
    bool is_valued = sight->kind == XL_SIGHT_OK || sight->kind == XL_SIGHT_HINT;
    double y = is_valued ? sight->y : s->worst;
    if (sight->kind == XL_SIGHT_FAILED) /* of the mean where half fail */
        y = s->failures > 0.5
                ? s->mean
                : s->worst * (1 - 2 * s->failures) + s->mean * 2 * s->failures;
    return (y - s->mean) / s->deviation;
}

static double covariance(const struct xl_surrogate *s, size_t i, size_t j)
{
    double k = xl_matern(&s->rows[i].point, &s->rows[j].point);
    return exp(s->theta.signal) * k + (i == j ? noise_of(s, i) : 0);
}

static void open_oracle(struct oracle *o, const struct xl_surrogate *s)
{
    *o = (struct oracle){ s, gsl_matrix_alloc(s->n, s->n),
                          gsl_vector_alloc(s->n), gsl_vector_alloc(s->n),
                          gsl_vector_alloc(s->n) };
    for (size_t i = 0; i < s->n; i++) {
        const struct xl_sight *sight = &s->rows[i].sight;
        gsl_vector_set(o->z, i, target_of(s, i));
        gsl_vector_set(o->failed, i, sight->kind == XL_SIGHT_FAILED);
        gsl_vector_set(o->one, i, 1);
        for (size_t j = 0; j < s->n; j++)
            gsl_matrix_set(o->factor, i, j, covariance(s, i, j));
    }
    gsl_linalg_cholesky_decomp1(o->factor);
    gsl_linalg_cholesky_svx(o->factor, o->z);
    gsl_linalg_cholesky_svx(o->factor, o->failed);
    gsl_linalg_cholesky_svx(o->factor, o->one);
}

static void close_oracle(struct oracle *o)
{
    gsl_matrix_free(o->factor);
    gsl_vector_free(o->z);
    gsl_vector_free(o->failed);
    gsl_vector_free(o->one);
}

static double farthest(const struct oracle *o, size_t c)
{
    const struct xl_surrogate *s = o->s;
    struct xl_lane_point at = { 0 };
    double mean = 0, failed = 0, one = 0, most = 0, left = exp(s->theta.signal);
    gsl_vector *k = gsl_vector_alloc(s->n), *x = gsl_vector_alloc(s->n);
    xl_columns_point(s->columns, s->columns->codes[c], &at);
    memcpy(at.weight, s->rows[0].point.weight, sizeof at.weight);
    for (size_t i = 0; i < s->n; i++) {
        double cov = exp(s->theta.signal) * xl_matern(&at, &s->rows[i].point);
        gsl_vector_set(k, i, cov);
        mean += cov * gsl_vector_get(o->z, i);
        failed += cov * gsl_vector_get(o->failed, i);
        one += cov * gsl_vector_get(o->one, i);
    }
    gsl_linalg_cholesky_solve(o->factor, k, x);
    for (size_t i = 0; i < s->n; i++)
        left -= gsl_vector_get(k, i) * gsl_vector_get(x, i);
    gsl_vector_free(k);
    gsl_vector_free(x);
    double runs = 1 - (s->failures + failed - s->failures * one);
    runs = fmin(1, fmax(0, runs));
    most = fmax(most, fabs(mean - xl_surrogate_mean(s, c)));
    most = fmax(most, fabs(sqrt(fmax(left, 1e-10)) - xl_surrogate_sd(s, c)));
    return fmax(most, fabs(runs - xl_surrogate_feasible(s, c)));
}

static double worst_of(const struct xl_surrogate *s)
{
    struct oracle o;
    double most = 0;
    open_oracle(&o, s);
    for (size_t c = 0; c < s->columns->n; c += 7)
        most = fmax(most, farthest(&o, c));
    close_oracle(&o);
    return most;
}

/* What all rows but one say of that one. */
static double foretold(const struct xl_surrogate *s, size_t row)
{
    size_t n = s->n - 1;
    double mean = 0;
    gsl_matrix *k = gsl_matrix_alloc(n, n);
    gsl_vector *z = gsl_vector_alloc(n);
    for (size_t i = 0; i < n; i++) {
        gsl_vector_set(z, i, target_of(s, i + (i >= row)));
        for (size_t j = 0; j < n; j++)
            gsl_matrix_set(k, i, j,
                           covariance(s, i + (i >= row), j + (j >= row)));
    }
    gsl_linalg_cholesky_decomp1(k);
    gsl_linalg_cholesky_svx(k, z);
    for (size_t i = 0; i < n; i++)
        mean += covariance(s, row, i + (i >= row)) * gsl_vector_get(z, i);
    gsl_matrix_free(k);
    gsl_vector_free(z);
    return mean;
}

/* The skill by leaving rows out one by one, the others' mean as well. */
static double skill_of(const struct xl_surrogate *s)
{
    double missed = 0, spread = 0, sum = 0, n = 0;
    for (size_t i = 0; i < s->n; i++) {
        sum += s->rows[i].sight.kind == XL_SIGHT_OK ? target_of(s, i) : 0;
        n += s->rows[i].sight.kind == XL_SIGHT_OK;
    }
    for (size_t i = 0; i < s->n; i++) {
        double z = target_of(s, i);
        if (s->rows[i].sight.kind != XL_SIGHT_OK)
            continue;
        missed += pow(z - foretold(s, i), 2);
        spread += pow(z - (sum - z) / (n - 1), 2);
    }
    return fmax(0, 1 - missed / spread);
}

static struct xl_sight sight_at(const struct xl_space *space, uint64_t code)
{
    uint32_t point[XL_SPACE_DIMS];
    xl_space_decode(space, code, point);
    struct xl_outcome outcome = xl_test_faulty(space, point);
    if (outcome.status != XL_OUTCOME_OK)
        return (struct xl_sight){ .kind = XL_SIGHT_FAILED };
    return (struct xl_sight){ .y = 1000 - outcome.values[0] };
}

/* Rows one by one, some told late and out of order, before and after a fit. */
static void process_is_the_dense_one(struct xl_test *t)
{
    struct xl_space *space = xl_test_space(t, 5);
    struct xl_columns columns;
    struct xl_surrogate s;
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t, xl_columns_init(&columns, space, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_surrogate_init(&s, &columns, &err), XL_OK, &err);
    for (size_t i = 0; i < 2 * ROWS; i++) {
        uint64_t code = columns.codes[i * 11 % columns.n];
        struct xl_sight sight = sight_at(space, code);
        if (i % 5 == 4)
            sight.kind = XL_SIGHT_OPEN;
        if (i < 8)
            sight = (struct xl_sight){ .kind = XL_SIGHT_HINT,
                                       .y = 900 + (double)i,
                                       .doubt = 0.3 };
        XL_CHECK_STATUS(t, xl_surrogate_add(&s, code, sight, &err), XL_OK,
                        &err);
        if (i == 20 || i == 50) {
            struct xl_theta theta;
            XL_CHECK_STATUS(t, xl_surrogate_fit(&s, 5, &theta, &err), XL_OK,
                            &err);
            xl_surrogate_set(&s, &theta);
        }
        if (i >= 10)
            XL_CHECK_STATUS(t, xl_surrogate_refresh(&s, false, &err), XL_OK,
                            &err);
        if (i % 5 == 1 && i > 10)
            xl_surrogate_change(&s, i - 2, sight_at(space, s.rows[i - 2].code));
        if (i % 20 != 19)
            continue;
        double skill = -1;
        XL_CHECK_NEAR(t, worst_of(&s), 0, model_tolerance);
        XL_CHECK_STATUS(t, xl_surrogate_skill(&s, &skill, &err), XL_OK, &err);
        XL_CHECK_NEAR(t, skill, skill_of(&s), 1e-6);
    }
    s.sums[0][0] += 0.5; /* a model that is off must be seen */
    s.totals[0][0] += 1;
    XL_CHECK(t, worst_of(&s) > model_tolerance);
    xl_surrogate_release(&s);
    xl_columns_release(&columns);
    xl_space_free(space);
}

/* It is there where costs have an order, and not where they have none. */
static void skill_is_of_what_is_there(struct xl_test *t)
{
    struct xl_space *space = xl_test_space(t, 5);
    struct xl_columns columns;
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t, xl_columns_init(&columns, space, &err), XL_OK, &err);
    for (size_t noise = 0; noise < 2; noise++) {
        struct xl_surrogate s;
        struct xl_theta theta;
        struct xl_rng rng;
        double skill = -1;
        xl_rng_seed(&rng, 11);
        XL_CHECK_STATUS(t, xl_surrogate_init(&s, &columns, &err), XL_OK, &err);
        for (size_t i = 0; i < 3 * ROWS; i++) {
            uint64_t code = columns.codes[i * 11 % columns.n];
            struct xl_sight sight = sight_at(space, code);
            if (noise)
                sight.y = xl_rng_unit(&rng);
            XL_CHECK_STATUS(t, xl_surrogate_add(&s, code, sight, &err), XL_OK,
                            &err);
        }
        XL_CHECK_STATUS(t, xl_surrogate_fit(&s, 9, &theta, &err), XL_OK, &err);
        xl_surrogate_set(&s, &theta);
        XL_CHECK_STATUS(t, xl_surrogate_refresh(&s, false, &err), XL_OK, &err);
        XL_CHECK_STATUS(t, xl_surrogate_skill(&s, &skill, &err), XL_OK, &err);
        XL_CHECK_NEAR(t, skill, skill_of(&s), 1e-6);
        xl_test_check(t, noise ? skill < 0.2 : skill > 0.6, __FILE__, __LINE__,
                      "skill %.2f (%zu)", skill, noise);
        xl_surrogate_release(&s);
    }
    xl_columns_release(&columns);
    xl_space_free(space);
}

/* Taken in slice by slice, with rows that come and change meanwhile, a process
 * is the one taken in at once. */
static void parts_make_the_whole(struct xl_test *t)
{
    struct xl_space *space = xl_test_space(t, 9);
    struct xl_columns columns;
    struct xl_surrogate parts, whole;
    struct xl_err err = { 0 };
    bool is_done = false;
    size_t slices = 0;
    XL_CHECK_STATUS(t, xl_columns_init(&columns, space, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_surrogate_init(&parts, &columns, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_surrogate_init(&whole, &columns, &err), XL_OK, &err);
    XL_CHECK(t, xl_columns_tiles(&columns) > 6);
    for (size_t i = 0; i < 90 && !is_done; i++) {
        uint64_t code = columns.codes[i * 11 % columns.n];
        struct xl_sight sight = sight_at(space, code);
        struct xl_sight open = { .kind = XL_SIGHT_OPEN };
        xl_surrogate_add(&whole, code, sight, &err);
        xl_surrogate_add(&parts, code, i % 3 ? sight : open, &err);
        if (i < 30)
            continue;
        XL_CHECK_STATUS(t, xl_surrogate_refresh_part(&parts, 2, &is_done, &err),
                        XL_OK, &err);
        slices++;
        if (i % 3 == 0)
            xl_surrogate_change(&parts, i, sight);
    }
    for (size_t i = 0; i < 30; i += 3)
        xl_surrogate_change(&parts, i, sight_at(space, parts.rows[i].code));
    XL_CHECK(t, is_done && slices > 3);
    XL_CHECK_STATUS(t, xl_surrogate_refresh(&whole, false, &err), XL_OK, &err);
    for (size_t c = 0; c < columns.n; c += 3) {
        XL_CHECK_NEAR(t, xl_surrogate_mean(&parts, c),
                      xl_surrogate_mean(&whole, c), model_tolerance);
        XL_CHECK_NEAR(t, xl_surrogate_sd(&parts, c), xl_surrogate_sd(&whole, c),
                      model_tolerance);
    }
    xl_surrogate_release(&parts);
    xl_surrogate_release(&whole);
    xl_columns_release(&columns);
    xl_space_free(space);
}

/* -- the fit -------------------------------------------------------------- */

struct sample {
    struct xl_lane_point points[ROWS];
    struct xl_fit_row rows[ROWS];
};

/* Values that change with the first dimension alone. */
static void draw_sample(struct sample *sample)
{
    struct xl_rng rng;
    xl_rng_seed(&rng, 5);
    for (size_t i = 0; i < ROWS; i++) {
        sample->points[i] = random_point(&rng);
        sample->points[i].x[1] = (float)xl_rng_below(&rng, 3);
        sample->rows[i].point = &sample->points[i];
        sample->rows[i].z = 1.4 * sin(6 * (double)sample->points[i].x[0]) +
                            0.05 * xl_rng_normal(&rng);
    }
}

static bool slopes_fit(const struct sample *sample, double off)
{
    static double work[2 * ROWS * (ROWS + 1)];
    struct xl_theta theta = { .length = { -0.4, 0.2, -1 },
                              .signal = 0.3,
                              .noise = -3 };
    double gradient[5];
    double *at[5] = { &theta.length[0], &theta.length[1], &theta.length[2],
                      &theta.signal, &theta.noise };
    xl_theta_loss(&theta, sample->rows, ROWS, gradient, work);
    for (size_t i = 0; i < 5; i++) {
        double kept = *at[i], h = 1e-4;
        *at[i] = kept + h;
        double above = xl_theta_loss(&theta, sample->rows, ROWS, NULL, work);
        *at[i] = kept - h;
        double below = xl_theta_loss(&theta, sample->rows, ROWS, NULL, work);
        *at[i] = kept;
        double slope = (above - below) / (2 * h) + off;
        if (fabs(slope - gradient[i]) >
            slope_tolerance * (1 + fabs(gradient[i])))
            return false;
    }
    return true;
}

static void fit_finds_what_matters(struct xl_test *t)
{
    static struct sample sample;
    static double work[2 * ROWS * (ROWS + 1)];
    struct xl_theta theta = { .noise = -4.6 };
    struct xl_err err = { 0 };
    draw_sample(&sample);
    XL_CHECK(t, slopes_fit(&sample, 0));
    XL_CHECK(t, !slopes_fit(&sample, 0.01));
    double before = xl_theta_loss(&theta, sample.rows, ROWS, NULL, work);
    XL_CHECK_STATUS(t, xl_theta_fit(&theta, sample.rows, ROWS, 30, &err), XL_OK,
                    &err);
    double after = xl_theta_loss(&theta, sample.rows, ROWS, NULL, work);
    XL_CHECK(t, after < before - 1);
    XL_CHECK(t, theta.length[1] > theta.length[0] + 0.5);
    XL_CHECK(t, theta.length[2] > theta.length[0] + 0.5);
    XL_CHECK(t, theta.noise < -3);
}

const struct xl_test_case xl_suite_surrogate[] = {
    XL_CASE(loops_agree_with_libm),
    XL_CASE(widths_give_the_same_bits),
    XL_CASE(process_is_the_dense_one),
    XL_CASE(skill_is_of_what_is_there),
    XL_CASE(parts_make_the_whole),
    XL_CASE(fit_finds_what_matters),
    { 0 },
};
