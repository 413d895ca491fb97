/* SPDX-License-Identifier: Apache-2.0
 *
 * A duel, whoever runs its rounds: how many are wanted, when it is over, and
 * what it proves. In a round both sides run once; who goes first alternates
 * (xl_round_first).
 *
 *     XL_TRY(xl_duel_init(&duel, &(struct xl_duel_rules){ 0 }, err));
 *     while (!duel.is_over) {
 *         while (xl_duel_wants_round(&duel))
 *             xl_duel_add(&duel, &row);        // one round
 *         XL_TRY(xl_duel_look(&duel, err));
 *     }
 *     xl_duel_release(&duel);
 *
 * Left to itself it looks after 16, 32 and 64 quiet rounds, at a third of the
 * 5 % each, and ends as soon as every figure is resolved.
 */
#ifndef XL_DUEL_H
#define XL_DUEL_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/err.h"
#include "tuner/measure/duel_verdict.h"
#include "tuner/measure/samples.h"

/* Figures of a duel: the speeds of the phases, then what they come to. */
enum {
    XL_DUEL_VALUE = XL_SPEED_COUNT,
    XL_DUEL_FIGURES
};

struct xl_duel_rules {
    size_t rounds;     /* quiet ones wanted, one look at 95 %; 0 = the looks */
    bool is_challenge; /* what counts is whether side 0 wins by `value`: ends
                          when it has, and when it hardly can any more */
};

struct xl_duel {
    struct xl_duel_rules rules;
    struct xl_samples samples; /* a row a round */
    size_t looks;              /* taken */
    bool is_over;
    double level; /* that the intervals of the last look were asked for */
    struct xl_estimate sides[XL_SIDES][XL_DUEL_FIGURES];
    struct xl_estimate ratio[XL_DUEL_FIGURES];      /* side 0 / side 1 */
    enum xl_duel_verdict verdicts[XL_DUEL_FIGURES]; /* of side 0 */
};

enum xl_status xl_duel_init(struct xl_duel *duel,
                            const struct xl_duel_rules *rules,
                            struct xl_err *err);
void xl_duel_release(struct xl_duel *duel);

/* Is another round wanted before the next look? */
bool xl_duel_wants_round(const struct xl_duel *duel);

/* The most rounds that may be wanted before the next look. */
size_t xl_duel_room(const struct xl_duel *duel);

void xl_duel_add(struct xl_duel *duel, const struct xl_speeds *round);

/* Estimates and verdicts from the rounds so far; sets is_over, or wants more
 * rounds. */
enum xl_status xl_duel_look(struct xl_duel *duel, struct xl_err *err);

/* Estimates and verdicts alone, at a level of one's own. */
enum xl_status xl_duel_estimate(struct xl_duel *duel, double level,
                                struct xl_err *err);

/* Is every figure that was measured resolved? */
bool xl_duel_is_decided(const struct xl_duel *duel);

#endif
