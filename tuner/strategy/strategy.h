/* SPDX-License-Identifier: Apache-2.0
 *
 * Searching by ask and tell. A strategy proposes points of a space and learns
 * from what they gave; it has no clock, does no I/O and knows no trials.
 *
 *     struct xl_strategy *s;
 *     XL_TRY(xl_strategy_make(&s, xl_strategy_find("ga"), space,
 *         &(struct xl_strategy_options){ .seed = 1337 }, err));
 *     for (;;) {
 *         struct xl_ask ask;
 *         XL_TRY(xl_strategy_ask(s, &ask, err));
 *         if (ask.end)
 *             break;
 *         struct xl_outcome outcome = measure(ask.point);
 *         XL_TRY(xl_strategy_tell(s, ask.point, &outcome, err));
 *     }
 *     xl_strategy_free(s);
 *
 * The same seed and the same calls give the same points, so a search resumes
 * by asking again and telling what is already measured. No point is proposed
 * twice, however many asks are open before their tells.
 */
#ifndef XL_STRATEGY_H
#define XL_STRATEGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "tuner/space/space.h"

enum {
    XL_STRATEGY_VALUES = 4,
    XL_STRATEGY_PARENTS = 2,
    XL_STRATEGY_GROUPS = 8
};

struct xl_strategy;
struct xl_strategy_kind;

/* {0} but for the seed is fine. */
struct xl_strategy_options {
    uint64_t seed;
    size_t budget;      /* points to propose in all; 0 = the strategy's own:
                           ga population * generations, others the space */
    size_t population;  /* 0 = 10 */
    size_t generations; /* 0 = 5 */
    size_t n_values;    /* objectives told; 0 = 1 */
};

enum xl_ask_end {
    XL_ASK_POINT,  /* not the end: a point is there */
    XL_ASK_BUDGET, /* the budget is spent */
    XL_ASK_SPACE,  /* every member of the space has been proposed */
};

struct xl_ask {
    enum xl_ask_end end;
    uint32_t point[XL_SPACE_DIMS];
    uint64_t code;     /* xl_space_code of the point */
    size_t number;     /* of the proposal, from 0 */
    size_t generation; /* from 0; 0 where there are none */
    size_t n_parents;
    uint64_t parents[XL_STRATEGY_PARENTS]; /* codes of the points it is from */
    const char *how; /* "uniform", "crossover", ...; static storage */
};

enum xl_outcome_status {
    XL_OUTCOME_OK,
    XL_OUTCOME_FAILED,  /* it ran and did not end well */
    XL_OUTCOME_INVALID, /* it ran and gave what may not be used, or was
                           refused before it ran */
};

struct xl_outcome {
    enum xl_outcome_status status;
    double values[XL_STRATEGY_VALUES]; /* of OK: finite, larger is better */
    double spread; /* standard error of values[0]; 0 = unknown */
};

/* All strategies, in order of strategy.def; NULL past the end. */
const struct xl_strategy_kind *xl_strategy_kind_at(size_t i);

/* The kind of a name, or NULL. */
const struct xl_strategy_kind *xl_strategy_find(const char *name);

const char *xl_strategy_kind_name(const struct xl_strategy_kind *kind);

/* Has it a budget of its own, population x generations? */
bool xl_strategy_kind_has_budget(const struct xl_strategy_kind *kind);

/* As xl_strategy_find; XL_EUSAGE names the nearest. */
enum xl_status xl_strategy_choose(const struct xl_strategy_kind **kind,
                                  const char *name, struct xl_err *err);

/* The space is used, not owned, and must outlive the strategy. */
enum xl_status xl_strategy_make(struct xl_strategy **strategy,
                                const struct xl_strategy_kind *kind,
                                const struct xl_space *space,
                                const struct xl_strategy_options *options,
                                struct xl_err *err);
void xl_strategy_free(struct xl_strategy *strategy);

/* Points it will propose at most: the budget or the space. */
uint64_t xl_strategy_budget(const struct xl_strategy *strategy);

/* Queues a member to be proposed before the strategy's own points (the
 * defaults, an earlier winner). A known point is left out; XL_EUSAGE for a
 * point that is no member. */
enum xl_status xl_strategy_suggest(struct xl_strategy *strategy,
                                   const uint32_t *point, struct xl_err *err);

/* What a member is expected to give: an earlier run on the same or a related
 * machine and model, or a calculation. It guides gp (and so auto) while results
 * are few, the others but random and grid ask for the best of it first, and it
 * is never a result itself. Hints of one group may all be off by one factor. */
struct xl_hint {
    uint32_t group; /* 0..XL_STRATEGY_GROUPS - 1 */
    double value;   /* as values[0] of an outcome */
    double doubt;   /* variance, in that of the results: 0.1 is a good hint */
};

/* Before the first ask only. XL_EUSAGE for a point that is no member. */
enum xl_status xl_strategy_hint(struct xl_strategy *strategy,
                                const uint32_t *point,
                                const struct xl_hint *hint, struct xl_err *err);

/* How a member fared in an earlier run. */
struct xl_past {
    bool has_failed; /* or was refused */
    double weight;   /* above 0 and at most 1: what that says here, 1 = as much
                        as a result of this search */
};

/* From a weight of one half on no strategy chooses what failed, only draws
 * reach it; gp (and so auto) learns from what ran and what failed where
 * configurations run. Before the first ask only; of several pasts of one member
 * the weightiest counts. XL_EUSAGE for a point that is no member. */
enum xl_status xl_strategy_recall(struct xl_strategy *strategy,
                                  const uint32_t *point,
                                  const struct xl_past *past,
                                  struct xl_err *err);

/* The next point, or why there is none. */
enum xl_status xl_strategy_ask(struct xl_strategy *strategy, struct xl_ask *ask,
                               struct xl_err *err);

/* What a point gave. A point that was never proposed is learnt from and not
 * proposed later; a second tell of a point replaces the first. A value that
 * is not finite counts as FAILED. */
enum xl_status xl_strategy_tell(struct xl_strategy *strategy,
                                const uint32_t *point,
                                const struct xl_outcome *outcome,
                                struct xl_err *err);

/* The best point told so far by values[0]; false when none was OK. */
bool xl_strategy_best(const struct xl_strategy *strategy, uint32_t *point,
                      double *value);

#endif
