/* SPDX-License-Identifier: Apache-2.0
 *
 * Of each position only what the scores need is kept: the two losses' paired
 * difference, the divergence, the change of the token's probability, the
 * agreement of the best token. All of it is from log-softmax in double.
 *
 *     KL(t) = sum_i p_i (ln p_i - ln q_i), p the reference, q the candidate
 *           = sum_i p_i (a_i - b_i) - lse(a) + lse(b) in logits a, b
 *
 * The last position has no next token: it counts for logits, divergence and
 * best token, not for losses. Logits are compared as they are, without taking
 * out a common shift, because a shift too is a change of the arithmetic. */
#include "judge/drift.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "judge/interval.h"
#include "judge/logprob.h"
#include "kernel/base/alloc.h"

/* A best token that leads by more than this many nats changes by damage, not
 * by rounding. */
#define CLEAR_MARGIN 0.1

struct xl_drift {
    size_t vocab, n;
    const int32_t *tokens; /* [n], borrowed */
    size_t rows, nonfinite, hard_flips, first_flip;
    double sum_squares;
    /* [n] each, one allocation at kl */
    double *kl, *dmax, *dloss, *dp, *same;
};

enum xl_status xl_drift_make(struct xl_drift **drift, size_t vocab,
                             const int32_t *tokens, size_t n,
                             struct xl_err *err)
{
    size_t room = 0;
    struct xl_drift *d = xl_alloc_zero(1, sizeof *d);
    if (d && xl_mul_size(n, 5, &room))
        d->kl = xl_alloc_zero(room, sizeof *d->kl);
    if (!d || !d->kl) {
        xl_free(d);
        return xl_fail(err, XL_ENOMEM, "out of memory judging %zu tokens", n);
    }
    d->vocab = vocab;
    d->n = n;
    d->tokens = tokens;
    d->dmax = d->kl + n;
    d->dloss = d->dmax + n;
    d->dp = d->dloss + n;
    d->same = d->dp + n;
    xl_drift_clear(d);
    *drift = d;
    return XL_OK;
}

void xl_drift_free(struct xl_drift *drift)
{
    if (!drift)
        return;
    xl_free(drift->kl);
    xl_free(drift);
}

void xl_drift_clear(struct xl_drift *drift)
{
    drift->rows = 0;
    drift->nonfinite = 0;
    drift->hard_flips = 0;
    drift->first_flip = drift->n;
    drift->sum_squares = 0;
}

static bool is_finite_row(const float *row, size_t vocab)
{
    for (size_t i = 0; i < vocab; i++)
        if (!isfinite(row[i]))
            return false;
    return true;
}

static size_t best_of(const float *row, size_t vocab)
{
    size_t best = 0;
    for (size_t i = 1; i < vocab; i++)
        if (row[i] > row[best])
            best = i;
    return best;
}

/* The lead of the best logit over the second. */
static double margin_of(const float *row, size_t vocab, size_t best)
{
    float second = -INFINITY;
    for (size_t i = 0; i < vocab; i++)
        if (i != best && row[i] > second)
            second = row[i];
    return (double)row[best] - (double)second;
}

static void add_logits(struct xl_drift *d, size_t at, const float *a,
                       const float *b)
{
    double squares = 0, most = 0;
    for (size_t i = 0; i < d->vocab; i++) {
        double diff = (double)b[i] - (double)a[i];
        squares += diff * diff;
        most = fmax(most, fabs(diff));
    }
    d->dmax[at] = most;
    d->sum_squares += squares;
}

static void add_best(struct xl_drift *d, size_t at, const float *a,
                     const float *b)
{
    size_t best = best_of(a, d->vocab);
    bool same = best == best_of(b, d->vocab);
    d->same[at] = same ? 1.0 : 0.0;
    if (same)
        return;
    if (at < d->first_flip)
        d->first_flip = at;
    d->hard_flips += margin_of(a, d->vocab, best) > CLEAR_MARGIN;
}

/* log sum exp of a, and the mean of a - b under a's distribution; one exp an
 * entry serves both. */
static double reference_sums(const float *a, const float *b, size_t vocab,
                             double *mean_diff)
{
    double top = (double)a[best_of(a, vocab)], sum = 0, diffs = 0;
    for (size_t i = 0; i < vocab; i++) {
        double e = exp((double)a[i] - top);
        sum += e;
        diffs += e * ((double)a[i] - (double)b[i]);
    }
    *mean_diff = diffs / sum;
    return top + log(sum);
}

void xl_drift_add(struct xl_drift *drift, const float *reference,
                  const float *candidate)
{
    assert(drift->rows < drift->n);
    size_t at = drift->rows++;
    if (!is_finite_row(reference, drift->vocab) ||
        !is_finite_row(candidate, drift->vocab)) {
        drift->nonfinite++;
        return;
    }
    double mean_diff;
    double lse_a =
        reference_sums(reference, candidate, drift->vocab, &mean_diff);
    double lse_b = xl_log_sum_exp(candidate, drift->vocab);
    add_logits(drift, at, reference, candidate);
    add_best(drift, at, reference, candidate);
    /* It is not negative but for the rounding of the sums. */
    drift->kl[at] = fmax(0.0, mean_diff - lse_a + lse_b);
    if (at + 1 == drift->n)
        return;
    size_t next = (size_t)drift->tokens[at + 1];
    double log_p = (double)reference[next] - lse_a;
    double log_q = (double)candidate[next] - lse_b;
    drift->dloss[at] = log_p - log_q;
    drift->dp[at] = exp(log_q) - exp(log_p);
}

/* -- scores ---------------------------------------------------------------- */

static int compare_reals(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* The value that one in `tail` of x [n] exceeds, by rank, and the largest;
 * both are the largest when n < tail. */
static enum xl_status set_extremes(const double *x, size_t n, size_t tail,
                                   struct xl_score *percentile,
                                   struct xl_score *max, struct xl_err *err)
{
    double *sorted = xl_alloc_zero(n, sizeof *sorted);
    if (!sorted)
        return xl_fail(err, XL_ENOMEM, "out of memory judging %zu tokens", n);
    memcpy(sorted, x, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_reals);
    *percentile = xl_score_point(sorted[n - 1 - n / tail], n);
    *max = xl_score_point(sorted[n - 1], n);
    xl_free(sorted);
    return XL_OK;
}

static double rms(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum / (double)n);
}

static enum xl_status set_bits(const struct xl_drift *d, size_t block,
                               const uint8_t *token_bytes, struct xl_score *out,
                               struct xl_err *err)
{
    size_t n = d->n - 1;
    if (!token_bytes) {
        *out = xl_score_unknown("bytes of the text are not known");
        return XL_OK;
    }
    double *work = xl_alloc_zero(n * 2, sizeof *work);
    if (!work)
        return xl_fail(err, XL_ENOMEM, "out of memory judging %zu tokens", n);
    for (size_t i = 0; i < n; i++) {
        work[i] = d->dloss[i] / log(2.0);
        work[n + i] = token_bytes[i + 1];
    }
    *out = xl_block_ratio(work, work + n, n, block);
    xl_free(work);
    return XL_OK;
}

static void set_unknown(struct xl_score *scores, const char *why)
{
    for (size_t i = XL_SCORE_MAX_ABS_DLOGIT; i <= XL_SCORE_DBPB; i++)
        scores[i] = xl_score_unknown(why);
}

enum xl_status xl_drift_scores(const struct xl_drift *drift,
                               const struct xl_drift_options *options,
                               struct xl_score scores[XL_SCORE_COUNT],
                               struct xl_err *err)
{
    const struct xl_drift *d = drift;
    size_t n = d->rows, pairs = n - 1;
    double rows = (double)n;
    scores[XL_SCORE_NONFINITE] = xl_score_point((double)d->nonfinite, n);
    if (d->nonfinite || n < d->n || n < 2) {
        set_unknown(scores, d->nonfinite ? "a logit is not finite"
                                         : "positions are missing");
        return XL_OK;
    }
    size_t block = options->block ? options->block : xl_block_auto(n);
    scores[XL_SCORE_RMS_DLOGIT] =
        xl_score_point(sqrt(d->sum_squares / rows / (double)d->vocab), n);
    scores[XL_SCORE_KL_MEAN] = xl_block_ratio(d->kl, NULL, n, block);
    scores[XL_SCORE_TOP1] = xl_block_share(d->same, n, block);
    scores[XL_SCORE_HARD_FLIPS] =
        xl_score_point((double)d->hard_flips * 1e4 / rows, n);
    scores[XL_SCORE_GREEDY_EQUAL] = xl_score_point((double)d->first_flip, n);
    scores[XL_SCORE_RMS_DP] = xl_score_point(rms(d->dp, pairs), pairs);
    scores[XL_SCORE_DLOSS] = xl_block_ratio(d->dloss, NULL, pairs, block);
    XL_TRY(set_extremes(d->kl, n, 1000, &scores[XL_SCORE_KL_P999],
                        &scores[XL_SCORE_KL_MAX], err));
    XL_TRY(set_extremes(d->dmax, n, 100, &scores[XL_SCORE_DLOGIT_P99],
                        &scores[XL_SCORE_MAX_ABS_DLOGIT], err));
    return set_bits(d, block, options->token_bytes, &scores[XL_SCORE_DBPB],
                    err);
}
