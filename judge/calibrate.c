/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/calibrate.h"

#include <math.h>
#include <string.h>

#include "judge/judge.h"
#include "judge/selftest.h"

enum {
    TOKENS = 2048,
    TEXTS = 3,
    SEED = 501
};

static const struct sound {
    const char *name, *params;
    enum xl_tier tier;
} builds[] = {
#define XL_SOUND(id, name, params, tier) { name, params, XL_TIER_##tier },
#include "judge/fault.def"
};

bool xl_floor_holds(const struct xl_floor *f)
{
    return f->bound >= XL_FLOOR_ROOM * f->floor;
}

double xl_floor_bound(const struct xl_floor *f)
{
    static const double steps[] = { 1, 2, 3, 5, 10 };
    double least = XL_FLOOR_ROOM * f->floor;
    if (!(least > 0))
        return 0;
    double decade = pow(10, floor(log10(least)));
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (steps[i] * decade >= least)
            return steps[i] * decade;
    return 10 * decade;
}

static void note(const struct sound *build, const struct xl_judgement *j,
                 struct xl_floor floors[XL_GATE_COUNT])
{
    for (size_t i = 0; i < XL_GATE_COUNT; i++) {
        const struct xl_gate_row *row = xl_gate_row((enum xl_gate_id)i);
        const struct xl_score *s = &j->scores[row->score];
        struct xl_floor *f = &floors[i];
        if (isnan(row->bound[build->tier]) || !s->is_known)
            continue;
        double loss = fmax(xl_gate_loss(row->score, s->value), 0);
        f->bound = xl_gate_loss(row->score, row->bound[build->tier]);
        if (!f->is_known || loss > f->floor) {
            f->floor = loss;
            f->worst = build->name;
        }
        f->is_known = true;
    }
}

static enum xl_status judge_builds(struct xl_model *model,
                                   const struct xl_judge_text *text,
                                   struct xl_floor floors[][XL_GATE_COUNT],
                                   struct xl_err *err)
{
    struct xl_judge *judge;
    enum xl_status rc = XL_OK;
    XL_TRY(xl_judge_make(&judge, model, text, NULL, err));
    for (size_t i = 0; i < sizeof builds / sizeof *builds && rc == XL_OK; i++) {
        struct xl_params params;
        struct xl_judgement judgement;
        rc = xl_selftest_params(&params, builds[i].params, err);
        if (rc == XL_OK)
            rc = xl_judge_config(judge, &params, xl_tier_of(&params),
                                 &judgement, err);
        if (rc == XL_OK)
            note(&builds[i], &judgement, floors[builds[i].tier]);
    }
    xl_judge_free(judge);
    return rc;
}

static enum xl_status make_text(struct xl_judge_text *text, size_t i,
                                size_t tokens, const struct xl_model *model,
                                const struct xl_tokenizer *tokenizer,
                                struct xl_err *err)
{
    if (i)
        return xl_judge_made(text, model, tokenizer, tokens, SEED + i, err);
    XL_TRY(xl_judge_heldout(text, model, tokenizer, tokens, err));
    return xl_judge_extend(text, model, tokenizer, tokens, SEED, err);
}

enum xl_status
xl_calibrate(const struct xl_calibrate_spec *spec,
             struct xl_floor floors[XL_TIER_COUNT][XL_GATE_COUNT],
             struct xl_err *err)
{
    size_t tokens = spec->tokens ? spec->tokens : TOKENS;
    size_t texts = spec->texts ? spec->texts : TEXTS;
    struct xl_model *model = NULL;
    struct xl_tokenizer *tokenizer = NULL;
    enum xl_status rc;
    memset(floors, 0, XL_TIER_COUNT * sizeof *floors);
    XL_TRY_DONE(rc, xl_model_open(&model, spec->model_dir, err));
    XL_TRY_DONE(rc, xl_tokenizer_open(&tokenizer, spec->model_dir, err));
    for (size_t i = 0; i < texts && rc == XL_OK; i++) {
        struct xl_judge_text text = { 0 };
        rc = make_text(&text, i, tokens, model, tokenizer, err);
        if (rc == XL_OK)
            rc = judge_builds(model, &text, floors, err);
        xl_judge_text_release(&text);
    }
done:
    xl_tokenizer_free(tokenizer);
    xl_model_close(model);
    return rc;
}
