/* SPDX-License-Identifier: Apache-2.0
 *
 * The judge with real plans: honest configurations pass, a checkpoint with
 * one thing wrong in it fails, and continuations are scored by their ids. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "judge/judge.h"
#include "judge/judge_run.h"
#include "judge/outputs.h"
#include "judge/panel.h"
#include "judge/replay.h"
#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/base/rng.h"
#include "kernel/run/generate.h"
#include "kernel/run/score.h"
#include "tests/harness/test.h"

enum {
    TOKENS = 1500,
    PROMPT = 40,
    NEW = 24
};

/* One model with a judge over random tokens. */
struct bench {
    struct xl_model *model;
    struct xl_judge_text text;
    struct xl_judge *judge;
};

static bool bench_open(struct xl_test *t, struct bench *b, const char *name,
                       const struct xl_judge_options *options)
{
    struct xl_err err = { 0 };
    *b = (struct bench){ 0 };
    return XL_CHECK_STATUS(t,
                           xl_model_open(&b->model, xl_test_data(name), &err),
                           XL_OK, &err) &&
           XL_CHECK_STATUS(
               t, xl_judge_heldout(&b->text, b->model, NULL, TOKENS, &err),
               XL_OK, &err) &&
           XL_CHECK_STATUS(
               t, xl_judge_make(&b->judge, b->model, &b->text, options, &err),
               XL_OK, &err);
}

static void bench_close(struct bench *b)
{
    xl_judge_free(b->judge);
    xl_judge_text_release(&b->text);
    xl_model_close(b->model);
}

static void set(struct xl_test *t, struct xl_params *params, const char *name,
                const char *value)
{
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t,
                    xl_params_set(params, xl_param_find(name), value,
                                  XL_LAYER_FLAG, "test", &err),
                    XL_OK, &err);
}

static void expect(struct xl_test *t, const struct xl_judgement *j,
                   enum xl_verdict verdict, const char *what)
{
    xl_test_check(t, j->ruling.verdict == verdict, __FILE__, __LINE__,
                  "%s: %s instead of %s (%s)", what,
                  xl_verdict_name(j->ruling.verdict), xl_verdict_name(verdict),
                  j->ruling.reason);
}

/* -- honest configurations ------------------------------------------------- */

static void every_backend_passes(struct xl_test *t)
{
    static const struct {
        const char *backend, *chunk, *heads, *workers, *block;
    } points[] = {
        { "native", "64", "0", "1", "512" },
        { "serial", "64", "0", "1", "512" },
        { "serial", "17", "3", "1", "100" },
        { "parallel", "64", "1", "2", "512" },
        { "parallel", "1", "3", "2", "33" },
        { "queued", "48", "2", "2", "512" },
        { "actors", "16", "3", "2", "200" },
    };
    struct bench b;
    struct xl_judgement j;
    struct xl_err err = { 0 };
    bool ok = bench_open(t, &b, "models/ragged", NULL);
    for (size_t i = 0; ok && i < sizeof points / sizeof *points; i++) {
        struct xl_params params;
        xl_params_init(&params);
        set(t, &params, "backend", points[i].backend);
        set(t, &params, "chunk_size", points[i].chunk);
        set(t, &params, "heads_per_band", points[i].heads);
        set(t, &params, "workers", points[i].workers);
        set(t, &params, "prefill_block", points[i].block);
        if (!XL_CHECK_STATUS(t,
                             xl_judge_config(b.judge, &params,
                                             xl_tier_of(&params), &j, &err),
                             XL_OK, &err))
            continue;
        expect(t, &j, XL_VERDICT_PASS, points[i].backend);
        XL_CHECK_EQ(t, j.n_tokens, TOKENS);
        XL_CHECK_EQ(t, j.steps, 117);
        XL_CHECK_TEXT(t, j.text_hash, b.text.hash);
    }
    bench_close(&b);
}

static void the_reference_equals_itself(struct xl_test *t)
{
    struct bench b;
    struct xl_params params;
    struct xl_plan *plan = NULL;
    struct xl_judgement j;
    struct xl_err err = { 0 };
    xl_judge_reference(&params);
    if (bench_open(t, &b, "models/tiny", NULL) &&
        XL_CHECK_STATUS(t, xl_plan_make(&plan, b.model, &params, &err), XL_OK,
                        &err) &&
        XL_CHECK_STATUS(t,
                        xl_judge_plan(b.judge, plan, XL_TIER_EXACT, &j, &err),
                        XL_OK, &err)) {
        expect(t, &j, XL_VERDICT_PASS, "reference");
        /* The rounding of two equal log-sums. */
        XL_CHECK_NEAR(t, j.scores[XL_SCORE_KL_MAX].value, 0, 1e-12);
        XL_CHECK_EQ(t, (size_t)j.scores[XL_SCORE_GREEDY_EQUAL].value, TOKENS);
    }
    xl_plan_free(plan);
    bench_close(&b);
}

static void lock_step_equals_the_cache(struct xl_test *t)
{
    struct bench cached, lock_step;
    struct xl_params params;
    struct xl_judgement a, c;
    struct xl_err err = { 0 };
    const struct xl_judge_options small = { .room_bytes = 1 };
    xl_params_init(&params);
    bool ok = bench_open(t, &cached, "models/tiny", NULL);
    ok = bench_open(t, &lock_step, "models/tiny", &small) && ok;
    for (size_t round = 0; round < 2 && ok; round++) {
        XL_CHECK_STATUS(t,
                        xl_judge_config(cached.judge, &params,
                                        xl_tier_of(&params), &a, &err),
                        XL_OK, &err);
        XL_CHECK_STATUS(t,
                        xl_judge_config(lock_step.judge, &params,
                                        xl_tier_of(&params), &c, &err),
                        XL_OK, &err);
        expect(t, &a, XL_VERDICT_PASS, "cached");
        for (size_t i = 0; i < XL_SCORE_COUNT; i++) {
            XL_CHECK(t, a.scores[i].is_known == c.scores[i].is_known);
            XL_CHECK_NEAR(t, a.scores[i].value, c.scores[i].value, 0);
        }
    }
    bench_close(&cached);
    bench_close(&lock_step);
}

static void a_plan_that_cannot_be_made_is_an_error(struct xl_test *t)
{
    struct bench b;
    struct xl_params params;
    struct xl_judgement j;
    struct xl_err err = { 0 };
    xl_params_init(&params);
    set(t, &params, "heads_per_band", "1024");
    if (bench_open(t, &b, "models/tiny", NULL))
        XL_CHECK(t, xl_judge_config(b.judge, &params, xl_tier_of(&params), &j,
                                    &err) != XL_OK);
    bench_close(&b);
}

/* -- damaged checkpoints --------------------------------------------------- */

struct fault {
    const char *what, *tensor;
    size_t begin, end; /* elements */
    float scale, shift;
};

/* Copies models/tiny to the case's folder with one tensor changed. */
static bool plant(struct xl_test *t, const struct fault *fault)
{
    struct xl_safetensors *files = NULL;
    struct xl_safetensors_entry entries[64];
    struct xl_err err = { 0 };
    struct xl_buf config;
    float *changed = NULL;
    char path[300];
    bool found = false;
    if (!XL_CHECK_STATUS(
            t, xl_safetensors_open(&files, xl_test_data("models/tiny"), &err),
            XL_OK, &err))
        return false;
    size_t n = xl_safetensors_count(files);
    for (size_t i = 0; i < n && i < 64; i++) {
        entries[i].name = xl_safetensors_name(files, i);
        entries[i].tensor = *xl_safetensors_at(files, i);
        if (strcmp(entries[i].name, fault->tensor) != 0)
            continue;
        size_t count = xl_tensor_count(&entries[i].tensor);
        found = true;
        changed = xl_alloc(count * sizeof *changed);
        memcpy(changed, entries[i].tensor.data, count * sizeof *changed);
        for (size_t k = fault->begin; k < fault->end && k < count; k++)
            changed[k] = changed[k] * fault->scale + fault->shift;
        entries[i].tensor.data = changed;
    }
    xl_buf_init(&config, 1 << 20);
    XL_CHECK(t, found);
    snprintf(path, sizeof path, "%s/model.safetensors", t->dir);
    XL_CHECK_STATUS(t, xl_safetensors_write(path, entries, n, &err), XL_OK,
                    &err);
    XL_CHECK_STATUS(
        t, xl_io_read(xl_test_data("models/tiny/config.json"), &config, &err),
        XL_OK, &err);
    snprintf(path, sizeof path, "%s/config.json", t->dir);
    XL_CHECK_STATUS(t, xl_io_replace(path, config.data, config.len, &err),
                    XL_OK, &err);
    xl_buf_release(&config);
    xl_free(changed);
    xl_safetensors_close(files);
    return found;
}

static void judge_planted(struct xl_test *t, struct xl_judge *judge,
                          const struct fault *fault, enum xl_tier tier)
{
    struct xl_model *model = NULL;
    struct xl_plan *plan = NULL;
    struct xl_params params;
    struct xl_judgement j;
    struct xl_err err = { 0 };
    xl_params_init(&params);
    if (plant(t, fault) &&
        XL_CHECK_STATUS(t, xl_model_open(&model, t->dir, &err), XL_OK, &err) &&
        XL_CHECK_STATUS(t, xl_plan_make(&plan, model, &params, &err), XL_OK,
                        &err) &&
        XL_CHECK_STATUS(t, xl_judge_plan(judge, plan, tier, &j, &err), XL_OK,
                        &err))
        expect(t, &j, XL_VERDICT_FAIL, fault->what);
    xl_plan_free(plan);
    xl_model_close(model);
}

static void damaged_checkpoints_fail(struct xl_test *t)
{
    static const char norm[] =
        "backbone.blocks.1.mlstm_layer.multihead_norm.weight";
    static const char gate[] =
        "backbone.blocks.0.mlstm_layer.igate_preact.bias";
    static const char down[] = "backbone.blocks.1.ffn.proj_down.weight";
    static const struct fault faults[] = {
        { "one head zeroed", norm, 16, 32, 0, 0 },
        { "one input gate shifted", gate, 2, 3, 1, 0.1f },
        { "one layer's scale 2 % off", down, 0, 1 << 20, 1.02f, 0 },
        { "NaN in one weight", "lm_head.weight", 7, 8, 1, NAN },
    };
    struct bench b;
    bool ok = bench_open(t, &b, "models/tiny", NULL);
    for (size_t i = 0; ok && i < sizeof faults / sizeof *faults; i++)
        judge_planted(t, b.judge, &faults[i], XL_TIER_KERNEL);
    if (ok) {
        judge_planted(t, b.judge, &faults[0], XL_TIER_Q8);
        judge_planted(t, b.judge, &faults[3], XL_TIER_Q4);
    }
    bench_close(&b);
}

static void a_reference_that_is_not_finite_judges_nobody(struct xl_test *t)
{
    static const struct fault fault = { "NaN", "lm_head.weight", 7, 8, 1, NAN };
    struct xl_model *model = NULL;
    struct xl_judge_text text = { 0 };
    struct xl_judge *judge = NULL;
    struct xl_params params;
    struct xl_judgement j;
    struct xl_err err = { 0 };
    xl_params_init(&params);
    if (plant(t, &fault) &&
        XL_CHECK_STATUS(t, xl_model_open(&model, t->dir, &err), XL_OK, &err) &&
        XL_CHECK_STATUS(t, xl_judge_heldout(&text, model, NULL, 100, &err),
                        XL_OK, &err) &&
        XL_CHECK_STATUS(t, xl_judge_make(&judge, model, &text, NULL, &err),
                        XL_OK, &err))
        XL_CHECK_STATUS(
            t, xl_judge_config(judge, &params, xl_tier_of(&params), &j, &err),
            XL_EMISMATCH, &err);
    xl_judge_free(judge);
    xl_judge_text_release(&text);
    xl_model_close(model);
}

/* -- the demo model -------------------------------------------------------- */

static void the_heldout_text_is_long_enough(struct xl_test *t)
{
    struct xl_model *model = NULL;
    struct xl_tokenizer *tokenizer = NULL;
    struct xl_judge_text text = { 0 };
    struct xl_err err = { 0 };
    const char *dir = xl_test_source("models/demo");
    size_t bytes = 0;
    if (XL_CHECK_STATUS(t, xl_tokenizer_open(&tokenizer, dir, &err), XL_OK,
                        &err) &&
        XL_CHECK_STATUS(t, xl_model_open(&model, dir, &err), XL_OK, &err) &&
        XL_CHECK_STATUS(t, xl_judge_heldout(&text, model, tokenizer, 0, &err),
                        XL_OK, &err)) {
        XL_CHECK(t, !text.is_random);
        XL_CHECK(t, text.ids.n >= 1400); /* enough to prove top1 */
        XL_CHECK_EQ(t, text.ids.data[0], xl_model_config(model)->bos);
        for (size_t i = 1; i < text.ids.n; i++)
            bytes += text.token_bytes[i];
        XL_CHECK(t, bytes > 5500 && bytes < 7000);
    }
    xl_judge_text_release(&text);
    xl_model_close(model);
    xl_tokenizer_free(tokenizer);
}

/* -- continuations --------------------------------------------------------- */

static void random_ids(int32_t *ids, size_t n, size_t vocab, uint64_t seed)
{
    struct xl_rng rng;
    xl_rng_seed(&rng, seed);
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)xl_rng_below(&rng, vocab);
}

static void replay_equals_scoring_the_whole(struct xl_test *t)
{
    struct xl_model *model = NULL;
    struct xl_plan *plan = NULL;
    struct xl_replay *replay = NULL;
    struct xl_params params;
    struct xl_err err = { 0 };
    int32_t ids[2][PROMPT + 150];
    double whole[PROMPT + 150], line[150];
    struct xl_replay_line result = { .logprobs = line };
    xl_judge_reference(&params);
    random_ids(ids[0], PROMPT + 150, 97, 1);
    random_ids(ids[1], PROMPT + 150, 97, 2);
    memcpy(ids[1], ids[0], PROMPT * sizeof **ids);
    bool ok = XL_CHECK_STATUS(
        t, xl_model_open(&model, xl_test_data("models/tiny"), &err), XL_OK,
        &err);
    ok = ok && XL_CHECK_STATUS(t, xl_plan_make(&plan, model, &params, &err),
                               XL_OK, &err);
    ok =
        ok && XL_CHECK_STATUS(
                  t, xl_replay_make(&replay, model, NULL, ids[0], PROMPT, &err),
                  XL_OK, &err);
    for (size_t k = 0; ok && k < 3; k++) { /* the state is not used up */
        XL_CHECK_STATUS(
            t,
            xl_score_tokens(plan, model, ids[k % 2], PROMPT + 150, whole, &err),
            XL_OK, &err);
        XL_CHECK_STATUS(
            t, xl_replay_score(replay, ids[k % 2] + PROMPT, 150, &result, &err),
            XL_OK, &err);
        for (size_t i = 0; i < 150; i++)
            XL_CHECK_NEAR(t, line[i], whole[PROMPT - 1 + i], 1e-9);
        XL_CHECK(t, result.greedy_gap > 0.01 && result.equal < 150);
    }
    if (ok) {
        ids[0][PROMPT] = 97;
        XL_CHECK(t, xl_replay_score(replay, ids[0] + PROMPT, 1, &result,
                                    &err) != XL_OK);
        XL_CHECK_STATUS(t, xl_replay_score(replay, NULL, 0, &result, &err),
                        XL_OK, &err);
    }
    xl_replay_free(replay);
    xl_plan_free(plan);
    xl_model_close(model);
}

/* Writes RUN/run_meta.json for models/tiny with a prompt in ids, or in text
 * when prompt is NULL. */
static void write_meta(struct xl_test *t, const int32_t *prompt)
{
    char path[300];
    struct xl_err err = { 0 };
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "model_path", xl_test_data("models/tiny"));
    if (prompt)
        cJSON_AddItemToObject(root, "prompt_ids",
                              cJSON_CreateIntArray(prompt, PROMPT));
    else
        cJSON_AddStringToObject(root, "prompt", "CALL 42");
    snprintf(path, sizeof path, "%s/run_meta.json", t->dir);
    XL_CHECK_STATUS(t, xl_json_save(path, root, &err), XL_OK, &err);
    cJSON_Delete(root);
}

static bool save_output(struct xl_test *t, struct xl_model *model,
                        const char *backend, const int32_t *prompt, bool tamper)
{
    char dir[300];
    struct xl_plan *plan = NULL;
    struct xl_state state = { 0 };
    struct xl_generate_result result = { 0 };
    struct xl_output output = { .text = "a b a b c",
                                .n_text = 9,
                                .prompt_tokens = PROMPT,
                                .is_greedy = true };
    struct xl_err err = { 0 };
    xl_params_init(&output.params);
    set(t, &output.params, "backend", backend);
    snprintf(dir, sizeof dir, "%s/outputs", t->dir);
    bool ok =
        XL_CHECK_STATUS(t, xl_plan_make(&plan, model, &output.params, &err),
                        XL_OK, &err) &&
        XL_CHECK_STATUS(t, xl_state_init(&state, xl_model_config(model), &err),
                        XL_OK, &err) &&
        XL_CHECK_STATUS(
            t,
            xl_generate(plan, model, &state,
                        &(struct xl_generate_options){ .prompt = prompt,
                                                       .n_prompt = PROMPT,
                                                       .max_new = NEW,
                                                       .ignore_eos = true },
                        &result, &err),
            XL_OK, &err);
    if (ok) {
        output.ids = result.ids;
        output.n_ids = result.n;
        if (tamper)
            result.ids[result.n / 2] = (result.ids[result.n / 2] + 1) % 97;
        XL_CHECK_STATUS(t, xl_outputs_save(dir, &output, NULL, &err), XL_OK,
                        &err);
    }
    xl_generate_release(&result);
    xl_state_release(&state);
    xl_plan_free(plan);
    return ok;
}

/* The verdict of a run's first output on so many tokens (0 = all there are);
 * it is that of a search's judges. */
static void check_reading(struct xl_test *t, struct xl_model *model,
                          size_t tokens, size_t *enough)
{
    const struct xl_judge_run_options options = { .max_tokens = tokens };
    const struct xl_panel_options same = { .max_tokens = tokens };
    struct xl_judged_run judged = { 0 };
    struct xl_panel *panel = NULL;
    struct xl_judgement j = { .n_tokens = 0 };
    struct xl_err err = { 0 };
    *enough = 0;
    if (!XL_CHECK_STATUS(t, xl_judge_run(&judged, t->dir, NULL, &options, &err),
                         XL_OK, &err))
        return;
    const struct xl_rating *r = judged.ratings;
    enum xl_status rc = xl_panel_make(&panel, model, NULL, &same, &err);
    if (rc == XL_OK)
        rc = xl_panel_config(panel, XL_STAGE_FULL, &r->params, &j, &err);
    XL_CHECK_STATUS(t, rc, XL_OK, &err);
    XL_CHECK_TEXT(t, judged.text_hash, j.text_hash);
    XL_CHECK_EQ(t, r->n_tokens, j.n_tokens);
    XL_CHECK_EQ(t, r->ruling.verdict, j.ruling.verdict);
    *enough = judged.enough_tokens;
    xl_panel_free(panel);
    xl_judged_run_release(&judged);
}

/* What the held-out text leaves open is read on about, as in a search; where
 * the reader has set an end, he is told which would do, and it does. */
static void a_run_is_judged_as_a_search_judges(struct xl_test *t)
{
    struct xl_model *model = NULL;
    struct xl_err err = { 0 };
    int32_t prompt[PROMPT];
    size_t enough;
    random_ids(prompt, PROMPT, 97, 5);
    write_meta(t, prompt);
    if (XL_CHECK_STATUS(
            t, xl_model_open(&model, xl_test_data("models/tiny"), &err), XL_OK,
            &err) &&
        save_output(t, model, "native", prompt, false)) {
        check_reading(t, model, 600, &enough);
        XL_CHECK(t, enough > 1200);
        check_reading(t, model, enough, &enough);
        XL_CHECK_EQ(t, enough, 0);
        check_reading(t, model, 0, &enough);
        XL_CHECK_EQ(t, enough, 0);
    }
    xl_model_close(model);
}

static void a_run_is_judged(struct xl_test *t)
{
    struct xl_model *model = NULL;
    struct xl_judged_run judged = { 0 };
    struct xl_err err = { 0 };
    int32_t prompt[PROMPT];
    random_ids(prompt, PROMPT, 97, 5);
    write_meta(t, prompt);
    bool ok = XL_CHECK_STATUS(
        t, xl_model_open(&model, xl_test_data("models/tiny"), &err), XL_OK,
        &err);
    ok = ok && save_output(t, model, "native", prompt, false);
    ok = ok && save_output(t, model, "parallel", prompt, false);
    ok = ok && save_output(t, model, "serial", prompt, true);
    if (ok &&
        XL_CHECK_STATUS(t, xl_judge_run(&judged, t->dir, NULL, NULL, &err),
                        XL_OK, &err)) {
        const struct xl_rating *r = judged.ratings;
        XL_CHECK_EQ(t, judged.n, 3);
        XL_CHECK_EQ(t, judged.n_groups, 2);
        XL_CHECK_EQ(t, r[0].ruling.verdict, XL_VERDICT_PASS);
        XL_CHECK(t, r[0].n_tokens > 2048); /* the held-out text's */
        XL_CHECK_EQ(t, r[1].ruling.verdict, XL_VERDICT_PASS);
        XL_CHECK_EQ(t, r[2].ruling.verdict, XL_VERDICT_FAIL);
        XL_CHECK(t, strstr(r[2].ruling.reason, "greedy_gap") != NULL);
        XL_CHECK_EQ(t, (size_t)r[0].scores[XL_SCORE_LEN_TOKENS].value, NEW);
        XL_CHECK_NEAR(t, r[0].scores[XL_SCORE_DISTINCT2].value, 0.75, 1e-12);
        XL_CHECK_NEAR(t, r[0].scores[XL_SCORE_AVG_LOGPROB].value,
                      r[1].scores[XL_SCORE_AVG_LOGPROB].value, 0);
        XL_CHECK_STATUS(t, xl_ratings_save(t->dir, r, judged.n, &err), XL_OK,
                        &err);
        xl_judged_run_release(&judged);
    }
    write_meta(t, NULL);
    if (ok &&
        XL_CHECK_STATUS(t, xl_judge_run(&judged, t->dir, NULL, NULL, &err),
                        XL_OK, &err)) {
        XL_CHECK_EQ(t, judged.prompt_tokens, 8); /* with BOS */
        xl_judged_run_release(&judged);
    }
    xl_model_close(model);
}

static void a_folder_that_is_no_run_is_said(struct xl_test *t)
{
    struct xl_judged_run judged;
    struct xl_err err = { 0 };
    int32_t prompt[PROMPT] = { 0 };
    XL_CHECK_STATUS(t, xl_judge_run(&judged, t->dir, NULL, NULL, &err),
                    XL_ENOTFOUND, &err);
    XL_CHECK(t, strstr(err.message, "run_meta.json") != NULL);
    write_meta(t, prompt);
    XL_CHECK_STATUS(t, xl_judge_run(&judged, t->dir, NULL, NULL, &err),
                    XL_ENOTFOUND, &err);
    XL_CHECK(t, strstr(err.message, "outputs") != NULL);
}

const struct xl_test_case xl_suite_judge_model[] = {
    XL_CASE(every_backend_passes),
    XL_CASE(the_reference_equals_itself),
    XL_CASE(lock_step_equals_the_cache),
    XL_CASE(a_plan_that_cannot_be_made_is_an_error),
    XL_CASE(damaged_checkpoints_fail),
    XL_CASE(a_reference_that_is_not_finite_judges_nobody),
    XL_CASE(the_heldout_text_is_long_enough),
    XL_CASE(replay_equals_scoring_the_whole),
    XL_CASE(a_run_is_judged),
    XL_CASE(a_run_is_judged_as_a_search_judges),
    XL_CASE(a_folder_that_is_no_run_is_said),
    { 0 },
};
