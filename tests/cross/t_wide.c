/* SPDX-License-Identifier: Apache-2.0
 *
 * The vectorised functions of vec.h and vec_wide.h over the whole range they
 * are for, in the plain variant, against libm in double. The other variants
 * differ by a fused multiply-add at most; t_norm and t_mlstm judge them. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "kernel/tensor/vec.h"
#include "kernel/tensor/vec_wide.h"
#include "tests/harness/test.h"

/* What the headers state. */
#define VEC_EXP     1.2e-7
#define WIDE_EXP    5e-16
#define LOG_SIGMOID 1e-15

static double relative(double got, double want)
{
    return fabs(got - want) / fabs(want);
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Every 61st float of both signs from 0 to the largest of the range. */
static void exp_of_floats(struct xl_test *t)
{
    double worst = 0;
    size_t n = 0;
    for (uint32_t bits = 0; bits < 0x42b00000; bits += 16 * 61) {
        float in[2 * XL_LANES], out[2 * XL_LANES];
        for (uint32_t l = 0; l < XL_LANES; l++) {
            in[l] = -float_of(bits + l * 61);
            in[XL_LANES + l] = float_of(bits + l * 61);
        }
        for (size_t l = 0; l < 2 * XL_LANES; l += XL_LANES)
            xl_vec_store(out + l, xl_vec_exp(xl_vec_load(in + l)));
        for (size_t l = 0; l < 2 * XL_LANES; l++)
            if (in[l] >= -87.3f && in[l] <= 88) {
                worst =
                    fmax(worst, relative((double)out[l], exp((double)in[l])));
                n++;
            }
    }
    xl_test_check(t, worst <= VEC_EXP && n > 30000000, __FILE__, __LINE__,
                  "exp is off by %g in %zu floats", worst, n);
}

static void ends_of_exp(struct xl_test *t)
{
    float in[XL_LANES] = { -87.4f, -1e30f, -INFINITY, NAN, 0, -0.0f }, out[16];
    xl_vec_store(out, xl_vec_exp(xl_vec_load(in)));
    XL_CHECK(t, out[0] == 0 && out[1] == 0 && out[2] == 0);
    XL_CHECK(t, isnan(out[3]));
    XL_CHECK(t, out[4] == 1 && out[5] == 1);
}

/* Eight doubles around x, a little apart. */
static void spread(double *to, double x)
{
    for (size_t l = 0; l < XL_WIDE; l++)
        to[l] = x * (1 + 0.013 * (double)l);
}

/* Both functions over all magnitudes from 1e-300 to 700. */
static void doubles_are_exact_over_all_magnitudes(struct xl_test *t)
{
    double worst_exp = 0, worst_log = 0;
    size_t n = 0;
    for (double size = 1e-300; size < 640; size *= size < 1e-3 ? 1.9 : 1.0003)
        for (int sign = -1; sign <= 1; sign += 2) {
            double in[XL_WIDE], e[XL_WIDE], s[XL_WIDE];
            spread(in, sign * size);
            xl_wide_store(e, xl_wide_exp(xl_wide_load(in)));
            xl_wide_store(s, xl_wide_log_sigmoid(xl_wide_load(in)));
            for (size_t l = 0; l < XL_WIDE; l++, n++) {
                double x = in[l], y = exp(-fabs(x));
                double want = (x < 0 ? x : 0) - log1p(y);
                worst_exp = fmax(worst_exp, relative(e[l], exp(x)));
                worst_log = fmax(worst_log, relative(s[l], want));
            }
        }
    xl_test_check(t, worst_exp <= WIDE_EXP && n > 100000, __FILE__, __LINE__,
                  "exp is off by %g", worst_exp);
    xl_test_check(t, worst_log <= LOG_SIGMOID, __FILE__, __LINE__,
                  "log_sigmoid is off by %g", worst_log);
}

static void ends_of_doubles(struct xl_test *t)
{
    const double in[XL_WIDE] = { -HUGE_VAL, (double)NAN, -1e300,
                                 0,         HUGE_VAL,    1e300 };
    double e[XL_WIDE], s[XL_WIDE];
    xl_wide_store(e, xl_wide_exp(xl_wide_load(in)));
    xl_wide_store(s, xl_wide_log_sigmoid(xl_wide_load(in)));
    XL_CHECK(t, e[0] > 0 && e[0] < DBL_MIN * 1e5 && e[2] == e[0]);
    XL_CHECK(t, isnan(e[1]) && isnan(s[1]));
    XL_CHECK(t, e[3] == 1 && s[0] < -DBL_MAX && s[2] == -1e300);
    XL_CHECK(t, s[4] <= 0 && s[4] > -1e-300 && s[5] <= 0 && s[5] > -1e-300);
}

/* The sums of the lanes are one tree, whatever adds them. */
static void sums_are_one_tree(struct xl_test *t)
{
    struct xl_vec v[16];
    float lanes[XL_LANES], out[4 * 7];
    for (size_t i = 0; i < 16; i++) {
        for (size_t l = 0; l < XL_LANES; l++)
            lanes[l] = (float)sin((double)(i * 31 + l * 17));
        v[i] = xl_vec_load(lanes);
    }
    xl_vec_sum16(out, 7, v);
    for (size_t i = 0; i < 16; i++)
        XL_CHECK(t, out[i / 4 * 7 + i % 4] == xl_vec_sum(v[i]));
}

/* Whole numbers, so that every order of additions is exact. */
static void running_sums_and_maxima(struct xl_test *t)
{
    const double in[XL_WIDE] = { 3, -7, 5, 5, -1, 9, (double)NAN, 2 };
    double sums[XL_WIDE], maxima[XL_WIDE], sum = 0, most = (double)-INFINITY;
    xl_wide_store(sums, xl_wide_sums(xl_wide_load(in)));
    xl_wide_store(maxima, xl_wide_maxima(xl_wide_load(in)));
    for (size_t i = 0; i < 6; i++) {
        sum += in[i];
        most = fmax(most, in[i]);
        XL_CHECK(t, sums[i] == sum && maxima[i] == most);
    }
    XL_CHECK(t, isnan(sums[6]) && isnan(sums[7]));
    XL_CHECK(t, isnan(maxima[6]) && maxima[7] == 9);
}

const struct xl_test_case xl_suite_wide[] = {
    XL_CASE(exp_of_floats),
    XL_CASE(ends_of_exp),
    XL_CASE(doubles_are_exact_over_all_magnitudes),
    XL_CASE(ends_of_doubles),
    XL_CASE(sums_are_one_tree),
    XL_CASE(running_sums_and_maxima),
    { 0 },
};
