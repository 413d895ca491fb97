/* SPDX-License-Identifier: Apache-2.0
 *
 * A score: a number with its count, its spread and, where there is none, the
 * reason. score.def is the only list.
 *
 *     struct xl_score scores[XL_SCORE_COUNT];
 *     xl_scores_clear(scores);
 *     scores[XL_SCORE_PPL] = xl_score_point(ppl, n);
 */
#ifndef XL_SCORES_H
#define XL_SCORES_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

/* A double that stands for no value where null cannot. */
#define XL_UNKNOWN ((double)NAN)

enum xl_score_id {
#define XL_SCORE(id, name, unit, better, span, help) XL_SCORE_##id,
#include "judge/score.def"
#undef XL_SCORE
    XL_SCORE_COUNT
};

enum xl_score_better {
    XL_BETTER_PLAIN,
    XL_BETTER_LESS,
    XL_BETTER_MORE
};

struct xl_score_row {
    const char *name, *unit;
    enum xl_score_better better;
    bool has_interval;
    const char *help;
};

struct xl_score {
    bool is_known;
    const char *why_unknown; /* static text; NULL when known */
    double value;            /* finite when known */
    size_t n;                /* what was counted: tokens, n-grams */
    /* An interval that is robust to the correlation of neighbours. */
    bool has_interval;
    size_t blocks;
    double se;
    double lo, hi;       /* two-sided 95 % */
    double lower, upper; /* one-sided 95 % bounds, for gates */
};

const struct xl_score_row *xl_score_row(enum xl_score_id id);

/* All unknown, "not measured". */
void xl_scores_clear(struct xl_score scores[XL_SCORE_COUNT]);

/* A value without interval; not finite gives unknown. */
struct xl_score xl_score_point(double value, size_t n);
struct xl_score xl_score_unknown(const char *why);

/* Adds "name": value (null when unknown) and, with an interval, "name_lo",
 * "name_hi", "name_blocks". */
void xl_score_add_json(cJSON *object, enum xl_score_id id,
                       const struct xl_score *score);

#endif
