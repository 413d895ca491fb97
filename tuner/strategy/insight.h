/* SPDX-License-Identifier: Apache-2.0
 *
 * What a search has learnt of its space: which tunables matter and which act
 * together, what untried points promise, and whether to go on.
 *
 *     struct xl_insight insight;
 *     XL_TRY(xl_insight_make(&insight, space, rows, n, 1, err));
 *     for (size_t i = 0; i < insight.n_mains; i++)
 *         ... insight.mains[i].a, insight.mains[i].share ...
 *
 * Shares are of the variance of the cost (its logarithm where all values have
 * one sign) over the members of the space, as the same Gaussian process sees
 * it that gp searches with: those of a functional analysis of variance, also
 * known as Sobol indices. Intervals hold 95 % of what functions drawn from
 * the process say, so they are wide where little was measured.
 */
#ifndef XL_INSIGHT_H
#define XL_INSIGHT_H

#include "tuner/strategy/strategy.h"

enum {
    XL_INSIGHT_LEAST = 8, /* measured points */
    XL_INSIGHT_PAIRS = 12,
    XL_INSIGHT_GUESSES = 5,
};

/* One point that was told. */
struct xl_insight_row {
    uint64_t code;
    struct xl_outcome outcome; /* values[0] counts */
};

struct xl_insight_share {
    size_t a, b;          /* dimensions; b only of a pair */
    double share, lo, hi; /* 0..1 */
};

/* What the process expects of a point nobody has tried. */
struct xl_insight_guess {
    uint64_t code;
    double value, lo, hi; /* as told: larger is better */
};

struct xl_insight {
    size_t n_ok, n_failed; /* points told */
    size_t n_mains, n_pairs, n_guesses;
    struct xl_insight_share mains[XL_SPACE_DIMS];        /* greatest first */
    struct xl_insight_share pairs[XL_INSIGHT_PAIRS];     /* greatest first */
    struct xl_insight_guess guesses[XL_INSIGHT_GUESSES]; /* best first */
    double explained; /* share of the variance of the results that the process
                         predicts from the others, leaving one out; 1 = all */
    bool is_ratio;    /* gain is a share of the best; else in units of values */
    bool is_over;     /* no untried member was found */
    double gain;      /* of the best untried point over the best, expected */
    double chance;    /* that there is one at least 1 % better (is_ratio), or
                         better at all */
};

/* Costs milliseconds to a second. XL_EUSAGE with fewer than XL_INSIGHT_LEAST
 * measured points or without two different values. */
enum xl_status xl_insight_make(struct xl_insight *insight,
                               const struct xl_space *space,
                               const struct xl_insight_row *rows, size_t n,
                               uint64_t seed, struct xl_err *err);

#endif
