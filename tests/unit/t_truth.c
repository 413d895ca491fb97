/* SPDX-License-Identifier: Apache-2.0
 *
 * Does what a sweep reports hold on a noisy machine? Sweeps and duels by the
 * hundred on a machine that is made up: noise of 2 %, speeds that wander and
 * rise, one repetition in twenty slowed by a neighbour. What is true is known,
 * so wrong verdicts can be counted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/sweep_fixture.h"
#include "tuner/sweep/rounds.h"

/* The first seed less one: XL_TEST_SEED=1000 repeats it all on others, and
 * prints what was counted. */
static uint64_t base_seed(void)
{
    const char *text = getenv("XL_TEST_SEED");
    return text ? strtoull(text, NULL, 10) : 0;
}

static void report(const char *what, size_t n, size_t of)
{
    if (getenv("XL_TEST_SEED"))
        printf("%s: %zu of %zu\n", what, n, of);
}

/* Sanitized builds and the gate take a share of the seeds; bounds scale. */
static size_t seeds(size_t full)
{
    return getenv("XL_TEST_SMALL") ? full / 5 : full;
}

static void identical_ones_promote_nothing(struct xl_test *t)
{
    struct xl_sweep_bench b;
    size_t promoted = 0, n = seeds(100);
    if (!xl_sweep_bench_open(&b, t, xl_sweep_even_space, NULL))
        return;
    XL_CHECK_EQ(t, xl_space_count(xl_param_space_space(b.space)),
                XL_SWEEP_EVEN);
    for (uint64_t i = 1; i <= n; i++) {
        uint64_t seed = base_seed() + i;
        struct xl_verdicts v;
        xl_fake_begin(&b.fake, seed);
        xl_sweep_bench_sweep(&b, seed, &v);
        promoted += v.proved;
        XL_CHECK(t, v.proved || v.is_default);
    }
    report("promoted of identical ones", promoted, n);
    XL_CHECK(t, promoted <= n / 20);
    xl_sweep_bench_close(&b);
}

static void single_out(struct xl_sweep_bench *b, uint64_t seed, double gain)
{
    xl_sweep_bench_single_out(b, seed, gain);
    b->fake.speed = xl_fake_one_is_faster;
}

static void a_true_gain_is_promoted(struct xl_test *t)
{
    struct xl_sweep_bench b;
    size_t promoted = 0, wrong = 0, n = seeds(100);
    if (!xl_sweep_bench_open(&b, t, xl_sweep_even_space, NULL))
        return;
    for (uint64_t i = 1; i <= n; i++) {
        uint64_t seed = base_seed() + i;
        struct xl_verdicts v;
        single_out(&b, seed, 1.03);
        xl_fake_begin(&b.fake, seed);
        xl_sweep_bench_sweep(&b, seed, &v);
        bool is_found = xl_fake_is_fast(&b.fake, &v.params);
        promoted += v.proved && is_found;
        wrong += v.proved && !is_found;
    }
    report("found and promoted", promoted, n);
    report("another one promoted", wrong, n);
    XL_CHECK(t, 10 * promoted >= 9 * n);
    XL_CHECK(t, 20 * wrong <= n);
    xl_sweep_bench_close(&b);
}

/* One duel of the real kind. */
static void duel_once(struct xl_sweep_bench *b, uint64_t seed,
                      const struct xl_params *side, struct xl_rounds_end *end)
{
    struct xl_sweep_start s;
    struct xl_err err = { 0 };
    char file[32];
    snprintf(file, sizeof file, "duel-%d.db", (int)seed);
    struct xl_sweep_plan plan = {
        .file = file, .mode = "random", .repeats = 1, .in_memory = true
    };
    struct xl_rounds rounds = { .name = XL_ROUNDS_DUEL,
                                .sides = { side, &b->base } };
    xl_fake_begin(&b->fake, seed);
    b->fake.ramp = seed % 2 ? 2.0 : -0.9; /* per hour; a duel takes a minute */
    *end = (struct xl_rounds_end){ .outcome = XL_RUN_FAILED };
    if (xl_sweep_start_open(b, &s, &plan))
        XL_CHECK_STATUS(b->t, xl_rounds_run(&s.sweep, &rounds, end, &err),
                        XL_OK, &err);
    xl_sweep_start_close(&s);
}

static bool is_unequal(enum xl_duel_verdict verdict)
{
    return verdict == XL_DUEL_FASTER || verdict == XL_DUEL_SLOWER;
}

/* False in any phase counts: for bench --vs that is exit code 6. */
static void a_program_is_no_faster_than_itself(struct xl_test *t)
{
    struct xl_sweep_bench b;
    size_t wrong = 0, wrong_value = 0, n = seeds(400);
    if (!xl_sweep_bench_open(&b, t, xl_sweep_even_space, "balanced"))
        return;
    for (uint64_t i = 1; i <= n; i++) {
        uint64_t seed = base_seed() + i;
        struct xl_rounds_end end;
        duel_once(&b, seed, &b.base, &end);
        const enum xl_duel_verdict *v = end.duel.verdicts;
        wrong += is_unequal(v[XL_SPEED_PREFILL]) ||
                 is_unequal(v[XL_SPEED_DECODE]) || is_unequal(v[XL_DUEL_VALUE]);
        wrong_value += is_unequal(v[XL_DUEL_VALUE]);
        XL_CHECK(t, end.duel.is_over);
        xl_rounds_release(&end);
    }
    report("false verdicts on the value", wrong_value, n);
    report("false verdicts on anything", wrong, n);
    XL_CHECK(t, 20 * wrong_value <= n);
    XL_CHECK(t, 20 * wrong <= n);
    xl_sweep_bench_close(&b);
}

/* The counting above is shown a real difference once: it must see it. */
static void a_slower_program_is_found_out(struct xl_test *t)
{
    struct xl_sweep_bench b;
    size_t seen = 0, n = seeds(50);
    if (!xl_sweep_bench_open(&b, t, xl_sweep_even_space, "balanced"))
        return;
    single_out(&b, 1, 1.0 / 1.03);
    for (uint64_t i = 1; i <= n; i++) {
        uint64_t seed = base_seed() + i;
        struct xl_rounds_end end;
        duel_once(&b, seed, &b.fake.fast, &end);
        seen += end.duel.verdicts[XL_DUEL_VALUE] == XL_DUEL_SLOWER;
        xl_rounds_release(&end);
    }
    XL_CHECK(t, 10 * seen >= 9 * n);
    xl_sweep_bench_close(&b);
}

const struct xl_test_case xl_suite_truth[] = {
    XL_CASE(identical_ones_promote_nothing),
    XL_CASE(a_true_gain_is_promoted),
    XL_CASE(a_program_is_no_faster_than_itself),
    XL_CASE(a_slower_program_is_found_out),
    { 0 },
};
