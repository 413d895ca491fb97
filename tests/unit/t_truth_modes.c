/* SPDX-License-Identifier: Apache-2.0
 *
 * The same questions as t_truth.c on a host with two speeds, which it changes
 * between at random, and which configurations feel unequally: one that reads
 * little memory hardly slows down when memory does. Stays are from shorter than
 * a repetition to longer than a sweep. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/sweep_fixture.h"
#include "tuner/sweep/rounds.h"

#define SLOW 0.6

/* A repetition takes half a second, a trial three, a sweep half an hour or
 * more. */
static const double stays_s[] = { 0.3, 3, 30, 300, 1e4 };
enum {
    N_STAYS = sizeof stays_s / sizeof *stays_s,
    LONG_STAYS = 2 /* the first of those in which a gain can be found */
};

/* Seeds of each stay. A hundred take minutes: docs/measuring.md has what they
 * come to. */
static size_t seeds(void)
{
    if (getenv("XL_TEST_FULL"))
        return 100;
    return getenv("XL_TEST_SMALL") ? 2 : 10;
}

static void set_machine(struct xl_fake *fake, uint64_t seed, double stay_s)
{
    xl_fake_begin(fake, seed);
    fake->slow = SLOW;
    fake->dwell_s = stay_s;
    fake->flip_ns = 0;
    fake->is_slow = seed % 2;
    fake->flips = 0;
}

/* -- what is true --------------------------------------------------------- */

static bool is_default(const struct xl_params *p)
{
    struct xl_params base;
    xl_params_init(&base);
    return p->value[XL_PARAM_CHUNK_SIZE] == base.value[XL_PARAM_CHUNK_SIZE];
}

/* A number from 0 to 1 that a configuration keeps. */
static double lot_of(const struct xl_params *p)
{
    struct xl_rng rng;
    uint64_t mix = 5;
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        mix = mix * 1000003u + (uint64_t)p->value[i];
    xl_rng_seed(&rng, mix);
    return xl_rng_unit(&rng);
}

/* The fastest that one which follows the modes so can be without beating, in
 * either mode, one that follows them by `norm`. */
static double level_with(double follows, double norm)
{
    return follows < norm ? pow(SLOW, norm - follows) : 1.0;
}

static double follows_any(const struct xl_fake *fake, const struct xl_params *p)
{
    (void)fake;
    return is_default(p) ? 1.0 : 1.5 * lot_of(p);
}

static double never_faster(const struct xl_fake *fake,
                           const struct xl_params *p)
{
    return 1000.0 * level_with(follows_any(fake, p), 1.0);
}

/* All of the space is another kind than the defaults: faster, and half as
 * much touched by the slow mode. */
static double follows_kind(const struct xl_fake *fake,
                           const struct xl_params *p)
{
    if (is_default(p))
        return 1.0;
    return xl_fake_is_fast(fake, p) ? 0.5 : 0.3 + 0.4 * lot_of(p);
}

static double one_of_a_kind(const struct xl_fake *fake,
                            const struct xl_params *p)
{
    if (is_default(p))
        return 1000.0;
    double level = level_with(follows_kind(fake, p), 0.5);
    return 1300.0 * level * (xl_fake_is_fast(fake, p) ? fake->gain : 1.0);
}

static void begin(struct xl_sweep_bench *b, uint64_t seed, double stay_s)
{
    set_machine(&b->fake, seed, stay_s);
    xl_sweep_bench_single_out(b, seed, 1.03);
}

/* -- sweeps --------------------------------------------------------------- */

struct tally {
    size_t n, promoted, found;
};

static void add_stay(struct xl_sweep_bench *b, double stay_s,
                     struct tally *tally)
{
    size_t n = seeds(), promoted = 0, found = 0;
    for (uint64_t seed = 1; seed <= n; seed++) {
        struct xl_verdicts v;
        begin(b, seed, stay_s);
        xl_sweep_bench_sweep(b, seed, &v);
        promoted += v.proved;
        found += v.proved && xl_fake_is_fast(&b->fake, &v.params);
    }
    if (getenv("XL_TEST_FULL"))
        fprintf(stderr, "%s, stays of %g s: %zu of %zu promoted, %zu found\n",
                b->t->name, stay_s, promoted, n, found);
    *tally = (struct tally){ .n = tally->n + n,
                             .promoted = tally->promoted + promoted,
                             .found = tally->found + found };
}

/* At most one in twenty; one more in few. */
static bool are_few(size_t n, size_t of)
{
    return 20 * n <= of + 20;
}

/* Nine in ten; eight in few. */
static bool are_most(size_t n, size_t of)
{
    return of < 100 ? 10 * n >= 8 * of : 10 * n >= 9 * of;
}

static void identical_ones_promote_nothing(struct xl_test *t)
{
    struct xl_sweep_bench b;
    struct tally tally = { 0 };
    if (!xl_sweep_bench_open(&b, t, xl_sweep_even_space, NULL))
        return;
    for (size_t i = 0; i < N_STAYS; i++)
        add_stay(&b, stays_s[i], &tally);
    XL_CHECK(t, are_few(tally.promoted, tally.n));
    xl_sweep_bench_close(&b);
}

static void what_is_never_faster_is_not_promoted(struct xl_test *t)
{
    struct xl_sweep_bench b;
    struct tally tally = { 0 };
    if (!xl_sweep_bench_open(&b, t, xl_sweep_even_space, NULL))
        return;
    b.fake.speed = never_faster;
    b.fake.follows = follows_any;
    for (size_t i = 0; i < N_STAYS; i++)
        add_stay(&b, stays_s[i], &tally);
    XL_CHECK(t, are_few(tally.promoted, tally.n));
    xl_sweep_bench_close(&b);
}

static void a_true_gain_is_promoted(struct xl_test *t)
{
    struct xl_sweep_bench b;
    struct tally tally = { 0 };
    if (!xl_sweep_bench_open(&b, t, xl_sweep_even_space, NULL))
        return;
    b.fake.speed = xl_fake_one_is_faster;
    for (size_t i = LONG_STAYS; i < N_STAYS; i++)
        add_stay(&b, stays_s[i], &tally);
    XL_CHECK(t, are_most(tally.found, tally.n));
    XL_CHECK(t, are_few(tally.promoted - tally.found, tally.n));
    xl_sweep_bench_close(&b);
}

static void the_best_of_another_kind_is_found(struct xl_test *t)
{
    struct xl_sweep_bench b;
    struct tally tally = { 0 };
    if (!xl_sweep_bench_open(&b, t, xl_sweep_even_space, NULL))
        return;
    b.fake.speed = one_of_a_kind;
    b.fake.follows = follows_kind;
    for (size_t i = LONG_STAYS; i < N_STAYS; i++)
        add_stay(&b, stays_s[i], &tally);
    XL_CHECK(t, are_most(tally.found, tally.n));
    xl_sweep_bench_close(&b);
}

/* -- duels ---------------------------------------------------------------- */

/* Of the defaults with a side; each ends by itself. */
static void duel_once(struct xl_sweep_bench *b, uint64_t seed, double stay_s,
                      const struct xl_params *side, struct xl_rounds_end *end)
{
    struct xl_sweep_start s;
    struct xl_err err = { 0 };
    char file[48];
    snprintf(file, sizeof file, "d%d-%d.db", (int)stay_s, (int)seed);
    struct xl_sweep_plan plan = {
        .file = file, .mode = "random", .repeats = 1, .in_memory = true
    };
    struct xl_rounds rounds = { .name = XL_ROUNDS_DUEL,
                                .sides = { side, &b->base } };
    set_machine(&b->fake, seed, stay_s);
    *end = (struct xl_rounds_end){ .outcome = XL_RUN_FAILED };
    if (xl_sweep_start_open(b, &s, &plan))
        XL_CHECK_STATUS(b->t, xl_rounds_run(&s.sweep, &rounds, end, &err),
                        XL_OK, &err);
    xl_sweep_start_close(&s);
}

static void duels_hold(struct xl_test *t)
{
    struct xl_sweep_bench b;
    size_t n = 8 * seeds(), wrong = 0, seen = 0, all = 0, sure = 0;
    if (!xl_sweep_bench_open(&b, t, xl_sweep_even_space, NULL))
        return;
    b.fake.speed = xl_fake_one_is_faster;
    for (size_t i = 0; i < N_STAYS; i++) {
        for (uint64_t seed = 1; seed <= n; seed++, all++) {
            struct xl_rounds_end end;
            xl_sweep_bench_single_out(&b, seed, 1.03);
            duel_once(&b, seed, stays_s[i], &b.base, &end);
            wrong += end.duel.verdicts[XL_DUEL_VALUE] == XL_DUEL_FASTER ||
                     end.duel.verdicts[XL_DUEL_VALUE] == XL_DUEL_SLOWER;
            xl_rounds_release(&end);
            duel_once(&b, seed, stays_s[i], &b.fake.fast, &end);
            seen += i >= LONG_STAYS &&
                    end.duel.verdicts[XL_DUEL_VALUE] == XL_DUEL_FASTER;
            sure += i >= LONG_STAYS;
            xl_rounds_release(&end);
        }
        if (getenv("XL_TEST_FULL"))
            fprintf(stderr,
                    "duels, up to stays of %g s: %zu of %zu wrong, %zu of %zu "
                    "seen\n",
                    stays_s[i], wrong, all, seen, sure);
    }
    XL_CHECK(t, are_few(wrong, all));
    XL_CHECK(t, are_most(seen, sure));
    xl_sweep_bench_close(&b);
}

/* An effect of twice what the grade says is resolvable is seen in a duel of as
 * many rounds, none is not; and a jump in the middle of it is told. */
static void the_grade_is_true(struct xl_test *t)
{
    struct xl_sweep_bench b;
    size_t n = 8 * seeds(), all = 0, seen = 0, jumps = 0, told = 0;
    if (!xl_sweep_bench_open(&b, t, xl_sweep_even_space, NULL))
        return;
    b.fake.speed = xl_fake_one_is_faster;
    for (size_t i = 1; i < N_STAYS; i++)
        for (uint64_t seed = 1; seed <= n; seed++, all++) {
            struct xl_sweep_start s;
            struct xl_err err = { 0 };
            struct xl_rounds_end end;
            char file[48];
            snprintf(file, sizeof file, "g%d-%d.db", (int)stays_s[i],
                     (int)seed);
            struct xl_sweep_plan plan = {
                .file = file, .mode = "random", .repeats = 1, .in_memory = true
            };
            begin(&b, seed, stays_s[i]);
            xl_sweep_start_open(&b, &s, &plan);
            xl_sweep_start_grade(&b, &s, XL_SWEEP_GRADING);
            bool has_jumped = b.fake.flips == 2; /* one is the beginning */
            jumps += has_jumped && stays_s[i] > 3;
            told += has_jumped && stays_s[i] > 3 && s.grade.swing > 0.3;
            b.fake.gain = 1.0 + 2.0 * s.grade.resolvable;
            struct xl_rounds rounds = { .name = XL_ROUNDS_DUEL,
                                        .sides = { &b.fake.fast, &b.base },
                                        .rules = { .rounds =
                                                       XL_SWEEP_GRADING } };
            XL_CHECK_STATUS(t, xl_rounds_run(&s.sweep, &rounds, &end, &err),
                            XL_OK, &err);
            seen += end.duel.verdicts[XL_DUEL_VALUE] == XL_DUEL_FASTER;
            xl_rounds_release(&end);
            xl_sweep_start_close(&s);
        }
    if (getenv("XL_TEST_FULL"))
        fprintf(stderr, "grade: %zu of %zu effects seen, %zu of %zu jumps\n",
                seen, all, told, jumps);
    XL_CHECK(t, 10 * seen >= 8 * all);
    XL_CHECK(t, 2 * told >= jumps);
    xl_sweep_bench_close(&b);
}

const struct xl_test_case xl_suite_truth_modes[] = {
    XL_CASE(identical_ones_promote_nothing),
    XL_CASE(what_is_never_faster_is_not_promoted),
    XL_CASE(a_true_gain_is_promoted),
    XL_CASE(the_best_of_another_kind_is_found),
    XL_CASE(duels_hold),
    XL_CASE(the_grade_is_true),
    { 0 },
};
