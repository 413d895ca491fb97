/* SPDX-License-Identifier: Apache-2.0
 *
 * The sweep: ask, claim, measure, record, tell, until the budget is spent.
 *
 * Everything the loop needs is handed in, so that tests put a fake runner and
 * a fake clock under it. A sweep that was killed goes on from its store: the
 * strategy is asked again from the start, told what is already measured, and
 * so arrives at the same next point.
 */
#ifndef XL_SWEEP_H
#define XL_SWEEP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "judge/watch.h"
#include "kernel/base/err.h"
#include "kernel/model/config.h"
#include "kernel/param/param.h"
#include "tuner/measure/runner.h"
#include "tuner/store/store.h"
#include "tuner/strategy/strategy.h"
#include "tuner/sweep/objective.h"
#include "tuner/sweep/pace.h"
#include "tuner/sweep/race.h"

/* Told after every trial, for progress. */
struct xl_sweep_news {
    size_t done, budget; /* trials so far, trials at most (0 = unknown) */
    const struct xl_params *params;
    enum xl_run_outcome outcome;
    const char *reason; /* when it is not OK */
    bool is_dropped;    /* beaten after a few repetitions */
    bool from_store;    /* measured by an earlier start of this sweep */
    struct xl_trial_figures figures;
    double value; /* of the objective, against the anchor; NaN = unknown */
    double values[XL_STRATEGY_VALUES]; /* of each of several */
    double share;                      /* standard error, of the value */
    double best, best_share;           /* value so far; NaN = none */
};

struct xl_sweep {
    struct xl_store *store;
    struct xl_strategy *strategy;
    struct xl_runner runner;
    const struct xl_config *config;
    const struct xl_objective *objective;
    struct xl_race *race;           /* initialised; learns from every trial */
    const struct xl_params *anchor; /* canonical; NULL = drift stays in */
    size_t anchor_every;            /* repetitions; 0 = no anchor */
    struct xl_load load;            /* of the search's repetitions */
    struct xl_pace *pace;           /* of the time budget; NULL = no end */
    size_t patience;   /* trials without a better one; 0 = any number */
    double resolvable; /* by the machine, relative: a gain up to it is none */
    cJSON *heard; /* an object: what the whole judge passed in this process, by
                     configuration; NULL = ask it again at the end */
    const atomic_int *stop; /* not 0 = end after the sample in flight */
    /* Turns a point into tunables; ctx is params_ctx. */
    void (*to_params)(void *ctx, const uint32_t *point,
                      struct xl_params *params);
    void *params_ctx;
    void (*news)(void *ctx, const struct xl_sweep_news *news); /* or NULL */
    void *news_ctx;
    struct xl_watch step; /* told of repetitions and rounds */
};

enum xl_sweep_end {
    XL_END_BUDGET,  /* all trials of the budget are done */
    XL_END_SPACE,   /* the whole space is measured */
    XL_END_TIME,    /* the deadline passed */
    XL_END_STALL,   /* so many trials brought nothing better (patience.h) */
    XL_END_STOPPED, /* a signal */
};
/* Why it ended, as a clause; patience as the sweep had it. Returns out. */
const char *xl_sweep_end_text(enum xl_sweep_end end, size_t patience, char *out,
                              size_t room);

enum xl_status xl_sweep_search(const struct xl_sweep *sweep,
                               enum xl_sweep_end *end, struct xl_err *err);

/* Measures one configuration outside the search (the defaults, when the space
 * does not hold them) unless the store has it already. XL_EINTERRUPTED when
 * stopped, XL_ETIMEOUT when the time was up. */
enum xl_status xl_sweep_measure(const struct xl_sweep *sweep,
                                const struct xl_params *params,
                                const char *origin, struct xl_err *err);

/* What a run that was STOPPED comes to: XL_EINTERRUPTED by a signal,
 * XL_ETIMEOUT when the time of the sweep was up. */
enum xl_status xl_sweep_stopped(const struct xl_sweep *sweep);

/* Medians and intervals of the samples that a trial has in the store, as they
 * were measured. */
enum xl_status xl_sweep_figures(struct xl_store *store, int64_t trial,
                                const struct xl_objective *objective,
                                struct xl_trial_figures *figures,
                                struct xl_err *err);

/* The canonical tunables of a trial from its stored text. */
enum xl_status xl_sweep_params(const char *cfg, struct xl_params *params,
                               struct xl_err *err);

#endif
