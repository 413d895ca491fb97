/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/measure/grade.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/base/json.h"
#include "kernel/base/order.h"

static const struct {
    char letter;
    double below;
} letters[] = { { 'A', 0.005 }, { 'B', 0.015 }, { 'C', HUGE_VAL } };

#define SWING 0.15 /* that is worth a word */

enum {
    MOST_ROUNDS = 256
};

static double half_width(const struct xl_estimate *ratio)
{
    return 0.5 * (ratio->hi - ratio->lo) / ratio->median;
}

/* The ratio that the grade is by. */
static const struct xl_estimate *choose(const struct xl_duel *duel)
{
    const struct xl_estimate *widest = &duel->ratio[XL_DUEL_VALUE];
    if (widest->n)
        return widest;
    for (size_t i = 0; i < XL_SPEED_COUNT; i++)
        if (duel->ratio[i].n &&
            !(half_width(&duel->ratio[i]) <= half_width(widest)))
            widest = &duel->ratio[i];
    return widest;
}

/* Of the figure that moved most. */
static double swing_of(const struct xl_duel *duel)
{
    double most = (double)NAN, x[MOST_ROUNDS];
    for (size_t speed = 0; speed < XL_SPEED_COUNT; speed++) {
        size_t n = 0;
        for (size_t i = 0; i < duel->samples.n && n < MOST_ROUNDS; i++) {
            double tok_s = duel->samples.rows[i].tok_s[1][speed];
            if (isfinite(tok_s) && xl_samples_use(&duel->samples, i))
                x[n++] = tok_s;
        }
        qsort(x, n, sizeof *x, xl_order_reals);
        if (n)
            most = fmax(most, x[n - 1 - n / 10] / x[n / 10] - 1.0);
    }
    return most;
}

void xl_machine_grade_of(struct xl_machine_grade *grade,
                         const struct xl_duel *duel)
{
    const struct xl_estimate *ratio = choose(duel);
    *grade = (struct xl_machine_grade){
        .letter = '-',
        .ratio = *ratio,
        .swing = swing_of(duel),
        .rounds = duel->samples.n,
        .disturbed = duel->samples.n - xl_samples_quiet(&duel->samples),
    };
    grade->resolvable = half_width(ratio);
    if (ratio->n == 0 || ratio->coverage < duel->level ||
        !isfinite(grade->resolvable))
        return;
    size_t i = 0;
    while (!(grade->resolvable < letters[i].below))
        i++;
    grade->letter = letters[i].letter;
}

cJSON *xl_machine_grade_json(const struct xl_machine_grade *grade)
{
    char letter[2] = { grade->letter, '\0' };
    bool is_known = grade->letter != '-';
    cJSON *o = cJSON_CreateObject();
    if (is_known)
        cJSON_AddStringToObject(o, "grade", letter);
    else
        cJSON_AddNullToObject(o, "grade");
    xl_json_add_real(o, "resolvable",
                     is_known ? grade->resolvable : (double)NAN);
    xl_json_add_real(o, "swing", is_known ? grade->swing : (double)NAN);
    xl_json_add_real(o, "ratio", is_known ? grade->ratio.median : (double)NAN);
    cJSON *ci = cJSON_AddArrayToObject(o, "ci");
    const double ends[] = { grade->ratio.lo, grade->ratio.hi };
    for (size_t i = 0; i < 2; i++)
        cJSON_AddItemToArray(ci, is_known ? cJSON_CreateNumber(ends[i])
                                          : cJSON_CreateNull());
    cJSON_AddNumberToObject(o, "rounds", (double)grade->rounds);
    cJSON_AddNumberToObject(o, "disturbed", (double)grade->disturbed);
    return o;
}

const char *xl_machine_grade_text(const struct xl_machine_grade *grade,
                                  char *out, size_t room)
{
    if (grade->letter == '-')
        snprintf(out, room, "not graded: %zu rounds say nothing",
                 grade->rounds);
    else
        snprintf(out, room,
                 "grade %c: %zu rounds resolve %.2g %%, %zu disturbed%s",
                 grade->letter, grade->rounds, 100 * grade->resolvable,
                 grade->disturbed,
                 grade->swing > SWING ? "; its own speed jumped" : "");
    return out;
}
