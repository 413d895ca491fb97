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
    struct xl_params params;
    bool passed;
    cJSON *judgement; /* NULL = could not be judged */
};

/* Judges one configuration, saves its output, records its scores. */
enum xl_status xl_finish_judge(const struct xl_finish *finish,
                               struct xl_contender *contender,
                               struct xl_err *err);

/* Rounds of a (side 0) against b (side 1). *outcome other than OK: the duel
 * could not be held, and the figures are empty. */
struct xl_duel {
    struct xl_trial_figures a, b;
    struct xl_estimate prefill_ratio, decode_ratio, value_ratio; /* a / b */
    enum xl_run_outcome outcome;
    char reason[XL_RUN_REASON];
};
enum xl_status xl_finish_duel(const struct xl_finish *finish,
                              const struct xl_params *a,
                              const struct xl_params *b, struct xl_duel *duel,
                              struct xl_err *err);

/* Writes best.json, and publishes it when asked to. */
enum xl_status xl_finish_best(const struct xl_finish *finish,
                              const struct xl_contender *winner,
                              const struct xl_verdicts *verdicts,
                              struct xl_err *err);

#endif
