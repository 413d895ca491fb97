/* SPDX-License-Identifier: Apache-2.0
 *
 * The decision rule is non-inferiority: harmless must be shown, not merely
 * damage not shown. With an error as large as the bound, a true damage of 1.5
 * bounds would pass "no significant difference" 56 % of the time, and passes
 * this rule 1.6 % of the time. */
#include "judge/gate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/json.h"

enum {
    HOW_OBSERVED,
    HOW_PROVED,
    NEED_KNOWN,
    NEED_ALWAYS
};

#define NONE XL_UNKNOWN

static const struct xl_gate_row gates[XL_GATE_COUNT] = {
#define XL_GATE(score_, how, need, why_, exact, kernel, bf16, q8, q4)          \
    [XL_GATE_##score_] = { .score = XL_SCORE_##score_,                         \
                           .is_proved = HOW_##how == HOW_PROVED,               \
                           .needs_score = NEED_##need == NEED_ALWAYS,          \
                           .why = why_,                                        \
                           .bound = { [XL_TIER_EXACT] = exact,                 \
                                      [XL_TIER_KERNEL] = kernel,               \
                                      [XL_TIER_BF16] = bf16,                   \
                                      [XL_TIER_Q8] = q8,                       \
                                      [XL_TIER_Q4] = q4 } },
#include "judge/tier.def"
};

static const char *const tiers[XL_TIER_COUNT] = {
#define XL_TIER(id, label, text) [XL_TIER_##id] = label,
#include "judge/tier.def"
};

const struct xl_gate_row *xl_gate_row(enum xl_gate_id id)
{
    return &gates[id];
}

const char *xl_tier_name(enum xl_tier tier)
{
    return tiers[tier];
}

const char *xl_verdict_name(enum xl_verdict verdict)
{
    static const char *const names[] = {
        [XL_VERDICT_PASS] = "pass",
        [XL_VERDICT_INCONCLUSIVE] = "inconclusive",
        [XL_VERDICT_FAIL] = "fail",
    };
    return names[verdict];
}

/* What a number format of weights promises. One that nobody has named here
 * is held to 8 bits. */
static enum xl_tier tier_of_format(const char *name)
{
    static const struct {
        const char *name;
        enum xl_tier tier;
    } formats[] = { { "fp32", XL_TIER_KERNEL },
                    { "bf16", XL_TIER_BF16 },
                    { "int8", XL_TIER_Q8 },
                    { "int4", XL_TIER_Q4 } };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, name) == 0)
            return formats[i].tier;
    return XL_TIER_Q8;
}

static enum xl_tier looser(enum xl_tier a, enum xl_tier b)
{
    return a > b ? a : b;
}

/* The coarsest format that is at work decides. */
enum xl_tier xl_tier_of(const struct xl_params *params)
{
    char text[XL_VALUE_ROOM];
    const int64_t *v = params->value;
    enum xl_tier tier = tier_of_format(
        xl_param_format(XL_PARAM_WEIGHT_DTYPE, v[XL_PARAM_WEIGHT_DTYPE], text));
    xl_param_format(XL_PARAM_HEAD_DTYPE, v[XL_PARAM_HEAD_DTYPE], text);
    if (strcmp(text, "same") != 0)
        tier = looser(tier, tier_of_format(text));
    xl_param_format(XL_PARAM_CELL, v[XL_PARAM_CELL], text);
    if (strcmp(text, "bf16") == 0) /* auto follows the weights */
        tier = looser(tier, XL_TIER_BF16);
    xl_param_format(XL_PARAM_STATE_DTYPE, v[XL_PARAM_STATE_DTYPE], text);
    return strcmp(text, "fp32") == 0 ? tier : looser(tier, XL_TIER_Q8);
}

/* -- ruling ---------------------------------------------------------------- */

/* Does x keep the bound? */
static bool keeps(enum xl_score_id id, double x, double bound)
{
    return xl_score_row(id)->better == XL_BETTER_MORE ? x >= bound : x <= bound;
}

static enum xl_verdict rule_proved(const struct xl_gate_row *row,
                                   const struct xl_score *s, double bound)
{
    bool more = xl_score_row(row->score)->better == XL_BETTER_MORE;
    double worst = more ? s->lower : s->upper;
    double best = more ? s->upper : s->lower;
    if (!s->has_interval)
        return XL_VERDICT_INCONCLUSIVE;
    if (s->blocks >= XL_BLOCKS_TO_PASS && keeps(row->score, worst, bound))
        return XL_VERDICT_PASS;
    if (s->blocks >= XL_BLOCKS_TO_FAIL && !keeps(row->score, best, bound))
        return XL_VERDICT_FAIL;
    return XL_VERDICT_INCONCLUSIVE;
}

static enum xl_verdict rule_one(const struct xl_gate_row *row,
                                const struct xl_score *s, double bound)
{
    if (!s->is_known)
        return XL_VERDICT_INCONCLUSIVE;
    if (row->is_proved)
        return rule_proved(row, s, bound);
    return keeps(row->score, s->value, bound) ? XL_VERDICT_PASS
                                              : XL_VERDICT_FAIL;
}

static void explain(struct xl_ruling *ruling, const struct xl_gate_row *row,
                    const struct xl_score *s, double bound)
{
    const struct xl_score_row *score = xl_score_row(row->score);
    char *out = ruling->reason;
    const char *side = score->better == XL_BETTER_MORE ? "least" : "most";
    if (!s->is_known)
        snprintf(out, XL_REASON_ROOM, "%s is unknown: %s", score->name,
                 s->why_unknown);
    else if (!row->is_proved)
        snprintf(out, XL_REASON_ROOM, "%s is %.3g, at %s %.3g allowed: %s",
                 score->name, s->value, side, bound, row->why);
    else if (s->blocks < XL_BLOCKS_TO_PASS &&
             ruling->verdict == XL_VERDICT_INCONCLUSIVE)
        snprintf(out, XL_REASON_ROOM,
                 "%s needs %d blocks of text to be proved, has %zu",
                 score->name, XL_BLOCKS_TO_PASS, s->blocks);
    else
        snprintf(out, XL_REASON_ROOM,
                 "%s is %.3g (one-sided bounds %.3g to %.3g), at %s %.3g "
                 "allowed: %s",
                 score->name, s->value, s->lower, s->upper, side, bound,
                 row->why);
}

void xl_gate_rule(enum xl_tier tier, const struct xl_score *scores,
                  struct xl_ruling *ruling)
{
    size_t applied = 0;
    *ruling = (struct xl_ruling){ .tier = tier };
    for (size_t i = 0; i < XL_GATE_COUNT; i++) {
        const struct xl_gate_row *row = &gates[i];
        const struct xl_score *s = &scores[row->score];
        double bound = row->bound[tier];
        struct xl_gate_result *gate = &ruling->gates[i];
        if (isnan(bound) || (!s->is_known && !row->needs_score))
            continue;
        applied++;
        *gate = (struct xl_gate_result){ .applies = true,
                                         .verdict = rule_one(row, s, bound),
                                         .bound = bound };
        if (gate->verdict > ruling->verdict) {
            ruling->verdict = gate->verdict;
            explain(ruling, row, s, bound);
        }
    }
    if (ruling->verdict == XL_VERDICT_PASS)
        snprintf(ruling->reason, XL_REASON_ROOM,
                 "all %zu gates of tier '%s' hold", applied, tiers[tier]);
}

void xl_ruling_hold(struct xl_ruling *ruling, size_t n)
{
    if (ruling->verdict != XL_VERDICT_PASS)
        return;
    ruling->verdict = XL_VERDICT_INCONCLUSIVE;
    snprintf(ruling->reason, XL_REASON_ROOM,
             "no damage in the first %zu tokens, which is not enough to pass",
             n);
}

cJSON *xl_ruling_json(const struct xl_ruling *ruling,
                      const struct xl_score *scores)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "tier", tiers[ruling->tier]);
    cJSON_AddStringToObject(root, "verdict", xl_verdict_name(ruling->verdict));
    xl_json_add_string(root, "reason", ruling->reason);
    cJSON *list = cJSON_AddArrayToObject(root, "gates");
    for (size_t i = 0; i < XL_GATE_COUNT; i++) {
        const struct xl_gate_result *gate = &ruling->gates[i];
        const struct xl_score *s = &scores[gates[i].score];
        if (!gate->applies)
            continue;
        cJSON *item = cJSON_CreateObject();
        cJSON_AddItemToArray(list, item);
        cJSON_AddStringToObject(item, "score",
                                xl_score_row(gates[i].score)->name);
        cJSON_AddStringToObject(item, "how",
                                gates[i].is_proved ? "proved" : "observed");
        xl_json_add_real(item, "bound", gate->bound);
        xl_json_add_real(item, "value", s->is_known ? s->value : XL_UNKNOWN);
        xl_json_add_real(item, "lower",
                         s->has_interval ? s->lower : XL_UNKNOWN);
        xl_json_add_real(item, "upper",
                         s->has_interval ? s->upper : XL_UNKNOWN);
        xl_json_add_real(item, "blocks",
                         s->has_interval ? (double)s->blocks : XL_UNKNOWN);
        cJSON_AddStringToObject(item, "verdict",
                                xl_verdict_name(gate->verdict));
    }
    return root;
}
