/* SPDX-License-Identifier: Apache-2.0
 *
 * What a paired comparison proves. Rounds alternate which side goes first,
 * so position and drift fall on both alike; the interval of the ratio is the
 * sign test's.
 */
#ifndef XL_DUEL_VERDICT_H
#define XL_DUEL_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "tuner/measure/stats.h"

enum xl_duel_verdict {
    XL_DUEL_UNRESOLVED, /* the interval allows for both */
    XL_DUEL_FASTER,     /* wholly above 1 */
    XL_DUEL_SLOWER,     /* wholly below 1 */
    XL_DUEL_EQUAL       /* wholly within the band around 1 */
};

/* Half width of "equal for practice". */
#define XL_DUEL_BAND 0.005

/* level: the coverage the interval was asked for. One that could not reach it
 * proves nothing. Within the band it is EQUAL, whichever side of 1. */
enum xl_duel_verdict xl_duel_verdict_of(const struct xl_estimate *ratio,
                                        double level);
const char *xl_duel_verdict_name(enum xl_duel_verdict verdict);

/* The side that goes first in a round: 0, 1, 0, 1, ... so that in any even
 * number of rounds both were first equally often. */
size_t xl_round_first(size_t round);

/* Looks of an adaptive duel: after 16, 32 and 64 quiet rounds, each at a third
 * of the 5 %, so that all together err no more often than one would. */
enum {
    XL_LOOKS = 3
};
size_t xl_look_rounds(size_t look);
#define XL_LOOK_LEVEL (1.0 - 0.05 / XL_LOOKS)

#endif
