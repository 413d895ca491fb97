/* SPDX-License-Identifier: Apache-2.0
 *
 * The verdict is made by the same scores and gates as any other: rows of two
 * equal logits are held against themselves, for no gate's width depends on
 * the vocabulary when nothing differs. */
#include "judge/reach.h"

#include <stdint.h>

#include "judge/drift.h"
#include "kernel/base/alloc.h"

enum {
    VOCAB = 2
};

void xl_looks_plan(struct xl_looks *looks, size_t tokens, size_t screen,
                   size_t full)
{
    size_t end = full && full < tokens ? full : tokens;
    *looks = (struct xl_looks){ .least_pass = end };
    if (screen && screen < end)
        looks->ends[looks->n++] = screen;
    looks->ends[looks->n++] = end;
    while (end < tokens && looks->n + 1 < XL_LOOKS_MOST) {
        end = end > tokens / 2 ? tokens : end * 2;
        looks->ends[looks->n++] = end;
    }
}

enum xl_status xl_reach(enum xl_tier tier, size_t tokens, double level,
                        struct xl_ruling *ruling, struct xl_err *err)
{
    static const float row[VOCAB] = { 0 };
    const struct xl_drift_options options = { .level = level };
    struct xl_score scores[XL_SCORE_COUNT];
    struct xl_drift *drift = NULL;
    enum xl_status rc = XL_OK;
    int32_t *ids = xl_alloc_zero(tokens + 1, sizeof *ids);
    if (!ids)
        return xl_fail(err, XL_ENOMEM, "out of memory for %zu tokens", tokens);
    xl_scores_clear(scores);
    XL_TRY_DONE(rc, xl_drift_make(&drift, VOCAB, ids, tokens, err));
    for (size_t i = 0; i < tokens; i++)
        xl_drift_add(drift, row, row, 1, NULL);
    XL_TRY_DONE(rc, xl_drift_scores(drift, &options, scores, err));
    xl_gate_rule(tier, scores, NULL, ruling);
done:
    xl_drift_free(drift);
    xl_free(ids);
    return rc;
}
