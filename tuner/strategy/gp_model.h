/* SPDX-License-Identifier: Apache-2.0
 *
 * The process behind gp: which results are its rows, what its hyper-parameters
 * are and when it learns them anew. Included only inside tuner/strategy.
 *
 * Learning costs more than an ask may take where results and candidates are
 * many. It is spread: an ask evaluates the likelihood once, or takes a slice
 * of the candidates into a second process that replaces the first when it is
 * whole.
 */
#ifndef XL_GP_MODEL_H
#define XL_GP_MODEL_H

#include "tuner/strategy/scale.h"
#include "tuner/strategy/odds.h"
#include "tuner/strategy/surrogate.h"

enum {
    XL_GP_ROWS = 320, /* at most */
};

struct xl_gp_model {
    struct xl_columns columns;
    enum xl_scale scale;
    uint32_t around; /* record whose neighbours are candidates */
    struct xl_process {
        struct xl_surrogate surrogate;
        uint32_t *records; /* [XL_GP_ROWS] of rows; unknown = a hint */
    } processes[2];        /* the one that is read and the one being built */
    size_t at;             /* the one that is read */
    bool is_building;
    size_t seen;                /* records that are rows or were passed over */
    size_t fitted;              /* records at the last fit; 0 = none */
    struct xl_theta_walk *walk; /* a fit on its way, or NULL */
    struct xl_odds odds;
    double skill;    /* xl_surrogate_skill, what was seen of it fading slowly */
    size_t judged;   /* records when it was found */
    double promise;  /* improvement expected of the last choice, in deviations
                        of the costs; INFINITY after a draw */
    double *scratch; /* [hints] */
};

enum xl_status xl_gp_model_init(struct xl_gp_model *model,
                                struct xl_search *search, struct xl_err *err);
void xl_gp_model_release(struct xl_gp_model *model);

/* Takes in what the history has that is new, and learns from it. */
enum xl_status xl_gp_model_follow(struct xl_gp_model *model,
                                  struct xl_search *search, struct xl_err *err);

/* Is what it says of untried points worth no more than a uniform draw, as far
 * as its own rows tell? */
bool xl_gp_model_is_blind(const struct xl_gp_model *model);

/* What may be read until the next follow. */
static inline const struct xl_surrogate *
xl_gp_model_surrogate(const struct xl_gp_model *model)
{
    return &model->processes[model->at].surrogate;
}

/* E max(best - y, 0) for y normal, in units of the targets. */
double xl_expected_improvement(double best, double mean, double sd);

#endif
