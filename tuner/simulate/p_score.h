/* SPDX-License-Identifier: Apache-2.0
 *
 * How good a search is on a recorded table: the P score that tuners are
 * compared by. 0 is random search, 1 is the optimum at once, below 0 is worse
 * than random.
 *
 *     struct xl_p_score score;
 *     XL_TRY(xl_p_score_make(&score, table, &(struct xl_p_score_options){
 *         .mode = "gp", .seeds = 12 }, err));
 *     printf("%.3f [%.3f, %.3f]\n", score.p.mean, score.p.lo, score.p.hi);
 *     xl_p_score_release(&score);
 *
 * After m evaluations random search without replacement has B(m) on average,
 * which is known exactly, and a run has F(m). Its score is the mean over
 * m = 20..200 of (B(m) - F(m)) / (B(m) - optimum). A configuration that failed
 * costs an evaluation; until one ran, F is the worst value of the table.
 */
#ifndef XL_P_SCORE_H
#define XL_P_SCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "tuner/space/table.h"

enum {
    XL_SCORE_FROM = 20, /* evaluations */
    XL_SCORE_TO = 200,
};

struct xl_p_score_options {
    const char *mode;    /* name of a strategy */
    size_t seeds;        /* runs, at least 1 */
    uint64_t first_seed; /* the others follow */
    size_t population;   /* 0 = the strategy's */
    double within;       /* a run is near when its best is off the optimum by
                            no more than this share; 0 = not asked */
    size_t trials;       /* after so many evaluations */
};

/* A mean over seeds with its 95 % interval (Student's t); NaN bounds for one
 * seed. */
struct xl_mean {
    double mean, lo, hi;
};

struct xl_p_score {
    size_t rows, valid; /* of the table; valid: that ran */
    size_t from, to;    /* the window really used: small tables end early */
    size_t seeds;
    double *per_seed; /* [seeds] */
    size_t n_near;    /* runs that came near; of a budget of their own */
    struct xl_mean p;
    double p_rank;     /* by mean rank against the published baseline */
    double within_100; /* share of runs within 5 % of the optimum after 100 */
    double within_200; /* and after 200 evaluations (or all rows) */
    double ratio;      /* median best / optimum at the end, 1 = optimum */
    double ask_ms;     /* mean time of the strategy an evaluation */
    double slowest_ms; /* the slowest single ask with its tell */
};

/* XL_EUSAGE for a table whose rows all failed or have one value. */
enum xl_status xl_p_score_make(struct xl_p_score *score,
                               const struct xl_table *table,
                               const struct xl_p_score_options *options,
                               struct xl_err *err);
void xl_p_score_release(struct xl_p_score *score);

/* Mean and interval of x[0..n). */
struct xl_mean xl_mean_of(const double *x, size_t n);

/* What the best of m rows drawn without replacement costs on average. cost:
 * [valid] of the rows that ran, rising; rows that failed count as the last. */
double xl_p_score_random(const double *cost, size_t valid, size_t rows,
                         size_t m);

#endif
