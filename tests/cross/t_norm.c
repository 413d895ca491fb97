/* SPDX-License-Identifier: Apache-2.0
 *
 * Every variant of the norms and gates against the formulas in double, in
 * units of the last place (ulp) of the true result; and that an element's
 * bits do not depend on its neighbours. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernel/base/rng.h"
#include "kernel/cell/norm_int.h"
#include "tests/harness/test.h"

/* Largest errors in ulp, measured and rounded up. */
#define TANH    2.0
#define SIGMOID 3.0
#define SWIGLU  3.5
/* x r w + b: four roundings of terms no larger than the sum of their sizes. */
#define NORM        3.0
#define LOG_SUM_EXP 1e-12 /* nats */

enum {
    MOST = 705
};

static const size_t lengths[] = { 1,  2,  7,  8,  15,  16,  17,  31,
                                  32, 33, 63, 64, 257, 704, MOST };
static const size_t n_lengths = sizeof lengths / sizeof lengths[0];

static const struct xl_row_ops *const variants[] = {
    &xl_norm_naive,
    &xl_norm_plain,
#ifdef XL_X86_VARIANTS
    &xl_norm_avx2,
    &xl_norm_avx512,
#endif
};
static const size_t n_variants = sizeof variants / sizeof variants[0];

/* |got - want| in ulps of a float of the given size. */
static double ulps(float got, double want, double size)
{
    int exponent;
    frexp(size, &exponent);
    if (isnan(got) || isnan(want))
        return isnan(got) && isnan(want) ? 0 : HUGE_VAL;
    if (exponent < -125)
        exponent = -125; /* below the normal floats: absolute */
    return fabs((double)got - want) / ldexp(1, exponent - 24);
}

static double larger(double a, double b)
{
    return b > a ? b : a;
}

/* Floats of both signs from all binades between 2^low and 2^high. */
static size_t sweep(float *out, int low, int high, uint64_t seed)
{
    struct xl_rng rng;
    xl_rng_seed(&rng, seed);
    for (size_t i = 0; i < MOST; i++) {
        double at = low + (high - low) * xl_rng_unit(&rng);
        out[i] = (float)copysign(exp2(at), xl_rng_unit(&rng) - 0.5);
    }
    return MOST;
}

static void fill(float *out, size_t n, uint64_t seed)
{
    struct xl_rng rng;
    xl_rng_seed(&rng, seed);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)xl_rng_normal(&rng);
}

static void check_worst(struct xl_test *t, const struct xl_row_ops *row,
                        const char *what, double worst, double bound)
{
    xl_test_check(t, worst <= bound, __FILE__, __LINE__,
                  "%s of '%s' is off by %.3g, more than %.3g", what, row->name,
                  worst, bound);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* -- elementwise ---------------------------------------------------------- */

static double cap_error(const struct xl_row_ops *row, uint64_t seed)
{
    float x[MOST], y[MOST];
    double worst = 0;
    size_t n = sweep(x, -30, 8, seed);
    memcpy(y, x, sizeof y);
    row->soft_cap(y, n, 1.0f);
    for (size_t i = 0; i < n; i++) {
        double want = tanh((double)x[i]);
        worst = larger(worst, ulps(y[i], want, want));
    }
    return worst;
}

static double gate_error(const struct xl_row_ops *row, uint64_t seed)
{
    float x[MOST], y[MOST];
    double worst = 0;
    size_t n = sweep(x, -20, 6, seed);
    for (size_t i = 0; i < n; i++)
        y[i] = 1;
    row->sigmoid_gate(y, x, n);
    for (size_t i = 0; i < n; i++) {
        double want = sigmoid((double)x[i]);
        worst = larger(worst, ulps(y[i], want, want));
    }
    return worst;
}

static double swiglu_error(const struct xl_row_ops *row, uint64_t seed)
{
    float x[MOST], up[MOST], y[MOST];
    double worst = 0;
    size_t n = sweep(x, -20, 6, seed);
    fill(up, n, seed + 1000);
    memcpy(y, x, sizeof y);
    row->swiglu(y, up, n);
    for (size_t i = 0; i < n; i++) {
        double want = (double)x[i] * sigmoid((double)x[i]) * (double)up[i];
        worst = larger(worst, ulps(y[i], want, want));
    }
    return worst;
}

static void elements_are_exact(struct xl_test *t)
{
    for (size_t v = 0; v < n_variants; v++) {
        double cap = 0, gate = 0, glu = 0;
        if (variants[v]->why_not())
            continue;
        for (uint64_t seed = 1; seed <= 60; seed++) {
            cap = larger(cap, cap_error(variants[v], seed));
            gate = larger(gate, gate_error(variants[v], seed));
            glu = larger(glu, swiglu_error(variants[v], seed));
        }
        check_worst(t, variants[v], "tanh", cap, TANH);
        check_worst(t, variants[v], "sigmoid", gate, SIGMOID);
        check_worst(t, variants[v], "swiglu", glu, SWIGLU);
    }
}

static void extremes_are_held(struct xl_test *t)
{
    const float inf = HUGE_VALF, odd = (float)NAN;
    for (size_t v = 0; v < n_variants; v++) {
        const struct xl_row_ops *row = variants[v];
        if (row->why_not())
            continue;
        float x[5] = { inf, -inf, odd, 1e30f, -0.0f };
        float y[5] = { 1, 1, 1, 1, 1 }, same[2] = { 40, -7 };
        row->soft_cap(x, 5, 15);
        XL_CHECK_NEAR(t, x[0], 15, 0);
        XL_CHECK_NEAR(t, x[1], -15, 0);
        XL_CHECK(t, isnan(x[2]));
        XL_CHECK_NEAR(t, x[3], 15, 0);
        XL_CHECK(t, x[4] == 0 && signbit(x[4]));
        row->soft_cap(same, 2, 0);
        XL_CHECK(t, same[0] == 40 && same[1] == -7);
        float o[5] = { 200, -200, odd, inf, -90 };
        row->sigmoid_gate(y, o, 5);
        XL_CHECK_NEAR(t, y[0], 1, 0);
        XL_CHECK_NEAR(t, y[1], 0, 1e-37);
        XL_CHECK(t, isnan(y[2]));
        XL_CHECK_NEAR(t, y[3], 1, 0);
        XL_CHECK_NEAR(t, y[4], 0, 1e-37);
        float g[3] = { 300, -300, odd }, up[3] = { 2, 2, 2 };
        row->swiglu(g, up, 3);
        XL_CHECK_NEAR(t, g[0], 600, 0);
        XL_CHECK_NEAR(t, g[1], 0, 1e-34);
        XL_CHECK(t, isnan(g[2]));
    }
}

/* A range done in two parts gives the bits of the whole. */
static void places_do_not_matter(struct xl_test *t)
{
    for (size_t v = 0; v < n_variants; v++) {
        const struct xl_row_ops *row = variants[v];
        float x[MOST], up[MOST], whole[MOST], cut[MOST];
        if (row->why_not())
            continue;
        fill(x, MOST, 3);
        fill(up, MOST, 4);
        for (size_t at = 1; at < 40; at++) {
            memcpy(whole, x, sizeof x);
            memcpy(cut, x, sizeof x);
            row->swiglu(whole, up, MOST);
            row->swiglu(cut, up, at);
            row->swiglu(cut + at, up + at, MOST - at);
            row->soft_cap(whole, MOST, 15);
            row->soft_cap(cut, at, 15);
            row->soft_cap(cut + at, MOST - at, 15);
            row->sigmoid_gate(whole, up, MOST);
            row->sigmoid_gate(cut, up, at);
            row->sigmoid_gate(cut + at, up + at, MOST - at);
            XL_CHECK(t, memcmp(whole, cut, sizeof cut) == 0);
        }
    }
}

/* -- norms ---------------------------------------------------------------- */

/* A row and its weights; room for the tested result. */
struct row_case {
    float x[MOST], z[MOST], w[MOST], b[MOST], got[MOST];
    size_t n;
};

static void fill_case(struct row_case *c, size_t n, double offset)
{
    c->n = n;
    fill(c->x, n, n);
    fill(c->z, n, n + 1);
    fill(c->w, n, n + 2);
    fill(c->b, n, n + 3);
    for (size_t i = 0; i < n; i++)
        c->x[i] += (float)offset;
}

/* Error of got as the norm of x about centre, in ulps of its terms. */
static double norm_error(const struct row_case *c, const float *x,
                         const struct xl_norm_weights *weights, size_t begin,
                         size_t end, bool is_centred)
{
    double mean = 0, square = 0, worst = 0, n = (double)(end - begin);
    for (size_t i = begin; i < end && is_centred; i++)
        mean += (double)x[i] / n;
    for (size_t i = begin; i < end; i++)
        square += ((double)x[i] - mean) * ((double)x[i] - mean) / n;
    double r = 1 / sqrt(square + (double)weights->eps);
    for (size_t i = begin; i < end; i++) {
        double term = ((double)x[i] - mean) * r * (double)c->w[i];
        double bias = weights->b ? (double)c->b[i] : 0;
        worst = larger(worst,
                       ulps(c->got[i], term + bias, fabs(term) + fabs(bias)));
    }
    return worst;
}

static void rms_is_exact(struct xl_test *t)
{
    static struct row_case c;
    for (size_t v = 0; v < n_variants; v++) {
        const struct xl_row_ops *row = variants[v];
        for (size_t i = 0; i < n_lengths && !row->why_not(); i++) {
            struct xl_norm_weights plain = { .w = c.w, .eps = 1e-6f };
            struct xl_norm_weights biased = { .w = c.w, .b = c.b, .eps = 0.1f };
            fill_case(&c, lengths[i], 0);
            row->rms(c.got, c.x, &plain, c.n);
            check_worst(t, row, "rms",
                        norm_error(&c, c.x, &plain, 0, c.n, false), NORM);
            row->rms(c.got, c.x, &biased, c.n);
            check_worst(t, row, "rms with bias",
                        norm_error(&c, c.x, &biased, 0, c.n, false), NORM);
            memcpy(c.got, c.x, sizeof c.got);
            row->rms(c.got, c.got, &plain, c.n);
            check_worst(t, row, "rms in place",
                        norm_error(&c, c.x, &plain, 0, c.n, false), NORM);
        }
    }
}

static void addition_comes_first(struct xl_test *t)
{
    static struct row_case c;
    float x[MOST];
    for (size_t v = 0; v < n_variants; v++) {
        const struct xl_row_ops *row = variants[v];
        for (size_t i = 0; i < n_lengths && !row->why_not(); i++) {
            struct xl_norm_weights weights = { .w = c.w, .eps = 1e-6f };
            bool ok = true;
            fill_case(&c, lengths[i], 0);
            memcpy(x, c.x, sizeof x);
            row->add_rms(c.got, x, c.z, &weights, c.n);
            for (size_t j = 0; j < c.n; j++)
                ok = ok && x[j] == c.x[j] + c.z[j];
            XL_CHECK(t, ok);
            check_worst(t, row, "add_rms",
                        norm_error(&c, x, &weights, 0, c.n, false), NORM);
            weights.w = NULL;
            row->add_rms(c.got, x, c.z, &weights, c.n);
            XL_CHECK(t, memcmp(c.got, x, c.n * sizeof *x) == 0);
        }
    }
}

static void heads_are_exact(struct xl_test *t)
{
    static const size_t widths[] = { 1, 7, 8, 9, 16, 31, 32, 100 };
    static struct row_case c;
    const size_t heads = 7;
    for (size_t v = 0; v < n_variants; v++) {
        const struct xl_row_ops *row = variants[v];
        for (size_t i = 0; i < 8 && !row->why_not(); i++) {
            struct xl_norm_weights weights = { .w = c.w,
                                               .b = i % 2 ? c.b : NULL,
                                               .eps = 1e-5f };
            double worst = 0;
            size_t dv = widths[i];
            fill_case(&c, heads * dv, 3);
            row->heads(c.got, c.x, &weights, heads, dv);
            for (size_t h = 0; h < heads; h++)
                worst = larger(worst, norm_error(&c, c.x, &weights, h * dv,
                                                 (h + 1) * dv, true));
            check_worst(t, row, "head norm", worst, NORM);
            float x[MOST], again[MOST];
            row->gated_heads(again, c.x, c.z, &weights, heads, dv);
            row->sigmoid_gate(c.got, c.z, c.n);
            XL_CHECK(t, memcmp(again, c.got, c.n * sizeof *again) == 0);
            for (size_t j = 0; j < c.n; j++)
                x[j] = c.x[j] - 2.0f;
            for (size_t j = 0; j < c.n; j++)
                c.z[j] = 2.0f;
            row->add_heads(again, x, c.z, &weights, heads, dv);
            row->heads(c.got, x, &weights, heads, dv);
            XL_CHECK(t, fabsf(x[0] - c.x[0]) < 1e-5f);
            XL_CHECK(t, memcmp(again, c.got, c.n * sizeof *again) == 0);
        }
    }
}

/* -- log of a sum --------------------------------------------------------- */

static double true_log_sum(const float *x, size_t n)
{
    long double most = -HUGE_VALL, sum = 0;
    for (size_t i = 0; i < n; i++)
        most = (long double)x[i] > most ? (long double)x[i] : most;
    for (size_t i = 0; i < n; i++)
        sum += expl((long double)x[i] - most);
    return (double)(most + logl(sum));
}

static void log_sum_is_exact(struct xl_test *t)
{
    float x[MOST];
    const float inf = HUGE_VALF;
    for (size_t v = 0; v < n_variants; v++) {
        const struct xl_row_ops *row = variants[v];
        double worst = 0;
        if (row->why_not())
            continue;
        for (int scale = -2; scale <= 6; scale++) {
            for (size_t i = 0; i < n_lengths; i++) {
                size_t n = lengths[i];
                fill(x, n, n);
                for (size_t j = 0; j < n; j++)
                    x[j] = ldexpf(x[j], scale) - 5;
                worst = larger(
                    worst, fabs(row->log_sum_exp(x, n) - true_log_sum(x, n)));
            }
        }
        check_worst(t, row, "log_sum_exp", worst, LOG_SUM_EXP);
        for (size_t n = 1; n <= 40; n++) {
            fill(x, n, n);
            x[n / 2] = -inf;
            if (n > 1)
                XL_CHECK_NEAR(t, row->log_sum_exp(x, n), true_log_sum(x, n),
                              LOG_SUM_EXP);
            x[n - 1] = inf;
            XL_CHECK(t, row->log_sum_exp(x, n) == HUGE_VAL);
            x[0] = (float)NAN;
            XL_CHECK(t, isnan(row->log_sum_exp(x, n)));
        }
        x[0] = x[1] = -inf;
        XL_CHECK(t, row->log_sum_exp(x, 2) == -HUGE_VAL);
        XL_CHECK(t, row->log_sum_exp(x, 0) == -HUGE_VAL);
    }
}

/* -- the gap of two rows -------------------------------------------------- */

/* Each of its parts against its definition, summed in long double. */
static double gap_error(const struct xl_row_gap *gap, const float *a,
                        const float *b, size_t n)
{
    long double log_sum = (long double)true_log_sum(a, n);
    long double mean = 0, squares = 0, most = 0;
    for (size_t i = 0; i < n; i++) {
        long double d = (long double)a[i] - (long double)b[i];
        mean += expl((long double)a[i] - log_sum) * d;
        squares += d * d;
        most = fabsl(d) > most ? fabsl(d) : most;
    }
    double worst = fabs(gap->log_sum - (double)log_sum);
    worst = larger(worst, fabs(gap->mean - (double)mean));
    worst = larger(worst, fabs(gap->squares / (double)squares - 1));
    return larger(worst, fabs(gap->most - (double)most));
}

static void gaps_are_exact(struct xl_test *t)
{
    float a[MOST], b[MOST];
    for (size_t v = 0; v < n_variants; v++) {
        const struct xl_row_ops *row = variants[v];
        struct xl_row_gap gap;
        double worst = 0;
        if (row->why_not())
            continue;
        for (size_t i = 0; i < n_lengths; i++) {
            size_t n = lengths[i];
            fill(a, n, n);
            fill(b, n, n + 1);
            row->gap(&gap, a, b, n);
            worst = larger(worst, gap_error(&gap, a, b, n));
            XL_CHECK(t, gap.log_sum == row->log_sum_exp(a, n));
            b[n - 1] += 1;
            XL_CHECK(t, gap_error(&gap, a, b, n) > LOG_SUM_EXP);
            b[n / 2] = v % 2 ? HUGE_VALF : (float)NAN;
            row->gap(&gap, a, b, n);
            XL_CHECK(t, !isfinite(gap.squares));
            a[n / 2] = b[n / 2];
            row->gap(&gap, a, b, n);
            XL_CHECK(t, !isfinite(gap.squares));
        }
        check_worst(t, row, "gap", worst, LOG_SUM_EXP);
    }
}

/* -- the checks ----------------------------------------------------------- */

/* Eight ulps too much in one place, a norm about the wrong centre and a lost
 * term are all refused by the measures above. */
static void checks_can_fail(struct xl_test *t)
{
    static struct row_case c;
    struct xl_norm_weights weights = { .w = c.w, .eps = 1e-6f };
    fill_case(&c, 64, 3);
    xl_norm_naive.rms(c.got, c.x, &weights, c.n);
    XL_CHECK(t, norm_error(&c, c.x, &weights, 0, c.n, false) <= NORM);
    XL_CHECK(t, norm_error(&c, c.x, &weights, 0, c.n, true) > NORM);
    c.got[63] *= 1 + 8 * 0x1p-23f;
    XL_CHECK(t, norm_error(&c, c.x, &weights, 0, c.n, false) > NORM);
    XL_CHECK(t, ulps(1 + 0x1p-21f, 1, 1) > TANH);
    XL_CHECK(t, ulps((float)NAN, 1, 1) > TANH);
    fill(c.x, 64, 1);
    XL_CHECK(t, fabs(xl_norm_naive.log_sum_exp(c.x, 63) -
                     true_log_sum(c.x, 64)) > LOG_SUM_EXP);
}

const struct xl_test_case xl_suite_norm[] = {
    XL_CASE(elements_are_exact),   XL_CASE(extremes_are_held),
    XL_CASE(places_do_not_matter), XL_CASE(rms_is_exact),
    XL_CASE(addition_comes_first), XL_CASE(heads_are_exact),
    XL_CASE(log_sum_is_exact),     XL_CASE(gaps_are_exact),
    XL_CASE(checks_can_fail),      { 0 },
};
