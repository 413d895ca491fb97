/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweeps over a space where half the configurations are ten times as fast and
 * each of those damages something. The machine is made up; the judges, their
 * texts, gates and stages are the real ones, over a real model's plan. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/panel.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/model/plan.h"
#include "tests/unit/sweep_fixture.h"
#include "tuner/profile/best.h"

/* 144 configurations. Chunks of 12, 20, 28.. do damage. */
static const char mixed_space[] =
    "{\"params\": {\"chunk_size\":"
    " [8, 12, 16, 20, 24, 28, 32, 36, 48, 52, 80, 84],"
    " \"prefill_block\": [64, 256, 512, 1024],"
    " \"tile_av\": [\"4x8\", \"8x8\", \"8x16\"]}}";

enum damage {
    HONEST,
    NAN_LOGIT,
    LATE_LOGITS,
    NO_M,
    DROPS_LATER, /* past what the screen reads */
    NOISE_LATER, /* likewise, and small */
    OTHER_TEXT,  /* only on a text that the search has not seen */
    DAMAGES
};

enum {
    SWEEPS = 100,
    LATER = 700,
    CHUNK_BEST = 32
};

static enum damage damage_of(const struct xl_params *params)
{
    static const struct {
        int64_t chunk;
        enum damage damage;
    } damages[] = { { 12, NAN_LOGIT },   { 20, LATE_LOGITS },
                    { 28, NO_M },        { 36, DROPS_LATER },
                    { 52, NOISE_LATER }, { 84, NOISE_LATER } };
    if (params->value[XL_PARAM_CHUNK_SIZE] == 84 &&
        params->value[XL_PARAM_PREFILL_BLOCK] == 64)
        return OTHER_TEXT;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++)
        if (params->value[XL_PARAM_CHUNK_SIZE] == damages[i].chunk)
            return damages[i].damage;
    return HONEST;
}

/* -- the model ------------------------------------------------------------- */

struct court {
    struct xl_model *model;
    struct xl_plan *plan;
    struct xl_panel *panel;
    size_t vocab;
    enum damage damage; /* at work */
    enum xl_stage stage;
    struct xl_rng rng;
    cJSON *said[DAMAGES][XL_STAGE_COUNT]; /* every judgement is made once */
    struct xl_params asked[200]; /* what the whole judge was asked about */
    size_t n_asked, n_again;
};

static void spoil_row(struct court *c, size_t at, float *row, float *before)
{
    bool is_later = at >= LATER;
    if (c->damage == NAN_LOGIT && at == 300)
        row[c->vocab / 2] = NAN;
    if (c->damage == DROPS_LATER && is_later && at % 64 < 16)
        memset(row, 0, c->vocab * sizeof *row);
    if (c->damage == LATE_LOGITS && before)
        memcpy(row, before, c->vocab * sizeof *row);
    bool is_noisy = (c->damage == NOISE_LATER && is_later) ||
                    (c->damage == OTHER_TEXT && c->stage == XL_STAGE_HOLDOUT);
    for (size_t i = 0; is_noisy && i < c->vocab; i++)
        row[i] += 0.02f * (float)xl_rng_normal(&c->rng);
}

static void forward(void *ctx, struct xl_state *state,
                    const struct xl_pass *pass)
{
    struct court *c = ctx;
    size_t begin = (size_t)state->tokens;
    for (size_t b = 0; c->damage == NO_M && b < state->blocks; b++)
        if (xl_state_m(state, b))
            memset(xl_state_m(state, b), 0, state->heads * sizeof(float));
    xl_plan_forward(c->plan, state, pass);
    for (size_t i = pass->n; i-- > 0;) {
        float *row = pass->logits + i * c->vocab;
        spoil_row(c, begin + i, row, i ? row - c->vocab : NULL);
    }
}

static bool open_court(struct xl_test *t, struct court *c)
{
    struct xl_params params;
    struct xl_err err = { 0 };
    *c = (struct court){ .model = NULL };
    xl_params_init(&params);
    params.value[XL_PARAM_WORKERS] = 1;
    params.value[XL_PARAM_PREFILL_BLOCK] = 64;
    enum xl_status rc =
        xl_model_open(&c->model, xl_test_data("models/tiny"), &err);
    if (rc == XL_OK)
        rc = xl_plan_make(&c->plan, c->model, &params, &err);
    if (rc == XL_OK)
        rc = xl_panel_make(&c->panel, c->model, NULL, NULL, &err);
    if (rc == XL_OK)
        c->vocab = xl_model_config(c->model)->vocab;
    return XL_CHECK_STATUS(t, rc, XL_OK, &err);
}

static void close_court(struct court *c)
{
    for (size_t i = 0; i < DAMAGES * XL_STAGE_COUNT; i++)
        cJSON_Delete(c->said[i / XL_STAGE_COUNT][i % XL_STAGE_COUNT]);
    xl_panel_free(c->panel);
    xl_plan_free(c->plan);
    xl_model_close(c->model);
}

static void note_asked(struct court *c, const struct xl_params *params)
{
    for (size_t i = 0; i < c->n_asked; i++)
        if (xl_params_equal(&c->asked[i], params)) {
            c->n_again++;
            return;
        }
    if (c->n_asked < sizeof c->asked / sizeof *c->asked)
        c->asked[c->n_asked++] = *params;
}

static enum xl_status judge(void *ctx, const struct xl_params *params,
                            enum xl_stage stage, struct xl_run_end *end,
                            struct xl_err *err)
{
    struct court *c = ctx;
    struct xl_judgement judgement;
    c->damage = damage_of(params);
    c->stage = stage;
    if (stage == XL_STAGE_FULL)
        note_asked(c, params);
    cJSON **said = &c->said[c->damage][stage];
    if (!*said) {
        struct xl_subject subject =
            xl_subject_of_plan(c->plan, xl_model_config(c->model));
        subject.ctx = c;
        subject.forward = forward;
        subject.prompt = NULL; /* takes a row for each token */
        xl_rng_seed(&c->rng, 5);
        XL_TRY(xl_panel_subject(c->panel, stage, &subject, XL_TIER_KERNEL,
                                &judgement, err));
        *said = xl_judgement_json(&judgement);
    }
    *end = (struct xl_run_end){ .outcome = XL_RUN_OK,
                                .answer = cJSON_Duplicate(*said, true) };
    return XL_OK;
}

static const char *verdict_of(struct xl_test *t, struct court *c, int64_t chunk,
                              enum xl_stage stage)
{
    static char verdict[32];
    const char *text = "";
    struct xl_params params;
    struct xl_run_end end = { .outcome = XL_RUN_FAILED };
    struct xl_err err = { 0 };
    xl_params_init(&params);
    params.value[XL_PARAM_CHUNK_SIZE] = chunk;
    params.value[XL_PARAM_PREFILL_BLOCK] = 64;
    XL_CHECK_STATUS(t, judge(c, &params, stage, &end, &err), XL_OK, &err);
    xl_json_get_text(end.answer, "verdict", &text, NULL);
    snprintf(verdict, sizeof verdict, "%s", text);
    cJSON_Delete(end.answer);
    return verdict;
}

/* The stages do what the damages were chosen for. */
static void each_stage_has_its_damage(struct xl_test *t)
{
    struct court c;
    if (open_court(t, &c)) {
        XL_CHECK_TEXT(t, verdict_of(t, &c, 32, XL_STAGE_SCREEN),
                      "inconclusive");
        XL_CHECK_TEXT(t, verdict_of(t, &c, 32, XL_STAGE_FULL), "pass");
        XL_CHECK_TEXT(t, verdict_of(t, &c, 32, XL_STAGE_HOLDOUT), "pass");
        XL_CHECK_TEXT(t, verdict_of(t, &c, 12, XL_STAGE_SCREEN), "fail");
        XL_CHECK_TEXT(t, verdict_of(t, &c, 20, XL_STAGE_SCREEN), "fail");
        XL_CHECK_TEXT(t, verdict_of(t, &c, 28, XL_STAGE_SCREEN), "fail");
        XL_CHECK_TEXT(t, verdict_of(t, &c, 36, XL_STAGE_SCREEN),
                      "inconclusive");
        XL_CHECK_TEXT(t, verdict_of(t, &c, 36, XL_STAGE_FULL), "fail");
        XL_CHECK_TEXT(t, verdict_of(t, &c, 52, XL_STAGE_SCREEN),
                      "inconclusive");
        XL_CHECK_TEXT(t, verdict_of(t, &c, 52, XL_STAGE_FULL), "fail");
        XL_CHECK_TEXT(t, verdict_of(t, &c, 84, XL_STAGE_FULL), "pass");
        XL_CHECK_TEXT(t, verdict_of(t, &c, 84, XL_STAGE_HOLDOUT), "fail");
    }
    close_court(&c);
}

/* -- sweeps ---------------------------------------------------------------- */

/* Ten times as fast where it does damage; else best at one chunk. */
static double speed_of(const struct xl_fake *fake, const struct xl_params *p)
{
    double away =
        log2((double)p->value[XL_PARAM_CHUNK_SIZE] / (double)CHUNK_BEST);
    double block = log2((double)p->value[XL_PARAM_PREFILL_BLOCK] / 256.0);
    double honest = 2000.0 / (1.0 + away * away) / (1.0 + 0.2 * fabs(block));
    (void)fake;
    return damage_of(p) == HONEST ? honest : 10.0 * honest;
}

/* best.json as other programs see it. */
static void check_proof(struct xl_test *t, const struct xl_verdicts *v)
{
    char *path = xl_io_join(t->dir, "best.json");
    cJSON *root = NULL;
    const char *text = "", *verdict = "";
    struct xl_err err = { 0 };
    if (XL_CHECK_STATUS(t, xl_json_load(path, XL_JSON_LARGE, &root, &err),
                        XL_OK, &err)) {
        const cJSON *quality = xl_json_member(root, "quality");
        const cJSON *holdout = xl_json_member(quality, "holdout");
        XL_CHECK(t, cJSON_IsArray(xl_json_member(quality, "gates")));
        XL_CHECK_TEXT(t, v->tier, "kernel");
        xl_json_get_text(quality, "text_hash", &text, NULL);
        xl_json_get_text(quality, "verdict", &verdict, NULL);
        XL_CHECK_TEXT(t, verdict, "pass");
        verdict = "";
        xl_json_get_text(holdout, "verdict", &verdict, NULL);
        XL_CHECK_TEXT(t, verdict, "pass");
        const char *other = "";
        xl_json_get_text(holdout, "text_hash", &other, NULL);
        XL_CHECK(t, strlen(text) == 32 && strlen(other) == 32 &&
                        strcmp(text, other) != 0);
        cJSON_Delete(root);
    }
    free(path);
}

static void sweep_once(struct xl_sweep_bench *b, uint64_t seed, size_t found[2])
{
    struct xl_sweep_start s;
    struct xl_verdicts v = { 0 };
    char file[32];
    snprintf(file, sizeof file, "%d.db", (int)seed);
    struct xl_sweep_plan plan = { .file = file,
                                  .mode = seed % 2 ? "tpe" : "ga",
                                  .budget = 100,
                                  .repeats = 4,
                                  .most = 12,
                                  .anchor_every = 4,
                                  .seed = seed,
                                  .in_memory = true };
    b->fake.seed = seed;
    b->fake.noise = 0.02;
    if (xl_sweep_start_open(b, &s, &plan) && xl_sweep_start_grade(b, &s, 16)) {
        xl_sweep_start_search(b, &s);
        xl_sweep_start_finish(b, &s, 0, &v);
        XL_CHECK(b->t, v.winner > 0 && v.n_refused > 0);
        found[0] += damage_of(&v.params) != HONEST;
        found[1] += v.params.value[XL_PARAM_CHUNK_SIZE] == CHUNK_BEST &&
                    v.params.value[XL_PARAM_PREFILL_BLOCK] == 256;
        check_proof(b->t, &v);
    }
    xl_sweep_start_close(&s);
}

/* Tiles make no difference to these speeds, so any of them is the best. */
static void damage_never_wins_and_the_best_honest_one_does(struct xl_test *t)
{
    struct xl_sweep_bench b;
    struct court c;
    size_t found[2] = { 0, 0 };
    size_t n = getenv("XL_TEST_SMALL") ? SWEEPS / 5 : SWEEPS;
    if (open_court(t, &c) && xl_sweep_bench_open(&b, t, mixed_space, NULL)) {
        b.fake.speed = speed_of;
        b.fake.judge = judge;
        b.fake.judge_ctx = &c;
        for (uint64_t seed = 1; seed <= n; seed++)
            sweep_once(&b, seed, found);
        XL_CHECK_EQ(t, found[0], 0);
        xl_test_check(t, found[1] * 100 >= n * 95, __FILE__, __LINE__,
                      "the best honest one in %zu of %zu", found[1], n);
        xl_sweep_bench_close(&b);
    }
    close_court(&c);
}

/* What has passed as a trial is not asked again at the end, and the holdout
 * text is never left out. Damage that differs in one tunable from what passes
 * is among these configurations. */
static void nobody_is_judged_twice(struct xl_test *t)
{
    struct xl_sweep_bench b;
    struct court c;
    size_t found[2] = { 0, 0 }, without = 0;
    if (open_court(t, &c) && xl_sweep_bench_open(&b, t, mixed_space, NULL)) {
        b.fake.speed = speed_of;
        b.fake.judge = judge;
        b.fake.judge_ctx = &c;
        for (uint64_t seed = 1; seed <= 6; seed++) {
            c.n_asked = c.n_again = 0;
            b.forgets = seed % 3 == 0;
            sweep_once(&b, seed, found);
            if (b.forgets)
                without += c.n_again;
            else
                XL_CHECK_EQ(t, c.n_again, 0);
        }
        XL_CHECK(t, without > 0); /* the count sees it */
        XL_CHECK_EQ(t, found[0], 0);
        xl_sweep_bench_close(&b);
    }
    close_court(&c);
}

/* -- defaults that do not pass --------------------------------------------- */

/* Refuses the defaults from a stage on, and nobody else. */
struct against {
    const struct xl_params *defaults;
    enum xl_stage from;
};

static enum xl_status refuse_defaults(void *ctx, const struct xl_params *params,
                                      enum xl_stage stage,
                                      struct xl_run_end *end,
                                      struct xl_err *err)
{
    const struct against *a = ctx;
    bool refused = stage >= a->from && xl_params_equal(params, a->defaults);
    const char *passed = stage == XL_STAGE_SCREEN ? "inconclusive" : "pass";
    (void)err;
    *end = (struct xl_run_end){ .outcome = XL_RUN_OK,
                                .answer = cJSON_CreateObject() };
    cJSON_AddStringToObject(end->answer, "verdict", refused ? "fail" : passed);
    return XL_OK;
}

static double a_little_faster(const struct xl_fake *fake,
                              const struct xl_params *p)
{
    (void)fake;
    return p->value[XL_PARAM_CHUNK_SIZE] == CHUNK_BEST ? 1050.0 : 1000.0;
}

/* Four rounds prove nothing, and yet the defaults may not stay: whichever text
 * refused them. */
static void refused_defaults_do_not_stay(struct xl_test *t)
{
    static const enum xl_stage stages[] = { XL_STAGE_FULL, XL_STAGE_HOLDOUT,
                                            XL_STAGE_COUNT };
    struct xl_sweep_bench b;
    if (!xl_sweep_bench_open(&b, t, mixed_space, NULL))
        return;
    struct against against = { .defaults = &b.base };
    b.fake.speed = a_little_faster;
    b.fake.noise = 0.001;
    b.fake.judge = refuse_defaults;
    b.fake.judge_ctx = &against;
    for (size_t i = 0; i < 3; i++) {
        struct xl_sweep_start s;
        struct xl_verdicts v = { 0 };
        char file[16];
        snprintf(file, sizeof file, "d%zu.db", i);
        struct xl_sweep_plan plan = { .file = file,
                                      .mode = "random",
                                      .budget = 30,
                                      .repeats = 3,
                                      .in_memory = true };
        against.from = stages[i];
        if (xl_sweep_start_open(&b, &s, &plan)) {
            xl_sweep_start_search(&b, &s);
            xl_sweep_start_finish(&b, &s, 4, &v);
            XL_CHECK(t, v.winner > 0 && !v.proved);
            XL_CHECK_EQ(t, v.is_default, stages[i] == XL_STAGE_COUNT);
        }
        xl_sweep_start_close(&s);
    }
    xl_sweep_bench_close(&b);
}

static enum xl_status refuse_all(void *ctx, const struct xl_params *params,
                                 enum xl_stage stage, struct xl_run_end *end,
                                 struct xl_err *err)
{
    size_t *screens = ctx;
    (void)params;
    (void)err;
    *screens += stage == XL_STAGE_SCREEN;
    *end = (struct xl_run_end){ .outcome = XL_RUN_OK,
                                .answer = cJSON_CreateObject() };
    cJSON_AddStringToObject(end->answer, "verdict", "fail");
    return XL_OK;
}

/* What the first look refuses is not worth a measurement. */
static void the_screen_comes_first(struct xl_test *t)
{
    struct xl_sweep_bench b;
    struct xl_sweep_start s;
    size_t screens = 0;
    struct xl_sweep_plan plan = {
        .file = "s.db", .mode = "random", .budget = 5, .repeats = 3
    };
    if (!xl_sweep_bench_open(&b, t, mixed_space, NULL))
        return;
    b.fake.speed = a_little_faster;
    b.fake.judge = refuse_all;
    b.fake.judge_ctx = &screens;
    if (xl_sweep_start_open(&b, &s, &plan)) {
        xl_sweep_start_search(&b, &s);
        XL_CHECK(t, screens > 0);
        XL_CHECK_EQ(t, b.fake.samples, 0);
    }
    xl_sweep_start_close(&s);
    xl_sweep_bench_close(&b);
}

static enum xl_status refuse_held_out(void *ctx, const struct xl_params *params,
                                      enum xl_stage stage,
                                      struct xl_run_end *end,
                                      struct xl_err *err)
{
    static const char *const verdicts[] = { [XL_STAGE_SCREEN] = "inconclusive",
                                            [XL_STAGE_FULL] = "pass",
                                            [XL_STAGE_HOLDOUT] = "fail" };
    size_t *held_out = ctx;
    (void)params;
    (void)err;
    *held_out += stage == XL_STAGE_HOLDOUT;
    *end = (struct xl_run_end){ .outcome = XL_RUN_OK,
                                .answer = cJSON_CreateObject() };
    cJSON_AddStringToObject(end->answer, "verdict", verdicts[stage]);
    return XL_OK;
}

/* The bounds of the holdout text pay for so many winners and no more. */
static void holdout_tries_are_counted(struct xl_test *t)
{
    struct xl_sweep_bench b;
    struct xl_sweep_start s;
    struct xl_verdicts v = { 0 };
    size_t held_out = 0;
    struct xl_sweep_plan plan = {
        .file = "h.db", .mode = "random", .budget = 12, .repeats = 3
    };
    if (!xl_sweep_bench_open(&b, t, mixed_space, NULL))
        return;
    b.fake.speed = a_little_faster;
    b.fake.judge = refuse_held_out;
    b.fake.judge_ctx = &held_out;
    if (xl_sweep_start_open(&b, &s, &plan)) {
        xl_sweep_start_search(&b, &s);
        xl_sweep_start_finish(&b, &s, 4, &v);
        XL_CHECK_EQ(t, held_out, XL_HOLDOUT_TRIES);
        XL_CHECK_EQ(t, v.winner, 0);
    }
    xl_sweep_start_close(&s);
    xl_sweep_bench_close(&b);
}

static enum xl_status leave_open(void *ctx, const struct xl_params *params,
                                 enum xl_stage stage, struct xl_run_end *end,
                                 struct xl_err *err)
{
    (void)ctx;
    (void)params;
    (void)stage;
    (void)err;
    *end = (struct xl_run_end){ .outcome = XL_RUN_OK,
                                .answer = cJSON_CreateObject() };
    cJSON_AddStringToObject(end->answer, "verdict", "inconclusive");
    cJSON_AddNumberToObject(end->answer, "n_tokens", 1500);
    return XL_OK;
}

/* When the text proves nothing of anybody, the defaults among them, nobody
 * wins, and the reason names a longer text. */
static void an_open_end_says_how_to_go_on(struct xl_test *t)
{
    struct xl_sweep_bench b;
    struct xl_sweep_start s;
    struct xl_verdicts v = { 0 };
    struct xl_sweep_plan plan = {
        .file = "o.db", .mode = "random", .budget = 6, .repeats = 3
    };
    if (!xl_sweep_bench_open(&b, t, mixed_space, NULL))
        return;
    b.fake.speed = a_little_faster;
    b.fake.judge = leave_open;
    if (xl_sweep_start_open(&b, &s, &plan)) {
        xl_sweep_start_search(&b, &s);
        xl_sweep_start_finish(&b, &s, 4, &v);
        XL_CHECK_EQ(t, v.winner, 0);
        XL_CHECK(t, v.n_unproved > 0 && v.n_passed == 0);
        xl_test_check(t, strstr(v.why, "on 1500 tokens") != NULL, __FILE__,
                      __LINE__, "why: %s", v.why);
        XL_CHECK(t, strstr(v.why, "--judge-tokens 3000") != NULL);
    }
    xl_sweep_start_close(&s);
    xl_sweep_bench_close(&b);
}

/* -- too little text ------------------------------------------------------- */

/* What a panel of so many tokens says of an honest configuration, at worst. */
static enum xl_verdict worst_of(struct xl_test *t, struct court *c,
                                size_t max_tokens)
{
    const struct xl_panel_options options = { .max_tokens = max_tokens };
    struct xl_judgement full, holdout;
    struct xl_panel *panel = NULL;
    struct xl_err err = { 0 };
    struct xl_subject subject =
        xl_subject_of_plan(c->plan, xl_model_config(c->model));
    enum xl_status rc = xl_panel_make(&panel, c->model, NULL, &options, &err);
    if (rc == XL_OK)
        rc = xl_panel_subject(panel, XL_STAGE_FULL, &subject, XL_TIER_KERNEL,
                              &full, &err);
    if (rc == XL_OK)
        rc = xl_panel_subject(panel, XL_STAGE_HOLDOUT, &subject, XL_TIER_KERNEL,
                              &holdout, &err);
    xl_panel_free(panel);
    if (!XL_CHECK_STATUS(t, rc, XL_OK, &err))
        return XL_VERDICT_FAIL;
    return full.ruling.verdict > holdout.ruling.verdict
               ? full.ruling.verdict
               : holdout.ruling.verdict;
}

/* What no difference needs suffices the real judges of a configuration that
 * shows hardly one, and no less does; what the check asks for has room. */
static void a_text_too_short_is_said_before(struct xl_test *t)
{
    enum {
        GRAIN = 64
    };
    struct court c;
    const bool kernel[XL_TIER_COUNT] = { [XL_TIER_KERNEL] = true };
    const bool none[XL_TIER_COUNT] = { false };
    struct xl_err err = { 0 };
    if (open_court(t, &c)) {
        XL_CHECK_STATUS(t, xl_panel_check(c.model, NULL, 0, kernel, &err),
                        XL_OK, &err);
        XL_CHECK_STATUS(t, xl_panel_check(c.model, NULL, 200, none, &err),
                        XL_OK, &err);
        XL_CHECK_EQ(t, xl_panel_check(c.model, NULL, 200, kernel, &err),
                    XL_EUSAGE);
        const char *fix = strstr(err.message, "--judge-tokens ");
        XL_CHECK(t, fix && strstr(err.message, "'kernel'"));
        size_t asked = fix ? (size_t)atoi(fix + strlen("--judge-tokens ")) : 0;
        size_t least = 0;
        XL_CHECK_STATUS(t, xl_panel_least(c.model, NULL, kernel, &least, &err),
                        XL_OK, &err);
        XL_CHECK(t, least > 200 && asked >= 3 * least / 2);
        XL_CHECK_EQ(t, xl_panel_check(c.model, NULL, least, kernel, NULL),
                    XL_OK);
        XL_CHECK_EQ(t, worst_of(t, &c, least), XL_VERDICT_PASS);
        XL_CHECK_EQ(t, worst_of(t, &c, least - GRAIN), XL_VERDICT_INCONCLUSIVE);
    }
    close_court(&c);
}

const struct xl_test_case xl_suite_judge_sweep[] = {
    XL_CASE(each_stage_has_its_damage),
    XL_CASE(nobody_is_judged_twice),
    XL_CASE(damage_never_wins_and_the_best_honest_one_does),
    XL_CASE(refused_defaults_do_not_stay),
    XL_CASE(the_screen_comes_first),
    XL_CASE(holdout_tries_are_counted),
    XL_CASE(an_open_end_says_how_to_go_on),
    XL_CASE(a_text_too_short_is_said_before),
    { 0 },
};
