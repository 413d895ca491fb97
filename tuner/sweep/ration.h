/* SPDX-License-Identifier: Apache-2.0
 *
 * What a sweep with a time budget spends on one configuration.
 *
 * A repetition of a large model takes seconds, and with the whole workload a
 * short search would measure three configurations. So the defaults are sounded
 * first, and the search is given a part of the workload, the judge a part of
 * its text, and fewer repetitions, that let all its trials fit. What the search
 * nominates meets the defaults with the whole workload, whatever the ration
 * was.
 *
 *     XL_TRY(xl_ration_sound(&runner, &base, &facts, err));
 *     xl_ration_choose(&ration, &facts);
 *
 * A run that is taken up again keeps the ration in its run_meta.json.
 */
#ifndef XL_RATION_H
#define XL_RATION_H

#include <cjson/cJSON.h>

#include "tuner/measure/runner.h"

struct xl_ration {
    struct xl_load load;  /* of a repetition; none = the whole workload */
    size_t repeats, most; /* as in struct xl_race_rules */
    size_t judge_tokens;  /* as --judge-tokens */
    double whole; /* repetitions of it that one of the whole workload takes */
};

struct xl_ration_facts {
    double budget_s; /* of the sweep; 0 = no end */
    size_t trials;
    struct xl_load whole;
    size_t repeats, most;     /* wanted */
    size_t judge_tokens;      /* wanted; 0 = all there is */
    size_t judge_least;       /* that can prove anything; 0 = not to be cut */
    bool is_fixed;            /* they are not to be cut */
    double prefill_s, step_s; /* a token with the defaults */
};

/* Measures the defaults on a few tokens: sets the times of the facts, which
 * stay 0 when they cannot be measured, or the time is up before. */
enum xl_status xl_ration_sound(const struct xl_runner *runner,
                               const struct xl_params *base,
                               struct xl_ration_facts *facts,
                               struct xl_err *err);

/* Pure. All that is wanted where there is no end, or time enough. */
void xl_ration_choose(struct xl_ration *ration,
                      const struct xl_ration_facts *facts);

/* As run_meta.json has it; reading leaves alone what is not there. */
cJSON *xl_ration_json(const struct xl_ration *ration);
void xl_ration_read(struct xl_ration *ration, const cJSON *json);

#endif
