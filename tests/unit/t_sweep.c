/* SPDX-License-Identifier: Apache-2.0
 *
 * The sweep over a fake runner: speeds are a known function of the tunables,
 * so the best configuration is known, and faults are planted at will. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/base/rng.h"
#include "kernel/model/plan.h"
#include "tests/harness/test.h"
#include "tuner/profile/best.h"
#include "tuner/space/param_space.h"
#include "tuner/store/query.h"
#include "tuner/sweep/finish.h"

enum {
    REPEATS = 3,
    MOST_TRIALS = 512
};

/* What the fake runner does and has seen. */
struct fake {
    uint64_t seed;
    double noise;          /* relative, of each sample */
    size_t samples;        /* taken so far */
    size_t stop_after;     /* stopped at that many; 0 = never */
    int64_t crash_chunk;   /* this chunk_size crashes; 0 = none */
    int64_t lying_chunk;   /* this one runs as chunk_size 1; 0 = none */
    int64_t damaged_chunk; /* the judge refuses it; 0 = none */
    double fast;           /* speed of every configuration but the defaults */
};

struct bench {
    struct xl_test *t;
    struct xl_config config;
    struct xl_params base;
    struct xl_param_space *space;
    struct xl_objective *objective;
    struct fake fake;
};

static double speed_of(const struct fake *fake, const struct xl_params *p)
{
    double chunk = (double)p->value[XL_PARAM_CHUNK_SIZE];
    double heads = (double)p->value[XL_PARAM_HEADS_PER_BAND];
    double workers = (double)p->value[XL_PARAM_WORKERS];
    if (fake->fast > 0)
        return p->value[XL_PARAM_CHUNK_SIZE] == 64 ? 1000.0
                                                   : 1000.0 * fake->fast;
    return 1000.0 * workers / (1.0 + pow(log2(chunk / 48.0), 2.0)) /
           (1.0 + 0.1 * (heads - 1.0));
}

/* The same configuration and repetition give the same sample, whenever. */
static double jitter(const struct fake *fake, const struct xl_params *p,
                     size_t rep, int side)
{
    struct xl_rng rng;
    uint64_t mix = fake->seed;
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        mix = mix * 1000003u + (uint64_t)p->value[i];
    xl_rng_seed(&rng, mix * 31u + rep * 2u + (uint64_t)side);
    return 1.0 + fake->noise * xl_rng_normal(&rng);
}

static enum xl_run_go send_sample(struct fake *fake,
                                  const struct xl_run_request *r, size_t rep,
                                  int side)
{
    const struct xl_params *p = side ? r->against : r->params;
    double speed = speed_of(fake, p) * jitter(fake, p, rep, side);
    struct xl_run_sample s = {
        .rep = rep,
        .side = side,
        .prompt_tokens = 512,
        .decode_steps = 63,
        .prefill_ns = (uint64_t)(512e9 / speed),
        .decode_ns = (uint64_t)(63e9 / speed),
    };
    fake->samples++;
    return r->on_sample(r->ctx, &s);
}

/* Sides of a round in the order of the evaluator. */
static enum xl_run_go run_round(struct fake *fake,
                                const struct xl_run_request *r, size_t rep)
{
    bool is_duel = r->against && !r->anchor_every;
    size_t first = is_duel ? xl_round_first(rep) : 1;
    bool has_anchor = r->anchor_every && rep % r->anchor_every == 0;
    if (!is_duel && !has_anchor)
        return send_sample(fake, r, rep, 0);
    enum xl_run_go go = send_sample(fake, r, rep, (int)first);
    return go == XL_RUN_MORE ? send_sample(fake, r, rep, (int)(1 - first)) : go;
}

static void set_end(struct xl_run_end *end, enum xl_run_outcome outcome,
                    const char *reason)
{
    end->outcome = outcome;
    snprintf(end->reason, sizeof end->reason, "%s", reason);
}

static enum xl_status fake_measure(void *ctx, const struct xl_run_request *r,
                                   struct xl_run_end *end, struct xl_err *err)
{
    struct fake *fake = ctx;
    int64_t chunk = r->params->value[XL_PARAM_CHUNK_SIZE];
    (void)err;
    *end = (struct xl_run_end){ .outcome = XL_RUN_OK,
                                .has_effective = true,
                                .effective = *r->params };
    if (chunk == fake->crash_chunk) {
        set_end(end, XL_RUN_FAILED, "was killed by signal 11");
        return XL_OK;
    }
    if (chunk == fake->lying_chunk)
        end->effective.value[XL_PARAM_CHUNK_SIZE] = 1;
    for (size_t i = 0; i < r->reps; i++) {
        size_t rep = r->first_rep + i;
        if (fake->stop_after && fake->samples >= fake->stop_after) {
            set_end(end, XL_RUN_STOPPED, "stopped by a signal");
            return XL_OK;
        }
        enum xl_run_go go = run_round(fake, r, rep);
        if (go == XL_RUN_ABORT) {
            set_end(end, XL_RUN_STOPPED, "aborted");
            return XL_OK;
        }
        if (go == XL_RUN_ENOUGH)
            break;
    }
    return XL_OK;
}

static enum xl_status fake_judge(void *ctx, const struct xl_params *params,
                                 struct xl_run_end *end, struct xl_err *err)
{
    const struct fake *fake = ctx;
    bool damaged = params->value[XL_PARAM_CHUNK_SIZE] == fake->damaged_chunk;
    (void)err;
    *end = (struct xl_run_end){ .outcome = XL_RUN_OK };
    end->answer = cJSON_CreateObject();
    cJSON_AddStringToObject(end->answer, "verdict", damaged ? "fail" : "pass");
    cJSON_AddStringToObject(end->answer, "tier", "kernel");
    cJSON_AddStringToObject(end->answer, "reason", damaged ? "damaged" : "ok");
    cJSON_AddNumberToObject(end->answer, "kl_mean", damaged ? 1.0 : 0.0);
    return XL_OK;
}

/* -- a bench to sweep on --------------------------------------------------- */

static bool open_bench(struct bench *b, struct xl_test *t)
{
    struct xl_err err = { 0 };
    *b = (struct bench){ .t = t, .fake = { .seed = 7 } };
    enum xl_status rc =
        xl_config_load(&b->config, xl_test_data("models/tiny"), &err);
    xl_params_init(&b->base);
    struct xl_param_space_options options = {
        .base = &b->base,
        .rules = { &b->config, xl_plan_inert, xl_plan_canonical,
                   xl_plan_check },
        .heads = b->config.heads,
        .cores = 3,
    };
    if (rc == XL_OK)
        rc = xl_param_space_make(&b->space, &options, &err);
    if (rc == XL_OK)
        rc = xl_objective_parse(&b->objective, "prefill", &err);
    xl_plan_canonical(&b->config, &b->base);
    return XL_CHECK_STATUS(t, rc, XL_OK, &err);
}

static void close_bench(struct bench *b)
{
    xl_objective_free(b->objective);
    xl_param_space_free(b->space);
}

static void to_params(void *ctx, const uint32_t *point,
                      struct xl_params *params)
{
    xl_param_space_params(ctx, point, params);
}

/* A store in the case's folder, and a fresh strategy: one start of a sweep. */
struct start {
    struct xl_store *store;
    struct xl_strategy *strategy;
    struct xl_race race;
    struct xl_sweep sweep;
};

static bool open_start(struct bench *b, struct start *s, const char *file,
                       const char *mode, size_t budget)
{
    struct xl_err err = { 0 };
    struct xl_strategy_options options = { .seed = 5, .budget = budget };
    struct xl_store_opts opts = { .mode = XL_STORE_CREATE };
    struct xl_store_sweep sweep = { .name = "s",
                                    .space = "",
                                    .sampler = mode,
                                    .objective = "prefill",
                                    .build_id = "b",
                                    .model_hash = "m",
                                    .class_id = "" };
    char *path = xl_io_join(b->t->dir, file);
    *s = (struct start){ .store = NULL };
    xl_race_init(&s->race, &(struct xl_race_rules){ .objective = b->objective,
                                                    .repeats = REPEATS });
    enum xl_status rc = xl_store_open(&s->store, path, &opts, &err);
    if (rc == XL_OK)
        rc = xl_store_sweep_begin(s->store, &sweep, &err);
    if (rc == XL_OK)
        rc = xl_strategy_make(&s->strategy, xl_strategy_find(mode),
                              xl_param_space_space(b->space), &options, &err);
    s->sweep = (struct xl_sweep){
        .store = s->store,
        .strategy = s->strategy,
        .runner = { .ctx = &b->fake,
                    .measure = fake_measure,
                    .judge = fake_judge },
        .config = &b->config,
        .objective = b->objective,
        .race = &s->race,
        .to_params = to_params,
        .params_ctx = b->space,
    };
    xl_free(path);
    return XL_CHECK_STATUS(b->t, rc, XL_OK, &err);
}

static void close_start(struct start *s)
{
    xl_strategy_free(s->strategy);
    xl_store_close(s->store);
}

/* All trials of a store as text: configuration, state, value, samples. */
static enum xl_status print_trial(void *ctx, const struct xl_store_trial *row,
                                  struct xl_err *err)
{
    (void)err;
    xl_buf_printf(
        ctx, "%s %s %.17g %d\n", row->cfg, xl_trial_state_name(row->state),
        row->has_result ? row->result.value : 0.0, (int)row->n_samples);
    return XL_OK;
}

static void print_trials(struct bench *b, struct xl_store *store,
                         struct xl_buf *out)
{
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(b->t, xl_query_trials(store, 0, print_trial, out, &err),
                    XL_OK, &err);
}

static enum xl_sweep_end search(struct bench *b, struct start *s)
{
    struct xl_err err = { 0 };
    enum xl_sweep_end end = XL_END_BUDGET;
    XL_CHECK_STATUS(b->t, xl_sweep_search(&s->sweep, &end, &err), XL_OK, &err);
    return end;
}

/* -- the search ------------------------------------------------------------ */

static void measures_each_point_once(struct xl_test *t)
{
    struct bench b;
    struct start s;
    if (open_bench(&b, t) && open_start(&b, &s, "a.db", "random", 0)) {
        uint64_t points = xl_space_count(xl_param_space_space(b.space));
        XL_CHECK_EQ(t, search(&b, &s), XL_END_SPACE);
        XL_CHECK_EQ(t, b.fake.samples, points * REPEATS);
        close_start(&s);
    }
    close_bench(&b);
}

/* Stopped after any number of samples and started again, as often as it
 * takes: the same trials with the same values as without a stop. */
static void resumes_to_the_same_end(struct xl_test *t)
{
    static const char *const modes[] = { "random", "ga" };
    for (size_t m = 0; m < 2; m++) {
        struct bench b;
        struct start s;
        struct xl_buf whole, pieces;
        char file[32];
        xl_buf_init(&whole, 0);
        xl_buf_init(&pieces, 0);
        if (!open_bench(&b, t))
            return;
        b.fake.noise = 0.05;
        snprintf(file, sizeof file, "%s-whole.db", modes[m]);
        if (open_start(&b, &s, file, modes[m], 20)) {
            search(&b, &s);
            print_trials(&b, s.store, &whole);
            close_start(&s);
        }
        size_t all = b.fake.samples, starts = 0;
        b.fake.samples = 0;
        snprintf(file, sizeof file, "%s-pieces.db", modes[m]);
        for (b.fake.stop_after = 1; starts < all; b.fake.stop_after += 4) {
            starts++;
            if (!open_start(&b, &s, file, modes[m], 20))
                break;
            enum xl_sweep_end end = search(&b, &s);
            if (end == XL_END_BUDGET)
                print_trials(&b, s.store, &pieces);
            close_start(&s);
            if (end == XL_END_BUDGET)
                break;
        }
        XL_CHECK_EQ(t, b.fake.samples, all);
        XL_CHECK(t, starts > 10 && whole.len > 0);
        XL_CHECK_TEXT(t, pieces.data, whole.data);
        xl_buf_release(&whole);
        xl_buf_release(&pieces);
        close_bench(&b);
    }
}

/* Counts trials by state. */
static enum xl_status count_states(void *ctx, const struct xl_store_trial *row,
                                   struct xl_err *err)
{
    size_t *counts = ctx;
    (void)err;
    counts[row->state]++;
    bool says_why =
        row->state == XL_TRIAL_OK || (row->reason && row->reason[0]);
    counts[XL_TRIAL_STATE_COUNT] += !says_why;
    return XL_OK;
}

static void failures_cost_one_row(struct xl_test *t)
{
    struct bench b;
    struct start s;
    size_t counts[XL_TRIAL_STATE_COUNT + 1] = { 0 };
    uint32_t point[XL_SPACE_DIMS];
    struct xl_params best;
    double value;
    struct xl_err err = { 0 };
    if (open_bench(&b, t) && open_start(&b, &s, "a.db", "random", 0)) {
        b.fake.crash_chunk = 48;
        b.fake.lying_chunk = 64;
        search(&b, &s);
        XL_CHECK_STATUS(t,
                        xl_query_trials(s.store, 0, count_states, counts, &err),
                        XL_OK, &err);
        XL_CHECK(t, counts[XL_TRIAL_FAILED] > 0);
        XL_CHECK(t, counts[XL_TRIAL_WRONG] > 0);
        XL_CHECK_EQ(t, counts[XL_TRIAL_QUEUED] + counts[XL_TRIAL_RUNNING], 0);
        XL_CHECK_EQ(t, counts[XL_TRIAL_STATE_COUNT], 0); /* all say why */
        XL_CHECK(t, xl_strategy_best(s.strategy, point, &value));
        xl_param_space_params(b.space, point, &best);
        XL_CHECK_EQ(t, best.value[XL_PARAM_CHUNK_SIZE], 32);
        XL_CHECK_EQ(t, best.value[XL_PARAM_WORKERS], 3);
        close_start(&s);
    }
    close_bench(&b);
}

/* -- the finish ------------------------------------------------------------ */

static void finish(struct bench *b, struct start *s, struct xl_verdicts *v)
{
    struct xl_err err = { 0 };
    struct xl_cpu cpu;
    struct xl_key key = { .context = 512 };
    struct xl_finish f = { .sweep = &s->sweep,
                           .run_dir = b->t->dir,
                           .base = &b->base,
                           .key = &key,
                           .rounds = 15,
                           .prompt_tokens = 512 };
    xl_cpu_read(&cpu);
    xl_key_hardware(&key.hardware, &cpu);
    xl_key_model(&key.model, &b->config, XL_FP32);
    XL_CHECK_STATUS(b->t, xl_finish_run(&f, v, &err), XL_OK, &err);
}

static void promotes_the_best_that_passes(struct xl_test *t)
{
    struct bench b;
    struct start s;
    struct xl_verdicts v;
    struct xl_best best;
    struct xl_err err = { 0 };
    if (open_bench(&b, t) && open_start(&b, &s, "trials.db", "random", 0)) {
        b.fake.noise = 0.01;
        b.fake.damaged_chunk = 48; /* the fastest of all */
        search(&b, &s);
        finish(&b, &s, &v);
        XL_CHECK(t, v.winner > 0 && v.n_refused > 0);
        XL_CHECK(t, v.params.value[XL_PARAM_CHUNK_SIZE] != 48);
        XL_CHECK_TEXT(t, v.verdict, "pass");
        char *path = xl_io_join(t->dir, "best.json");
        enum xl_status rc =
            xl_best_load(&best, path, XL_BEST_FULL, XL_LAYER_MACHINE, &err);
        if (XL_CHECK_STATUS(t, rc, XL_OK, &err)) {
            XL_CHECK_EQ(t, best.params.value[XL_PARAM_CHUNK_SIZE],
                        v.params.value[XL_PARAM_CHUNK_SIZE]);
            XL_CHECK(t, xl_best_passed(&best));
            xl_best_release(&best);
        }
        xl_free(path);
        close_start(&s);
    }
    close_bench(&b);
}

static void keeps_the_defaults_in_a_tie(struct xl_test *t)
{
    size_t promoted = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct bench b;
        struct start s;
        struct xl_verdicts v = { 0 };
        char file[32];
        if (!open_bench(&b, t))
            return;
        b.fake = (struct fake){ .seed = seed, .noise = 0.02, .fast = 1.0 };
        snprintf(file, sizeof file, "%d.db", (int)seed);
        if (open_start(&b, &s, file, "random", 12)) {
            uint32_t home[XL_SPACE_DIMS];
            xl_param_space_point(b.space, &b.base, home);
            xl_strategy_suggest(s.strategy, home, NULL);
            search(&b, &s);
            finish(&b, &s, &v);
            promoted += v.proved;
            close_start(&s);
        }
        close_bench(&b);
    }
    /* Identical speeds: at most one in twenty is called faster. */
    XL_CHECK(t, promoted <= 5);
}

static void finds_a_real_gain(struct xl_test *t)
{
    size_t promoted = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct bench b;
        struct start s;
        struct xl_verdicts v = { 0 };
        char file[32];
        if (!open_bench(&b, t))
            return;
        b.fake = (struct fake){ .seed = seed, .noise = 0.02, .fast = 1.05 };
        snprintf(file, sizeof file, "%d.db", (int)seed);
        if (open_start(&b, &s, file, "random", 12)) {
            search(&b, &s);
            finish(&b, &s, &v);
            promoted += v.proved;
            close_start(&s);
        }
        close_bench(&b);
    }
    XL_CHECK(t, promoted >= 18);
}

const struct xl_test_case xl_suite_sweep[] = {
    { "measures_each_point_once", measures_each_point_once },
    { "resumes_to_the_same_end", resumes_to_the_same_end },
    { "failures_cost_one_row", failures_cost_one_row },
    { "promotes_the_best_that_passes", promotes_the_best_that_passes },
    { "keeps_the_defaults_in_a_tie", keeps_the_defaults_in_a_tie },
    { "finds_a_real_gain", finds_a_real_gain },
    { 0 },
};
