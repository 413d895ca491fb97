/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the files of the finish. */
#ifndef XL_FINISH_INT_H
#define XL_FINISH_INT_H

#include "tuner/sweep/finish.h"

/* One measured configuration. */
struct xl_contender {
    int64_t trial;
    double value;
    struct xl_gains gains; /* by each share of the anchor's way */
    double behind;         /* the best of all, where it comes nearest */
    size_t n_samples;
    struct xl_params params;
    bool refused;     /* in the search */
    bool is_dropped;  /* by the race: out of the contest */
    bool is_judged;   /* by the whole judge */
    bool passed;      /* all it was asked so far, the screen not counted */
    bool is_open;     /* neither passed nor failed the last time */
    bool is_held_out; /* asked on the holdout text */
    size_t n_tokens;  /* that the judge read the last time; 0 = not known */
    cJSON *judgement; /* of the whole judge, with "holdout" in it once asked;
                         NULL = could not be judged */
};

/* How far behind the best, as a logarithm, one may lie that yet may be
 * better. */
double xl_finish_reach(const struct xl_race *race);

/* The best by each share, of those of items[n] that may win; with is_judged of
 * those that passed the whole judge. */
struct xl_gains xl_finish_bests(const struct xl_contender *items, size_t n,
                                bool is_judged);

/* The one that is to meet the defaults in the duel, of items[n], least behind
 * first; NULL when none passed. Counts n_tied and n_played. */
enum xl_status xl_finish_nominate(const struct xl_finish *finish,
                                  struct xl_contender *items, size_t n,
                                  struct xl_contender **nominee,
                                  struct xl_verdicts *v, struct xl_err *err);

/* Asks the whole judge; records verdict and scores. */
enum xl_status xl_finish_judge(const struct xl_finish *finish,
                               struct xl_contender *contender,
                               struct xl_err *err);

/* The same on the holdout text, for what else would win. */
enum xl_status xl_finish_holdout(const struct xl_finish *finish,
                                 struct xl_contender *contender,
                                 struct xl_err *err);

/* Writes judged.json: the judgements of all items[n] that the whole judge was
 * asked about at the end. */
enum xl_status xl_finish_judged(const struct xl_finish *finish,
                                const struct xl_contender *items, size_t n,
                                struct xl_err *err);

/* Saves its continuation. */
enum xl_status xl_finish_output(const struct xl_finish *finish,
                                const struct xl_contender *contender,
                                struct xl_err *err);

/* Writes best.json, and publishes it when asked to: is_published. */
enum xl_status xl_finish_best(const struct xl_finish *finish,
                              const struct xl_contender *winner,
                              struct xl_verdicts *verdicts, struct xl_err *err);

#endif
