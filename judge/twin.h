/* SPDX-License-Identifier: Apache-2.0
 *
 * The twin of a candidate: the reference's own naive path over weights that
 * are rounded as the candidate's are.
 *
 * Rounding weights to four bits costs so much of itself that a fault of a
 * kernel disappears in it: a scale that is wrong by 2 % adds a twentieth.
 * Against its twin a candidate has nothing to show but its arithmetic, and
 * the same fault stands a thousand times above fp32 rounding. What the format
 * costs is seen against the reference, what the kernel adds against the twin.
 *
 * Each twin is made when first asked for and kept. One thread at a time.
 */
#ifndef XL_TWIN_H
#define XL_TWIN_H

#include "judge/reference.h"
#include "kernel/param/param.h"

enum {
    XL_TWINS = 8 /* at most; a candidate of further formats has none */
};

struct xl_twins {
    struct xl_reference_spec spec; /* of the reference, params but formats */
    struct xl_params naive;
    size_t n;
    struct xl_twin {
        struct xl_params params;
        struct xl_reference *reference;
    } items[XL_TWINS];
};

void xl_twins_init(struct xl_twins *twins,
                   const struct xl_reference_spec *spec);
void xl_twins_release(struct xl_twins *twins);

/* Of that candidate; *twin is NULL when its weights are not rounded, or only
 * to bf16, whose cost hides nothing. */
enum xl_status xl_twins_get(struct xl_twins *twins,
                            const struct xl_params *candidate,
                            struct xl_reference **twin, struct xl_err *err);

#endif
