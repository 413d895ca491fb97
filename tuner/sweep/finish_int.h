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
    size_t n_samples;
    struct xl_params params;
    bool is_dropped; /* by the race: judged, but out of the contest */
    bool passed;
    cJSON *judgement; /* NULL = could not be judged */
};

/* The one that is to meet the defaults in the duel, of items[n], best value
 * first; NULL when none passed. Counts n_tied and n_played. */
enum xl_status xl_finish_nominate(const struct xl_finish *finish,
                                  struct xl_contender *items, size_t n,
                                  struct xl_contender **nominee,
                                  struct xl_verdicts *v, struct xl_err *err);

/* Judges one configuration, saves its output, records its scores. */
enum xl_status xl_finish_judge(const struct xl_finish *finish,
                               struct xl_contender *contender,
                               struct xl_err *err);

/* Writes best.json, and publishes it when asked to. */
enum xl_status xl_finish_best(const struct xl_finish *finish,
                              const struct xl_contender *winner,
                              const struct xl_verdicts *verdicts,
                              struct xl_err *err);

#endif
