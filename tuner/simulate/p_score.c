/* SPDX-License-Identifier: Apache-2.0
 *
 * The score of the auto-tuning community (Willemsen et al., "A Methodology
 * for Comparing Optimization Algorithms for Auto-Tuning", 2024) with two
 * changes. The baseline is the exact expectation,
 *
 *     B(m) = sum_i x_i C(N-i, m-1) / C(N, m) + x_v C(N-v, m) / C(N, m)
 *
 * over the v rows that ran in rising order, of N rows: the published rank
 * formula is one rank too good and leaves failed rows out of the draw, so
 * that random search itself scores about -0.07. And values are averaged, not
 * ranks; the rank form is kept beside it as p_rank for comparison with
 * numbers published elsewhere. */
#include "tuner/simulate/p_score.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>

#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/base/order.h"
#include "tuner/measure/stats.h"
#include "tuner/strategy/strategy.h"

static const double near_optimum = 0.05; /* "within 5 %" */

/* One table on its way to a score. */
struct board {
    const struct xl_table *table;
    double *cost;  /* [valid] rising */
    double *curve; /* [room] best cost after m + 1 evaluations of a run */
    double *sum;   /* [to] of ranks over the runs */
    double *last;  /* [seeds] cost at the end */
    double optimum, worst;
    size_t valid, rows, room;
};

struct xl_mean xl_mean_of(const double *x, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    double mean = sum / (double)n, half = (double)NAN;
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    if (n > 1)
        half = gsl_cdf_tdist_Pinv(0.975, (double)(n - 1)) *
               sqrt(squares / (double)(n - 1) / (double)n);
    return (struct xl_mean){ mean, mean - half, mean + half };
}

/* -- baselines ------------------------------------------------------------ */

/* The chance that row i is the best drawn follows from that of row i - 1, so
 * no binomial is ever formed: q_0 = m / N,
 * q_i = q_{i-1} (N - i - m + 1) / (N - i). */
double xl_p_score_random(const double *cost, size_t valid, size_t rows,
                         size_t m)
{
    double n = (double)rows, k = (double)m;
    double share = k / n, left = 1, mean = 0;
    for (size_t i = 0; i < valid && share > 0; i++) {
        mean += share * cost[i];
        left -= share;
        double next = n - (double)(i + 1);
        share = next > 0 ? share * fmax(0, next - k + 1) / next : 0;
    }
    return mean + fmax(0, left) * cost[valid - 1];
}

static double published_random(const struct board *b, size_t m)
{
    double v = (double)b->valid, k = (double)m;
    size_t rank = (size_t)floor(k * (v + 1) / (k + 1) + 0.5);
    return b->cost[b->valid - 1 - (rank < b->valid ? rank : b->valid - 1)];
}

/* Rows that are better than a cost. */
static double rank_of(const struct board *b, double cost)
{
    size_t lo = 0, hi = b->valid;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (b->cost[middle] < cost)
            lo = middle + 1;
        else
            hi = middle;
    }
    return (double)lo;
}

/* -- the table ------------------------------------------------------------ */

static double cost_of(const struct board *b, struct xl_table_row row)
{
    return xl_table_is_max(b->table) ? -row.value : row.value;
}

static enum xl_status open_board(struct board *b, struct xl_p_score *score,
                                 const struct xl_p_score_options *options,
                                 struct xl_err *err)
{
    const struct xl_space *space = xl_table_space(b->table);
    uint32_t point[XL_SPACE_DIMS];
    size_t seeds = options->seeds;
    b->room = options->trials > XL_SCORE_TO ? options->trials : XL_SCORE_TO;
    b->rows = (size_t)xl_space_count(space);
    b->cost = xl_alloc_zero(b->rows, sizeof *b->cost);
    b->curve = xl_alloc_zero(b->room, sizeof *b->curve);
    b->sum = xl_alloc_zero(XL_SCORE_TO, sizeof *b->sum);
    b->last = xl_alloc_zero(seeds, sizeof *b->last);
    score->per_seed = xl_alloc_zero(seeds, sizeof *score->per_seed);
    if (!b->cost || !b->curve || !b->sum || !b->last || !score->per_seed)
        return xl_fail(err, XL_ENOMEM, "no memory for a score");
    for (uint64_t i = 0; i < b->rows; i++) {
        xl_space_at(space, i, point);
        struct xl_table_row row = xl_table_at(b->table, point);
        if (row.status == XL_OUTCOME_OK)
            b->cost[b->valid++] = cost_of(b, row);
    }
    qsort(b->cost, b->valid, sizeof *b->cost, xl_order_reals);
    if (!b->valid || b->cost[0] == b->cost[b->valid - 1] || b->rows < 3)
        return xl_fail(err, XL_EUSAGE,
                       "a table needs three rows and two different values to "
                       "score a search");
    b->optimum = b->cost[0];
    b->worst = b->cost[b->valid - 1];
    return XL_OK;
}

static void close_board(struct board *b)
{
    xl_free(b->cost);
    xl_free(b->curve);
    xl_free(b->sum);
    xl_free(b->last);
}

/* -- runs ----------------------------------------------------------------- */

static enum xl_status search(struct board *b, struct xl_strategy *strategy,
                             size_t to, struct xl_p_score *score,
                             struct xl_err *err)
{
    double best = b->worst;
    for (size_t m = 0; m < to; m++) {
        struct xl_ask ask;
        uint64_t start = xl_clock_ns();
        XL_TRY(xl_strategy_ask(strategy, &ask, err));
        if (ask.end)
            return xl_fail(err, XL_EFAILED,
                           "the search ended after %zu of %zu evaluations", m,
                           to);
        struct xl_outcome outcome = xl_table_outcome(b->table, ask.point);
        XL_TRY(xl_strategy_tell(strategy, ask.point, &outcome, err));
        double ms = (double)(xl_clock_ns() - start) / 1e6;
        score->ask_ms += ms;
        score->slowest_ms = fmax(score->slowest_ms, ms);
        struct xl_table_row row = xl_table_at(b->table, ask.point);
        if (row.status == XL_OUTCOME_OK)
            best = fmin(best, cost_of(b, row));
        b->curve[m] = best;
    }
    return XL_OK;
}

static double p_of_curve(const struct board *b, const struct xl_p_score *score)
{
    double sum = 0;
    for (size_t m = score->from; m <= score->to; m++) {
        double base = xl_p_score_random(b->cost, b->valid, b->rows, m);
        sum += (base - b->curve[m - 1]) / (base - b->optimum);
    }
    return sum / (double)(score->to - score->from + 1);
}

static bool is_near(const struct board *b, double cost, double share)
{
    return cost - b->optimum <= share * fabs(b->optimum);
}

/* One whole run of a budget; leaves its curve on the board. */
static enum xl_status run_once(struct board *b, uint64_t seed, size_t budget,
                               const struct xl_p_score_options *options,
                               struct xl_p_score *score, struct xl_err *err)
{
    const struct xl_strategy_kind *kind;
    struct xl_strategy *strategy;
    XL_TRY(xl_strategy_choose(&kind, options->mode, err));
    struct xl_strategy_options own = {
        .seed = seed,
        .budget = budget,
        .population = options->population,
    };
    XL_TRY(
        xl_strategy_make(&strategy, kind, xl_table_space(b->table), &own, err));
    enum xl_status rc = search(b, strategy, budget, score, err);
    xl_strategy_free(strategy);
    return rc;
}

static enum xl_status run_seed(struct board *b, size_t i,
                               const struct xl_p_score_options *options,
                               struct xl_p_score *score, struct xl_err *err)
{
    uint64_t seed = options->first_seed + i;
    size_t trials = options->trials < b->rows ? options->trials : b->rows;
    if (options->within > 0 && trials) {
        struct xl_p_score unused = { 0 }; /* times belong to the other runs */
        XL_TRY(run_once(b, seed, trials, options, &unused, err));
        score->n_near += is_near(b, b->curve[trials - 1], options->within);
    }
    XL_TRY(run_once(b, seed, score->to, options, score, err));
    score->per_seed[i] = p_of_curve(b, score);
    for (size_t m = 0; m < score->to; m++)
        b->sum[m] += rank_of(b, b->curve[m]);
    size_t half = score->to < 100 ? score->to : 100;
    b->last[i] = b->curve[score->to - 1];
    score->within_100 += is_near(b, b->curve[half - 1], near_optimum);
    score->within_200 += is_near(b, b->last[i], near_optimum);
    return XL_OK;
}

static double p_by_rank(const struct board *b, const struct xl_p_score *score)
{
    double sum = 0;
    size_t n = 0;
    for (size_t m = score->from; m <= score->to; m++) {
        double base = published_random(b, m);
        size_t rank = (size_t)floor(b->sum[m - 1] / (double)score->seeds + 0.5);
        double own = b->cost[rank < b->valid ? rank : b->valid - 1];
        if (base <= b->optimum)
            continue;
        sum += (base - own) / (base - b->optimum);
        n++;
    }
    return n ? sum / (double)n : (double)NAN;
}

static enum xl_status run_all(struct board *b, struct xl_p_score *score,
                              const struct xl_p_score_options *options,
                              struct xl_err *err)
{
    double runs = (double)options->seeds;
    XL_TRY(open_board(b, score, options, err));
    score->rows = b->rows;
    score->valid = b->valid;
    score->seeds = options->seeds;
    score->to = b->rows - 1 < XL_SCORE_TO ? b->rows - 1 : XL_SCORE_TO;
    score->from = score->to > XL_SCORE_FROM ? XL_SCORE_FROM : 1;
    for (size_t i = 0; i < options->seeds; i++)
        XL_TRY(run_seed(b, i, options, score, err));
    score->p = xl_mean_of(score->per_seed, score->seeds);
    score->p_rank = p_by_rank(b, score);
    score->within_100 /= runs;
    score->within_200 /= runs;
    score->ratio = xl_median(b->last, score->seeds) / b->optimum;
    if (xl_table_is_max(b->table))
        score->ratio = 1 / score->ratio;
    score->ask_ms /= runs * (double)score->to;
    return XL_OK;
}

enum xl_status xl_p_score_make(struct xl_p_score *score,
                               const struct xl_table *table,
                               const struct xl_p_score_options *options,
                               struct xl_err *err)
{
    struct board board = { .table = table };
    *score = (struct xl_p_score){ 0 };
    enum xl_status rc =
        options->seeds
            ? run_all(&board, score, options, err)
            : xl_fail(err, XL_EUSAGE, "a score needs at least one seed");
    close_board(&board);
    if (rc != XL_OK)
        xl_p_score_release(score);
    return rc;
}

void xl_p_score_release(struct xl_p_score *score)
{
    xl_free(score->per_seed);
    *score = (struct xl_p_score){ 0 };
}
