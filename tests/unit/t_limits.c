/* SPDX-License-Identifier: Apache-2.0
 *
 * What a speed is held against: which limit binds, what a token needs, and a
 * host whose limits jump. No case asserts a speed of this machine. */
#include <math.h>

#include "kernel/base/rng.h"
#include "tests/harness/test.h"
#include "tests/unit/checkpoint.h"
#include "tuner/measure/bench.h"
#include "tuner/measure/limits.h"
#include "tuner/measure/probe.h"

static void best_limit_counts(struct xl_test *t)
{
    struct xl_limit_log log = { .n = 0 };
    struct xl_err err = { 0 };
    for (size_t i = 0; i < 40; i++) {
        struct xl_limits limits;
        for (size_t k = 0; k < XL_LIMIT_COUNT; k++)
            limits.value[k] = k == XL_LIMIT_TILE_BF16
                                  ? (double)NAN
                                  : 50.0 - fabs((double)i - 17);
        XL_CHECK_STATUS(t, xl_limit_log_add(&log, &limits, &err), XL_OK, &err);
    }
    struct xl_limits best = xl_limit_log_best(&log);
    XL_CHECK_EQ(t, log.n, 40);
    XL_CHECK_NEAR(t, best.value[XL_LIMIT_READ], 50, 0);
    XL_CHECK(t, isnan(best.value[XL_LIMIT_TILE_BF16]));
    xl_limit_log_release(&log);
}

/* A probe measures what it was asked for and nothing else. */
static void a_probe_answers_its_request(struct xl_test *t)
{
    struct xl_limits_request request = { .workers = 1,
                                         .probed = 1u << XL_LIMIT_FMA };
    struct xl_limit_meter *meter = NULL;
    struct xl_limits limits;
    struct xl_err err = { 0 };
    if (!XL_CHECK_STATUS(t, xl_limit_meter_make(&meter, &err), XL_OK, &err))
        return;
    XL_CHECK_EQ(t, xl_limit_meter_reading(meter, 0), XL_LIMIT_READ);
    XL_CHECK_EQ(t, xl_limit_meter_reading(meter, UINT64_MAX), XL_LIMIT_READ);
    for (size_t workers = 1; workers < 3; workers++) {
        request.workers = workers;
        XL_CHECK_STATUS(t, xl_limit_meter_probe(meter, &request, &limits, &err),
                        XL_OK, &err);
        for (size_t k = 0; k < XL_LIMIT_COUNT; k++)
            XL_CHECK(t, isfinite(limits.value[k]) == (k == XL_LIMIT_FMA));
        XL_CHECK(t, limits.value[XL_LIMIT_FMA] > 0);
    }
    xl_limit_meter_free(meter);
}

static void buffer_beats_the_cache(struct xl_test *t)
{
    const uint64_t mib = 1 << 20, gib = 1 << 30;
    XL_CHECK_EQ(t, xl_limits_buffer(0), gib);
    XL_CHECK_EQ(t, xl_limits_buffer(64 * gib), gib);
    XL_CHECK_EQ(t, xl_limits_buffer(gib), 128 * mib);
    XL_CHECK_EQ(t, xl_limits_round(0, 0, gib), 256 * mib);
    XL_CHECK_EQ(t, xl_limits_round(96 * mib, 1, gib), 384 * mib);
    XL_CHECK_EQ(t, xl_limits_round(480 * mib, 1, gib), gib);
    XL_CHECK_EQ(t, xl_limits_round(32 * mib, 703 * mib, gib), 702 * mib);
    XL_CHECK_EQ(t, xl_limits_round(32 * mib, 7 * gib, gib), gib);
    XL_CHECK_EQ(t, xl_limits_round(32 * mib, 7 * gib, 128 * mib), 128 * mib);
}

/* The longer of the two bounds binds, and says which limit it is. */
static void the_tighter_limit_binds(struct xl_test *t)
{
    struct xl_limits limits;
    for (size_t k = 0; k < XL_LIMIT_COUNT; k++)
        limits.value[k] = (double)NAN;
    limits.value[XL_LIMIT_READ] = 10;
    limits.value[XL_LIMIT_FMA] = 100;
    struct xl_bench_needs needs = { .flops = 1e9,
                                    .bytes = 1e9,
                                    .flops_at = XL_LIMIT_FMA };
    struct xl_bench_bound b = xl_bench_bound_of(&needs, &limits);
    XL_CHECK_EQ(t, b.limit, XL_LIMIT_READ);
    XL_CHECK_NEAR(t, b.seconds, 0.1, 1e-12);
    needs.flops = 2e10;
    b = xl_bench_bound_of(&needs, &limits);
    XL_CHECK_EQ(t, b.limit, XL_LIMIT_FMA);
    XL_CHECK_NEAR(t, b.seconds, 0.2, 1e-12);
    limits.value[XL_LIMIT_READ_L3] = 1; /* measured: it counts instead */
    b = xl_bench_bound_of(&needs, &limits);
    XL_CHECK_EQ(t, b.limit, XL_LIMIT_READ_L3);
    needs.flops_at = XL_LIMIT_TILE_BF16;
    b = xl_bench_bound_of(&needs, &limits);
    XL_CHECK_EQ(t, b.limit, XL_LIMIT_COUNT);
    XL_CHECK(t, isnan(b.seconds));
}

/* A host that reads 105 or 50 GB/s and may jump at any sample, a program that
 * always uses 0.84 of what there is, and a probe that is off by 2 %. A jump
 * within a sample leaves it somewhere between the two. */
static void jumping_limits(struct xl_limits *before, struct xl_limits *after,
                           struct xl_rng *rng, double *read)
{
    static const double speeds_of_host[] = { 105, 50 };
    for (size_t k = 0; k < XL_LIMIT_COUNT; k++)
        before->value[k] = after->value[k] =
            k == XL_LIMIT_FMA ? 500 : (double)NAN;
    before->value[XL_LIMIT_READ] = *read;
    if (xl_rng_unit(rng) < 0.3)
        *read = speeds_of_host[xl_rng_below(rng, 2)];
    after->value[XL_LIMIT_READ] = *read;
}

static struct xl_speeds speeds(double prefill, double decode, unsigned dirt)
{
    return (struct xl_speeds){ .tok_s = { { prefill, decode } }, .dirt = dirt };
}

static void a_jumping_limit_gives_the_right_fraction(struct xl_test *t)
{
    const double fraction = 0.84, gb_a_token = 0.8;
    const struct xl_bench_needs needs[XL_SPEED_COUNT] = {
        { .flops = 1e9, .bytes = 1e6, .flops_at = XL_LIMIT_FMA },
        { .flops = 1e6, .bytes = gb_a_token * 1e9, .flops_at = XL_LIMIT_FMA },
    };
    struct xl_samples s;
    struct xl_estimate e;
    struct xl_rng rng;
    struct xl_err err = { 0 };
    double read = 105, most = 0;
    size_t torn = 0;
    xl_rng_seed(&rng, 7);
    XL_CHECK_STATUS(t, xl_samples_init(&s, 31, &err), XL_OK, &err);
    while (xl_samples_want_more(&s)) {
        struct xl_limits before, after;
        jumping_limits(&before, &after, &rng, &read);
        double a = before.value[XL_LIMIT_READ], b = after.value[XL_LIMIT_READ];
        double there = a + (b - a) * xl_rng_unit(&rng);
        struct xl_speeds row = speeds(400, fraction * there / gb_a_token, 0);
        before.value[XL_LIMIT_READ] *= 1 + 0.02 * (xl_rng_unit(&rng) - 0.5);
        xl_bench_hold_beside(&row, needs, &before, &after);
        bool is_torn = fabs(a - b) > 1;
        XL_CHECK_EQ(t, row.dirt, is_torn ? 1u << XL_DIRT_LIMIT : 0u);
        torn += is_torn;
        most = fmax(most, fabs(row.of_limit[XL_SPEED_DECODE] - fraction));
        XL_CHECK_NEAR(t, row.of_limit[XL_SPEED_PREFILL], 0.8, 1e-9);
        xl_samples_add(&s, &row);
    }
    XL_CHECK(t, torn > 3 && most > 0.1); /* or the case shows nothing */
    XL_CHECK_STATUS(t, xl_samples_of_limit(&s, XL_SPEED_DECODE, 0.95, &e, &err),
                    XL_OK, &err);
    XL_CHECK_EQ(t, e.n, 31);
    XL_CHECK_NEAR(t, e.median, fraction, 0.005);
    XL_CHECK(t, e.lo > fraction - 0.01 && e.hi < fraction + 0.01);
    xl_samples_release(&s);
}

/* A phase that has no speed, or whose limit is unknown, disturbs nothing. */
static void only_what_binds_can_tear(struct xl_test *t)
{
    const struct xl_bench_needs needs[XL_SPEED_COUNT] = {
        { .flops = 1e9, .bytes = 1, .flops_at = XL_LIMIT_FMA },
        { .flops = 1, .bytes = 1e9, .flops_at = XL_LIMIT_FMA },
    };
    struct xl_limits before, after;
    for (size_t k = 0; k < XL_LIMIT_COUNT; k++)
        before.value[k] = after.value[k] =
            k == XL_LIMIT_FMA || k == XL_LIMIT_READ ? 100 : (double)NAN;
    after.value[XL_LIMIT_READ] = 50;
    struct xl_speeds row = speeds(90, (double)NAN, 0);
    xl_bench_hold_beside(&row, needs, &before, &after);
    XL_CHECK_EQ(t, row.dirt, 0);
    XL_CHECK_NEAR(t, row.of_limit[XL_SPEED_PREFILL], 0.9, 1e-12);
    XL_CHECK(t, isnan(row.of_limit[XL_SPEED_DECODE]));
    row = speeds(90, 60, 1u << XL_DIRT_STEAL);
    xl_bench_hold_beside(&row, needs, &before, &after);
    XL_CHECK_EQ(t, row.dirt, 1u << XL_DIRT_STEAL | 1u << XL_DIRT_LIMIT);
    after.value[XL_LIMIT_FMA] = (double)NAN;
    row = speeds(90, 60, 0);
    xl_bench_hold_beside(&row, needs, &before, &after);
    XL_CHECK_EQ(t, row.dirt, 0);
    XL_CHECK(t, isnan(row.of_limit[XL_SPEED_PREFILL]));
}

/* What sequences share is needed once for all of them, what is their own once
 * for each; and as many tokens are counted as were decoded. */
static void a_batch_shares_the_weights(struct xl_test *t)
{
    enum {
        PROMPT = 5,
        NEW = 4
    };
    static const int32_t prompt[PROMPT] = { 1, 2, 3, 4, 5 };
    char dir[1024];
    struct xl_err err = { 0 };
    struct xl_model *model = NULL;
    struct xl_plan *plan = NULL;
    struct xl_state state;
    struct xl_params params;
    double bytes = 0, set = 0;
    xl_params_init(&params);
    if (!XL_CHECK_STATUS(
            t, xl_model_open(&model, checkpoint_dir("tiny", dir), &err), XL_OK,
            &err))
        return;
    const struct xl_config *config = xl_model_config(model);
    XL_CHECK_STATUS(t, xl_plan_make(&plan, model, &params, &err), XL_OK, &err);
    XL_CHECK_STATUS(t, xl_state_init(&state, config, &err), XL_OK, &err);
    for (size_t batch = 0; batch < 9 && plan; batch++) {
        struct xl_trial_load load = { .prompt = prompt,
                                      .n_prompt = PROMPT,
                                      .new_tokens = NEW,
                                      .batch = batch };
        struct xl_bench_needs needs[XL_SPEED_COUNT];
        struct xl_run_sample sample;
        double n = batch ? (double)batch : 1;
        XL_CHECK_STATUS(t, xl_bench_needs_of(needs, plan, config, &load, &err),
                        XL_OK, &err);
        const struct xl_bench_needs *decode = &needs[XL_SPEED_DECODE];
        if (batch == 0) {
            bytes = decode->bytes; /* weights and the state twice */
            set = decode->working_set;
        }
        double state_bytes = bytes - set, weights = set - state_bytes;
        XL_CHECK(t, state_bytes > 0 && weights > 0);
        XL_CHECK_NEAR(t, decode->bytes, weights / n + 2 * state_bytes, 1e-6);
        XL_CHECK_NEAR(t, decode->working_set, weights + n * state_bytes, 1e-6);
        XL_CHECK_STATUS(t,
                        xl_trial_run(plan, model, &state, &load, &sample, &err),
                        XL_OK, &err);
        XL_CHECK_EQ(t, sample.decode_steps, (size_t)n * (NEW - 1));
        XL_CHECK_EQ(t, sample.prompt_tokens, PROMPT);
        XL_CHECK(t, sample.prefill_ns > 0 && sample.decode_ns > 0);
    }
    xl_state_release(&state);
    xl_plan_free(plan);
    xl_model_close(model);
}

const struct xl_test_case xl_suite_limits[] = {
    XL_CASE(best_limit_counts),
    XL_CASE(buffer_beats_the_cache),
    XL_CASE(a_probe_answers_its_request),
    XL_CASE(a_jumping_limit_gives_the_right_fraction),
    XL_CASE(only_what_binds_can_tear),
    XL_CASE(the_tighter_limit_binds),
    XL_CASE(a_batch_shares_the_weights),
    { 0 },
};
