/* SPDX-License-Identifier: Apache-2.0
 *
 * From replies to verdicts. Pure.
 *
 * Two texts are compared in both orders, and a win counts only when both
 * orders agree: judges like the first text, or the second. Controls are
 * comparisons whose answer is known; a judge that misses them is not trusted
 * and none of its opinions is used. A configuration is vetoed when it loses to
 * the reference significantly often (two-sided sign test over prompts). A
 * veto fails it; no opinion ever lifts another verdict.
 */
#ifndef XL_RUBRIC_RULE_H
#define XL_RUBRIC_RULE_H

#include <stdbool.h>
#include <stddef.h>

#include "judge/gate.h"
#include "judge/rubric.h"

/* How the candidate came off. */
enum xl_bout {
    XL_BOUT_WON,
    XL_BOUT_LOST,
    XL_BOUT_TIED, /* or the orders disagree */
    XL_BOUT_MISSING,
    XL_BOUT_COUNT
};

const char *xl_bout_name(enum xl_bout bout);

/* The replies with the candidate as A and as B; NULL = could not be read. */
enum xl_bout xl_bout_of(const enum xl_choice *as_a, const enum xl_choice *as_b);

/* -- the judge itself ------------------------------------------------------ */

struct xl_rubric_session {
    size_t controls, right; /* controls asked, answered as they must be */
    size_t lured;           /* controls that a text's own words decided */
    size_t replies, unread; /* replies awaited, and those not readable */
};

/* False when the judge's opinions are not to be used; reason says why, or
 * what was shown. */
bool xl_rubric_is_trusted(const struct xl_rubric_session *session,
                          char reason[XL_REASON_ROOM]);

/* -- a configuration ------------------------------------------------------- */

enum xl_opinion {
    XL_OPINION_NONE, /* nothing was compared */
    XL_OPINION_FINE, /* no significant loss */
    XL_OPINION_VETO,
    XL_OPINION_OPEN,   /* too many replies could not be read */
    XL_OPINION_UNUSED, /* the judge is not trusted */
    XL_OPINION_COUNT
};

const char *xl_opinion_name(enum xl_opinion opinion);

/* bouts: how many of each kind. level: the sign test's, 0.05 over the number
 * of configurations that are compared. */
enum xl_opinion xl_rubric_opinion(const size_t bouts[XL_BOUT_COUNT],
                                  bool is_trusted, double level,
                                  char reason[XL_REASON_ROOM]);

/* Probability of a split at least as uneven when neither side is better. */
double xl_sign_test(size_t won, size_t lost);

/* The verdict of both judges together: never better than `verdict`. */
enum xl_verdict xl_rubric_final(enum xl_verdict verdict,
                                enum xl_opinion opinion);

#endif
