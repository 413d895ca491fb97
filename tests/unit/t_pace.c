/* SPDX-License-Identifier: Apache-2.0
 *
 * A sweep with a time budget ends on time, judge and duel and all, and says so
 * when it had to cut one short. On the fake clock. */
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "tests/unit/sweep_fixture.h"
#include "tuner/sweep/pace.h"
#include "tuner/sweep/ration.h"

#define SECOND ((uint64_t)1000000000u)

static const char space[] =
    "{\"params\": {\"chunk_size\": [8, 16, 24, 32, 40, 48, 56, 72, 80, 96],"
    " \"prefill_block\": [64, 128, 192, 256, 320, 384, 448, 576, 640, 704],"
    " \"tile_av\": [\"4x8\", \"4x16\", \"4x32\", \"8x8\", \"8x16\"]}}";

/* Small chunks are faster than large ones: by 3 %, by 21 % with a gain. */
static double speed(const struct xl_fake *fake, const struct xl_params *params)
{
    double more = fake->gain > 0 ? 2000.0 : 300.0;
    return 1000.0 + more / (double)params->value[XL_PARAM_CHUNK_SIZE];
}

/* A model so large that 512 tokens of prompt and 64 new ones take 3 s. */
static double slow_prefill(const struct xl_fake *fake,
                           const struct xl_params *params)
{
    return 0.6 * speed(fake, params);
}

static double slow_decode(const struct xl_fake *fake,
                          const struct xl_params *params)
{
    return 0.03 * speed(fake, params);
}

struct timed {
    double budget_s;
    uint64_t judge_ns;
    double gain;
    bool is_large, is_rationed;
    enum xl_sweep_end end;
    struct xl_verdicts v;
    struct xl_ration ration;
    double search_s, all_s;
};

/* Sounds and rations as `xltune sweep` does. */
static void ration(struct xl_test *t, struct timed *run,
                   const struct xl_sweep_start *s, struct xl_pace *pace,
                   size_t trials)
{
    struct xl_ration_facts facts = { .budget_s = run->budget_s,
                                     .trials = trials,
                                     .whole = { 512, 64 },
                                     .repeats = s->race.rules.repeats,
                                     .most = s->race.rules.most };
    XL_CHECK_EQ(
        t, xl_ration_sound(&s->sweep.runner, s->sweep.anchor, &facts, NULL),
        XL_OK);
    xl_ration_choose(&run->ration, &facts);
    pace->whole = run->ration.whole;
}

/* A whole sweep of so many seconds; 0 = no limit but the trials. */
static void live(struct xl_test *t, struct timed *run, size_t trials)
{
    struct xl_sweep_bench b;
    struct xl_sweep_start s;
    struct xl_pace pace;
    struct xl_sweep_plan plan = { .mode = "random",
                                  .budget = trials,
                                  .repeats = 5,
                                  .most = 20,
                                  .anchor_every = 4,
                                  .seed = 3,
                                  .in_memory = true };
    char file[32];
    snprintf(file, sizeof file, "%zu.db", t->checks); /* another each time */
    plan.file = file;
    memset(&run->v, 0, sizeof run->v);
    if (!xl_sweep_bench_open(&b, t, space, NULL))
        return;
    b.fake.speed = run->is_large ? slow_prefill : speed;
    b.fake.decode = run->is_large ? slow_decode : NULL;
    b.fake.noise = 0.02;
    b.fake.judge_ns = run->judge_ns;
    b.fake.gain = run->gain;
    b.fake.now_ns = 100 * SECOND;
    xl_pace_init(&pace, b.fake.now_ns, run->budget_s);
    b.fake.deadline_ns = xl_pace_end(&pace, XL_PHASE_OUTPUTS);
    if (xl_sweep_start_open(&b, &s, &plan)) {
        s.sweep.pace = &pace;
        if (run->is_rationed) {
            ration(t, run, &s, &pace, trials);
            s.sweep.load = run->ration.load;
            s.race.rules.repeats = run->ration.repeats;
            s.race.rules.most = run->ration.most;
        }
        xl_sweep_start_grade(&b, &s, 16);
        run->end = xl_sweep_start_search(&b, &s);
        run->search_s = (double)(b.fake.now_ns - pace.start_ns) / 1e9;
        xl_sweep_start_finish(&b, &s, 0, &run->v);
        run->all_s = (double)(b.fake.now_ns - pace.start_ns) / 1e9;
    }
    xl_sweep_start_close(&s);
    xl_sweep_bench_close(&b);
}

/* One lap takes 0.55 s, a duel's first look 18 s. */
static void the_whole_ends_on_time(struct xl_test *t)
{
    static const double budgets[] = { 1, 3, 7, 15, 30, 60, 120, 300, 1800 };
    static const double judges[] = { 0.01, 0.5, 5, 40 };
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++)
        for (size_t k = 0; k < sizeof judges / sizeof *judges; k++) {
            struct timed run = { .budget_s = budgets[i],
                                 .judge_ns =
                                     (uint64_t)(judges[k] * (double)SECOND) };
            live(t, &run, 100000);
            /* The lap in flight is an evaluator's to cut. */
            xl_test_check(t, run.all_s <= budgets[i] + 1.2, __FILE__, __LINE__,
                          "%g s with a judge of %g s ended after %g s",
                          budgets[i], judges[k], run.all_s);
            XL_CHECK(t, !run.v.proved || run.v.value_ratio.lo > 1.0);
            XL_CHECK(t, run.v.winner || run.v.is_cut);
            XL_CHECK(t, run.v.why[0] || run.v.winner);
        }
}

/* Where there is time for it, most goes to the search, and the duel is held. */
static void the_search_gets_the_most(struct xl_test *t)
{
    struct timed run = { .budget_s = 600, .judge_ns = SECOND, .gain = 1 };
    live(t, &run, 100000);
    XL_CHECK_EQ(t, run.end, XL_END_TIME);
    XL_CHECK(t, run.search_s > 0.6 * run.budget_s);
    XL_CHECK(t, run.all_s > 0.8 * run.budget_s);
    XL_CHECK(t, run.v.proved && !run.v.is_cut);
    XL_CHECK(t, run.v.n_played > 1);
    XL_CHECK(t, run.v.value_ratio.n >= 16);
}

/* A duel that was cut short proves only what its rounds prove, and says it. */
static void a_cut_duel_says_so(struct xl_test *t)
{
    struct timed run = { .budget_s = 14, .judge_ns = SECOND / 10 };
    live(t, &run, 100000);
    XL_CHECK(t, run.v.is_cut && !run.v.proved);
    XL_CHECK(t, strstr(run.v.why, "not proved"));
    XL_CHECK(t, strstr(run.v.why, "time was up"));
}

/* A limit that is far away changes nothing. */
static void time_enough_is_no_limit(struct xl_test *t)
{
    struct timed runs[2] = { { .budget_s = 0, .gain = 1 },
                             { .budget_s = 1e6, .gain = 1 } };
    for (size_t i = 0; i < 2; i++)
        live(t, &runs[i], 60);
    XL_CHECK(t, runs[0].end == XL_END_BUDGET && runs[1].end == XL_END_BUDGET);
    XL_CHECK_EQ(t, runs[0].v.winner, runs[1].v.winner);
    XL_CHECK_TEXT(t, runs[0].v.why, runs[1].v.why);
    XL_CHECK(t, runs[0].v.proved && !runs[1].v.is_cut);
}

/* However dear the judge is, more than half of the time is the search's. */
static void a_dear_judge_leaves_half(struct xl_test *t)
{
    static const uint64_t judges[] = { 1, 8, 40, 120 };
    for (size_t i = 0; i < sizeof judges / sizeof *judges; i++) {
        struct timed run = { .budget_s = 720,
                             .judge_ns = judges[i] * SECOND,
                             .gain = 1 };
        live(t, &run, 100000);
        xl_test_check(t, run.search_s > 0.54 * run.budget_s, __FILE__, __LINE__,
                      "a judge of %d s left %g s of %g", (int)judges[i],
                      run.search_s, run.budget_s);
    }
}

/* 60 configurations of a model of which a repetition takes 3 s, in 12 minutes
 * with judge and duel; without a ration that does not fit. */
static void a_large_model_is_rationed(struct xl_test *t)
{
    struct timed runs[2];
    for (size_t i = 0; i < 2; i++) {
        runs[i] = (struct timed){ .budget_s = 720,
                                  .judge_ns = 8 * SECOND,
                                  .gain = 1,
                                  .is_large = true,
                                  .is_rationed = i == 1 };
        live(t, &runs[i], 60);
        XL_CHECK(t, runs[i].all_s <= runs[i].budget_s + 3.5);
    }
    XL_CHECK_EQ(t, runs[0].end, XL_END_TIME);
    XL_CHECK_EQ(t, runs[1].end, XL_END_BUDGET);
    XL_CHECK(t, runs[1].v.n_ok >= 60 && runs[1].v.proved && !runs[1].v.is_cut);
    XL_CHECK(t, runs[1].v.value_ratio.n >= 16);
    XL_CHECK(t, runs[1].ration.load.prompt_tokens == 256);
    /* The duel runs the whole workload: 512 tokens at 600 to 700 a second. */
    XL_CHECK(t, runs[1].v.figures.prefill_s.median > 0.6);
}

/* best.json says what its speeds are of: the whole in a duel, else the part
 * that the search had. */
static void check_workload(struct xl_test *t, const struct xl_load *load,
                           bool is_duel)
{
    char *path = xl_io_join(t->dir, "best.json");
    struct xl_err err = { 0 };
    cJSON *root = NULL;
    int64_t prompt = 0, news = 0;
    const char *by = "";
    bool is_whole = false;
    XL_CHECK_STATUS(t, xl_json_load(path, XL_JSON_SMALL, &root, &err), XL_OK,
                    &err);
    const cJSON *metrics = xl_json_member(root, "metrics");
    xl_json_get_text(metrics, "measured_by", &by, NULL);
    xl_json_get_int(metrics, "prompt_tokens", 0, 9999, &prompt, NULL);
    xl_json_get_int(metrics, "new_tokens", 0, 9999, &news, NULL);
    xl_json_get_bool(metrics, "whole_workload", &is_whole, NULL);
    XL_CHECK_TEXT(t, by, is_duel ? "duel" : "search");
    XL_CHECK_EQ(t, prompt, load->prompt_tokens);
    XL_CHECK_EQ(t, news, load->new_tokens);
    XL_CHECK_EQ(t, is_whole, is_duel);
    cJSON_Delete(root);
    xl_free(path);
}

/* With a judge of 180 s the time is up before a duel. */
static void figures_name_their_workload(struct xl_test *t)
{
    static const struct xl_load whole = { 512, 64 };
    for (size_t i = 0; i < 2; i++) {
        struct timed run = { .budget_s = 720,
                             .judge_ns = (i ? 180 : 8) * SECOND,
                             .gain = 1,
                             .is_large = true,
                             .is_rationed = true };
        live(t, &run, 60);
        bool is_duel = run.v.value_ratio.n > 0;
        XL_CHECK(t, run.v.winner > 0 && is_duel == (i == 0));
        check_workload(t, is_duel ? &whole : &run.ration.load, is_duel);
    }
}

static void a_ration_fits_the_time(struct xl_test *t)
{
    struct xl_ration r;
    struct xl_ration_facts facts = { .budget_s = 720,
                                     .trials = 60,
                                     .whole = { 3000, 64 },
                                     .repeats = 5,
                                     .most = 20,
                                     .judge_least = 2560,
                                     .prefill_s = 0.0015,
                                     .step_s = 0.04 };
    xl_ration_choose(&r, &facts);
    XL_CHECK(t, r.load.prompt_tokens >= 256 && r.load.prompt_tokens < 1000);
    XL_CHECK(t, r.load.new_tokens >= 8 && r.load.new_tokens < 64);
    XL_CHECK(t, r.repeats >= 2 && r.repeats <= 5 && r.most >= r.repeats);
    double part_s = 0.0015 * (double)r.load.prompt_tokens +
                    0.04 * (double)r.load.new_tokens;
    XL_CHECK_NEAR(t, r.whole * part_s, 3000 * 0.0015 + 64 * 0.04, 1e-9);
    XL_CHECK_EQ(t, r.judge_tokens, 3840);
    facts.judge_tokens = 7000;
    facts.is_fixed = true;
    xl_ration_choose(&r, &facts);
    XL_CHECK(t, r.repeats == 5 && r.most == 20 && r.judge_tokens == 7000);
    facts.judge_tokens = 0;
    /* A short workload is never made longer. */
    facts.whole = (struct xl_load){ 100, 6 };
    facts.budget_s = 10;
    xl_ration_choose(&r, &facts);
    XL_CHECK(t, r.load.prompt_tokens == 0 && r.whole == 1.0);
    /* Time enough, or no end: all that is wanted. */
    facts.whole = (struct xl_load){ 3000, 64 };
    for (size_t i = 0; i < 2; i++) {
        facts.budget_s = i ? 1e6 : 0;
        xl_ration_choose(&r, &facts);
        XL_CHECK(t, r.load.prompt_tokens == 0 && r.whole == 1.0);
        XL_CHECK(t, r.repeats == 5 && r.most == 20 && r.judge_tokens == 0);
    }
}

static void a_ration_survives_its_file(struct xl_test *t)
{
    struct xl_ration a = { { 256, 16 }, 3, 12, 3840, 4.25 }, b = { 0 };
    cJSON *json = xl_ration_json(&a);
    xl_ration_read(&b, json);
    XL_CHECK(t, memcmp(&a, &b, sizeof a) == 0);
    xl_ration_read(&b, NULL);
    XL_CHECK(t, memcmp(&a, &b, sizeof a) == 0);
    cJSON_Delete(json);
}

const struct xl_test_case xl_suite_pace[] = {
    XL_CASE(the_whole_ends_on_time),      XL_CASE(the_search_gets_the_most),
    XL_CASE(a_cut_duel_says_so),          XL_CASE(time_enough_is_no_limit),
    XL_CASE(a_dear_judge_leaves_half),    XL_CASE(a_large_model_is_rationed),
    XL_CASE(figures_name_their_workload), XL_CASE(a_ration_fits_the_time),
    XL_CASE(a_ration_survives_its_file),  { 0 },
};
