/* SPDX-License-Identifier: Apache-2.0
 *
 * When a warm-up is over: two repetitions in a row agree in both phases, or
 * there were enough. Two run at least, and of long ones no more. Pure: it has
 * no clock.
 *
 *     struct xl_steady steady = { 0 };
 *     do
 *         ... run once ...
 *     while (xl_steady_wants(&steady, prefill_ns, decode_ns));
 *     ... steady.laps, steady.apart, xl_steady_is_reached(&steady) ...
 */
#ifndef XL_STEADY_H
#define XL_STEADY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

enum {
    XL_STEADY_LAPS = 6 /* the most repetitions of a warm-up */
};
#define XL_STEADY_NS     ((uint64_t)500 * 1000000) /* no other after that */
#define XL_STEADY_WITHIN 0.05 /* that both phases of two agree, relative */

struct xl_steady {
    size_t laps;
    double apart; /* the last two, in the phase where they differ more; read it
                     from the second on */
    /* private */
    uint64_t prefill_ns, decode_ns; /* of the last */
    uint64_t spent_ns;
};

/* Takes a repetition; a phase that was not run took 0. Another one? */
bool xl_steady_wants(struct xl_steady *steady, uint64_t prefill_ns,
                     uint64_t decode_ns);

/* False also after one repetition, which cannot know. */
bool xl_steady_is_reached(const struct xl_steady *steady);

/* {"repetitions":, "apart":, "steady":} */
cJSON *xl_steady_json(const struct xl_steady *steady);

#endif
