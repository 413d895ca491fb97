/* SPDX-License-Identifier: Apache-2.0
 *
 * What the race makes of laps that are made up, one heat at a time. */
#include <math.h>

#include "kernel/base/rng.h"
#include "tests/harness/test.h"
#include "tuner/sweep/race.h"

struct track {
    struct xl_test *t;
    struct xl_objective *objective;
    struct xl_race race;
    struct xl_rng rng;
    double noise;
};

static struct xl_lap lap_of(struct track *track, double speed)
{
    struct xl_lap lap = { .prefill_s = 1, .decode_s = (double)NAN };
    xl_reading_clear(&lap.reading);
    lap.reading.value[XL_METRIC_PREFILL] =
        speed * (1.0 + track->noise * xl_rng_normal(&track->rng));
    return lap;
}

/* Noise is known from `rounds` of the anchor against itself. */
static bool open(struct track *track, struct xl_test *t, double noise,
                 size_t rounds)
{
    struct xl_laps sides[2] = { 0 };
    *track = (struct track){ .t = t, .noise = noise };
    xl_rng_seed(&track->rng, 5);
    if (!XL_CHECK_EQ(t, xl_objective_parse(&track->objective, "prefill", NULL),
                     XL_OK))
        return false;
    xl_race_init(&track->race,
                 &(struct xl_race_rules){
                     .objective = track->objective, .repeats = 5, .most = 20 });
    for (size_t i = 0; i < 2 * rounds; i++) {
        struct xl_lap lap = lap_of(track, 1000);
        XL_CHECK_EQ(t, xl_laps_add(&sides[i % 2], &lap, NULL), XL_OK);
    }
    xl_race_grade(&track->race, sides, 2);
    xl_laps_release(&sides[0]);
    xl_laps_release(&sides[1]);
    return true;
}

/* Laps of one configuration until the race has had enough, and its call. */
static size_t run(struct track *track, double speed, enum xl_race_call *call)
{
    struct xl_heat heat;
    xl_heat_begin(&heat, &track->race);
    while ((*call = xl_heat_call(&heat)) == XL_RACE_MORE) {
        struct xl_lap lap = lap_of(track, speed);
        XL_CHECK_EQ(track->t, xl_heat_add(&heat, &lap, NULL), XL_OK);
    }
    size_t n = heat.raw.n;
    xl_race_close(&track->race, &heat, *call != XL_RACE_DROP);
    xl_heat_release(&heat);
    return n;
}

/* One lap drops what is far behind, more what is near; never an equal. */
static void the_far_are_dropped_at_once(struct xl_test *t)
{
    struct track track;
    enum xl_race_call call;
    if (!open(&track, t, 0.02, 16))
        return;
    XL_CHECK(t, run(&track, 1000, &call) >= 5 && call == XL_RACE_ENOUGH);
    XL_CHECK_EQ(t, run(&track, 500, &call), 1);
    XL_CHECK_EQ(t, call, XL_RACE_DROP);
    XL_CHECK(t, run(&track, 930, &call) >= 2);
    for (size_t i = 0; i < 1000; i++)
        XL_CHECK(t, run(&track, 1000, &call) >= 2);
    xl_objective_free(track.objective);
}

/* Nobody is dropped on one lap while noise is hardly known, or where it is as
 * large as the distance. */
static void one_lap_needs_known_noise(struct xl_test *t)
{
    struct track track;
    enum xl_race_call call;
    if (!open(&track, t, 0.02, 4))
        return;
    run(&track, 1000, &call);
    XL_CHECK(t, run(&track, 500, &call) >= 2);
    xl_objective_free(track.objective);
    if (!open(&track, t, 0.2, 16))
        return;
    run(&track, 1000, &call);
    XL_CHECK(t, run(&track, 700, &call) >= 2);
    xl_objective_free(track.objective);
}

/* The first of all has nobody to be beaten by. */
static void the_first_is_never_dropped(struct xl_test *t)
{
    struct track track;
    enum xl_race_call call;
    if (!open(&track, t, 0.02, 16))
        return;
    XL_CHECK(t, run(&track, 10, &call) >= 5 && call == XL_RACE_ENOUGH);
    xl_objective_free(track.objective);
}

/* -- the rule's own numbers --------------------------------------------------
 */

/* Noise in even steps from 0.900 to 1.099, and a best of 1000. */
static void set_ruler(struct xl_race *race)
{
    enum {
        STEPS = 200
    };
    for (size_t i = 0; i < STEPS; i++)
        race->noise[i] = 0.9 + 0.001 * (double)i;
    race->n_noise = STEPS;
    for (size_t k = 0; k < XL_RACE_SHARES; k++)
        race->best.by[k] = 1000;
}

/* Is a configuration dropped at the lap number n, all of them of one speed? */
static bool is_dropped_at(struct track *track, double speed, size_t n)
{
    struct xl_heat heat;
    enum xl_race_call call = XL_RACE_MORE;
    xl_heat_begin(&heat, &track->race);
    while (heat.raw.n < n && call == XL_RACE_MORE) {
        struct xl_lap lap = lap_of(track, speed);
        XL_CHECK_EQ(track->t, xl_heat_add(&heat, &lap, NULL), XL_OK);
        call = xl_heat_call(&heat);
    }
    bool yes = heat.raw.n == n && call == XL_RACE_DROP;
    xl_heat_release(&heat);
    return yes;
}

/* Two laps: (below + 1)^2 / 201^2 <= 5 % / 2, so 30 steps of noise may lie
 * below, 0.930 of a best that is lowered by 1 %: 920.7. Three laps, of 5 % / 6:
 * 39 steps and 930.6. One: 0.9^2 and 801.9. Twice or half of the 5 % or of the
 * 1 % moves the first by 9 to 13 or by 5 to 9. */
static void a_drop_is_where_the_rule_says(struct xl_test *t)
{
    static const struct {
        size_t laps;
        double limit;
    } rows[] = { { 2, 920.7 }, { 3, 930.6 }, { 1, 801.9 } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct track track;
        if (!open(&track, t, 0, 0))
            return;
        set_ruler(&track.race);
        size_t n = rows[i].laps;
        XL_CHECK(t, is_dropped_at(&track, rows[i].limit - 1, n));
        XL_CHECK(t, !is_dropped_at(&track, rows[i].limit + 1, n));
        xl_objective_free(track.objective);
    }
}

/* The anchor has jumped when it is more than four spreads away. */
static void a_jump_is_four_spreads(struct xl_test *t)
{
    struct track track;
    if (!open(&track, t, 0, 0))
        return;
    track.race.spread = 0.01;
    static const struct {
        double log;
        bool has_jumped;
    } rows[] = { { 0, false }, { 0.039, false }, { -0.002, true } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xl_lap lap = lap_of(&track, 1000 * exp(rows[i].log));
        XL_CHECK_EQ(t, xl_race_anchor(&track.race, &lap.reading, false),
                    rows[i].has_jumped);
    }
    xl_objective_free(track.objective);
}

const struct xl_test_case xl_suite_race[] = {
    XL_CASE(the_far_are_dropped_at_once),
    XL_CASE(one_lap_needs_known_noise),
    XL_CASE(the_first_is_never_dropped),
    XL_CASE(a_drop_is_where_the_rule_says),
    XL_CASE(a_jump_is_four_spreads),
    { 0 },
};
