/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sweep_fixture.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/model/plan.h"
#include "tuner/store/query.h"
#include "tuner/sweep/rounds.h"

enum {
    PROMPT = 512,
    STEPS = 63
};
#define WALL_MS ((int64_t)1700000000000) /* where the store's clock begins */

/* -- samples -------------------------------------------------------------- */

static uint64_t fake_clock(void *ctx)
{
    const struct xl_fake *fake = ctx;
    return fake->now_ns;
}

/* The same configuration and repetition give the same number, whenever. */
static double noise_of_place(const struct xl_fake *fake,
                             const struct xl_run_request *r, size_t rep,
                             int side)
{
    struct xl_rng rng;
    uint64_t mix = fake->seed;
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        mix = mix * 1000003u + (uint64_t)r->params->value[i];
    xl_rng_seed(&rng, mix * 31u + rep * 2u + (uint64_t)side);
    return 1.0 + fake->noise * xl_rng_normal(&rng);
}

/* What the machine makes of every speed now. */
static double machine_now(struct xl_fake *fake)
{
    double hours = (double)fake->now_ns / 3600e9;
    fake->walk += fake->wander * xl_rng_normal(&fake->rng);
    return (1.0 + fake->ramp * hours) * exp(fake->walk);
}

/* Noise of each phase, of one that a neighbour slows down too. */
static void set_factors(struct xl_fake *fake, double factors[2], bool *is_dirty)
{
    double now = machine_now(fake);
    *is_dirty = xl_rng_unit(&fake->rng) < fake->disturbed;
    if (*is_dirty)
        now /= 1.1 + 0.4 * xl_rng_unit(&fake->rng);
    for (size_t i = 0; i < 2; i++)
        factors[i] = now * (1.0 + fake->noise * xl_rng_normal(&fake->rng));
}

/* The end of a stay is drawn when it begins. */
static void flip(struct xl_fake *fake)
{
    double stay = -log(1.0 - xl_rng_unit(&fake->modes)) * fake->dwell_s;
    fake->is_slow = !fake->is_slow;
    fake->flip_ns += (uint64_t)(stay * 1e9) + 1;
    fake->flips++;
}

/* Time for work that takes so long in the fast mode; moves the clock. A mode
 * may change in the middle of it. */
static uint64_t spend(struct xl_fake *fake, double fast_ns, double share)
{
    uint64_t start_ns = fake->now_ns;
    while (fake->slow > 0 && fake->flip_ns <= fake->now_ns)
        flip(fake);
    while (fake->slow > 0) {
        double speed = fake->is_slow ? pow(fake->slow, share) : 1.0;
        double left_ns = (double)(fake->flip_ns - fake->now_ns);
        if (fast_ns <= left_ns * speed) {
            fast_ns /= speed;
            break;
        }
        fast_ns -= left_ns * speed;
        fake->now_ns = fake->flip_ns;
        flip(fake);
    }
    fake->now_ns += (uint64_t)fast_ns;
    return fake->now_ns - start_ns;
}

static enum xl_run_go send_sample(struct xl_fake *fake,
                                  const struct xl_run_request *r, size_t rep,
                                  int side)
{
    const struct xl_params *params = side ? r->against : r->params;
    double speed = fake->speed(fake, params);
    double decode = fake->decode ? fake->decode(fake, params) : speed;
    double factors[2];
    bool is_dirty = false;
    if (fake->die_after && fake->samples >= fake->die_after)
        raise(SIGKILL);
    if (fake->by_place)
        factors[0] = factors[1] = noise_of_place(fake, r, rep, side);
    else
        set_factors(fake, factors, &is_dirty);
    double share = fake->follows ? fake->follows(fake, params) : 1.0;
    bool is_part = r->load.prompt_tokens > 0;
    size_t prompt = is_part ? r->load.prompt_tokens : PROMPT;
    size_t steps = is_part ? r->load.new_tokens - 1 : STEPS;
    uint64_t prefill_ns =
        spend(fake, (double)prompt * 1e9 / (speed * factors[0]), share);
    struct xl_run_sample s = {
        .rep = rep,
        .side = side,
        .prompt_tokens = prompt,
        .decode_steps = steps,
        .prefill_ns = prefill_ns,
        .decode_ns =
            spend(fake, (double)steps * 1e9 / (decode * factors[1]), share),
        .dirt = is_dirty,
    };
    fake->samples++;
    return r->on_sample(r->ctx, &s);
}

/* Sides of a round in the order of the evaluator. */
static enum xl_run_go run_round(struct xl_fake *fake,
                                const struct xl_run_request *r, size_t rep)
{
    bool is_duel = r->against && !r->anchor_every;
    bool has_anchor = r->anchor_every && rep % r->anchor_every == 0;
    size_t first = is_duel ? xl_round_first(rep) : 1;
    fake->rounds += is_duel;
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

static bool is_past(const struct xl_fake *fake, uint64_t deadline_ns)
{
    return (deadline_ns && fake->now_ns >= deadline_ns) ||
           (fake->deadline_ns && fake->now_ns >= fake->deadline_ns);
}

static enum xl_status fake_measure(void *ctx, const struct xl_run_request *r,
                                   struct xl_run_end *end, struct xl_err *err)
{
    struct xl_fake *fake = ctx;
    int64_t chunk = r->params->value[XL_PARAM_CHUNK_SIZE];
    enum xl_run_go go = XL_RUN_MORE;
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
    for (size_t i = 0; i < r->reps && go == XL_RUN_MORE; i++) {
        if (fake->stop_after && fake->samples >= fake->stop_after)
            go = XL_RUN_ABORT;
        else if (is_past(fake, r->deadline_ns))
            go = XL_RUN_ABORT;
        else
            go = run_round(fake, r, r->first_rep + i);
    }
    if (go == XL_RUN_ABORT)
        set_end(end, XL_RUN_STOPPED, "stopped by a signal");
    return XL_OK;
}

static enum xl_status fake_judge(void *ctx,
                                 const struct xl_judge_request *request,
                                 struct xl_run_end *end, struct xl_err *err)
{
    struct xl_fake *fake = ctx;
    enum xl_stage stage = request->stage;
    int64_t chunk = request->params->value[XL_PARAM_CHUNK_SIZE];
    bool damaged = chunk == fake->damaged_chunk;
    bool is_open = chunk == fake->open_chunk || stage == XL_STAGE_SCREEN;
    const char *verdict = damaged ? "fail" : is_open ? "inconclusive" : "pass";
    fake->beat = request->beat;
    if (fake->judge)
        return fake->judge(fake->judge_ctx, request->params, stage, end, err);
    *end = (struct xl_run_end){ .outcome = XL_RUN_OK };
    fake->now_ns += stage == XL_STAGE_SCREEN ? 0 : fake->judge_ns;
    if (fake->judge_ns && is_past(fake, 0)) {
        fake->now_ns = fake->deadline_ns;
        set_end(end, XL_RUN_STOPPED, "the time is up");
        return XL_OK;
    }
    end->answer = cJSON_CreateObject();
    cJSON_AddStringToObject(end->answer, "verdict", verdict);
    cJSON_AddStringToObject(end->answer, "tier", "kernel");
    cJSON_AddStringToObject(end->answer, "reason", damaged ? "damaged" : "ok");
    cJSON_AddNumberToObject(end->answer, "kl_mean", damaged ? 1.0 : 0.0);
    return XL_OK;
}

int64_t xl_fake_wall_ms(void *ctx)
{
    const struct xl_fake *fake = ctx;
    return WALL_MS + (int64_t)(fake->now_ns / 1000000);
}

/* -- the bench ------------------------------------------------------------ */

static double even_speed(const struct xl_fake *fake,
                         const struct xl_params *params)
{
    (void)fake;
    (void)params;
    return 1000.0;
}

static char *write_space(struct xl_test *t, const char *space)
{
    char *path = space ? xl_io_join(t->dir, "space.json") : NULL;
    if (path)
        xl_io_replace(path, space, strlen(space), NULL);
    return path;
}

bool xl_sweep_bench_open(struct xl_sweep_bench *b, struct xl_test *t,
                         const char *space, const char *objective)
{
    struct xl_err err = { 0 };
    *b = (struct xl_sweep_bench){ .t = t,
                                  .fake = { .speed = even_speed, .seed = 7 } };
    char *file = write_space(t, space);
    enum xl_status rc =
        xl_config_load(&b->config, xl_test_data("models/tiny"), &err);
    xl_params_init(&b->base);
    struct xl_param_space_options options = {
        .base = &b->base,
        .rules = { &b->config, xl_plan_inert, xl_plan_canonical,
                   xl_plan_check },
        .heads = b->config.heads,
        .cores = 3,
        .file = file,
    };
    if (rc == XL_OK)
        rc = xl_param_space_make(&b->space, &options, &err);
    if (rc == XL_OK)
        rc = xl_objective_parse(&b->objective,
                                objective ? objective : "prefill", &err);
    xl_plan_canonical(&b->config, &b->base);
    xl_free(file);
    xl_clock_set_source(fake_clock, &b->fake);
    return XL_CHECK_STATUS(t, rc, XL_OK, &err);
}

void xl_sweep_bench_close(struct xl_sweep_bench *b)
{
    xl_clock_set_source(NULL, NULL);
    xl_objective_free(b->objective);
    xl_param_space_free(b->space);
}

/* -- one start ------------------------------------------------------------ */

static void to_params(void *ctx, const uint32_t *point,
                      struct xl_params *params)
{
    xl_param_space_params(ctx, point, params);
}

static enum xl_status open_store(struct xl_sweep_bench *b,
                                 struct xl_sweep_start *s,
                                 const struct xl_sweep_plan *plan,
                                 struct xl_err *err)
{
    struct xl_store_opts opts = { .mode = XL_STORE_CREATE,
                                  .now_ms = xl_fake_wall_ms,
                                  .clock_ctx = &b->fake };
    struct xl_store_sweep sweep = { .name = "s",
                                    .space = "",
                                    .sampler = plan->mode,
                                    .objective = "prefill",
                                    .build_id = "b",
                                    .model_hash = "m",
                                    .class_id = "" };
    char *path = xl_io_join(b->t->dir, plan->file);
    enum xl_status rc = xl_store_open(&s->store, path, &opts, err);
    xl_free(path);
    if (rc == XL_OK)
        rc = xl_store_sweep_begin(s->store, &sweep, err);
    return rc == XL_OK && plan->in_memory ? xl_store_begin(s->store, err) : rc;
}

bool xl_sweep_start_open(struct xl_sweep_bench *b, struct xl_sweep_start *s,
                         const struct xl_sweep_plan *plan)
{
    struct xl_err err = { 0 };
    struct xl_strategy_options options = { .seed = plan->seed,
                                           .budget = plan->budget };
    struct xl_race_rules rules = { .objective = b->objective,
                                   .repeats = plan->repeats,
                                   .most = plan->most };
    *s = (struct xl_sweep_start){ .store = NULL };
    xl_rng_seed(&b->fake.rng, b->fake.seed);
    xl_rng_seed(&b->fake.modes, b->fake.seed + 77);
    xl_race_init(&s->race, &rules);
    enum xl_status rc = open_store(b, s, plan, &err);
    if (rc == XL_OK)
        rc = xl_strategy_make(&s->strategy, xl_strategy_find(plan->mode),
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
        .anchor = plan->anchor_every ? &b->base : NULL,
        .anchor_every = plan->anchor_every,
        .heard = s->heard = b->forgets ? NULL : cJSON_CreateObject(),
        .to_params = to_params,
        .params_ctx = b->space,
    };
    return XL_CHECK_STATUS(b->t, rc, XL_OK, &err);
}

void xl_sweep_start_close(struct xl_sweep_start *s)
{
    xl_strategy_free(s->strategy);
    xl_store_close(s->store);
    cJSON_Delete(s->heard);
}

bool xl_sweep_start_grade(struct xl_sweep_bench *b, struct xl_sweep_start *s,
                          size_t rounds)
{
    struct xl_err err = { 0 };
    struct xl_grading grading = { .name = XL_ROUNDS_GRADE_START,
                                  .params = &b->base,
                                  .rounds = rounds,
                                  .learn = true };
    enum xl_status rc = xl_rounds_grade(&s->sweep, &grading, &s->grade, &err);
    if (rc == XL_EINTERRUPTED)
        return false;
    return XL_CHECK_STATUS(b->t, rc, XL_OK, &err);
}

enum xl_sweep_end xl_sweep_start_search(struct xl_sweep_bench *b,
                                        struct xl_sweep_start *s)
{
    struct xl_err err = { 0 };
    enum xl_sweep_end end = XL_END_BUDGET;
    XL_CHECK_STATUS(b->t, xl_sweep_search(&s->sweep, &end, &err), XL_OK, &err);
    return end;
}

void xl_sweep_start_finish(struct xl_sweep_bench *b, struct xl_sweep_start *s,
                           size_t rounds, struct xl_verdicts *v)
{
    struct xl_err err = { 0 };
    struct xl_cpu cpu;
    struct xl_key key = { .context = PROMPT };
    struct xl_finish f = { .sweep = &s->sweep,
                           .run_dir = b->t->dir,
                           .base = &b->base,
                           .space = b->space,
                           .key = &key,
                           .rounds = rounds,
                           .prompt_tokens = PROMPT,
                           .new_tokens = STEPS + 1,
                           .publish = b->publishes,
                           .is_modest = b->is_modest };
    xl_cpu_read(&cpu);
    xl_key_hardware(&key.hardware, &cpu);
    xl_key_model(&key.model, &b->config, XL_FP32);
    XL_CHECK_STATUS(b->t, xl_finish_run(&f, v, &err), XL_OK, &err);
}

static enum xl_status print_trial(void *ctx, const struct xl_store_trial *row,
                                  struct xl_err *err)
{
    (void)err;
    xl_buf_printf(
        ctx, "%s %s %.17g %d\n", row->cfg, xl_trial_state_name(row->state),
        row->has_result ? row->result.value : 0.0, (int)row->n_samples);
    return XL_OK;
}

void xl_sweep_start_print(struct xl_sweep_bench *b, struct xl_sweep_start *s,
                          struct xl_buf *out)
{
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(b->t, xl_query_trials(s->store, 0, print_trial, out, &err),
                    XL_OK, &err);
}

/* -- whole sweeps --------------------------------------------------------- */

const char xl_sweep_even_space[] =
    "{\"params\": {\"chunk_size\": [8, 16, 24, 32, 40, 48, 56, 72, 80, 96],"
    " \"prefill_block\": [64, 128, 192, 256, 320, 384, 448, 576, 640, 704],"
    " \"tile_av\": [\"4x8\", \"4x16\", \"4x32\", \"8x8\", \"8x16\"]}}";

void xl_fake_begin(struct xl_fake *fake, uint64_t seed)
{
    fake->seed = seed;
    fake->noise = 0.02;
    fake->ramp = 0.05;
    fake->wander = 0.0005; /* 3 % in a sweep */
    fake->disturbed = 0.05;
    fake->now_ns = 0;
    fake->walk = 0;
}

bool xl_fake_is_fast(const struct xl_fake *fake, const struct xl_params *params)
{
    return memcmp(params->value, fake->fast.value, sizeof params->value) == 0;
}

double xl_fake_one_is_faster(const struct xl_fake *fake,
                             const struct xl_params *params)
{
    return xl_fake_is_fast(fake, params) ? 1000.0 * fake->gain : 1000.0;
}

void xl_sweep_bench_single_out(struct xl_sweep_bench *b, uint64_t seed,
                               double gain)
{
    uint32_t point[XL_SPACE_DIMS];
    struct xl_rng rng;
    xl_rng_seed(&rng, seed + 1000);
    xl_space_sample(xl_param_space_space(b->space), &rng, point);
    xl_param_space_params(b->space, point, &b->fake.fast);
    b->fake.gain = gain;
}

void xl_sweep_bench_sweep(struct xl_sweep_bench *b, uint64_t seed,
                          struct xl_verdicts *v)
{
    struct xl_sweep_start s;
    char file[32];
    snprintf(file, sizeof file, "sweep%zu.db", b->sweeps++);
    struct xl_sweep_plan plan = { .file = file,
                                  .mode = "random",
                                  .budget = XL_SWEEP_EVEN,
                                  .repeats = 5,
                                  .most = 20,
                                  .anchor_every = 4,
                                  .seed = seed,
                                  .in_memory = true };
    *v = (struct xl_verdicts){ 0 };
    if (xl_sweep_start_open(b, &s, &plan) &&
        xl_sweep_start_grade(b, &s, XL_SWEEP_GRADING)) {
        xl_sweep_start_search(b, &s);
        xl_sweep_start_finish(b, &s, 0, v);
        XL_CHECK(b->t, v->n_ok >= XL_SWEEP_EVEN && v->winner > 0);
    }
    xl_sweep_start_close(&s);
}
