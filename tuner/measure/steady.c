/* SPDX-License-Identifier: Apache-2.0
 *
 * Pages, caches and sleeping workers make the first repetition slow, and the
 * second mostly not. Some machines never come to rest; there the warm-up ends
 * by its count or its time, and what it came to is kept. */
#include "tuner/measure/steady.h"

#include <math.h>

#define NOWHERE 1e9 /* one of two times was none */

/* How far two times are apart, as a share of the shorter. */
static double apart(uint64_t a, uint64_t b)
{
    double least = fmin((double)a, (double)b);
    double most = fmax((double)a, (double)b);
    return least > 0 ? most / least - 1.0 : most > 0 ? NOWHERE : 0.0;
}

bool xl_steady_is_reached(const struct xl_steady *steady)
{
    return steady->laps > 1 && steady->apart <= XL_STEADY_WITHIN;
}

bool xl_steady_wants(struct xl_steady *steady, uint64_t prefill_ns,
                     uint64_t decode_ns)
{
    if (steady->laps++)
        steady->apart = fmax(apart(steady->prefill_ns, prefill_ns),
                             apart(steady->decode_ns, decode_ns));
    steady->prefill_ns = prefill_ns;
    steady->decode_ns = decode_ns;
    steady->spent_ns += prefill_ns + decode_ns;
    if (steady->laps < 2)
        return true;
    return !xl_steady_is_reached(steady) && steady->laps < XL_STEADY_LAPS &&
           steady->spent_ns < XL_STEADY_NS;
}

cJSON *xl_steady_json(const struct xl_steady *steady)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "repetitions", (double)steady->laps);
    cJSON_AddNumberToObject(o, "apart", steady->apart);
    cJSON_AddBoolToObject(o, "steady", xl_steady_is_reached(steady));
    return o;
}
