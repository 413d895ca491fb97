/* SPDX-License-Identifier: Apache-2.0
 *
 * What a text can prove at all.
 *
 * A judge looks at a text several times: at its first tokens, which may only
 * refuse, then at the text proper, then at twice as much each time. A text
 * too short leaves everything open, even the reference held against itself;
 * whoever is about to measure for hours wants to know that before. Pure.
 *
 *     struct xl_looks looks;
 *     xl_looks_plan(&looks, tokens, screen, full);
 *     XL_TRY(xl_reach(tier, tokens, xl_interval_level(looks.n), &ruling, err));
 *     if (ruling.verdict != XL_VERDICT_PASS)
 *         ... nothing on this text ever passes: ruling.reason
 */
#ifndef XL_REACH_H
#define XL_REACH_H

#include <stddef.h>

#include "judge/gate.h"
#include "kernel/base/err.h"

enum {
    XL_LOOKS_MOST = 12
};

struct xl_looks {
    size_t n, ends[XL_LOOKS_MOST]; /* tokens seen, ascending */
    size_t least_pass;             /* tokens before a verdict may pass */
};

/* screen, full: as in struct xl_judge_options; 0 = none, all. */
void xl_looks_plan(struct xl_looks *looks, size_t tokens, size_t screen,
                   size_t full);

/* The verdict on a candidate that gives the reference's own numbers, after so
 * many tokens, with one-sided bounds of that level. */
enum xl_status xl_reach(enum xl_tier tier, size_t tokens, double level,
                        struct xl_ruling *ruling, struct xl_err *err);

#endif
