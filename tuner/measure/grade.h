/* SPDX-License-Identifier: Apache-2.0
 *
 * How much this machine can resolve right now: a configuration against itself.
 * The half width of the interval of that ratio is the smallest effect that so
 * many rounds could tell from nothing.
 */
#ifndef XL_GRADE_H
#define XL_GRADE_H

#include <cjson/cJSON.h>

#include "tuner/measure/duel.h"

struct xl_machine_grade {
    char letter;       /* A: below 0.5 %, B: below 1.5 %, C; '-' = unknown */
    double resolvable; /* relative, between two that feel the machine alike;
                          valid unless '-' */
    double swing;      /* how far its own speed moved: the ninth tenth over the
                          first, less 1; NaN = unknown */
    struct xl_estimate ratio; /* of the objective; 1 but for noise */
    size_t rounds, disturbed;
};

/* Of a duel that has been looked at. By the objective where the duel has it,
 * else by the phase that resolves least. */
void xl_machine_grade_of(struct xl_machine_grade *grade,
                         const struct xl_duel *duel);

/* {"grade": "B", "resolvable": 0.012, "ratio":, "ci":, "rounds":,
 * "disturbed":}. */
cJSON *xl_machine_grade_json(const struct xl_machine_grade *grade);

/* "grade B: 16 rounds resolve 1.2 %, 3 disturbed". Returns out. */
const char *xl_machine_grade_text(const struct xl_machine_grade *grade,
                                  char *out, size_t room);

#endif
