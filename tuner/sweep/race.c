/* SPDX-License-Identifier: Apache-2.0
 *
 * Dropping. If a configuration were as good as the best one known, each of its
 * laps would be the best's value times noise. All noise seen so far in the
 * sweep, lap over middle of its trial, is the yardstick: with F(x) the share
 * of noise at or below x, counting the lap itself, n laps that all stay
 * below x times that value have probability F(x)^n. A configuration is dropped
 * when that is at most ALPHA / (n (n - 1)), which over all looks from the
 * second on adds up to ALPHA, however many there are. Nothing is assumed about
 * the shape of noise. The best value is the largest of many and flatters, so it
 * is lowered by EFFECT first, the gain that is not worth finding.
 *
 * Going on. After `repeats` laps a configuration gets more while it may be
 * better than the best: one-sided 95 % by the spread of all noise. So a new
 * best has many laps behind it, and luck is paid back before it counts.
 *
 * Drift. Where the machine is now is the middle of the anchor's last readings.
 * Many of them fight noise, few follow drift: of 2, 4, 8, 16 and 32 that number
 * is taken whose middle has so far come nearest to the reading that followed.
 *
 * The middle is Hodges and Lehmann's: against normal noise worth 95 % of the
 * mean where the median is worth 64 %, and a quarter of wild laps do not
 * move it far.
 *
 * Disturbed laps are repeated, up to twice what is wanted for one trial and
 * by a quarter for the whole sweep; on a machine that is never quiet that is
 * soon used up. */
#include "tuner/sweep/race.h"

#include <assert.h>
#include <math.h>

#define ALPHA     0.05
#define EFFECT    0.01
#define ONE_SIDED 1.645
#define OF_MIDDLE 1.02 /* its error, times spread / sqrt(n) */

enum {
    LEAST_DROP = 2,  /* laps before a drop */
    LEAST_NOISE = 3, /* laps of a trial that says what noise is like */
    EXTRA_SHARE = 4, /* repeats of disturbed laps: one in so many */
    OVERTIME = 2,
    MOST_DIRTY = 3 /* anchors in a row that are left out */
};
#define FORGET 0.98 /* of what windows missed, each anchor */

double xl_middle(const double *x, size_t n)
{
    double means[XL_RACE_MIDDLE * (XL_RACE_MIDDLE + 1) / 2];
    size_t m = 0;
    assert(n <= XL_RACE_MIDDLE);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++)
            means[m++] = 0.5 * (x[i] + x[j]);
    return xl_median(means, m);
}

/* -- the race ------------------------------------------------------------- */

void xl_race_init(struct xl_race *race, const struct xl_race_rules *rules)
{
    *race = (struct xl_race){ .rules = *rules,
                              .spread = (double)NAN,
                              .best = (double)NAN };
    xl_reading_clear(&race->level);
    /* One number cannot stand for a front. */
    if (xl_objective_count(rules->objective) > 1)
        race->rules.most = 0;
}

static size_t kept(size_t n, size_t room)
{
    return n < room ? n : room;
}

/* The newest n readings of a metric, at most XL_RACE_ANCHORS. */
static double middle_of_last(const struct xl_race *race, size_t metric,
                             size_t n)
{
    double x[XL_RACE_ANCHORS];
    size_t m = 0;
    for (size_t i = 1; i <= n && i <= race->n_anchors; i++) {
        double r =
            race->anchors[metric][(race->n_anchors - i) % XL_RACE_ANCHORS];
        if (isfinite(r))
            x[m++] = r;
    }
    return xl_middle(x, m);
}

/* How far each window was off the reading that now followed. */
static void score_windows(struct xl_race *race, size_t metric, double reading)
{
    for (size_t w = 0; w < XL_RACE_WINDOWS; w++) {
        double miss = fabs(log(reading / race->middles[metric][w]));
        double *missed = &race->missed[metric][w];
        if (isfinite(miss))
            *missed = FORGET * *missed + (1.0 - FORGET) * miss;
    }
}

void xl_race_anchor(struct xl_race *race, const struct xl_reading *reading,
                    bool is_disturbed)
{
    race->n_dirty = is_disturbed ? race->n_dirty + 1 : 0;
    if (is_disturbed && race->n_dirty <= MOST_DIRTY)
        return;
    size_t at = race->n_anchors++ % XL_RACE_ANCHORS;
    for (size_t m = 0; m < XL_METRIC_COUNT; m++) {
        if (race->n_anchors > 1)
            score_windows(race, m, reading->value[m]);
        race->anchors[m][at] = reading->value[m];
        for (size_t w = 0; w < XL_RACE_WINDOWS; w++)
            race->middles[m][w] = middle_of_last(race, m, (size_t)2 << w);
    }
}

/* The window that has so far foretold this metric best. */
static size_t best_window(const struct xl_race *race, size_t metric)
{
    size_t best = 0;
    for (size_t w = 1; w < XL_RACE_WINDOWS; w++)
        if (race->missed[metric][w] < race->missed[metric][best])
            best = w;
    return best;
}

double xl_race_anchors(const struct xl_race *race)
{
    double least = XL_RACE_ANCHORS;
    for (size_t m = 0; m < XL_METRIC_COUNT; m++)
        if (xl_objective_reads(race->rules.objective, (enum xl_metric)m))
            least = fmin(least, (double)((size_t)2 << best_window(race, m)));
    return fmax(1.0, fmin(least, (double)race->n_anchors));
}

/* What turns a reading of now into one of the start. Memory does not drift. */
static double correction(const struct xl_race *race, size_t metric)
{
    size_t w = best_window(race, metric);
    if (metric == XL_METRIC_MEMORY || !isfinite(race->level.value[metric]))
        return 1.0;
    double factor = race->level.value[metric] / race->middles[metric][w];
    return race->n_anchors && isfinite(factor) ? factor : 1.0;
}

static void note_noise(struct xl_race *race, double x)
{
    if (isfinite(x) && x > 0)
        race->noise[race->n_noise++ % XL_RACE_NOISE] = x;
}

/* The spread that normal noise of this median distance from 1 has. */
static void measure_spread(struct xl_race *race)
{
    double away[XL_RACE_NOISE];
    size_t n = kept(race->n_noise, XL_RACE_NOISE);
    for (size_t i = 0; i < n; i++)
        away[i] = fabs(log(race->noise[i]));
    race->spread = 1.4826 * xl_median(away, n);
}

/* A number of each lap in use: a metric, or with COUNT the gain. Of many laps
 * so many that are spread evenly over them. */
static size_t collect(const struct xl_race *race, const struct xl_laps *laps,
                      enum xl_metric metric, double out[XL_RACE_MIDDLE])
{
    size_t n = 0, step = laps->n / XL_RACE_MIDDLE + 1;
    for (size_t i = 0; i < laps->n; i += step) {
        const struct xl_reading *r = &laps->items[i].reading;
        double x = metric < XL_METRIC_COUNT
                       ? r->value[metric]
                       : xl_reading_gain(race->rules.objective, r);
        if (isfinite(x) && xl_laps_use(laps, i))
            out[n++] = x;
    }
    return n;
}

/* Deviations from the middle of few laps are too small by the factor that the
 * root makes good. */
static void learn_noise(struct xl_race *race, const struct xl_laps *laps)
{
    double x[XL_RACE_MIDDLE];
    size_t n = collect(race, laps, XL_METRIC_COUNT, x);
    if (n < LEAST_NOISE)
        return;
    double middle = xl_middle(x, n);
    double widen = sqrt((double)n / (double)(n - 1));
    for (size_t i = 0; i < n; i++)
        note_noise(race, pow(x[i] / middle, widen));
}

static void set_middle(const struct xl_race *race, const struct xl_laps *laps,
                       struct xl_reading *reading)
{
    double x[XL_RACE_MIDDLE];
    for (size_t m = 0; m < XL_METRIC_COUNT; m++) {
        size_t n = collect(race, laps, (enum xl_metric)m, x);
        reading->value[m] = xl_middle(x, n);
    }
}

void xl_race_grade(struct xl_race *race, const struct xl_laps *sides, size_t n)
{
    if (n == 0)
        return;
    set_middle(race, &sides[0], &race->level);
    for (size_t i = 0; i < n; i++)
        learn_noise(race, &sides[i]);
    measure_spread(race);
    for (size_t i = 0; i < sides[0].n; i++)
        xl_race_anchor(race, &sides[0].items[i].reading,
                       sides[0].items[i].dirt != 0);
}

/* -- one configuration ---------------------------------------------------- */

size_t xl_race_most(const struct xl_race *race)
{
    const struct xl_race_rules *rules = &race->rules;
    return OVERTIME *
           (rules->most > rules->repeats ? rules->most : rules->repeats);
}

void xl_heat_begin(struct xl_heat *heat, struct xl_race *race)
{
    *heat = (struct xl_heat){ .race = race };
}

void xl_heat_release(struct xl_heat *heat)
{
    xl_laps_release(&heat->raw);
    xl_laps_release(&heat->held);
}

enum xl_status xl_heat_add(struct xl_heat *heat, const struct xl_lap *lap,
                           struct xl_err *err)
{
    struct xl_lap held = *lap;
    for (size_t m = 0; m < XL_METRIC_COUNT; m++)
        held.reading.value[m] *= correction(heat->race, m);
    XL_TRY(xl_laps_add(&heat->raw, lap, err));
    return xl_laps_add(&heat->held, &held, err);
}

static size_t used(const struct xl_laps *laps)
{
    size_t quiet = xl_laps_quiet(laps);
    return 2 * quiet < laps->n ? laps->n : quiet;
}

double xl_heat_reading(const struct xl_heat *heat, struct xl_reading *reading)
{
    double n = (double)used(&heat->held);
    set_middle(heat->race, &heat->held, reading);
    double share = OF_MIDDLE * heat->race->spread / sqrt(n);
    return isfinite(share) ? share : 0.0;
}

/* Do the laps rule out that it is as good as the best? */
static bool is_beaten(const struct xl_heat *heat)
{
    const struct xl_race *race = heat->race;
    double x[XL_RACE_MIDDLE], largest = -HUGE_VAL;
    size_t n = collect(race, &heat->held, XL_METRIC_COUNT, x), below = 0;
    size_t all = kept(race->n_noise, XL_RACE_NOISE);
    if (n < LEAST_DROP || !(race->best > 0))
        return false;
    /* Where most laps are quiet, disturbed ones prove nothing. */
    if (xl_laps_quiet(&heat->held) < LEAST_DROP &&
        2 * race->disturbed < race->taken)
        return false;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, x[i]);
    double bound = largest / (race->best * (1.0 - EFFECT));
    for (size_t i = 0; i < all; i++)
        below += race->noise[i] <= bound;
    double share = (double)(below + 1) / (double)(all + 1);
    return pow(share, (double)n) <= ALPHA / (double)(n * (n - 1));
}

static bool may_be_best(const struct xl_heat *heat)
{
    const struct xl_race *race = heat->race;
    struct xl_reading reading;
    double share = xl_heat_reading(heat, &reading);
    double gain = xl_reading_gain(race->rules.objective, &reading);
    return gain * (1.0 + ONE_SIDED * share) > race->best;
}

/* Laps that count towards what is wanted: the disturbed ones too once their
 * repeats are used up. */
static size_t counted(const struct xl_heat *heat)
{
    const struct xl_race *race = heat->race;
    size_t quiet = xl_laps_quiet(&heat->held), dirty = heat->held.n - quiet;
    size_t allowed = race->rules.repeats + race->taken / EXTRA_SHARE;
    size_t left = allowed > race->disturbed ? allowed - race->disturbed : 0;
    return quiet + (dirty > left ? dirty - left : 0);
}

enum xl_race_call xl_heat_call(const struct xl_heat *heat)
{
    const struct xl_race_rules *rules = &heat->race->rules;
    size_t n = counted(heat), taken = heat->held.n;
    bool is_race = rules->most > 0;
    if (is_race && is_beaten(heat))
        return XL_RACE_DROP;
    if (n < rules->repeats)
        return taken < OVERTIME * rules->repeats ? XL_RACE_MORE
                                                 : XL_RACE_ENOUGH;
    if (!is_race || n >= rules->most || taken >= xl_race_most(heat->race))
        return XL_RACE_ENOUGH;
    return may_be_best(heat) ? XL_RACE_MORE : XL_RACE_ENOUGH;
}

void xl_race_close(struct xl_race *race, const struct xl_heat *heat, bool is_ok)
{
    struct xl_reading reading;
    race->taken += heat->held.n;
    race->disturbed += heat->held.n - xl_laps_quiet(&heat->held);
    learn_noise(race, &heat->held);
    measure_spread(race);
    xl_heat_reading(heat, &reading);
    double gain = xl_reading_gain(race->rules.objective, &reading);
    if (is_ok && isfinite(gain) && !(gain <= race->best))
        race->best = gain;
}
