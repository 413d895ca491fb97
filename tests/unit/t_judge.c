/* SPDX-License-Identifier: Apache-2.0
 *
 * The judge's arithmetic, against brute force and against planted faults. The
 * "model" here is a sum of eight heads looked up by token, so that a fault can
 * be planted where a real one would sit. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "judge/distinct.h"
#include "judge/drift.h"
#include "judge/gate.h"
#include "judge/interval.h"
#include "judge/logprob.h"
#include "kernel/base/alloc.h"
#include "kernel/base/rng.h"
#include "tests/harness/brute.h"
#include "tests/harness/test.h"

enum {
    VOCAB = 64,
    TOKENS = 2048,
    HEADS = 8
};

#define BRUTE_TOLERANCE 1e-9

/* -- log-probabilities ----------------------------------------------------- */

static void logprobs_match_brute_force(struct xl_test *t)
{
    static const double scales[] = { 1e-3, 1, 30, 1e4 };
    enum {
        ROWS = 50,
        WIDE = 1000
    };
    float *logits = xl_alloc_zero(ROWS * WIDE, sizeof *logits);
    int32_t tokens[ROWS];
    double got[ROWS];
    struct xl_rng rng;
    xl_rng_seed(&rng, 7);
    if (!XL_CHECK(t, logits != NULL))
        return;
    for (size_t s = 0; s < sizeof scales / sizeof *scales; s++) {
        for (size_t i = 0; i < ROWS * WIDE; i++)
            logits[i] = (float)(xl_rng_normal(&rng) * scales[s]);
        for (size_t i = 0; i < ROWS; i++)
            tokens[i] = (int32_t)xl_rng_below(&rng, WIDE);
        xl_logprob_rows(logits, WIDE, tokens, ROWS, got);
        for (size_t i = 0; i + 1 < ROWS; i++)
            XL_CHECK_NEAR(
                t, got[i],
                xl_brute_logprob(logits + i * WIDE, WIDE, tokens[i + 1]),
                BRUTE_TOLERANCE);
    }
    xl_free(logits);
}

/* A row that is sure of the token after it: scoring a token by the logits
 * after it would see a very unlikely text. */
static void a_token_is_scored_by_the_logits_before_it(struct xl_test *t)
{
    float logits[4][8] = { { 0 } };
    const int32_t tokens[] = { 3, 1, 6, 2 };
    double got[3];
    for (size_t i = 0; i < 3; i++)
        logits[i][tokens[i + 1]] = 50.0f;
    xl_logprob_rows(logits[0], 8, tokens, 4, got);
    for (size_t i = 0; i < 3; i++) {
        XL_CHECK_NEAR(t, got[i], 0, 1e-12);
        XL_CHECK(t, xl_brute_logprob(logits[i + 1], 8, tokens[i + 1]) < -2);
    }
}

static void overflow_is_unknown(struct xl_test *t)
{
    struct xl_score scores[XL_SCORE_COUNT];
    const double bad[] = { -800, -800 }, odd[] = { -1, (double)NAN };
    const double fair[] = { -1, -3 };
    xl_scores_clear(scores);
    xl_logprob_scores(bad, 2, 8, scores);
    XL_CHECK(t, scores[XL_SCORE_AVG_LOGPROB].is_known);
    XL_CHECK(t, !scores[XL_SCORE_PPL].is_known);
    XL_CHECK(t, scores[XL_SCORE_PPL].why_unknown != NULL);
    xl_logprob_scores(odd, 2, 8, scores);
    XL_CHECK(t, !scores[XL_SCORE_AVG_LOGPROB].is_known);
    XL_CHECK(t, !scores[XL_SCORE_PPL].is_known);
    xl_logprob_scores(fair, 2, 8, scores);
    XL_CHECK_NEAR(t, scores[XL_SCORE_AVG_LOGPROB].value, -2, 0);
    XL_CHECK_NEAR(t, scores[XL_SCORE_PPL].value, 7.38905609893065, 1e-12);
    XL_CHECK_NEAR(t, scores[XL_SCORE_BITS_PER_BYTE].value,
                  4 / (8 * 0.693147180559945), 1e-12);
    xl_logprob_scores(fair, 2, 0, scores);
    XL_CHECK(t, !scores[XL_SCORE_BITS_PER_BYTE].is_known);
    xl_logprob_scores(fair, 0, 0, scores);
    XL_CHECK(t, !scores[XL_SCORE_AVG_LOGPROB].is_known);
    XL_CHECK(t, !scores[XL_SCORE_PPL].is_known);
}

/* -- distinct-n ------------------------------------------------------------ */

static void check_distinct(struct xl_test *t, const struct xl_score *s,
                           double unique, double total)
{
    XL_CHECK(t, s->is_known);
    XL_CHECK_NEAR(t, s->value, unique / total, 1e-15);
    XL_CHECK_EQ(t, s->n, (long long)total);
}

static void distinct_counts_by_hand(struct xl_test *t)
{
    struct xl_score s[XL_SCORE_COUNT];
    struct xl_err err = { 0 };
    const char *text = "the cat  the cat\nthe dog";
    const int32_t ids[] = { 5, 5, 5, 5, 9 };
    XL_CHECK_STATUS(t,
                    xl_distinct_scores(text, strlen(text), ids, 5, 10, s, &err),
                    XL_OK, &err);
    check_distinct(t, &s[XL_SCORE_DISTINCT1], 3, 6);
    check_distinct(t, &s[XL_SCORE_DISTINCT2], 3, 5);
    check_distinct(t, &s[XL_SCORE_DISTINCT3], 3, 4);
    check_distinct(t, &s[XL_SCORE_TOKEN_DISTINCT1], 2, 5);
    check_distinct(t, &s[XL_SCORE_TOKEN_DISTINCT2], 2, 4);
    check_distinct(t, &s[XL_SCORE_TOKEN_DISTINCT3], 2, 3);
    check_distinct(t, &s[XL_SCORE_SEQ_REP2], 2, 4);
    check_distinct(t, &s[XL_SCORE_SEQ_REP3], 1, 3);
    check_distinct(t, &s[XL_SCORE_SEQ_REP4], 0, 2);
    /* Five draws of ten: 10 (1 - 0.9^5) = 4.0951 different ones expected. */
    XL_CHECK_NEAR(t, s[XL_SCORE_EAD1].value, 2 / 4.0951, 1e-12);
    XL_CHECK_NEAR(t, s[XL_SCORE_EAD2].value, 2 / (100 * (1 - pow(0.99, 4))),
                  1e-12);
}

static void distinct_of_short_text_is_unknown(struct xl_test *t)
{
    struct xl_score s[XL_SCORE_COUNT];
    struct xl_err err = { 0 };
    const int32_t ids[] = { 4, 4 };
    XL_CHECK_STATUS(t, xl_distinct_scores(" one ", 5, ids, 2, 10, s, &err),
                    XL_OK, &err);
    check_distinct(t, &s[XL_SCORE_DISTINCT1], 1, 1);
    XL_CHECK(t, !s[XL_SCORE_DISTINCT2].is_known);
    check_distinct(t, &s[XL_SCORE_TOKEN_DISTINCT2], 1, 1);
    XL_CHECK(t, !s[XL_SCORE_TOKEN_DISTINCT3].is_known);
    XL_CHECK_STATUS(t, xl_distinct_scores("", 0, NULL, 0, 0, s, &err), XL_OK,
                    &err);
    XL_CHECK(t, !s[XL_SCORE_DISTINCT1].is_known);
    XL_CHECK(t, !s[XL_SCORE_TOKEN_DISTINCT1].is_known);
}

/* -- intervals ------------------------------------------------------------- */

/* Covers the true mean 0 in how many of `seeds` runs of an AR(1) sequence? */
static double coverage(size_t n, size_t block, size_t seeds)
{
    enum {
        MOST = 16384
    };
    static double x[MOST];
    size_t covered = 0;
    for (size_t seed = 0; seed < seeds; seed++) {
        struct xl_rng rng;
        double last = 0;
        xl_rng_seed(&rng, 1000 + seed);
        for (size_t i = 0; i < 64; i++)
            last = 0.4 * last + xl_rng_normal(&rng);
        for (size_t i = 0; i < n; i++)
            x[i] = last = 0.4 * last + xl_rng_normal(&rng);
        struct xl_score s = xl_block_ratio(x, NULL, n, block, 0.05);
        covered += s.lo <= 0 && 0 <= s.hi;
    }
    return (double)covered / (double)seeds;
}

/* 400 runs: 95 % with a standard error of 1.1 points. */
static void intervals_cover_correlated_losses(struct xl_test *t)
{
    double at_512 = coverage(16384, 512, 400);
    double at_auto = coverage(2048, xl_block_auto(2048), 400);
    double per_token = coverage(2048, 1, 400);
    XL_CHECK(t, at_512 > 0.92 && at_512 < 0.98);
    XL_CHECK(t, at_auto > 0.92 && at_auto < 0.98);
    XL_CHECK(t, per_token < 0.88); /* the usual formula is caught */
}

static void block_ratio_by_hand(struct xl_test *t)
{
    const double x[] = { 1, 3, 5, 7, 2 }, w[] = { 1, 1, 2, 2, 2 };
    struct xl_score s = xl_block_ratio(x, w, 5, 2, 0.05);
    /* R = 18/8; blocks (4, 2), (12, 4), (2, 2): e = -0.5, 3, -2.5. */
    XL_CHECK_NEAR(t, s.value, 2.25, 1e-15);
    XL_CHECK_EQ(t, s.blocks, 3);
    XL_CHECK_NEAR(t, s.se, sqrt(1.5 * 15.5) / 8, 1e-12);
    XL_CHECK_NEAR(t, s.hi - s.value, 4.302652729911275 * s.se, 1e-9);
    XL_CHECK_NEAR(t, s.upper - s.value, 2.919985580353725 * s.se, 1e-9);
    XL_CHECK(t, !xl_block_ratio(x, NULL, 5, 512, 0.05).has_interval);
    XL_CHECK(t, !xl_block_ratio(x, NULL, 0, 2, 0.05).is_known);
}

static void block_auto_leaves_twenty(struct xl_test *t)
{
    for (size_t n = 320; n < 40000; n += 37) {
        size_t block = xl_block_auto(n);
        XL_CHECK(t, n / block >= XL_BLOCKS_TO_PASS && block <= 512);
        XL_CHECK(t, block == 512 || n / (block * 2) < XL_BLOCKS_TO_PASS);
    }
    XL_CHECK_EQ(t, xl_block_auto(1), 16);
}

static void share_of_all_is_not_certain(struct xl_test *t)
{
    static double hits[TOKENS];
    for (size_t i = 0; i < TOKENS; i++)
        hits[i] = 1;
    struct xl_score s = xl_block_share(hits, TOKENS, 64, 0.05);
    XL_CHECK_NEAR(t, s.value, 1, 0);
    /* n / (n + z^2), z = 1.6449 */
    XL_CHECK_NEAR(t, s.lower, 2048 / (2048 + 2.705543), 1e-6);
    for (size_t i = 0; i < 64; i++)
        hits[i] = 0;
    struct xl_score clustered = xl_block_share(hits, TOKENS, 64, 0.05);
    for (size_t i = 0; i < 64; i++) {
        hits[i] = 1;
        hits[i * 32] = 0;
    }
    hits[0] = 0;
    struct xl_score spread = xl_block_share(hits, TOKENS, 64, 0.05);
    XL_CHECK(t, clustered.lower < spread.lower - 0.01);
}

/* -- planted faults -------------------------------------------------------- */

static struct {
    int32_t tokens[TOKENS];
    uint8_t bytes[TOKENS];
    float heads[HEADS][VOCAB][VOCAB]; /* [head][token][logit] */
    float reference[TOKENS][VOCAB], candidate[TOKENS][VOCAB];
} toy;

static void toy_forward(float rows[TOKENS][VOCAB], size_t without_head,
                        int32_t shift)
{
    for (size_t i = 0; i < TOKENS; i++) {
        size_t token = (size_t)((toy.tokens[i] + shift) % VOCAB);
        for (size_t v = 0; v < VOCAB; v++) {
            rows[i][v] = 0;
            for (size_t h = 0; h < HEADS; h++)
                if (h != without_head)
                    rows[i][v] += toy.heads[h][token][v];
        }
    }
}

static void toy_make(void)
{
    struct xl_rng rng;
    xl_rng_seed(&rng, 42);
    for (size_t h = 0; h < HEADS; h++)
        for (size_t i = 0; i < VOCAB * VOCAB; i++)
            toy.heads[h][i / VOCAB][i % VOCAB] = (float)xl_rng_normal(&rng);
    for (size_t i = 0; i < TOKENS; i++) {
        toy.tokens[i] = (int32_t)xl_rng_below(&rng, VOCAB);
        toy.bytes[i] = (uint8_t)(1 + xl_rng_below(&rng, 6));
    }
    toy_forward(toy.reference, HEADS, 0);
    memcpy(toy.candidate, toy.reference, sizeof toy.candidate);
}

static void toy_noise(double sigma)
{
    struct xl_rng rng;
    xl_rng_seed(&rng, 99);
    for (size_t i = 0; i < TOKENS * VOCAB; i++)
        toy.candidate[i / VOCAB][i % VOCAB] +=
            (float)(sigma * xl_rng_normal(&rng));
}

static struct xl_ruling toy_rule(struct xl_test *t, enum xl_tier tier)
{
    struct xl_drift *drift = NULL;
    struct xl_score scores[XL_SCORE_COUNT];
    struct xl_ruling ruling = { .verdict = XL_VERDICT_INCONCLUSIVE };
    struct xl_err err = { 0 };
    if (!XL_CHECK_STATUS(t,
                         xl_drift_make(&drift, VOCAB, toy.tokens, TOKENS, &err),
                         XL_OK, &err))
        return ruling;
    xl_scores_clear(scores);
    for (size_t i = 0; i < TOKENS; i++)
        xl_drift_add(drift, toy.reference[i], toy.candidate[i], 1, NULL);
    XL_CHECK_STATUS(
        t,
        xl_drift_scores(drift,
                        &(struct xl_drift_options){ .token_bytes = toy.bytes },
                        scores, &err),
        XL_OK, &err);
    xl_gate_rule(tier, scores, NULL, &ruling);
    xl_drift_free(drift);
    return ruling;
}

static void expect(struct xl_test *t, enum xl_tier tier,
                   enum xl_verdict verdict)
{
    struct xl_ruling ruling = toy_rule(t, tier);
    xl_test_check(t, ruling.verdict == verdict, __FILE__, __LINE__,
                  "tier %s: %s instead of %s (%s)", xl_tier_name(tier),
                  xl_verdict_name(ruling.verdict), xl_verdict_name(verdict),
                  ruling.reason);
}

static void honest_runs_pass(struct xl_test *t)
{
    toy_make();
    for (size_t tier = 0; tier < XL_TIER_COUNT; tier++)
        expect(t, (enum xl_tier)tier, XL_VERDICT_PASS);
    toy_noise(1e-5); /* reordered fp32 sums */
    expect(t, XL_TIER_EXACT, XL_VERDICT_FAIL);
    expect(t, XL_TIER_KERNEL, XL_VERDICT_PASS);
    toy_make();
    toy_noise(0.006); /* 8-bit weights */
    expect(t, XL_TIER_KERNEL, XL_VERDICT_FAIL);
    expect(t, XL_TIER_Q8, XL_VERDICT_PASS);
    expect(t, XL_TIER_Q4, XL_VERDICT_PASS);
}

static void expect_fail_everywhere(struct xl_test *t)
{
    for (size_t tier = 0; tier < XL_TIER_COUNT; tier++)
        expect(t, (enum xl_tier)tier, XL_VERDICT_FAIL);
}

static void off_by_one_is_caught(struct xl_test *t)
{
    toy_make();
    memmove(toy.candidate[1], toy.candidate[0],
            (TOKENS - 1) * sizeof *toy.candidate);
    expect_fail_everywhere(t);
}

static void shifted_tokens_are_caught(struct xl_test *t)
{
    toy_make();
    toy_forward(toy.candidate, HEADS, 1);
    expect_fail_everywhere(t);
}

static void a_zeroed_head_is_caught(struct xl_test *t)
{
    toy_make();
    toy_forward(toy.candidate, 3, 0);
    expect_fail_everywhere(t);
}

static void one_nan_is_caught(struct xl_test *t)
{
    static const float bad[] = { NAN, INFINITY, -INFINITY };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        toy_make();
        toy.candidate[TOKENS - 1][VOCAB - 1] = bad[i];
        expect_fail_everywhere(t);
    }
    toy_make();
    toy.candidate[0][0] = NAN;
    struct xl_ruling ruling = toy_rule(t, XL_TIER_Q4);
    XL_CHECK(t, strstr(ruling.reason, "nonfinite") != NULL);
}

static void one_wrong_logit_is_caught(struct xl_test *t)
{
    toy_make();
    toy.candidate[777][5] += 0.01f;
    expect(t, XL_TIER_KERNEL, XL_VERDICT_FAIL);
    toy_make();
    toy.candidate[777][5] += 25.0f; /* rare but large */
    expect(t, XL_TIER_BF16, XL_VERDICT_FAIL);
    expect(t, XL_TIER_Q8, XL_VERDICT_INCONCLUSIVE); /* one in 2048: no pass */
}

/* -- drift against brute force --------------------------------------------- */

static void drift_matches_brute_force(struct xl_test *t)
{
    struct xl_drift *drift = NULL;
    struct xl_score s[XL_SCORE_COUNT];
    struct xl_err err = { 0 };
    long double kl = 0, dloss = 0, owns = 0, squares = 0, bytes = 0;
    toy_make();
    toy_noise(0.3);
    XL_CHECK_STATUS(t, xl_drift_make(&drift, VOCAB, toy.tokens, TOKENS, &err),
                    XL_OK, &err);
    for (size_t i = 0; i < TOKENS && drift; i++) {
        const float *a = toy.reference[i], *b = toy.candidate[i];
        xl_drift_add(drift, a, b, 1, NULL);
        for (int32_t v = 0; v < VOCAB; v++) {
            double p = xl_brute_logprob(a, VOCAB, v);
            double q = xl_brute_logprob(b, VOCAB, v);
            kl += expl((long double)p) * ((long double)p - (long double)q);
            squares += powl((long double)b[v] - (long double)a[v], 2);
        }
        if (i + 1 == TOKENS)
            break;
        double q = xl_brute_logprob(b, VOCAB, toy.tokens[i + 1]);
        dloss +=
            (long double)(xl_brute_logprob(a, VOCAB, toy.tokens[i + 1]) - q);
        owns += (long double)q;
        bytes += toy.bytes[i + 1];
    }
    XL_CHECK_STATUS(
        t,
        xl_drift_scores(drift,
                        &(struct xl_drift_options){ .token_bytes = toy.bytes },
                        s, &err),
        XL_OK, &err);
    XL_CHECK_NEAR(t, s[XL_SCORE_KL_MEAN].value, kl / TOKENS, BRUTE_TOLERANCE);
    XL_CHECK_NEAR(t, s[XL_SCORE_DLOSS].value, dloss / (TOKENS - 1),
                  BRUTE_TOLERANCE);
    XL_CHECK_NEAR(t, s[XL_SCORE_OWN_AVG_LOGPROB].value, owns / (TOKENS - 1),
                  BRUTE_TOLERANCE);
    XL_CHECK_NEAR(t, s[XL_SCORE_DBPB].value, dloss / bytes / logl(2.0L),
                  BRUTE_TOLERANCE);
    XL_CHECK_NEAR(t, s[XL_SCORE_RMS_DLOGIT].value,
                  sqrtl(squares / TOKENS / VOCAB), BRUTE_TOLERANCE);
    XL_CHECK_EQ(t, s[XL_SCORE_DLOSS].n, TOKENS - 1);
    XL_CHECK_EQ(t, s[XL_SCORE_DLOSS].blocks, 32);
    xl_drift_free(drift);
}

static void missing_positions_are_no_pass(struct xl_test *t)
{
    struct xl_drift *drift = NULL;
    struct xl_score s[XL_SCORE_COUNT];
    struct xl_ruling ruling;
    struct xl_err err = { 0 };
    toy_make();
    XL_CHECK_STATUS(t, xl_drift_make(&drift, VOCAB, toy.tokens, TOKENS, &err),
                    XL_OK, &err);
    for (size_t i = 0; i + 1 < TOKENS && drift; i++)
        xl_drift_add(drift, toy.reference[i], toy.candidate[i], 1, NULL);
    xl_scores_clear(s);
    XL_CHECK_STATUS(
        t, xl_drift_scores(drift, &(struct xl_drift_options){ 0 }, s, &err),
        XL_OK, &err);
    xl_gate_rule(XL_TIER_KERNEL, s, NULL, &ruling);
    XL_CHECK_EQ(t, ruling.verdict, XL_VERDICT_INCONCLUSIVE);
    XL_CHECK(t, strstr(ruling.reason, "missing") != NULL);
    xl_drift_free(drift);
}

/* -- gates ----------------------------------------------------------------- */

static struct xl_score proved(double value, double se, size_t blocks)
{
    return (struct xl_score){ .is_known = true,
                              .value = value,
                              .has_interval = true,
                              .se = se,
                              .blocks = blocks,
                              .lower = value - 1.7 * se,
                              .upper = value + 1.7 * se };
}

/* Scores that pass the kernel tier. */
static void good_scores(struct xl_score s[XL_SCORE_COUNT])
{
    xl_scores_clear(s);
    for (size_t i = XL_SCORE_NONFINITE; i < XL_SCORE_COUNT; i++)
        s[i] = proved(0, 1e-9, 32);
    s[XL_SCORE_TOP1] = proved(1, 1e-9, 32);
}

static enum xl_verdict rule(const struct xl_score *s, char *reason)
{
    struct xl_ruling ruling;
    xl_gate_rule(XL_TIER_KERNEL, s, NULL, &ruling);
    if (reason)
        memcpy(reason, ruling.reason, XL_REASON_ROOM);
    return ruling.verdict;
}

static void gates_have_three_verdicts(struct xl_test *t)
{
    struct xl_score s[XL_SCORE_COUNT];
    char reason[XL_REASON_ROOM];
    good_scores(s);
    XL_CHECK_EQ(t, rule(s, NULL), XL_VERDICT_PASS);
    s[XL_SCORE_DLOSS] = proved(0.001, 0.001, 32); /* straddles 0.0014 */
    XL_CHECK_EQ(t, rule(s, reason), XL_VERDICT_INCONCLUSIVE);
    XL_CHECK(t, strstr(reason, "dloss") != NULL);
    s[XL_SCORE_DLOSS] = proved(0.01, 0.001, 32);
    XL_CHECK_EQ(t, rule(s, NULL), XL_VERDICT_FAIL);
    s[XL_SCORE_DLOSS] = proved(0.01, 0.001, 7); /* too few to reject */
    XL_CHECK_EQ(t, rule(s, NULL), XL_VERDICT_INCONCLUSIVE);
    s[XL_SCORE_DLOSS] = proved(0, 0, 19); /* too few to pass */
    XL_CHECK_EQ(t, rule(s, reason), XL_VERDICT_INCONCLUSIVE);
    XL_CHECK(t, strstr(reason, "20 blocks") != NULL);
    s[XL_SCORE_DLOSS] = proved(-0.01, 0.001, 32); /* better is harmless */
    XL_CHECK_EQ(t, rule(s, NULL), XL_VERDICT_PASS);
}

static void gates_know_their_direction(struct xl_test *t)
{
    struct xl_score s[XL_SCORE_COUNT];
    good_scores(s);
    s[XL_SCORE_TOP1] = proved(0.999, 0.0001, 32);
    XL_CHECK_EQ(t, rule(s, NULL), XL_VERDICT_PASS);
    s[XL_SCORE_TOP1] = proved(0.998, 0.0005, 32);
    XL_CHECK_EQ(t, rule(s, NULL), XL_VERDICT_INCONCLUSIVE);
    s[XL_SCORE_TOP1] = proved(0.9, 0.01, 32);
    XL_CHECK_EQ(t, rule(s, NULL), XL_VERDICT_FAIL);
}

static void unknown_scores_are_no_pass(struct xl_test *t)
{
    struct xl_score s[XL_SCORE_COUNT];
    good_scores(s);
    s[XL_SCORE_DBPB] = xl_score_unknown("no bytes");
    s[XL_SCORE_GREEDY_GAP] = xl_score_unknown("no output");
    XL_CHECK_EQ(t, rule(s, NULL), XL_VERDICT_PASS); /* these may be left out */
    s[XL_SCORE_KL_MEAN] = xl_score_unknown("lost");
    XL_CHECK_EQ(t, rule(s, NULL), XL_VERDICT_INCONCLUSIVE);
    s[XL_SCORE_GREEDY_GAP] = xl_score_point(0.01, 64);
    XL_CHECK_EQ(t, rule(s, NULL), XL_VERDICT_FAIL);
    xl_scores_clear(s);
    XL_CHECK_EQ(t, rule(s, NULL), XL_VERDICT_INCONCLUSIVE);
}

static void tiers_go_from_strict_to_loose(struct xl_test *t)
{
    for (size_t i = 0; i < XL_GATE_COUNT; i++) {
        const struct xl_gate_row *row = xl_gate_row((enum xl_gate_id)i);
        bool more = xl_score_row(row->score)->better == XL_BETTER_MORE;
        XL_CHECK(t, row->why && row->why[0]);
        XL_CHECK(t, xl_score_row(row->score)->better != XL_BETTER_PLAIN);
        XL_CHECK(t, !row->is_proved || xl_score_row(row->score)->has_interval);
        for (size_t k = 1; k < XL_TIER_COUNT; k++)
            if (!isnan(row->bound[k - 1]) && !isnan(row->bound[k]))
                XL_CHECK(t, more ? row->bound[k] <= row->bound[k - 1]
                                 : row->bound[k] >= row->bound[k - 1]);
    }
}

static enum xl_tier tier_with(struct xl_test *t, struct xl_params *params,
                              enum xl_param id, const char *value)
{
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(
        t, xl_params_set(params, id, value, XL_LAYER_FLAG, "test", &err), XL_OK,
        &err);
    return xl_tier_of(params);
}

static void formats_choose_the_tier(struct xl_test *t)
{
    struct xl_params p;
    xl_params_init(&p);
    XL_CHECK_EQ(t, xl_tier_of(&p), XL_TIER_KERNEL);
    XL_CHECK_EQ(t, tier_with(t, &p, XL_PARAM_CELL, "bf16"), XL_TIER_BF16);
    XL_CHECK_EQ(t, tier_with(t, &p, XL_PARAM_CELL, "tiled"), XL_TIER_KERNEL);
    XL_CHECK_EQ(t, tier_with(t, &p, XL_PARAM_WEIGHT_DTYPE, "bf16"),
                XL_TIER_BF16);
    /* The coarsest of all formats decides. */
    XL_CHECK_EQ(t, tier_with(t, &p, XL_PARAM_STATE_DTYPE, "bf16"), XL_TIER_Q8);
    XL_CHECK_EQ(t, tier_with(t, &p, XL_PARAM_HEAD_DTYPE, "int4"), XL_TIER_Q4);
}

const struct xl_test_case xl_suite_judge[] = {
    XL_CASE(logprobs_match_brute_force),
    XL_CASE(a_token_is_scored_by_the_logits_before_it),
    XL_CASE(overflow_is_unknown),
    XL_CASE(distinct_counts_by_hand),
    XL_CASE(distinct_of_short_text_is_unknown),
    XL_CASE(intervals_cover_correlated_losses),
    XL_CASE(block_ratio_by_hand),
    XL_CASE(block_auto_leaves_twenty),
    XL_CASE(share_of_all_is_not_certain),
    XL_CASE(honest_runs_pass),
    XL_CASE(off_by_one_is_caught),
    XL_CASE(shifted_tokens_are_caught),
    XL_CASE(a_zeroed_head_is_caught),
    XL_CASE(one_nan_is_caught),
    XL_CASE(one_wrong_logit_is_caught),
    XL_CASE(drift_matches_brute_force),
    XL_CASE(missing_positions_are_no_pass),
    XL_CASE(gates_have_three_verdicts),
    XL_CASE(gates_know_their_direction),
    XL_CASE(unknown_scores_are_no_pass),
    XL_CASE(tiers_go_from_strict_to_loose),
    XL_CASE(formats_choose_the_tier),
    { 0 },
};
