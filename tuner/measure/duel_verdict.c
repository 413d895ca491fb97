/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/measure/duel_verdict.h"

#include <assert.h>

enum xl_duel_verdict xl_duel_verdict_of(const struct xl_estimate *ratio,
                                        double level)
{
    if (ratio->n == 0 || ratio->coverage < level)
        return XL_DUEL_UNRESOLVED;
    if (ratio->lo > 1.0 - XL_DUEL_BAND && ratio->hi < 1.0 + XL_DUEL_BAND)
        return XL_DUEL_EQUAL;
    if (ratio->lo > 1.0)
        return XL_DUEL_FASTER;
    if (ratio->hi < 1.0)
        return XL_DUEL_SLOWER;
    return XL_DUEL_UNRESOLVED;
}

const char *xl_duel_verdict_name(enum xl_duel_verdict verdict)
{
    static const char *const names[] = {
        [XL_DUEL_UNRESOLVED] = "not resolved",
        [XL_DUEL_FASTER] = "faster",
        [XL_DUEL_SLOWER] = "slower",
        [XL_DUEL_EQUAL] = "equal within 0.5 %",
    };
    return names[verdict];
}

size_t xl_round_first(size_t round)
{
    return round % 2;
}

size_t xl_look_rounds(size_t look)
{
    static const size_t rounds[XL_LOOKS] = { 16, 32, 64 };
    assert(look < XL_LOOKS);
    return rounds[look];
}
