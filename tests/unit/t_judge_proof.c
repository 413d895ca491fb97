/* SPDX-License-Identifier: Apache-2.0
 *
 * What the judge's figures are worth: log-probabilities against sums in long
 * double and against a file that another program made, intervals against
 * losses whose mean is known, verdicts on pairs that do not differ. */
#include <math.h>
#include <string.h>

#include "judge/drift.h"
#include "judge/gate.h"
#include "judge/interval.h"
#include "judge/judge.h"
#include "judge/logprob.h"
#include "judge/reference.h"
#include "kernel/base/alloc.h"
#include "kernel/base/rng.h"
#include "kernel/model/safetensors.h"
#include "tests/harness/brute.h"
#include "tests/harness/test.h"

/* -- the reference's log-probabilities ------------------------------------- */

/* Position i of logits [n][vocab] holds what follows tokens[i]. */
static void check_rows(struct xl_test *t, const float *rows, size_t vocab,
                       const int32_t *tokens, const float *theirs, size_t n)
{
    double *ours = xl_alloc_zero(n, sizeof *ours);
    double worst_brute = 0, worst = 0, sum = 0, all = 0;
    if (!XL_CHECK(t, ours != NULL))
        return;
    xl_logprob_rows(rows, vocab, tokens, n, ours);
    for (size_t i = 0; i + 1 < n; i++) {
        const float *row = rows + i * vocab;
        double brute = xl_brute_logprob(row, vocab, tokens[i + 1]);
        worst_brute = fmax(worst_brute, fabs(ours[i] - brute));
        worst = fmax(worst, fabs(ours[i] - (double)theirs[i]));
        sum += fabs(ours[i] - (double)theirs[i]);
        all += ours[i];
    }
    XL_CHECK_NEAR(t, worst_brute, 0, 1e-9);
    XL_CHECK_NEAR(t, worst, 0, 1e-3);
    XL_CHECK_NEAR(t, sum / (double)(n - 1), 0, 1e-4);
    XL_CHECK_NEAR(t, all / (double)(n - 1), -3.906796, 1e-4);
    xl_free(ours);
}

static void the_reference_agrees_with_another_program(struct xl_test *t)
{
    struct xl_safetensors *file = NULL;
    struct xl_model *model = NULL;
    struct xl_reference *reference = NULL;
    struct xl_params params;
    const float *rows = NULL;
    struct xl_err err = { 0 };
    const char *path = xl_test_data("demo-expected/eval.safetensors");
    xl_judge_reference(&params);
    bool ok = XL_CHECK_STATUS(t, xl_safetensors_open_file(&file, path, &err),
                              XL_OK, &err) &&
              XL_CHECK_STATUS(
                  t, xl_model_open(&model, xl_test_source("models/demo"), &err),
                  XL_OK, &err);
    const struct xl_tensor *tokens =
        ok ? xl_safetensors_find(file, "tokens") : NULL;
    const struct xl_tensor *logprob =
        ok ? xl_safetensors_find(file, "logprob") : NULL;
    if (ok && XL_CHECK(t, tokens && logprob)) {
        size_t n = tokens->shape[0];
        struct xl_reference_spec spec = {
            .model = model,
            .params = &params,
            .tokens = tokens->data,
            .n = n,
            .text_hash = "",
            .room_bytes = (size_t)256 << 20,
            .piece = n,
        };
        XL_CHECK_EQ(t, logprob->shape[0] + 1, n);
        if (XL_CHECK_STATUS(t, xl_reference_make(&reference, &spec, &err),
                            XL_OK, &err) &&
            XL_CHECK_STATUS(t, xl_reference_rows(reference, 0, n, &rows, &err),
                            XL_OK, &err))
            check_rows(t, rows, xl_model_config(model)->vocab, tokens->data,
                       logprob->data, n);
    }
    xl_reference_free(reference);
    xl_model_close(model);
    xl_safetensors_close(file);
}

/* -- coverage -------------------------------------------------------------- */

enum {
    MOST = 16384,
    SEEDS = 2000
};

/* Losses around `mean`: each a share of the one before it and a new part,
 * normal or as skewed as losses are (exponential). */
static void draw_losses(struct xl_rng *rng, double *x, size_t n, double share,
                        bool is_skewed, double mean)
{
    double last = 0;
    for (size_t i = 0; i < n + 64; i++) {
        double fresh =
            is_skewed ? -log(1 - xl_rng_unit(rng)) - 1 : xl_rng_normal(rng);
        last = share * last + fresh;
        if (i >= 64)
            x[i - 64] = mean + last;
    }
}

static double coverage(double *x, size_t n, size_t block, double share,
                       bool is_skewed)
{
    size_t covered = 0;
    for (size_t seed = 0; seed < SEEDS; seed++) {
        struct xl_rng rng;
        xl_rng_seed(&rng, 77000 + seed);
        draw_losses(&rng, x, n, share, is_skewed, 3);
        struct xl_score s =
            xl_block_ratio(x, NULL, n, block ? block : xl_block_auto(n), 0.05);
        covered += s.lo <= 3 && 3 <= s.hi;
    }
    return (double)covered / SEEDS;
}

static void intervals_cover_in_95_of_100(struct xl_test *t)
{
    static const struct {
        size_t n;
        double share;
        bool is_skewed;
    } losses[] = {
        { 1679, 0, false },  { 1679, 0.4, false }, { 1679, 0.4, true },
        { 4608, 0.4, true }, { 4608, 0.7, false }, { MOST, 0.7, true },
    };
    double *x = xl_alloc_zero(MOST, sizeof *x);
    if (!XL_CHECK(t, x != NULL))
        return;
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        double share =
            coverage(x, losses[i].n, 0, losses[i].share, losses[i].is_skewed);
        xl_test_check(t, share >= 0.93 && share <= 0.97, __FILE__, __LINE__,
                      "%zu losses, %.1f correlated: covers %.4f", losses[i].n,
                      losses[i].share, share);
    }
    /* The formula for tokens that know nothing of each other does not. */
    XL_CHECK(t, coverage(x, 1679, 1, 0.4, false) < 0.88);
    xl_free(x);
}

/* -- percentiles ------------------------------------------------------------
 */

enum {
    WORDS = 8,
    PLACES = 600
};

/* A value a position: divergence, largest change of a logit, and change of the
 * probability of the token that came. */
struct values {
    double kl[PLACES], dmax[PLACES], dp[PLACES];
};

static void find_values(const float (*a)[WORDS], const float (*b)[WORDS],
                        const int32_t *tokens, struct values *out)
{
    *out = (struct values){ 0 };
    for (size_t i = 0; i < PLACES; i++) {
        int32_t next = tokens[(i + 1) % PLACES];
        for (int32_t v = 0; v < WORDS; v++) {
            double p = xl_brute_logprob(a[i], WORDS, v);
            double q = xl_brute_logprob(b[i], WORDS, v);
            out->kl[i] += exp(p) * (p - q);
            out->dmax[i] =
                fmax(out->dmax[i], fabs((double)b[i][v] - (double)a[i][v]));
            if (v == next)
                out->dp[i] = exp(q) - exp(p);
        }
    }
}

/* As many of x as that share of n are above the score, which is one of x. */
static void check_rank(struct xl_test *t, const struct xl_score *score,
                       const double *x, size_t n, double share)
{
    size_t above = 0, same = 0;
    for (size_t i = 0; i < n; i++) {
        bool is_it = fabs(x[i] - score->value) <= 1e-9;
        same += is_it;
        above += !is_it && x[i] > score->value;
    }
    XL_CHECK(t, score->is_known && same > 0);
    XL_CHECK_EQ(t, above, (size_t)((double)n * share));
}

/* Of a candidate that gains where the reference is sure of the token. */
static void percentiles_are_by_rank(struct xl_test *t)
{
    static float a[PLACES][WORDS], b[PLACES][WORDS];
    static struct values x;
    int32_t tokens[PLACES];
    struct xl_drift *drift = NULL;
    struct xl_score s[XL_SCORE_COUNT];
    struct xl_err err = { 0 };
    struct xl_rng rng;
    xl_rng_seed(&rng, 21);
    for (size_t i = 0; i < PLACES; i++)
        tokens[i] = (int32_t)xl_rng_below(&rng, WORDS);
    for (size_t i = 0; i < PLACES; i++)
        for (size_t v = 0; v < WORDS; v++) {
            a[i][v] = (float)xl_rng_normal(&rng);
            b[i][v] = a[i][v] + 0.3f * (float)xl_rng_normal(&rng);
        }
    for (size_t i = 0; i + 1 < PLACES; i++)
        b[i][tokens[i + 1]] += 0.5f;
    find_values((const float(*)[WORDS])a, (const float(*)[WORDS])b, tokens, &x);
    XL_CHECK_STATUS(t, xl_drift_make(&drift, WORDS, tokens, PLACES, &err),
                    XL_OK, &err);
    xl_drift_add(drift, a[0], b[0], PLACES, NULL);
    XL_CHECK_STATUS(
        t, xl_drift_scores(drift, &(struct xl_drift_options){ 0 }, s, &err),
        XL_OK, &err);
    xl_drift_free(drift);
    const struct {
        enum xl_score_id id;
        const double *x;
        size_t n;
        double share;
    } rows[] = {
        { XL_SCORE_KL_P50, x.kl, PLACES, 0.5 },
        { XL_SCORE_KL_P99, x.kl, PLACES, 0.01 },
        { XL_SCORE_KL_MAX, x.kl, PLACES, 0 },
        { XL_SCORE_DLOGIT_P99, x.dmax, PLACES, 0.01 },
        { XL_SCORE_MAX_ABS_DLOGIT, x.dmax, PLACES, 0 },
        { XL_SCORE_DP_P1, x.dp, PLACES - 1, 0.99 },
        { XL_SCORE_DP_P5, x.dp, PLACES - 1, 0.95 },
        { XL_SCORE_DP_P50, x.dp, PLACES - 1, 0.5 },
        { XL_SCORE_DP_P95, x.dp, PLACES - 1, 0.05 },
        { XL_SCORE_DP_P99, x.dp, PLACES - 1, 0.01 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_rank(t, &s[rows[i].id], rows[i].x, rows[i].n, rows[i].share);
    XL_CHECK(t, s[XL_SCORE_DP_P50].value > 0.01);
    const struct xl_score *loss = &s[XL_SCORE_DLOSS];
    const struct xl_score *ratio = &s[XL_SCORE_DPPL];
    XL_CHECK_NEAR(t, ratio->value, exp(loss->value) - 1, 1e-12);
    XL_CHECK_NEAR(t, ratio->lo, exp(loss->lo) - 1, 1e-12);
    XL_CHECK_NEAR(t, ratio->hi, exp(loss->hi) - 1, 1e-12);
    XL_CHECK_NEAR(t, ratio->lower, exp(loss->lower) - 1, 1e-12);
    XL_CHECK_NEAR(t, ratio->upper, exp(loss->upper) - 1, 1e-12);
}

/* -- one configuration against itself ---------------------------------------
 */

enum {
    PAIRS = 400,
    LOSSES = 4608
};

/* A fixed loss, measured twice with noise that is correlated: how many of the
 * pairs does the gate call different when one is `shift` worse? */
static size_t count_different(double *x, double noise, double shift)
{
    double *y = x + LOSSES;
    size_t different = 0;
    for (size_t seed = 0; seed < PAIRS; seed++) {
        struct xl_rng rng;
        struct xl_score scores[XL_SCORE_COUNT];
        struct xl_ruling ruling;
        xl_rng_seed(&rng, 5100 + seed);
        draw_losses(&rng, x, LOSSES, 0.4, false, 0);
        draw_losses(&rng, y, LOSSES, 0.4, false, 0);
        for (size_t i = 0; i < LOSSES; i++)
            x[i] = noise * (x[i] - y[i]) + shift;
        xl_scores_clear(scores);
        scores[XL_SCORE_DLOSS] =
            xl_block_ratio(x, NULL, LOSSES, xl_block_auto(LOSSES), 0.05);
        xl_gate_rule(XL_TIER_KERNEL, scores, NULL, &ruling);
        different += ruling.gates[XL_GATE_DLOSS].verdict == XL_VERDICT_FAIL;
    }
    return different;
}

/* Several looks share one error; both ends of a rise are uncertain; and the
 * first look at a text passes nobody. */
static void shortcuts_prove_nothing(struct xl_test *t)
{
    enum {
        N = 4096
    };
    static double x[N];
    struct xl_rng rng;
    XL_CHECK_NEAR(t, xl_interval_level(0), 0.05, 0);
    XL_CHECK_NEAR(t, 4 * xl_interval_level(4), 0.05, 1e-15);
    xl_rng_seed(&rng, 5);
    draw_losses(&rng, x, N / 4, 0, false, 3);
    for (size_t i = N / 4; i < N; i++)
        x[i] = 3; /* the last quarter is certain, the first is not */
    double first = xl_block_rise(x, N, 0.05).se;
    for (size_t i = 0; i < N / 4; i++) {
        x[N - N / 4 + i] = x[i];
        x[i] = 3;
    }
    XL_CHECK(t, first > 0);
    XL_CHECK_NEAR(t, xl_block_rise(x, N, 0.05).se, first, 1e-12);
    struct xl_ruling ruling = { .verdict = XL_VERDICT_PASS };
    xl_ruling_hold(&ruling, 512);
    XL_CHECK_EQ(t, ruling.verdict, XL_VERDICT_INCONCLUSIVE);
    ruling.verdict = XL_VERDICT_FAIL;
    xl_ruling_hold(&ruling, 512);
    XL_CHECK_EQ(t, ruling.verdict, XL_VERDICT_FAIL);
}

/* The bound is 0.0014; the noise makes the standard error of the difference
 * a tenth of it, as large, and ten times as large. */
static void the_same_is_not_called_different(struct xl_test *t)
{
    const double unit = 0.0014 / 0.035;
    double *x = xl_alloc_zero(2 * LOSSES, sizeof *x);
    if (!XL_CHECK(t, x != NULL))
        return;
    for (double noise = 0.1 * unit; noise < 11 * unit; noise *= 10)
        XL_CHECK(t, count_different(x, noise, 0) <= PAIRS / 20);
    XL_CHECK(t, count_different(x, 0.1 * unit, 0.003) == PAIRS);
    XL_CHECK(t, count_different(x, unit, 0.0014 + 4 * 0.0014) > PAIRS * 9 / 10);
    xl_free(x);
}

/* -- the same through the whole judge ---------------------------------------
 */

/* A plan whose logits get noise of their own. */
struct noisy {
    struct xl_plan *plan;
    size_t vocab;
    double noise, last;
    struct xl_rng rng;
};

static void forward_noisy(void *ctx, struct xl_state *state,
                          const struct xl_pass *pass)
{
    struct noisy *v = ctx;
    xl_plan_forward(v->plan, state, pass);
    for (size_t i = 0; i < pass->n * v->vocab; i++) {
        v->last = 0.4 * v->last + xl_rng_normal(&v->rng);
        pass->logits[i] += (float)(v->noise * v->last);
    }
}

static void judge_noisy(struct xl_test *t, struct xl_model *model,
                        struct xl_judge *judge, double noise, size_t pairs,
                        size_t refused[2])
{
    struct xl_params params;
    struct xl_judgement j;
    struct xl_err err = { 0 };
    struct noisy v = { .vocab = xl_model_config(model)->vocab, .noise = noise };
    xl_params_init(&params);
    params.value[XL_PARAM_WORKERS] = 1;
    refused[0] = refused[1] = 0;
    if (!XL_CHECK_STATUS(t, xl_plan_make(&v.plan, model, &params, &err), XL_OK,
                         &err))
        return;
    struct xl_subject subject =
        xl_subject_of_plan(v.plan, xl_model_config(model));
    subject.ctx = &v;
    subject.forward = forward_noisy;
    subject.prompt = NULL; /* takes a row for each token */
    for (size_t seed = 0; seed < pairs; seed++) {
        xl_rng_seed(&v.rng, 900 + seed);
        v.last = 0;
        enum xl_status rc =
            xl_judge_subject(judge, &subject, XL_TIER_Q8, &j, &err);
        if (!XL_CHECK_STATUS(t, rc, XL_OK, &err))
            break;
        refused[0] += j.ruling.verdict == XL_VERDICT_FAIL;
        refused[1] +=
            j.ruling.gates[XL_GATE_KL_MEAN].verdict == XL_VERDICT_FAIL;
    }
    xl_plan_free(v.plan);
}

static void a_noisy_twin_passes_and_a_loud_one_does_not(struct xl_test *t)
{
    struct xl_model *model = NULL;
    struct xl_judge_text text = { 0 };
    struct xl_judge *judge = NULL;
    size_t refused[2];
    struct xl_err err = { 0 };
    if (XL_CHECK_STATUS(
            t, xl_model_open(&model, xl_test_data("models/tiny"), &err), XL_OK,
            &err) &&
        XL_CHECK_STATUS(t, xl_judge_heldout(&text, model, NULL, 400, &err),
                        XL_OK, &err) &&
        XL_CHECK_STATUS(t, xl_judge_make(&judge, model, &text, NULL, &err),
                        XL_OK, &err)) {
        judge_noisy(t, model, judge, 0.01, PAIRS, refused);
        XL_CHECK(t, refused[0] <= PAIRS / 20);
        judge_noisy(t, model, judge, 0.1, 10, refused);
        XL_CHECK_EQ(t, refused[1], 10);
    }
    xl_judge_free(judge);
    xl_judge_text_release(&text);
    xl_model_close(model);
}

const struct xl_test_case xl_suite_judge_proof[] = {
    XL_CASE(the_reference_agrees_with_another_program),
    XL_CASE(intervals_cover_in_95_of_100),
    XL_CASE(percentiles_are_by_rank),
    XL_CASE(shortcuts_prove_nothing),
    XL_CASE(the_same_is_not_called_different),
    XL_CASE(a_noisy_twin_passes_and_a_loud_one_does_not),
    { 0 },
};
