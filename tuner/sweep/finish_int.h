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

/* Writes best.json, and publishes it when asked to. */
enum xl_status xl_finish_best(const struct xl_finish *finish,
                              const struct xl_contender *winner,
                              const struct xl_verdicts *verdicts,
                              struct xl_err *err);

#endif
