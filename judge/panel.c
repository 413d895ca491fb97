/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/panel.h"

#include <string.h>

#include "kernel/base/alloc.h"

enum {
    SCREEN = 512,
    LONGER = 4, /* times the held-out text */
    SEED = 31,  /* of what makes it longer */
    HOLDOUT_SEED = 7411
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

static enum xl_status make_search(struct xl_panel *p, struct xl_err *err)
{
    struct xl_judge_text text = { 0 };
    size_t most = p->options.max_tokens;
    enum xl_status rc;
    XL_TRY_DONE(rc, xl_judge_heldout(&text, p->model, p->tokenizer, most, err));
    struct xl_judge_options options = { .screen = SCREEN,
                                        .full = text.ids.n,
                                        .folder = p->options.folder };
    if (most == 0)
        XL_TRY_DONE(rc, xl_judge_extend(&text, p->model, p->tokenizer,
                                        LONGER * text.ids.n, SEED, err));
    rc = xl_judge_make(&p->search, p->model, &text, &options, err);
done:
    xl_judge_text_release(&text);
    return rc;
}

static enum xl_status make_holdout(struct xl_panel *p, struct xl_err *err)
{
    struct xl_judge_text text = { 0 };
    size_t most = p->options.max_tokens, full;
    enum xl_status rc;
    XL_TRY_DONE(rc, xl_judge_heldout(&text, p->model, p->tokenizer, most, err));
    full = text.ids.n;
    xl_judge_text_release(&text);
    XL_TRY_DONE(rc,
                xl_judge_made(&text, p->model, p->tokenizer,
                              most ? full : LONGER * full, HOLDOUT_SEED, err));
    struct xl_judge_options options = { .full = full,
                                        .tries = XL_HOLDOUT_TRIES,
                                        .folder = p->options.folder };
    rc = xl_judge_make(&p->holdout, p->model, &text, &options, err);
done:
    xl_judge_text_release(&text);
    return rc;
}

enum xl_status xl_panel_subject(struct xl_panel *p, enum xl_stage stage,
                                const struct xl_subject *subject,
                                enum xl_tier tier, struct xl_judgement *out,
                                struct xl_err *err)
{
    if (stage == XL_STAGE_HOLDOUT) {
        if (!p->holdout)
            XL_TRY(make_holdout(p, err));
        return xl_judge_subject(p->holdout, subject, tier, out, err);
    }
    if (!p->search)
        XL_TRY(make_search(p, err));
    if (stage == XL_STAGE_SCREEN)
        return xl_judge_screen(p->search, subject, tier, out, err);
    return xl_judge_subject(p->search, subject, tier, out, err);
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
