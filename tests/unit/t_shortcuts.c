/* SPDX-License-Identifier: Apache-2.0
 *
 * Configurations that would be fast because they skip work: each is right
 * somewhere, and the judges look where it is not. */
#include <string.h>

#include "judge/panel.h"
#include "kernel/model/plan_int.h"
#include "tests/cross/gemm_emulated.h"
#include "tests/harness/test.h"

enum {
    LATER = 700, /* past the screen */
    FAR = 3000,  /* past the first look at a whole text */
    ODD = 16,
    MANY_STEPS = 64
};

/* A plan, and where it skips. */
struct lazy {
    struct xl_plan *plan;
    size_t vocab;
    size_t from;          /* tokens: rows from there on are the row before */
    bool skips_odd;       /* the last token of a pass that is no multiple */
    bool skips_prompt;    /* of a prompt, all but the last tokens */
    bool skips_row;       /* the last row of a prompt is that of another */
    bool skips_again;     /* from the second beginning on, a token */
    bool skips_neighbour; /* of a batch, all but the first */
    bool skips_steps;     /* one by one, the state from a number on */
    size_t beginnings, in_a_row;
};

static void leave_last(const struct lazy *l, struct xl_state *state,
                       const struct xl_pass *pass)
{
    struct xl_pass less = *pass;
    less.n--;
    xl_plan_forward(l->plan, state, &less);
    memcpy(pass->logits + less.n * l->vocab,
           pass->logits + (less.n - 1) * l->vocab,
           l->vocab * sizeof *pass->logits);
    state->tokens++;
}

static void forward(void *ctx, struct xl_state *state,
                    const struct xl_pass *pass)
{
    struct lazy *l = ctx;
    size_t at = (size_t)state->tokens;
    l->beginnings += at == 0;
    l->in_a_row = pass->n == 1 ? l->in_a_row + 1 : 0;
    if (l->skips_steps && l->in_a_row > MANY_STEPS) {
        memset(pass->logits, 0, l->vocab * sizeof *pass->logits);
        state->tokens++;
        return;
    }
    if (pass->n > 1 && l->skips_odd && pass->n % ODD)
        leave_last(l, state, pass);
    else
        xl_plan_forward(l->plan, state, pass);
    for (size_t i = 1; i < pass->n && l->from; i++)
        if (at + i >= l->from)
            memcpy(pass->logits + i * l->vocab,
                   pass->logits + (i - 1) * l->vocab,
                   l->vocab * sizeof *pass->logits);
}

static void prompt(void *ctx, struct xl_state *state,
                   const struct xl_pass *pass)
{
    struct lazy *l = ctx;
    struct xl_pass less = *pass;
    l->beginnings += state->tokens == 0;
    if (l->skips_prompt || (l->skips_again && l->beginnings > 1)) {
        size_t left = l->skips_prompt ? pass->n / 2 : 1;
        less.tokens += left;
        less.n -= left;
        state->tokens += left;
    }
    xl_plan_forward(l->plan, state, &less);
    if (l->skips_row)
        memset(pass->logits, 0, l->vocab * sizeof *pass->logits);
}

static void batch(void *ctx, struct xl_state *const *states,
                  const struct xl_batch *all)
{
    const struct lazy *l = ctx;
    struct xl_batch less = *all;
    if (l->skips_neighbour)
        less.n = 1;
    xl_plan_forward_batch(l->plan, states, &less);
    for (size_t i = less.n; i < all->n; i++) {
        memcpy(all->logits + i * l->vocab, all->logits,
               l->vocab * sizeof *all->logits);
        states[i]->tokens++;
    }
}

/* One shortcut, and the score whose gate refuses it. */
struct shortcut {
    const char *name;
    struct lazy lazy;
    enum xl_stage stage;
    size_t workload;
    enum xl_gate_id gate; /* XL_GATE_COUNT: it passes */
};

static const struct shortcut shortcuts[] = {
    { "none", { 0 }, XL_STAGE_FULL, 0, XL_GATE_COUNT },
    { "wrong after the screen",
      { .from = LATER },
      XL_STAGE_FULL,
      0,
      XL_GATE_KL_MEAN },
    { "wrong beyond the first look, a short workload",
      { .from = FAR },
      XL_STAGE_HOLDOUT,
      0,
      XL_GATE_COUNT },
    { "wrong beyond the first look, a long workload",
      { .from = FAR },
      XL_STAGE_HOLDOUT,
      4096,
      XL_GATE_KL_MEAN },
    { "wrong where a pass is no multiple",
      { .skips_odd = true },
      XL_STAGE_FULL,
      0,
      XL_GATE_HARD_FLIPS },
    { "wrong in prompts",
      { .skips_prompt = true },
      XL_STAGE_SCREEN,
      0,
      XL_GATE_AGAIN_STATE },
    { "wrong in the last row of prompts",
      { .skips_row = true },
      XL_STAGE_SCREEN,
      0,
      XL_GATE_AGAIN_KL },
    { "wrong in the second generation",
      { .skips_again = true },
      XL_STAGE_SCREEN,
      0,
      XL_GATE_AGAIN_STATE },
    { "wrong in a batch",
      { .skips_neighbour = true },
      XL_STAGE_SCREEN,
      0,
      XL_GATE_BATCH_VALUES },
    { "wrong after so many steps",
      { .skips_steps = true },
      XL_STAGE_FULL,
      0,
      XL_GATE_STEP_KL },
};

static void judge_one(struct xl_test *t, struct xl_model *model,
                      struct xl_plan *plan, const struct shortcut *s)
{
    const struct xl_panel_options options = { .workload = s->workload };
    const struct xl_config *config = xl_model_config(model);
    struct lazy lazy = s->lazy;
    struct xl_subject subject = xl_subject_of_plan(plan, config);
    struct xl_panel *panel = NULL;
    struct xl_judgement j = { .n_tokens = 0 };
    struct xl_err err = { 0 };
    lazy.plan = plan;
    lazy.vocab = config->vocab;
    subject.ctx = &lazy;
    subject.forward = forward;
    subject.prompt = prompt;
    subject.batch = batch;
    enum xl_status rc = xl_panel_make(&panel, model, NULL, &options, &err);
    if (rc == XL_OK)
        rc =
            xl_panel_subject(panel, s->stage, &subject, XL_TIER_BF16, &j, &err);
    xl_panel_free(panel);
    if (!XL_CHECK_STATUS(t, rc, XL_OK, &err))
        return;
    bool is_refused = j.ruling.verdict == XL_VERDICT_FAIL;
    xl_test_check(t, is_refused == (s->gate < XL_GATE_COUNT), __FILE__,
                  __LINE__, "%s: %s, %s", s->name,
                  xl_verdict_name(j.ruling.verdict), j.ruling.reason);
    if (s->gate < XL_GATE_COUNT)
        xl_test_check(t, j.ruling.gates[s->gate].verdict == XL_VERDICT_FAIL,
                      __FILE__, __LINE__, "%s: its gate holds, %s", s->name,
                      j.ruling.reason);
}

static void shortcuts_are_refused(struct xl_test *t)
{
    struct xl_params params;
    struct xl_model *model = NULL;
    struct xl_plan *plan = NULL;
    struct xl_err err = { 0 };
    xl_params_init(&params);
    params.value[XL_PARAM_WORKERS] = 1;
    params.value[XL_PARAM_PREFILL_BLOCK] = 64;
    enum xl_status rc =
        xl_model_open(&model, xl_test_data("models/tiny"), &err);
    if (rc == XL_OK)
        rc = xl_plan_make(&plan, model, &params, &err);
    if (XL_CHECK_STATUS(t, rc, XL_OK, &err))
        for (size_t i = 0; i < sizeof shortcuts / sizeof *shortcuts; i++)
            judge_one(t, model, plan, &shortcuts[i]);
    xl_plan_free(plan);
    xl_model_close(model);
}

#ifdef XL_X86_VARIANTS
/* Matrix tiles are no shortcut: prompts and batches have the bits of what is
 * judged, for each kind of weights. */
static void tiles_are_none(struct xl_test *t)
{
    static const enum xl_pack_kind kinds[] = { XL_PACK_BF16, XL_PACK_INT8,
                                               XL_PACK_INT4 };
    const char *why = xl_gemm_emulated.why_not();
    struct xl_model *model = NULL;
    struct xl_err err = { 0 };
    if (why) {
        XL_CHECK(t, why[0] != '\0'); /* emulated tiles use other vectors */
        return;
    }
    enum xl_status rc =
        xl_model_open(&model, xl_test_data("models/biased-bf16-sharded"), &err);
    for (size_t i = 0; rc == XL_OK && i < sizeof kinds / sizeof *kinds; i++) {
        struct xl_params params;
        struct xl_plan *plan = NULL;
        struct xl_panel *panel = NULL;
        struct xl_judgement j = { .n_tokens = 0 };
        xl_params_init(&params);
        params.value[XL_PARAM_WEIGHT_DTYPE] = kinds[i];
        params.value[XL_PARAM_WORKERS] = 2;
        params.value[XL_PARAM_PREFILL_BLOCK] = 100;
        rc = xl_plan_make_on(&plan, model, &params, &xl_gemm_emulated, &err);
        if (rc == XL_OK)
            rc = xl_panel_make(&panel, model, NULL, NULL, &err);
        if (rc == XL_OK) {
            struct xl_subject subject =
                xl_subject_of_plan(plan, xl_model_config(model));
            rc = xl_panel_subject(panel, XL_STAGE_SCREEN, &subject,
                                  xl_tier_of(&params), &j, &err);
        }
        XL_CHECK(t, j.scores[XL_SCORE_AGAIN_STATE].is_known);
        XL_CHECK_NEAR(t, j.scores[XL_SCORE_AGAIN_STATE].value, 0, 0);
        XL_CHECK_NEAR(t, j.scores[XL_SCORE_BATCH_VALUES].value, 0, 0);
        XL_CHECK(t, j.scores[XL_SCORE_AGAIN_KL].value < 5e-3);
        xl_panel_free(panel);
        xl_plan_free(plan);
    }
    XL_CHECK_STATUS(t, rc, XL_OK, &err);
    xl_model_close(model);
}
#endif

const struct xl_test_case xl_suite_shortcuts[] = {
    XL_CASE(shortcuts_are_refused),
#ifdef XL_X86_VARIANTS
    XL_CASE(tiles_are_none),
#endif
    { 0 },
};
