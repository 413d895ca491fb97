/* SPDX-License-Identifier: Apache-2.0
 *
 * What the gates' bounds are made of: the noise floor of each tier, which is
 * the worst that sound builds (XL_SOUND of fault.def) show on several texts.
 * The texts come from seeds and the reference is fixed, so the same build on
 * the same kind of processor gives the same floors. A bound below twice the
 * floor refuses what is sound, or decides by luck.
 *
 *     struct xl_floor floors[XL_TIER_COUNT][XL_GATE_COUNT];
 *     XL_TRY(xl_calibrate(&spec, floors, err));
 */
#ifndef XL_CALIBRATE_H
#define XL_CALIBRATE_H

#include <stdbool.h>
#include <stddef.h>

#include "judge/gate.h"
#include "kernel/base/err.h"

#define XL_FLOOR_ROOM 2.0 /* times the floor, at least */

struct xl_floor {
    bool is_known; /* a sound build of the tier has the score and its gate */
    double floor;  /* of top1: the share lost */
    double bound;  /* likewise */
    const char *worst; /* the sound build that shows it */
};

struct xl_calibrate_spec {
    const char *model_dir;
    size_t tokens; /* of each text; 0 = 2048 */
    size_t texts;  /* 0 = 3; the first is the held-out text, made longer */
};

enum xl_status
xl_calibrate(const struct xl_calibrate_spec *spec,
             struct xl_floor floors[XL_TIER_COUNT][XL_GATE_COUNT],
             struct xl_err *err);

/* Does the bound leave room? */
bool xl_floor_holds(const struct xl_floor *floor);

/* The least of 1, 2, 3, 5 times a power of ten that does. */
double xl_floor_bound(const struct xl_floor *floor);

#endif
