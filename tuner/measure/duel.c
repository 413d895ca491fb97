/* SPDX-License-Identifier: Apache-2.0
 *
 * One after the other, two identical workloads differ by tens of per cent on a
 * busy machine while each reports a small spread; the ratio within a round
 * does not.
 *
 * Ending for want of hope errs on no side: it can only turn a win into none.
 * By the binomials of the three looks, a challenger that is no faster wins 1.1
 * duels in 100; with 2 % of noise one that is 1 % faster wins 42 (45 if no duel
 * ended early), 2 % faster 96, 3 % faster all. */
#include "tuner/measure/duel.h"

#define LEVEL 0.95

enum xl_status xl_duel_init(struct xl_duel *duel,
                            const struct xl_duel_rules *rules,
                            struct xl_err *err)
{
    *duel = (struct xl_duel){ .rules = *rules };
    return xl_samples_init(
        &duel->samples, rules->rounds ? rules->rounds : xl_look_rounds(0), err);
}

void xl_duel_release(struct xl_duel *duel)
{
    xl_samples_release(&duel->samples);
    *duel = (struct xl_duel){ 0 };
}

bool xl_duel_wants_round(const struct xl_duel *duel)
{
    return !duel->is_over && xl_samples_want_more(&duel->samples);
}

size_t xl_duel_room(const struct xl_duel *duel)
{
    return duel->samples.most - duel->samples.n;
}

void xl_duel_add(struct xl_duel *duel, const struct xl_speeds *round)
{
    xl_samples_add(&duel->samples, round);
}

bool xl_duel_is_decided(const struct xl_duel *duel)
{
    for (size_t i = 0; i < XL_DUEL_FIGURES; i++)
        if (duel->ratio[i].n && duel->verdicts[i] == XL_DUEL_UNRESOLVED)
            return false;
    return true;
}

enum xl_status xl_duel_estimate(struct xl_duel *duel, double level,
                                struct xl_err *err)
{
    const struct xl_samples *s = &duel->samples;
    duel->level = level;
    for (size_t i = 0; i < XL_DUEL_FIGURES; i++) {
        enum xl_speed speed = (enum xl_speed)i;
        bool is_value = i == XL_DUEL_VALUE;
        XL_TRY(is_value
                   ? xl_samples_value_ratio(s, level, &duel->ratio[i], err)
                   : xl_samples_ratio(s, speed, level, &duel->ratio[i], err));
        duel->verdicts[i] = xl_duel_verdict_of(&duel->ratio[i], level);
        for (int side = 0; side < XL_SIDES; side++) {
            struct xl_estimate *to = &duel->sides[side][i];
            XL_TRY(is_value
                       ? xl_samples_value(s, side, level, to, err)
                       : xl_samples_estimate(s, side, speed, level, to, err));
        }
    }
    return XL_OK;
}

/* Nothing more to learn? */
static bool is_settled(const struct xl_duel *duel)
{
    const struct xl_estimate *value = &duel->ratio[XL_DUEL_VALUE];
    if (!duel->rules.is_challenge)
        return xl_duel_is_decided(duel);
    return duel->verdicts[XL_DUEL_VALUE] != XL_DUEL_UNRESOLVED ||
           !(value->median > 1.0);
}

enum xl_status xl_duel_look(struct xl_duel *duel, struct xl_err *err)
{
    bool is_fixed = duel->rules.rounds > 0;
    XL_TRY(xl_duel_estimate(duel, is_fixed ? LEVEL : XL_LOOK_LEVEL, err));
    duel->looks++;
    duel->is_over = is_fixed || duel->looks == XL_LOOKS || is_settled(duel);
    if (duel->is_over)
        return XL_OK;
    size_t quiet = xl_samples_quiet(&duel->samples);
    size_t next = xl_look_rounds(duel->looks);
    size_t had = xl_samples_are_quiet(&duel->samples) ? quiet : duel->samples.n;
    return xl_samples_extend(&duel->samples, next > had ? next - had : 1, err);
}
