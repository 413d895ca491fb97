/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiers, their gates, and the verdict.
 *
 * A gate with an interval passes when the one-sided 95 % bound keeps the
 * gate's bound, fails when even the opposite bound breaks it, and is else
 * inconclusive: not shown to be harmless, which is no pass. A pass needs 20
 * blocks, a failure 8. A gate on an observed extreme has no middle. One
 * failure fails the whole; one inconclusive gate leaves it open. Pure.
 *
 * Bounds are absolute, and some may follow the model's own floor
 * (judge/own_floor.h), which the caller measures when it is asked for:
 *
 *     xl_gate_rule(tier, scores, NULL, &ruling);
 *     if (xl_ruling_wants_floor(&ruling, scores))
 *         ... measure it; xl_gate_rule(tier, scores, floor, &ruling);
 */
#ifndef XL_GATE_H
#define XL_GATE_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "judge/scores.h"
#include "kernel/param/param.h"

enum xl_tier {
#define XL_TIER(id, name, summary) XL_TIER_##id,
#include "judge/tier.def"
    XL_TIER_COUNT
};

enum xl_gate_id {
#define XL_GATE(score, how, need, why, exact, kernel, bf16, q8, q4)            \
    XL_GATE_##score,
#include "judge/tier.def"
    XL_GATE_COUNT
};

/* The order is from good to bad: the worst gate is the verdict. */
enum xl_verdict {
    XL_VERDICT_PASS,
    XL_VERDICT_INCONCLUSIVE,
    XL_VERDICT_FAIL
};

enum {
    XL_REASON_ROOM = 256,
    XL_BLOCKS_TO_PASS = 20,
    XL_BLOCKS_TO_FAIL = 8
};

struct xl_gate_row {
    enum xl_score_id score;
    bool is_proved;   /* by an interval; else observed */
    bool needs_score; /* an unknown score leaves the verdict open */
    const char *why;
    double bound[XL_TIER_COUNT]; /* NaN = no gate */
};

struct xl_gate_result {
    bool applies; /* false: no such gate in the tier, or nothing to gate */
    enum xl_verdict verdict;
    double bound;    /* that was held against */
    double absolute; /* the tier's own */
    double floor;    /* the model's, of the score followed; NaN = no floor */
};

struct xl_ruling {
    enum xl_tier tier;
    enum xl_verdict verdict;
    char reason[XL_REASON_ROOM]; /* one sentence, no full stop */
    struct xl_gate_result gates[XL_GATE_COUNT];
};

const struct xl_gate_row *xl_gate_row(enum xl_gate_id id);
const char *xl_tier_name(enum xl_tier tier);
const char *xl_verdict_name(enum xl_verdict verdict);

/* The strictest tier that a configuration's number formats promise. */
enum xl_tier xl_tier_of(const struct xl_params *params);

/* A score as a loss: the less the better, 0 = nothing lost. */
double xl_gate_loss(enum xl_score_id id, double value);

/* The bound of a gate, as a loss, on a model with that floor of the score that
 * the gate follows. */
double xl_gate_bound(enum xl_gate_id id, enum xl_tier tier, double floor);

/* floor: scores [XL_SCORE_COUNT] of struct xl_own_floor, or NULL. */
void xl_gate_rule(enum xl_tier tier, const struct xl_score *scores,
                  const struct xl_score *floor, struct xl_ruling *ruling);

/* Could the model's floor change the verdict: is what breaks its bound, on
 * enough text, nothing but gates that follow it? */
bool xl_ruling_wants_floor(const struct xl_ruling *ruling,
                           const struct xl_score *scores);

/* What is seen after the first n tokens of a text may refuse, not pass. */
void xl_ruling_hold(struct xl_ruling *ruling, size_t n);

/* {"tier":, "verdict":, "reason":, "gates": [...]}; NULL without memory. */
cJSON *xl_ruling_json(const struct xl_ruling *ruling,
                      const struct xl_score *scores);

#endif
