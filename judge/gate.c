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
    FLOOR_ROOM = 120 /* of what a reason says about a floor */
};

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

/* The floor that a gate follows. */
static const struct follow {
    bool is_given;
    enum xl_score_id of;
    double times, most[XL_TIER_COUNT];
} follows[XL_GATE_COUNT] = {
#define XL_FOLLOW(score, of_, times_, bf16, q8, q4)                            \
    [XL_GATE_##score] = { .is_given = true,                                    \
                          .of = XL_SCORE_##of_,                                \
                          .times = times_,                                     \
                          .most = { [XL_TIER_EXACT] = NONE,                    \
                                    [XL_TIER_KERNEL] = NONE,                   \
                                    [XL_TIER_BF16] = bf16,                     \
                                    [XL_TIER_Q8] = q8,                         \
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

/* Does the gate follow a floor in that tier? */
static bool may_follow(size_t gate, enum xl_tier tier)
{
    return follows[gate].is_given && !isnan(follows[gate].most[tier]);
}

double xl_gate_loss(enum xl_score_id id, double value)
{
    return xl_score_row(id)->better == XL_BETTER_MORE ? 1 - value : value;
}

double xl_gate_bound(enum xl_gate_id id, enum xl_tier tier, double floor)
{
    enum xl_score_id score = gates[id].score;
    double absolute = xl_gate_loss(score, gates[id].bound[tier]);
    if (!may_follow(id, tier))
        return absolute;
    double most = xl_gate_loss(score, follows[id].most[tier]);
    return fmax(absolute, fmin(follows[id].times * floor, most));
}

/* The bound of a gate in a tier, with the floor that may loosen it. */
static struct xl_gate_result bound_of(size_t gate, enum xl_tier tier,
                                      const struct xl_score *floor)
{
    enum xl_score_id of = follows[gate].of;
    double absolute = gates[gate].bound[tier];
    struct xl_gate_result result = { .bound = absolute,
                                     .absolute = absolute,
                                     .floor = XL_UNKNOWN };
    if (!floor || !may_follow(gate, tier) || !floor[of].is_known)
        return result;
    result.floor = fmax(xl_gate_loss(of, floor[of].value), 0);
    enum xl_score_id score = gates[gate].score;
    double loss = xl_gate_bound((enum xl_gate_id)gate, tier, result.floor);
    if (loss > xl_gate_loss(score, absolute))
        result.bound = xl_gate_loss(score, loss); /* its own inverse */
    return result;
}

/* Is the bound another than the tier's own? */
static bool is_followed(const struct xl_gate_result *gate)
{
    return gate->bound > gate->absolute || gate->bound < gate->absolute;
}

/* ", twice this model's floor", or that no bound can help this model. */
static void explain_floor(size_t gate, enum xl_tier tier,
                          const struct xl_gate_result *result,
                          char out[FLOOR_ROOM])
{
    const struct follow *f = &follows[gate];
    out[0] = '\0';
    if (isnan(result->floor))
        return;
    if (f->of == gates[gate].score &&
        result->floor > xl_gate_loss(f->of, f->most[tier]))
        snprintf(out, FLOOR_ROOM,
                 "; this model is too sensitive for tier '%s': rounding alone "
                 "costs %.3g",
                 tiers[tier], result->floor);
    else if (is_followed(result))
        snprintf(out, FLOOR_ROOM, ", as this model's own floor is %.3g",
                 result->floor);
}

static void explain(struct xl_ruling *ruling, size_t gate,
                    const struct xl_score *s)
{
    const struct xl_gate_row *row = &gates[gate];
    const struct xl_score_row *score = xl_score_row(row->score);
    const struct xl_gate_result *result = &ruling->gates[gate];
    char floor[FLOOR_ROOM], *out = ruling->reason;
    const char *side = score->better == XL_BETTER_MORE ? "least" : "most";
    explain_floor(gate, ruling->tier, result, floor);
    if (!s->is_known)
        snprintf(out, XL_REASON_ROOM, "%s is unknown: %s", score->name,
                 s->why_unknown);
    else if (!row->is_proved)
        snprintf(out, XL_REASON_ROOM, "%s is %.3g, at %s %.3g allowed%s: %s",
                 score->name, s->value, side, result->bound, floor, row->why);
    else if (s->blocks < XL_BLOCKS_TO_PASS &&
             ruling->verdict == XL_VERDICT_INCONCLUSIVE)
        snprintf(out, XL_REASON_ROOM,
                 "%s needs %d blocks of text to be proved, has %zu",
                 score->name, XL_BLOCKS_TO_PASS, s->blocks);
    else
        snprintf(out, XL_REASON_ROOM,
                 "%s is %.3g (one-sided bounds %.3g to %.3g), at %s %.3g "
                 "allowed%s: %s",
                 score->name, s->value, s->lower, s->upper, side, result->bound,
                 floor, row->why);
}

void xl_gate_rule(enum xl_tier tier, const struct xl_score *scores,
                  const struct xl_score *floor, struct xl_ruling *ruling)
{
    size_t applied = 0, followed = 0;
    *ruling = (struct xl_ruling){ .tier = tier };
    for (size_t i = 0; i < XL_GATE_COUNT; i++) {
        const struct xl_gate_row *row = &gates[i];
        const struct xl_score *s = &scores[row->score];
        struct xl_gate_result *gate = &ruling->gates[i];
        if (isnan(row->bound[tier]) || (!s->is_known && !row->needs_score))
            continue;
        *gate = bound_of(i, tier, floor);
        gate->applies = true;
        gate->verdict = rule_one(row, s, gate->bound);
        applied++;
        followed += is_followed(gate);
        if (gate->verdict > ruling->verdict) {
            ruling->verdict = gate->verdict;
            explain(ruling, i, s);
        }
    }
    if (ruling->verdict != XL_VERDICT_PASS)
        return;
    int n = snprintf(ruling->reason, XL_REASON_ROOM,
                     "all %zu gates of tier '%s' hold", applied, tiers[tier]);
    if (followed)
        snprintf(ruling->reason + n, XL_REASON_ROOM - (size_t)n,
                 ", %zu of them by this model's own floor", followed);
}

bool xl_ruling_wants_floor(const struct xl_ruling *ruling,
                           const struct xl_score *scores)
{
    bool wants = false;
    if (scores[XL_SCORE_STATE_OVER].is_known)
        return true; /* it was wanted, and this came with it */
    for (size_t i = 0; i < XL_GATE_COUNT; i++) {
        const struct xl_gate_result *gate = &ruling->gates[i];
        const struct xl_score *s = &scores[gates[i].score];
        bool is_open = gate->verdict == XL_VERDICT_INCONCLUSIVE;
        if (!gate->applies || gate->verdict == XL_VERDICT_PASS)
            continue;
        if (!may_follow(i, ruling->tier) && !is_open)
            return false;
        wants = wants || (may_follow(i, ruling->tier) && s->is_known &&
                          (!is_open || s->blocks >= XL_BLOCKS_TO_PASS));
    }
    return wants;
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
        xl_json_add_real(item, "absolute", gate->absolute);
        xl_json_add_real(item, "floor", gate->floor);
        xl_json_add_real(item, "times",
                         isnan(gate->floor) ? XL_UNKNOWN : follows[i].times);
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
