/* SPDX-License-Identifier: Apache-2.0
 *
 * A model's own floor: what a tier's number formats cost this model on this
 * text, and nothing else.
 *
 * The reference reads the beginning of the text twice, once as it is and once
 * over weights, and with inputs of its products, that are rounded as the tier
 * allows (XL_ROUND of tier.def): by plain code, in the reference's order, with
 * no candidate near. What the second differs from the first is scored like any
 * candidate. A tier of integer weights has a twin (twin.h) here too, so that
 * what rounded inputs add is known by itself.
 *
 *     xl_own_floors_init(&floors, &spec, &loan);
 *     XL_TRY(xl_own_floors_get(&floors, tier, &floor, err));
 *     if (floor)
 *         xl_gate_rule(tier, scores, floor->scores, &ruling);
 *     xl_own_floors_release(&floors);
 */
#ifndef XL_OWN_FLOOR_H
#define XL_OWN_FLOOR_H

#include <stdbool.h>
#include <stddef.h>

#include "judge/gate.h"
#include "judge/reference.h"
#include "judge/scores.h"
#include "judge/state_error.h"
#include "judge/twin.h"

enum {
    XL_OWN_FLOOR_TOKENS = 2048 /* of the text that are read, at most */
};

struct xl_own_floor {
    size_t tokens; /* read; 0 = not measured */
    /* nonfinite .. state_m, and those of the twin: where a tier has none,
     * they are those of the reference. */
    struct xl_score scores[XL_SCORE_COUNT];
    size_t n_blocks;
    struct xl_state_error *blocks, *twin_blocks; /* [n_blocks] */
};

/* What is borrowed from a judge; each may be NULL. Rows that its reference and
 * its twins keep need not be computed again; the pool compares rows. */
struct xl_own_floor_loan {
    struct xl_reference *reference;
    struct xl_twins *twins;
    struct xl_pool *pool;
};

/* Those of a judge, measured when first asked for. One thread at a time. */
struct xl_own_floors {
    struct xl_reference_spec spec;
    struct xl_params params; /* the reference's */
    struct xl_own_floor_loan loan;
    bool is_naive; /* a reference of the user's own has no floor */
    struct xl_own_floor items[XL_TIER_COUNT];
};

/* spec: of the judge's reference. */
void xl_own_floors_init(struct xl_own_floors *floors,
                        const struct xl_reference_spec *spec,
                        const struct xl_own_floor_loan *loan);
void xl_own_floors_release(struct xl_own_floors *floors);

/* *floor: valid until release; NULL when the tier rounds nothing or there is
 * none. Measuring takes a pass of the reference over XL_OWN_FLOOR_TOKENS, and
 * one more for each of reference and twin that keeps no rows; XL_REFERENCE_PASS
 * tokens alone when the spec's folder has the floor. */
enum xl_status xl_own_floors_get(struct xl_own_floors *floors,
                                 enum xl_tier tier,
                                 const struct xl_own_floor **floor,
                                 struct xl_err *err);

/* Sets state_gain and state_over from what a candidate's blocks show, those
 * of the twin when twin_blocks is not NULL. */
void xl_own_floor_hold(const struct xl_own_floor *floor, enum xl_tier tier,
                       const struct xl_state_error *blocks,
                       const struct xl_state_error *twin_blocks,
                       struct xl_score scores[XL_SCORE_COUNT]);

#endif
