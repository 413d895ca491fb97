/* SPDX-License-Identifier: Apache-2.0
 *
 * A model's own floor: what a tier's number formats cost this model on this
 * text, and nothing else.
 *
 * The reference reads the beginning of the text twice, once as it is and once
 * over weights that are rounded as the tier allows (XL_ROUND of tier.def), and
 * with inputs of its products that are rounded as the candidate's engines round
 * them: those of prefill, and at the end those of steps. All by plain code, in
 * the reference's order, with no candidate near. What the second differs from
 * the first is scored like any candidate. A tier of integer weights has a twin
 * (twin.h) here too, so that what rounded inputs add is known by itself.
 *
 *     xl_own_floors_init(&floors, &spec, &loan);
 *     XL_TRY(xl_own_floors_get(&floors, tier, &inputs, &floor, err));
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
#include "kernel/model/rounding.h"

enum {
    XL_OWN_FLOOR_TOKENS = 2048, /* of the text that are read, at most */
    XL_OWN_FLOOR_STEPS = 128,   /* of these as steps, at most an eighth */
    XL_OWN_FLOORS = 12 /* of a judge; later ones take the last's place */
};

struct xl_own_floor {
    enum xl_tier tier;
    struct xl_inputs inputs; /* rounded so, as far as the tier allows it */
    size_t tokens;           /* read; 0 = not measured */
    /* nonfinite .. state_m, and those of the twin: where a tier has none,
     * they are those of the reference. step_kl is what the tokens at the end
     * differ by from the twin. */
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
    size_t n;
    struct xl_own_floor items[XL_OWN_FLOORS];
};

/* spec: of the judge's reference. */
void xl_own_floors_init(struct xl_own_floors *floors,
                        const struct xl_reference_spec *spec,
                        const struct xl_own_floor_loan *loan);
void xl_own_floors_release(struct xl_own_floors *floors);

/* *floor: valid until the next call; NULL when the tier rounds nothing or there
 * is none. Measuring takes a pass of the reference over XL_OWN_FLOOR_TOKENS,
 * and one more for each of reference and twin that keeps no rows;
 * XL_REFERENCE_PASS tokens alone when the spec's folder has the floor. */
enum xl_status xl_own_floors_get(struct xl_own_floors *floors,
                                 enum xl_tier tier,
                                 const struct xl_inputs *inputs,
                                 const struct xl_own_floor **floor,
                                 struct xl_err *err);

/* Sets state_gain and state_over from what a candidate's blocks show, those
 * of the twin when twin_blocks is not NULL. */
void xl_own_floor_hold(const struct xl_own_floor *floor, enum xl_tier tier,
                       const struct xl_state_error *blocks,
                       const struct xl_state_error *twin_blocks,
                       struct xl_score scores[XL_SCORE_COUNT]);

#endif
