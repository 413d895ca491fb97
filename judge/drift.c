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
 * out a common shift, because a shift too is a change of the arithmetic.
 *
 * A row takes 50,000 exps twice, so rows are shared out. Each is summed by one
 * worker in one order: the bits do not depend on their number. */
#include "judge/drift.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "judge/interval.h"
#include "judge/logprob.h"
#include "kernel/base/alloc.h"
#include "kernel/base/pool.h"
#include "kernel/cell/norm.h"

/* A best token that leads by more than this many nats changes by damage, not
 * by rounding. */
#define CLEAR_MARGIN 0.1

struct xl_drift {
    size_t vocab, n;
    const int32_t *tokens; /* [n], borrowed */
    size_t rows;
    /* [n] each, one allocation at kl. kl is NaN where a logit is not finite,
     * own is the candidate's log-probability of the next token, hard is 1 at a
     * hard flip, squares sum over the vocabulary. */
    double *kl, *dmax, *dloss, *own, *dp, *same, *hard, *squares;
};

enum xl_status xl_drift_make(struct xl_drift **drift, size_t vocab,
                             const int32_t *tokens, size_t n,
                             struct xl_err *err)
{
    size_t room = 0;
    struct xl_drift *d = xl_alloc_zero(1, sizeof *d);
    if (d && xl_mul_size(n, 8, &room))
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
    d->own = d->dloss + n;
    d->dp = d->own + n;
    d->same = d->dp + n;
    d->hard = d->same + n;
    d->squares = d->hard + n;
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
}

static size_t best_of(const float *row, size_t vocab)
{
    float top = xl_row_ops_best()->largest(row, vocab);
    size_t best = 0;
    while (row[best] < top)
        best++;
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

static void set_best(struct xl_drift *d, size_t at, const float *a,
                     const float *b)
{
    size_t best = best_of(a, d->vocab);
    bool same = best == best_of(b, d->vocab);
    bool hard = !same && margin_of(a, d->vocab, best) > CLEAR_MARGIN;
    d->same[at] = same ? 1.0 : 0.0;
    d->hard[at] = hard ? 1.0 : 0.0;
}

/* It is not negative but for the rounding of the sums. */
static double kl_of(const struct xl_row_gap *gap, double lse_b)
{
    return fmax(0.0, gap->mean - gap->log_sum + lse_b);
}

double xl_drift_kl(const float *a, const float *b, size_t vocab)
{
    struct xl_row_gap gap;
    xl_row_ops_best()->gap(&gap, a, b, vocab);
    return kl_of(&gap, xl_log_sum_exp(b, vocab));
}

static void set_row(struct xl_drift *d, size_t at, const float *reference,
                    const float *candidate)
{
    struct xl_row_gap gap;
    xl_row_ops_best()->gap(&gap, reference, candidate, d->vocab);
    if (!isfinite(gap.squares)) {
        d->kl[at] = XL_UNKNOWN;
        return;
    }
    double lse_b = xl_log_sum_exp(candidate, d->vocab);
    d->squares[at] = gap.squares;
    d->dmax[at] = gap.most;
    d->kl[at] = kl_of(&gap, lse_b);
    set_best(d, at, reference, candidate);
    if (at + 1 == d->n)
        return;
    size_t next = (size_t)d->tokens[at + 1];
    double log_p = (double)reference[next] - gap.log_sum;
    double log_q = (double)candidate[next] - lse_b;
    d->dloss[at] = log_p - log_q;
    d->own[at] = log_q;
    d->dp[at] = exp(log_q) - exp(log_p);
}

struct rows {
    struct xl_drift *drift;
    const float *reference, *candidate; /* [n][vocab] */
    size_t n, width;
};

static void set_rows(void *ctx, size_t worker)
{
    const struct rows *r = ctx;
    struct xl_span span = xl_span_of(r->n, r->width, worker);
    for (size_t i = span.begin; i < span.end; i++)
        set_row(r->drift, r->drift->rows + i,
                r->reference + i * r->drift->vocab,
                r->candidate + i * r->drift->vocab);
}

void xl_drift_add(struct xl_drift *drift, const float *reference,
                  const float *candidate, size_t n, struct xl_pool *pool)
{
    struct rows rows = { drift, reference, candidate, n, 1 };
    assert(n <= drift->n - drift->rows);
    if (pool && n > 1) {
        rows.width = xl_pool_width(pool);
        xl_pool_run(pool, set_rows, &rows);
    } else {
        set_rows(&rows, 0);
    }
    drift->rows += n;
}

/* -- scores ---------------------------------------------------------------- */

/* The rows that are scored, and with which error. */
struct view {
    const struct xl_drift *d;
    size_t n, block;
    double level;
    struct xl_score *scores;
};

static int compare_reals(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* A score that is a value of a sorted sequence: the one that a share of
 * `above` exceeds. */
struct rank {
    enum xl_score_id id;
    double above;
};

static enum xl_status set_ranks(const struct view *v, const double *x, size_t n,
                                const struct rank *ranks, size_t n_ranks,
                                struct xl_err *err)
{
    double *sorted = xl_alloc_zero(n, sizeof *sorted);
    if (!sorted)
        return xl_fail(err, XL_ENOMEM, "out of memory judging %zu tokens", n);
    memcpy(sorted, x, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_reals);
    for (size_t i = 0; i < n_ranks; i++) {
        size_t above = (size_t)((double)n * ranks[i].above);
        v->scores[ranks[i].id] = xl_score_point(sorted[n - 1 - above], n);
    }
    xl_free(sorted);
    return XL_OK;
}

static enum xl_status set_percentiles(const struct view *v, struct xl_err *err)
{
    static const struct rank of_kl[] = {
        { XL_SCORE_KL_P50, 0.5 },
        { XL_SCORE_KL_P99, 0.01 },
        { XL_SCORE_KL_P999, 0.001 },
        { XL_SCORE_KL_MAX, 0 },
    };
    static const struct rank of_logits[] = { { XL_SCORE_DLOGIT_P99, 0.01 },
                                             { XL_SCORE_MAX_ABS_DLOGIT, 0 } };
    static const struct rank of_dp[] = {
        { XL_SCORE_DP_P1, 0.99 },  { XL_SCORE_DP_P5, 0.95 },
        { XL_SCORE_DP_P50, 0.5 },  { XL_SCORE_DP_P95, 0.05 },
        { XL_SCORE_DP_P99, 0.01 },
    };
    XL_TRY(
        set_ranks(v, v->d->kl, v->n, of_kl, sizeof of_kl / sizeof *of_kl, err));
    XL_TRY(set_ranks(v, v->d->dmax, v->n, of_logits,
                     sizeof of_logits / sizeof *of_logits, err));
    return set_ranks(v, v->d->dp, v->n - 1, of_dp, sizeof of_dp / sizeof *of_dp,
                     err);
}

static double sum_of(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

static double rms(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum / (double)n);
}

static enum xl_status set_bits(const struct view *v, const uint8_t *token_bytes,
                               struct xl_err *err)
{
    size_t n = v->n - 1;
    struct xl_score *out = &v->scores[XL_SCORE_DBPB];
    if (!token_bytes) {
        *out = xl_score_unknown("bytes of the text are not known");
        return XL_OK;
    }
    double *work = xl_alloc_zero(n * 2, sizeof *work);
    if (!work)
        return xl_fail(err, XL_ENOMEM, "out of memory judging %zu tokens", n);
    for (size_t i = 0; i < n; i++) {
        work[i] = v->d->dloss[i] / log(2.0);
        work[n + i] = token_bytes[i + 1];
    }
    *out = xl_block_ratio(work, work + n, n, v->block, v->level);
    xl_free(work);
    return XL_OK;
}

/* The ratio of the perplexities less 1, and the interval, follow from those
 * of the mean difference of the losses: exp(x) - 1 is monotone. */
static struct xl_score ratio_of(const struct xl_score *dloss)
{
    struct xl_score out = *dloss;
    if (!out.is_known)
        return out;
    out.value = expm1(dloss->value);
    out.se = dloss->se * exp(dloss->value);
    out.lo = expm1(dloss->lo);
    out.hi = expm1(dloss->hi);
    out.lower = expm1(dloss->lower);
    out.upper = expm1(dloss->upper);
    return isfinite(out.hi) ? out : xl_score_unknown("not a finite number");
}

/* By position, as far as the text goes. */
static void set_positions(const struct view *v)
{
    static const struct {
        enum xl_score_id id;
        size_t begin, end;
    } spans[] = {
        { XL_SCORE_KL_TO_1K, 0, 1 << 10 },
        { XL_SCORE_KL_TO_4K, 1 << 10, 1 << 12 },
        { XL_SCORE_KL_TO_16K, 1 << 12, 1 << 14 },
        { XL_SCORE_KL_PAST_16K, 1 << 14, SIZE_MAX },
    };
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        size_t begin = spans[i].begin;
        size_t end = spans[i].end < v->n ? spans[i].end : v->n;
        struct xl_score *out = &v->scores[spans[i].id];
        if (begin >= end)
            *out = xl_score_unknown("the text does not reach there");
        else
            *out = xl_block_ratio(v->d->kl + begin, NULL, end - begin,
                                  xl_block_auto(end - begin), v->level);
    }
    v->scores[XL_SCORE_KL_DRIFT] = xl_block_rise(v->d->kl, v->n, v->level);
}

static void set_means(const struct view *v)
{
    const struct xl_drift *d = v->d;
    struct xl_score *scores = v->scores;
    size_t n = v->n, pairs = n - 1, first_flip = 0;
    double rows = (double)n;
    while (first_flip < n && d->same[first_flip] > 0)
        first_flip++;
    scores[XL_SCORE_RMS_DLOGIT] = xl_score_point(
        sqrt(sum_of(d->squares, n) / rows / (double)d->vocab), n);
    scores[XL_SCORE_KL_MEAN] =
        xl_block_ratio(d->kl, NULL, n, v->block, v->level);
    scores[XL_SCORE_TOP1] = xl_block_share(d->same, n, v->block, v->level);
    scores[XL_SCORE_HARD_FLIPS] =
        xl_score_point(sum_of(d->hard, n) * 1e4 / rows, n);
    scores[XL_SCORE_GREEDY_EQUAL] = xl_score_point((double)first_flip, n);
    scores[XL_SCORE_RMS_DP] = xl_score_point(rms(d->dp, pairs), pairs);
    scores[XL_SCORE_DLOSS] =
        xl_block_ratio(d->dloss, NULL, pairs, v->block, v->level);
    scores[XL_SCORE_OWN_AVG_LOGPROB] =
        xl_block_ratio(d->own, NULL, pairs, v->block, v->level);
    scores[XL_SCORE_DPPL] = ratio_of(&scores[XL_SCORE_DLOSS]);
}

static void set_unknown(struct xl_score *scores, const char *why)
{
    for (size_t i = XL_SCORE_MAX_ABS_DLOGIT; i <= XL_SCORE_KL_DRIFT; i++)
        scores[i] = xl_score_unknown(why);
}

enum xl_status xl_drift_scores(const struct xl_drift *d,
                               const struct xl_drift_options *options,
                               struct xl_score scores[XL_SCORE_COUNT],
                               struct xl_err *err)
{
    size_t n = options->rows ? options->rows : d->n;
    size_t seen = d->rows < n ? d->rows : n, nonfinite = 0;
    struct view v = {
        .d = d,
        .n = n,
        .block = options->block ? options->block : xl_block_auto(n),
        .level = options->level > 0 ? options->level : xl_interval_level(1),
        .scores = scores,
    };
    for (size_t i = 0; i < seen; i++)
        nonfinite += isnan(d->kl[i]);
    scores[XL_SCORE_NONFINITE] = xl_score_point((double)nonfinite, seen);
    if (nonfinite || seen < n || n < 2) {
        set_unknown(scores, nonfinite ? "a logit is not finite"
                                      : "positions are missing");
        return XL_OK;
    }
    set_means(&v);
    set_positions(&v);
    XL_TRY(set_percentiles(&v, err));
    return set_bits(&v, options->token_bytes, err);
}
