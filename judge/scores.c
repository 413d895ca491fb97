/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/scores.h"

#include <math.h>
#include <stdio.h>

#include "kernel/base/json.h"

enum {
    SPAN_POINT,
    SPAN_INTERVAL
};

static const struct xl_score_row rows[XL_SCORE_COUNT] = {
#define XL_SCORE(id, label, unit_, better_, span, help_)                       \
    [XL_SCORE_##id] = { .name = label,                                         \
                        .unit = unit_,                                         \
                        .better = XL_BETTER_##better_,                         \
                        .has_interval = SPAN_##span == SPAN_INTERVAL,          \
                        .help = help_ },
#include "judge/score.def"
#undef XL_SCORE
};

const struct xl_score_row *xl_score_row(enum xl_score_id id)
{
    return &rows[id];
}

struct xl_score xl_score_unknown(const char *why)
{
    return (struct xl_score){ .why_unknown = why };
}

struct xl_score xl_score_point(double value, size_t n)
{
    if (!isfinite(value))
        return xl_score_unknown("not a finite number");
    return (struct xl_score){ .is_known = true, .value = value, .n = n };
}

void xl_scores_clear(struct xl_score scores[XL_SCORE_COUNT])
{
    for (size_t i = 0; i < XL_SCORE_COUNT; i++)
        scores[i] = xl_score_unknown("not measured");
}

void xl_score_add_json(cJSON *object, enum xl_score_id id,
                       const struct xl_score *score)
{
    char key[64];
    bool known = score->is_known;
    bool interval = known && score->has_interval;
    xl_json_add_real(object, rows[id].name, known ? score->value : XL_UNKNOWN);
    if (!rows[id].has_interval)
        return;
    snprintf(key, sizeof key, "%s_lo", rows[id].name);
    xl_json_add_real(object, key, interval ? score->lo : XL_UNKNOWN);
    snprintf(key, sizeof key, "%s_hi", rows[id].name);
    xl_json_add_real(object, key, interval ? score->hi : XL_UNKNOWN);
    snprintf(key, sizeof key, "%s_blocks", rows[id].name);
    xl_json_add_real(object, key,
                     interval ? (double)score->blocks : XL_UNKNOWN);
}
