/* SPDX-License-Identifier: Apache-2.0
 *
 * Draws are counted and compared by chi-square with probabilities worked out
 * here by the definition, with full sorting and in long form. */
#include <math.h>
#include <string.h>

#include "kernel/text/sampler.h"
#include "tests/harness/test.h"

enum {
    VOCAB = 24,
    DRAWS = 20000
};

/* Chance of a right sampler to be refused, at 23 degrees and fewer: under
 * 1e-6 (the 0.999999 quantile of chi-square with 23 degrees is 71.1). */
static const double LIMIT = 71.1;

static const float logits[VOCAB] = {
    0.3F,  2.1F,  -1.0F, 1.9F, 0.0F, -3.0F, 1.2F,  0.7F,
    -0.4F, 2.1F,  0.1F,  1.0F, 0.9F, -2.0F, -0.9F, 0.2F,
    1.5F,  -1.5F, 0.6F,  0.5F, 0.4F, -0.1F, 1.1F,  -0.6F,
};

/* -- the definition ------------------------------------------------------- */

static void normalise(double *p)
{
    double sum = 0;
    for (size_t i = 0; i < VOCAB; i++)
        sum += p[i];
    for (size_t i = 0; i < VOCAB; i++)
        p[i] /= sum;
}

/* Ids by falling probability, equal ones by rising id. */
static void rank(const double *p, size_t *order)
{
    for (size_t i = 0; i < VOCAB; i++) {
        size_t at = i;
        for (; at && p[order[at - 1]] < p[i]; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

static void keep_first(double *p, const size_t *order, size_t n)
{
    for (size_t i = n; i < VOCAB; i++)
        p[order[i]] = 0;
    normalise(p);
}

/* x: logits after the penalty. */
static void define(const struct xl_sampler_options *o, const float *x,
                   double *p)
{
    size_t order[VOCAB], n = 0;
    for (size_t i = 0; i < VOCAB; i++)
        p[i] = exp((double)x[i]);
    normalise(p);
    rank(p, order);
    if (o->top_k)
        keep_first(p, order, o->top_k < VOCAB ? o->top_k : VOCAB);
    if (o->top_p > 0 && o->top_p < 1) {
        double sum = 0;
        while (n < VOCAB && sum < (double)o->top_p)
            sum += p[order[n++]];
        keep_first(p, order, n);
    }
    for (size_t i = 0; i < VOCAB; i++)
        if (p[i] < (double)o->min_p * p[order[0]])
            p[i] = 0;
    for (size_t i = 0; i < VOCAB; i++)
        p[i] = p[i] > 0 ? pow(p[i], 1 / (double)o->temperature) : 0;
    normalise(p);
}

/* Chi-square of the counts; infinite when something impossible was drawn. */
static double chi_square(const double *p, const size_t *count)
{
    double sum = 0;
    for (size_t i = 0; i < VOCAB; i++) {
        double expected = p[i] * DRAWS;
        if (p[i] <= 0 && count[i])
            return (double)INFINITY;
        if (p[i] > 0)
            sum += ((double)count[i] - expected) *
                   ((double)count[i] - expected) / expected;
    }
    return sum;
}

static void count_draws(struct xl_test *t, const struct xl_sampler_options *o,
                        const int32_t *seen, size_t n_seen, size_t *count)
{
    struct xl_sampler *sampler = NULL;
    struct xl_err err = { 0 };
    memset(count, 0, VOCAB * sizeof *count);
    XL_CHECK_STATUS(t, xl_sampler_make(&sampler, o, VOCAB, &err), XL_OK, &err);
    for (size_t i = 0; i < n_seen; i++)
        xl_sampler_see(sampler, seen[i]);
    for (size_t i = 0; i < DRAWS && sampler; i++)
        count[xl_sampler_next(sampler, logits)]++;
    xl_sampler_free(sampler);
}

/* -- draws ---------------------------------------------------------------- */

static const struct xl_sampler_options settings[] = {
    { .temperature = 1, .seed = 1 },
    { .temperature = 0.7F, .seed = 2 },
    { .temperature = 1.6F, .seed = 3 },
    { .temperature = 1, .top_k = 5, .seed = 4 },
    { .temperature = 1, .top_k = 1, .seed = 4 },
    { .temperature = 1, .top_k = 999, .seed = 5 },
    { .temperature = 1, .top_p = 0.8F, .seed = 6 },
    { .temperature = 0.5F, .top_p = 0.5F, .seed = 7 },
    { .temperature = 2, .top_k = 7, .top_p = 0.9F, .seed = 8 },
    { .temperature = 1, .min_p = 0.3F, .seed = 9 },
    { .temperature = 1.3F,
      .top_k = 12,
      .top_p = 0.95F,
      .min_p = 0.2F,
      .seed = 10 },
    { .temperature = 1, .top_p = 1, .min_p = 0, .seed = 11 },
};

static void draws_follow_the_definition(struct xl_test *t)
{
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        double p[VOCAB];
        size_t count[VOCAB];
        define(&settings[i], logits, p);
        count_draws(t, &settings[i], NULL, 0, count);
        double chi = chi_square(p, count);
        xl_test_check(t, chi < LIMIT, __FILE__, __LINE__,
                      "setting %zu: chi-square %g", i, chi);
    }
}

/* Samplers that are wrong in a small way do not pass for right ones. */
static void chi_square_refuses_wrong_samplers(struct xl_test *t)
{
    static const struct {
        struct xl_sampler_options run, claimed;
    } wrong[] = {
        { { .temperature = 0.9F }, { .temperature = 1 } },
        { { .temperature = 1, .top_k = 5 }, { .temperature = 1, .top_k = 6 } },
        { { .temperature = 1, .top_k = 6 }, { .temperature = 1, .top_k = 5 } },
        { { .temperature = 1, .top_p = 0.8F },
          { .temperature = 1, .top_p = 0.75F } },
        { { .temperature = 1 }, { .temperature = 1, .min_p = 0.02F } },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        double p[VOCAB];
        size_t count[VOCAB];
        define(&wrong[i].claimed, logits, p);
        count_draws(t, &wrong[i].run, NULL, 0, count);
        XL_CHECK(t, chi_square(p, count) > LIMIT);
    }
}

static void penalty_counts_a_token_once(struct xl_test *t)
{
    static const int32_t seen[] = { 1, 1, 1, 5, 9, 5, -1, VOCAB, 1 };
    struct xl_sampler_options o = { .temperature = 1,
                                    .seed = 3,
                                    .repetition_penalty = 1.5F };
    float x[VOCAB];
    double p[VOCAB];
    size_t count[VOCAB];
    memcpy(x, logits, sizeof x);
    x[1] /= 1.5F;
    x[9] /= 1.5F;
    x[5] *= 1.5F;
    define(&o, x, p);
    count_draws(t, &o, seen, sizeof seen / sizeof *seen, count);
    XL_CHECK(t, chi_square(p, count) < LIMIT);
    count_draws(t, &o, NULL, 0, count);
    XL_CHECK(t, chi_square(p, count) > LIMIT);
    /* Applied twice it would be another distribution. */
    x[1] /= 1.5F;
    define(&o, x, p);
    count_draws(t, &o, seen, sizeof seen / sizeof *seen, count);
    XL_CHECK(t, chi_square(p, count) > LIMIT);
}

/* -- exact ---------------------------------------------------------------- */

static size_t distinct(struct xl_test *t, const struct xl_sampler_options *o,
                       const float *x, size_t vocab)
{
    struct xl_sampler *sampler = NULL;
    struct xl_err err = { 0 };
    bool is_drawn[VOCAB] = { false };
    size_t n = 0;
    XL_CHECK_STATUS(t, xl_sampler_make(&sampler, o, vocab, &err), XL_OK, &err);
    for (size_t i = 0; i < 4000 && sampler; i++) {
        int32_t id = xl_sampler_next(sampler, x);
        n += !is_drawn[id];
        is_drawn[id] = true;
    }
    xl_sampler_free(sampler);
    return n;
}

/* Probabilities 1/2, 1/4, 1/8, 1/8: sums are exact in binary. */
static void top_p_takes_the_smallest_set(struct xl_test *t)
{
    static const struct {
        float p;
        size_t n;
    } cases[] = { { 0.1F, 1 },  { 0.49F, 1 }, { 0.51F, 2 },
                  { 0.74F, 2 }, { 0.76F, 3 }, { 0.874F, 3 },
                  { 0.88F, 4 }, { 1, 4 },     { 0, 4 } };
    float x[4];
    for (size_t i = 0; i < 4; i++)
        x[i] = logf(i == 0 ? 4 : i == 1 ? 2 : 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct xl_sampler_options o = { .temperature = 1,
                                        .seed = i,
                                        .top_p = cases[i].p };
        XL_CHECK_EQ(t, distinct(t, &o, x, 4), cases[i].n);
    }
}

/* All equal: k and p must choose by id, and 0.5 of 8 is exactly 4. */
static void ties_go_by_id(struct xl_test *t)
{
    static const float same[8] = { 0 };
    struct xl_sampler_options o = { .temperature = 1, .seed = 5, .top_k = 3 };
    struct xl_sampler *sampler = NULL;
    XL_CHECK_EQ(t, xl_sampler_make(&sampler, &o, 8, NULL), XL_OK);
    for (size_t i = 0; i < 500; i++)
        XL_CHECK(t, xl_sampler_next(sampler, same) < 3);
    xl_sampler_free(sampler);
    o = (struct xl_sampler_options){ .temperature = 1, .top_p = 0.5F };
    XL_CHECK_EQ(t, distinct(t, &o, same, 8), 4);
    XL_CHECK_EQ(t, xl_argmax(same, 8), 0);
    o = (struct xl_sampler_options){ .temperature = 1, .min_p = 1 };
    XL_CHECK_EQ(t, distinct(t, &o, same, 8), 8);
    XL_CHECK_EQ(t, distinct(t, &o, logits, VOCAB), 2);
}

static void zero_temperature_is_greedy(struct xl_test *t)
{
    struct xl_sampler_options o = { .repetition_penalty = 2, .seed = 1 };
    struct xl_sampler *sampler = NULL;
    XL_CHECK_EQ(t, xl_sampler_make(&sampler, &o, VOCAB, NULL), XL_OK);
    XL_CHECK_EQ(t, xl_sampler_next(sampler, logits), 1);
    xl_sampler_see(sampler, 1);
    XL_CHECK_EQ(t, xl_sampler_next(sampler, logits), 9);
    xl_sampler_see(sampler, 9);
    XL_CHECK_EQ(t, xl_sampler_next(sampler, logits), 3);
    xl_sampler_free(sampler);
}

static void equal_seeds_give_equal_texts(struct xl_test *t)
{
    struct xl_sampler_options o = { .temperature = 1, .seed = 42 };
    struct xl_sampler_options same = o, other = o;
    struct xl_sampler *a = NULL, *b = NULL, *c = NULL;
    size_t differ = 0;
    same.top_k = VOCAB; /* filters that remove nothing change nothing */
    same.min_p = 1e-6F;
    other.seed = 43;
    XL_CHECK_EQ(t, xl_sampler_make(&a, &o, VOCAB, NULL), XL_OK);
    XL_CHECK_EQ(t, xl_sampler_make(&b, &same, VOCAB, NULL), XL_OK);
    XL_CHECK_EQ(t, xl_sampler_make(&c, &other, VOCAB, NULL), XL_OK);
    for (size_t i = 0; i < 1000; i++) {
        int32_t id = xl_sampler_next(a, logits);
        XL_CHECK_EQ(t, xl_sampler_next(b, logits), id);
        differ += xl_sampler_next(c, logits) != id;
    }
    XL_CHECK(t, differ > 500);
    xl_sampler_free(a);
    xl_sampler_free(b);
    xl_sampler_free(c);
}

static void odd_logits_do_no_harm(struct xl_test *t)
{
    static const float odd[][4] = {
        { NAN, NAN, NAN, NAN },
        { -INFINITY, -INFINITY, -INFINITY, -INFINITY },
        { INFINITY, 1, INFINITY, NAN },
        { -3e38F, 3e38F, 0, NAN },
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        for (size_t k = 0; k < 3; k++) {
            struct xl_sampler_options o = { .temperature = k ? 0.01F : 0,
                                            .top_p = k > 1 ? 0.5F : 0,
                                            .min_p = 0.1F,
                                            .top_k = k };
            struct xl_sampler *sampler = NULL;
            XL_CHECK_EQ(t, xl_sampler_make(&sampler, &o, 4, NULL), XL_OK);
            int32_t id = xl_sampler_next(sampler, odd[i]);
            XL_CHECK(t, id >= 0 && id < 4);
            XL_CHECK(t, i < 2 || !isnan(odd[i][id]));
            xl_sampler_free(sampler);
        }
    }
}

static void options_out_of_bounds(struct xl_test *t)
{
    static const struct xl_sampler_options bad[] = {
        { .temperature = -0.1F },
        { .temperature = NAN },
        { .temperature = INFINITY },
        { .top_p = 1.1F },
        { .top_p = -0.1F },
        { .top_p = NAN },
        { .min_p = 1.1F },
        { .min_p = -1 },
        { .repetition_penalty = -1 },
        { .repetition_penalty = NAN },
        { .repetition_penalty = INFINITY },
    };
    struct xl_sampler_options fine = { 0 };
    struct xl_sampler *sampler = NULL;
    struct xl_err err = { 0 };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        XL_CHECK_STATUS(t, xl_sampler_make(&sampler, &bad[i], VOCAB, &err),
                        XL_EUSAGE, &err);
        XL_CHECK(t, !sampler && err.message[0]);
    }
    XL_CHECK_STATUS(t, xl_sampler_make(&sampler, &fine, 0, &err), XL_EUSAGE,
                    &err);
}

static void logprob_is_log_softmax(struct xl_test *t)
{
    struct xl_sampler_options o = { .temperature = 1 };
    static const float wide[] = { 1000, 999, -1000 };
    double p[VOCAB];
    define(&o, logits, p);
    for (int32_t i = 0; i < VOCAB; i++)
        XL_CHECK_NEAR(t, xl_logprob(logits, VOCAB, i), log(p[i]), 1e-12);
    XL_CHECK_NEAR(t, xl_logprob(wide, 3, 0), -log1p(exp(-1)), 1e-12);
    XL_CHECK_NEAR(t, xl_logprob(wide, 3, 2), -2000 - log1p(exp(-1)), 1e-9);
    XL_CHECK_EQ(t, xl_argmax(logits, VOCAB), 1);
}

const struct xl_test_case xl_suite_sampler[] = {
    XL_CASE(draws_follow_the_definition),
    XL_CASE(chi_square_refuses_wrong_samplers),
    XL_CASE(penalty_counts_a_token_once),
    XL_CASE(top_p_takes_the_smallest_set),
    XL_CASE(ties_go_by_id),
    XL_CASE(zero_temperature_is_greedy),
    XL_CASE(equal_seeds_give_equal_texts),
    XL_CASE(odd_logits_do_no_harm),
    XL_CASE(options_out_of_bounds),
    XL_CASE(logprob_is_log_softmax),
    { 0 },
};
