/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/panel.h"

#include <string.h>

#include "judge/interval.h"
#include "judge/reach.h"
#include "kernel/base/alloc.h"
#include "kernel/base/minmax.h"
#include "kernel/run/cost.h"

enum {
    SCREEN = 512,
    LARGE_SCREEN = 128,
    LARGE = 100000000, /* parameters */
    LONGER = 4,        /* times the held-out text */
    SEED = 31,         /* of what makes it longer */
    HOLDOUT_SEED = 7411,
    GRAIN = 64,          /* steps in which a sufficient length is looked for */
    MOST_ASKED = 1 << 14 /* tokens; every tier is proved long before */
};

struct xl_panel {
    struct xl_model *model;
    const struct xl_tokenizer *tokenizer;
    struct xl_panel_options options;
    struct xl_judge *search, *holdout; /* NULL = not asked for yet */
};

static const char *const names[XL_STAGE_COUNT] = {
    [XL_STAGE_SCREEN] = "screen",
    [XL_STAGE_FULL] = "full",
    [XL_STAGE_HOLDOUT] = "holdout",
};

const char *xl_stage_name(enum xl_stage stage)
{
    return names[stage];
}

enum xl_stage xl_stage_find(const char *name)
{
    size_t i = 0;
    while (i < XL_STAGE_COUNT && strcmp(names[i], name) != 0)
        i++;
    return (enum xl_stage)i;
}

enum xl_status xl_panel_make(struct xl_panel **out, struct xl_model *model,
                             const struct xl_tokenizer *tokenizer,
                             const struct xl_panel_options *options,
                             struct xl_err *err)
{
    struct xl_panel *panel = xl_alloc_zero(1, sizeof *panel);
    *out = panel;
    if (!panel)
        return xl_fail(err, XL_ENOMEM, "out of memory making judges");
    panel->model = model;
    panel->tokenizer = tokenizer;
    if (options)
        panel->options = *options;
    return XL_OK;
}

void xl_panel_free(struct xl_panel *panel)
{
    if (!panel)
        return;
    xl_judge_free(panel->search);
    xl_judge_free(panel->holdout);
    xl_free(panel);
}

/* How much text the stages read: the held-out text first, then up to the
 * budget. */
struct extent {
    size_t full, total; /* tokens */
};

static struct extent extent_of(size_t heldout, size_t max_tokens)
{
    size_t total = max_tokens ? max_tokens : LONGER * heldout;
    return (struct extent){ xl_min(total, heldout), total };
}

static void set_looks(struct xl_judge_options *options, const struct extent *x,
                      enum xl_stage stage)
{
    bool is_holdout = stage == XL_STAGE_HOLDOUT;
    options->screen = is_holdout ? 0 : SCREEN;
    options->full = x->full;
    options->tries = is_holdout ? XL_HOLDOUT_TRIES : 1;
}

/* Every configuration of a search is screened: of a large model 512 tokens
 * would cost more than its repetitions, and what is broken shows at once. */
static size_t screen_of(const struct xl_model *model)
{
    struct xl_cost cost;
    bool is_large = xl_cost_of(&cost, xl_model_config(model), NULL) == XL_OK &&
                    cost.parameters > LARGE;
    return is_large ? LARGE_SCREEN : SCREEN;
}

static enum xl_status make_judge(struct xl_panel *p, enum xl_stage stage,
                                 struct xl_judge **judge, struct xl_err *err)
{
    struct xl_judge_text text = { 0 };
    enum xl_status rc;
    struct xl_judge_options options = { .folder = p->options.folder,
                                        .watch = p->options.watch,
                                        .reference = p->options.reference };
    if (p->options.text)
        return xl_judge_make(judge, p->model, p->options.text, &options, err);
    XL_TRY_DONE(rc, xl_judge_heldout(&text, p->model, p->tokenizer, 0, err));
    struct extent x = extent_of(text.ids.n, p->options.max_tokens);
    if (stage == XL_STAGE_HOLDOUT) /* what breaks late must not win */
        x.full = xl_max(x.full, xl_min(p->options.workload, x.total));
    set_looks(&options, &x, stage);
    if (options.screen)
        options.screen = screen_of(p->model);
    if (stage == XL_STAGE_HOLDOUT) {
        xl_judge_text_release(&text);
        rc = xl_judge_made(&text, p->model, p->tokenizer, x.total, HOLDOUT_SEED,
                           err);
    } else if (x.total < text.ids.n) {
        xl_judge_text_release(&text);
        rc = xl_judge_heldout(&text, p->model, p->tokenizer, x.total, err);
    } else {
        rc = xl_judge_extend(&text, p->model, p->tokenizer, x.total, SEED, err);
    }
    if (rc == XL_OK)
        rc = xl_judge_make(judge, p->model, &text, &options, err);
done:
    xl_judge_text_release(&text);
    return rc;
}

/* -- what can be proved ---------------------------------------------------- */

static enum xl_status measure_heldout(const struct xl_model *model,
                                      const struct xl_tokenizer *tokenizer,
                                      size_t *tokens, struct xl_err *err)
{
    struct xl_judge_text text = { 0 };
    enum xl_status rc = xl_judge_heldout(&text, model, tokenizer, 0, err);
    *tokens = text.ids.n;
    xl_judge_text_release(&text);
    return rc;
}

/* The verdict on the reference itself in a tier, in the stricter of the
 * stages that pass. */
static enum xl_status rule_ideal(enum xl_tier tier, size_t heldout,
                                 size_t max_tokens, struct xl_ruling *ruling,
                                 struct xl_err *err)
{
    static const enum xl_stage stages[] = { XL_STAGE_FULL, XL_STAGE_HOLDOUT };
    struct extent x = extent_of(heldout, max_tokens);
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        struct xl_judge_options o = { 0 };
        struct xl_looks looks;
        set_looks(&o, &x, stages[i]);
        xl_looks_plan(&looks, x.total, o.screen, o.full);
        XL_TRY(xl_reach(tier, x.total, xl_interval_level(looks.n * o.tries),
                        ruling, err));
        if (ruling->verdict != XL_VERDICT_PASS)
            break;
    }
    return XL_OK;
}

/* The least max_tokens, to a multiple of GRAIN, with which it passes. */
static enum xl_status find_least(enum xl_tier tier, size_t heldout,
                                 size_t *tokens, struct xl_err *err)
{
    struct xl_ruling ruling;
    size_t n = 0;
    do {
        n += GRAIN;
        XL_TRY(rule_ideal(tier, heldout, n, &ruling, err));
    } while (ruling.verdict != XL_VERDICT_PASS && n < MOST_ASKED);
    *tokens = n;
    return XL_OK;
}

static enum xl_status find_least_of(const bool wanted[XL_TIER_COUNT],
                                    size_t heldout, size_t *tokens,
                                    struct xl_err *err)
{
    *tokens = 0;
    for (size_t i = 0; i < XL_TIER_COUNT; i++) {
        size_t least = 0;
        if (wanted[i])
            XL_TRY(find_least((enum xl_tier)i, heldout, &least, err));
        *tokens = xl_max(*tokens, least);
    }
    return XL_OK;
}

size_t xl_panel_room(size_t least)
{
    return (3 * least / 2 + GRAIN - 1) / GRAIN * GRAIN;
}

static enum xl_status refuse(enum xl_tier tier,
                             const bool wanted[XL_TIER_COUNT], size_t heldout,
                             size_t max_tokens, struct xl_err *err)
{
    size_t least;
    XL_TRY(find_least_of(wanted, heldout, &least, err));
    return xl_fail(err, XL_EUSAGE,
                   "%zu tokens of text prove nothing in tier '%s', not even "
                   "of the reference itself; the tiers of this space take %zu, "
                   "and room for rounding: give --judge-tokens %zu or more, or "
                   "leave it out",
                   extent_of(heldout, max_tokens).total, xl_tier_name(tier),
                   least, xl_panel_room(least));
}

enum xl_status xl_panel_check(const struct xl_model *model,
                              const struct xl_tokenizer *tokenizer,
                              size_t max_tokens,
                              const bool wanted[XL_TIER_COUNT],
                              struct xl_err *err)
{
    struct xl_ruling ruling = { .verdict = XL_VERDICT_PASS };
    size_t heldout, i = 0;
    XL_TRY(measure_heldout(model, tokenizer, &heldout, err));
    for (; i < XL_TIER_COUNT && ruling.verdict == XL_VERDICT_PASS; i++)
        if (wanted[i])
            XL_TRY(
                rule_ideal((enum xl_tier)i, heldout, max_tokens, &ruling, err));
    return ruling.verdict == XL_VERDICT_PASS
               ? XL_OK
               : refuse((enum xl_tier)(i - 1), wanted, heldout, max_tokens,
                        err);
}

enum xl_status xl_panel_least(const struct xl_model *model,
                              const struct xl_tokenizer *tokenizer,
                              const bool wanted[XL_TIER_COUNT], size_t *tokens,
                              struct xl_err *err)
{
    size_t heldout;
    XL_TRY(measure_heldout(model, tokenizer, &heldout, err));
    return find_least_of(wanted, heldout, tokens, err);
}

enum xl_status xl_panel_enough(const struct xl_panel *p,
                               const struct xl_ruling *ruling, size_t n_tokens,
                               size_t *tokens, struct xl_err *err)
{
    bool wanted[XL_TIER_COUNT] = { false };
    size_t least;
    *tokens = 0;
    if (ruling->verdict != XL_VERDICT_INCONCLUSIVE)
        return XL_OK;
    wanted[ruling->tier] = true;
    XL_TRY(xl_panel_least(p->model, p->tokenizer, wanted, &least, err));
    *tokens = xl_max(2 * n_tokens, xl_panel_room(least));
    return XL_OK;
}

/* -- judging --------------------------------------------------------------- */

enum xl_status xl_panel_judge(struct xl_panel *p, enum xl_stage stage,
                              struct xl_judge **judge, struct xl_err *err)
{
    struct xl_judge **kept =
        stage == XL_STAGE_HOLDOUT ? &p->holdout : &p->search;
    if (!*kept)
        XL_TRY(make_judge(p, stage, kept, err));
    *judge = *kept;
    return XL_OK;
}

enum xl_status xl_panel_subject(struct xl_panel *p, enum xl_stage stage,
                                const struct xl_subject *subject,
                                enum xl_tier tier, struct xl_judgement *out,
                                struct xl_err *err)
{
    struct xl_judge *judge;
    XL_TRY(xl_panel_judge(p, stage, &judge, err));
    return stage == XL_STAGE_SCREEN
               ? xl_judge_screen(judge, subject, tier, out, err)
               : xl_judge_subject(judge, subject, tier, out, err);
}

enum xl_status xl_panel_config(struct xl_panel *p, enum xl_stage stage,
                               const struct xl_params *params,
                               struct xl_judgement *out, struct xl_err *err)
{
    struct xl_plan *plan;
    XL_TRY(xl_plan_make(&plan, p->model, params, err));
    struct xl_subject subject =
        xl_subject_of_plan(plan, xl_model_config(p->model));
    enum xl_status rc =
        xl_panel_subject(p, stage, &subject, xl_tier_of(params), out, err);
    xl_plan_free(plan);
    return rc;
}
