/* SPDX-License-Identifier: Apache-2.0
 *
 * Dropping. If a configuration were as good as the best one known, each of its
 * laps would be the best's value times noise. All noise seen so far in the
 * sweep, lap over middle of its trial, is the yardstick: with F(x) the share
 * of noise at or below x, counting the lap itself, n laps that all stay
 * below x times that value have probability F(x)^n. A configuration is dropped
 * when that is at most ALPHA / (n (n - 1)), which over all looks from the
 * second on adds up to ALPHA, however many there are. Nothing is assumed about
 * the shape of noise. One lap alone drops a configuration when it lies twice as
 * far below as the worst of FAR_NOISE laps or more: in a short search of a
 * large model most are that slow, and a second lap would only cost. The best
 * value is the largest of many and flatters, so it is lowered by EFFECT first,
 * the gain that is not worth finding.
 *
 * Going on. After `repeats` laps a configuration gets more while it may be
 * better than the best: one-sided 95 % by the spread of all noise. So a new
 * best has many laps behind it, and luck is paid back before it counts.
 *
 * Drift. Where the machine is now is the middle of the anchor's last readings.
 * Many of them fight noise, few follow drift: of 2, 4, 8, 16 and 32 that number
 * is taken whose middle has so far come nearest to the reading that followed.
 *
 * Jumps. A host may have two speeds and change between them at any moment. So
 * only those of the last readings count that agree with the newest (GATE times
 * the spread): those of the same mode, also from an earlier stay in it. Laps
 * between two readings that do not agree are torn and count as disturbed. Where
 * the machine has jumped among the last readings, the anchor runs before every
 * lap, nobody is dropped on laps that no reading has followed, and nobody
 * becomes the best by them.
 *
 * Shares. A jump does not move all configurations alike: in one run of six
 * tunables, what moved the defaults by a third moved those with int8 weights by
 * 0.5 of that, bf16 0.7, fp32 up to 1.4. The race assumes no more than that a
 * configuration follows the anchor by some share from none to half as much
 * again, and is held at four of them. Who was measured in another mode than the
 * best is then beaten only when it is by all of them; within a mode the share
 * makes no difference. Against what is unknown of it the doubt is added, 0.3 of
 * the way between the modes.
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
#define ROOT2     1.4142135623730951

enum {
    LEAST_DROP = 2,  /* laps before a drop, unless it is far behind */
    FAR_NOISE = 24,  /* laps of noise before one lap can be far behind */
    LEAST_NOISE = 3, /* laps of a trial that says what noise is like */
    EXTRA_SHARE = 4, /* repeats of disturbed laps: one in so many */
    OVERTIME = 2,
    CALM = 256,    /* anchors without a jump: it is over */
    MOST_DIRTY = 3 /* anchors in a row that are left out */
};
#define FORGET 0.98       /* of what windows missed, each anchor */
#define GATE   4.0        /* spreads that two readings of one mode lie apart */
#define DOUBT  0.3        /* standard deviation of the share */
#define TORN   (1u << 30) /* dirt of a lap that the machine jumped at */

static const double shares[XL_RACE_SHARES] = { 0.0, 0.5, [XL_RACE_WHOLE] = 1.0,
                                               1.5 };

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

/* -- gains ---------------------------------------------------------------- */

static void clear_gains(struct xl_gains *gains)
{
    for (size_t k = 0; k < XL_RACE_SHARES; k++)
        gains->by[k] = (double)NAN;
}

void xl_gains_raise(struct xl_gains *best, const struct xl_gains *gains)
{
    for (size_t k = 0; k < XL_RACE_SHARES; k++)
        best->by[k] = fmax(best->by[k], gains->by[k]);
}

double xl_gains_behind(const struct xl_gains *gains,
                       const struct xl_gains *best)
{
    double behind = HUGE_VAL;
    for (size_t k = 0; k < XL_RACE_SHARES; k++)
        behind = fmin(behind, log(best->by[k] / gains->by[k]));
    return isfinite(behind) ? behind : 0.0;
}

double xl_gains_state(const struct xl_gains *gains)
{
    double state = log(gains->by[XL_RACE_WHOLE] / gains->by[0]);
    return isfinite(state) ? state : 0.0;
}

double xl_race_doubt(double state, double other)
{
    return DOUBT * fabs(state - other);
}

/* -- the race ------------------------------------------------------------- */

void xl_race_init(struct xl_race *race, const struct xl_race_rules *rules)
{
    *race = (struct xl_race){ .rules = *rules, .spread = (double)NAN };
    clear_gains(&race->best);
    clear_gains(&race->pending);
    xl_reading_clear(&race->level);
    /* One number cannot stand for a front. */
    if (xl_objective_count(rules->objective) > 1)
        race->rules.most = 0;
}

static size_t kept(size_t n, size_t room)
{
    return n < room ? n : room;
}

/* Are two anchors, by their gains, of one mode of the machine? */
static bool agree(const struct xl_race *race, double a, double b)
{
    double apart = fabs(log(a / b));
    return !(apart > GATE * race->spread);
}

bool xl_race_is_jumpy(const struct xl_race *race)
{
    return race->n_steady < race->n_anchors && race->n_steady < CALM;
}

/* Of the newest n readings of a metric, at most XL_RACE_ANCHORS, those that
 * agree with the newest. */
static double middle_of_last(const struct xl_race *race, size_t metric,
                             size_t n)
{
    double x[XL_RACE_ANCHORS];
    double newest = race->gains[(race->n_anchors - 1) % XL_RACE_ANCHORS];
    size_t m = 0;
    for (size_t i = 1; i <= n && i <= race->n_anchors; i++) {
        size_t at = (race->n_anchors - i) % XL_RACE_ANCHORS;
        double r = race->anchors[metric][at];
        if (isfinite(r) && agree(race, race->gains[at], newest))
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

/* The laps behind the pending best were followed by another anchor. */
static void settle_pending(struct xl_race *race, bool has_jumped)
{
    if (!has_jumped)
        xl_gains_raise(&race->best, &race->pending);
    clear_gains(&race->pending);
}

bool xl_race_anchor(struct xl_race *race, const struct xl_reading *reading,
                    bool is_disturbed)
{
    race->n_dirty = is_disturbed ? race->n_dirty + 1 : 0;
    if (is_disturbed && race->n_dirty <= MOST_DIRTY)
        return false;
    size_t at = race->n_anchors % XL_RACE_ANCHORS;
    double before =
        race->gains[(race->n_anchors + XL_RACE_ANCHORS - 1) % XL_RACE_ANCHORS];
    race->gains[at] = xl_reading_gain(race->rules.objective, reading);
    bool has_jumped =
        race->n_anchors > 0 && !agree(race, race->gains[at], before);
    race->n_anchors++;
    race->n_steady = has_jumped ? 0 : race->n_steady + 1;
    settle_pending(race, has_jumped);
    for (size_t m = 0; m < XL_METRIC_COUNT; m++) {
        if (race->n_anchors > 1)
            score_windows(race, m, reading->value[m]);
        race->anchors[m][at] = reading->value[m];
        for (size_t w = 0; w < XL_RACE_WINDOWS; w++)
            race->middles[m][w] = middle_of_last(race, m, (size_t)2 << w);
    }
    return has_jumped;
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

/* Of laps that followed one another: half of their ratio is the noise of each,
 * whatever mode the machine was in. */
static void learn_rounds(struct xl_race *race, const struct xl_laps *a,
                         const struct xl_laps *b)
{
    const struct xl_objective *objective = race->rules.objective;
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        double ratio = xl_reading_gain(objective, &a->items[i].reading) /
                       xl_reading_gain(objective, &b->items[i].reading);
        if (!xl_laps_use(a, i))
            continue;
        note_noise(race, pow(ratio, 0.5 * ROOT2));
        note_noise(race, pow(ratio, -0.5 * ROOT2));
    }
}

void xl_race_grade(struct xl_race *race, const struct xl_laps *sides, size_t n)
{
    if (n == 0)
        return;
    set_middle(race, &sides[0], &race->level);
    for (size_t i = 0; i + 1 < n; i += 2)
        learn_rounds(race, &sides[i], &sides[i + 1]);
    measure_spread(race);
    for (size_t i = 0; i < sides[0].n; i++)
        xl_race_anchor(race, &sides[0].items[i].reading,
                       sides[0].items[i].dirt != 0);
}

size_t xl_race_anchor_every(const struct xl_race *race, size_t every)
{
    return every && xl_race_is_jumpy(race) ? 1 : every;
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
    for (size_t k = 0; k < XL_RACE_SHARES; k++)
        xl_laps_release(&heat->held[k]);
}

void xl_heat_anchor(struct xl_heat *heat, const struct xl_reading *reading,
                    bool is_disturbed)
{
    size_t before = heat->race->n_anchors, n = heat->raw.n;
    bool has_jumped = xl_race_anchor(heat->race, reading, is_disturbed);
    if (heat->race->n_anchors == before)
        return;
    for (size_t i = heat->n_sure; i < n && has_jumped; i++)
        for (size_t k = 0; k < XL_RACE_SHARES; k++)
            heat->held[k].items[i].dirt |= TORN;
    heat->n_sure = n;
}

enum xl_status xl_heat_add(struct xl_heat *heat, const struct xl_lap *lap,
                           struct xl_err *err)
{
    for (size_t k = 0; k < XL_RACE_SHARES; k++) {
        struct xl_lap held = *lap;
        for (size_t m = 0; m < XL_METRIC_COUNT; m++)
            held.reading.value[m] *= pow(correction(heat->race, m), shares[k]);
        XL_TRY(xl_laps_add(&heat->held[k], &held, err));
    }
    return xl_laps_add(&heat->raw, lap, err);
}

/* The laps that the search is told of. */
static const struct xl_laps *whole(const struct xl_heat *heat)
{
    return &heat->held[XL_RACE_WHOLE];
}

static size_t used(const struct xl_laps *laps)
{
    size_t quiet = xl_laps_quiet(laps);
    return 2 * quiet < laps->n ? laps->n : quiet;
}

/* What noise leaves open of a middle, as a share of it; NaN = unknown. */
static double error_of(const struct xl_heat *heat)
{
    return OF_MIDDLE * heat->race->spread / sqrt((double)used(whole(heat)));
}

static double usual_state(const struct xl_race *race)
{
    double x[XL_RACE_STATES];
    size_t n = kept(race->n_states, XL_RACE_STATES);
    for (size_t i = 0; i < n; i++)
        x[i] = race->states[i];
    return n ? xl_median(x, n) : 0.0;
}

void xl_heat_gains(const struct xl_heat *heat, struct xl_gains *gains)
{
    const struct xl_objective *objective = heat->race->rules.objective;
    struct xl_reading reading;
    for (size_t k = 0; k < XL_RACE_SHARES; k++) {
        set_middle(heat->race, &heat->held[k], &reading);
        gains->by[k] = xl_reading_gain(objective, &reading);
    }
}

double xl_heat_reading(const struct xl_heat *heat, struct xl_reading *reading)
{
    struct xl_gains gains;
    double error = error_of(heat);
    set_middle(heat->race, whole(heat), reading);
    xl_heat_gains(heat, &gains);
    double usual =
        heat->race->n_states ? usual_state(heat->race) : xl_gains_state(&gains);
    double share = hypot(error, xl_race_doubt(xl_gains_state(&gains), usual));
    return isfinite(share) ? share : 0.0;
}

/* Does one lap, at `bound` of the best, lie beyond all noise twice over? */
static bool is_far_below(const struct xl_race *race, double bound)
{
    size_t all = kept(race->n_noise, XL_RACE_NOISE);
    double worst = 1.0;
    for (size_t i = 0; i < all; i++)
        worst = fmin(worst, race->noise[i]);
    return all >= FAR_NOISE && bound < worst * worst;
}

/* Do the laps, moved by one share, rule out that it is as good as the best? */
static bool is_beaten_by(const struct xl_heat *heat, size_t share)
{
    const struct xl_race *race = heat->race;
    double x[XL_RACE_MIDDLE], largest = -HUGE_VAL;
    size_t n = collect(race, &heat->held[share], XL_METRIC_COUNT, x), below = 0;
    size_t all = kept(race->n_noise, XL_RACE_NOISE);
    if (n == 0 || !(race->best.by[share] > 0))
        return false;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, x[i]);
    double bound = largest / (race->best.by[share] * (1.0 - EFFECT));
    if (n < LEAST_DROP)
        return is_far_below(race, bound);
    for (size_t i = 0; i < all; i++)
        below += race->noise[i] <= bound;
    double odds = (double)(below + 1) / (double)(all + 1);
    return pow(odds, (double)n) <= ALPHA / (double)(n * (n - 1));
}

static bool is_beaten(const struct xl_heat *heat)
{
    const struct xl_race *race = heat->race;
    size_t n = heat->raw.n < LEAST_DROP ? heat->raw.n : (size_t)LEAST_DROP;
    /* Where most laps are quiet, disturbed ones prove nothing. */
    if (xl_laps_quiet(whole(heat)) < n && 2 * race->disturbed < race->taken)
        return false;
    if (xl_race_is_jumpy(race) && heat->n_sure < LEAST_DROP)
        return false;
    for (size_t k = 0; k < XL_RACE_SHARES; k++)
        if (!is_beaten_by(heat, k))
            return false;
    return true;
}

/* By the share that the search is told, or by any while the machine jumps:
 * always by any would be half as many laps again, for drift that is small. */
static bool may_be_best(const struct xl_heat *heat)
{
    const struct xl_race *race = heat->race;
    struct xl_gains gains;
    double error = error_of(heat);
    double raise = 1.0 + ONE_SIDED * (isfinite(error) ? error : 0.0);
    xl_heat_gains(heat, &gains);
    for (size_t k = 0; k < XL_RACE_SHARES; k++)
        if ((k == XL_RACE_WHOLE || xl_race_is_jumpy(race)) &&
            gains.by[k] * raise > race->best.by[k])
            return true;
    return false;
}

bool xl_heat_leads(const struct xl_heat *heat)
{
    struct xl_gains gains;
    xl_heat_gains(heat, &gains);
    for (size_t k = 0; k < XL_RACE_SHARES; k++)
        if (!(gains.by[k] <= heat->race->best.by[k]))
            return true;
    return false;
}

/* Laps that count towards what is wanted: the disturbed ones too once their
 * repeats are used up. */
static size_t counted(const struct xl_heat *heat)
{
    const struct xl_race *race = heat->race;
    size_t quiet = xl_laps_quiet(whole(heat)), dirty = heat->raw.n - quiet;
    size_t allowed = race->rules.repeats + race->taken / EXTRA_SHARE;
    size_t left = allowed > race->disturbed ? allowed - race->disturbed : 0;
    return quiet + (dirty > left ? dirty - left : 0);
}

enum xl_race_call xl_heat_call(const struct xl_heat *heat)
{
    const struct xl_race_rules *rules = &heat->race->rules;
    size_t n = counted(heat), taken = heat->raw.n;
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
    struct xl_gains gains;
    race->taken += heat->raw.n;
    race->disturbed += heat->raw.n - xl_laps_quiet(whole(heat));
    learn_noise(race, whole(heat));
    measure_spread(race);
    xl_heat_gains(heat, &gains);
    if (heat->raw.n)
        race->states[race->n_states++ % XL_RACE_STATES] =
            xl_gains_state(&gains);
    bool is_torn = 2 * xl_laps_quiet(whole(heat)) < heat->raw.n;
    if (!is_ok || !isfinite(gains.by[0]) || (is_torn && xl_race_is_jumpy(race)))
        return;
    xl_gains_raise(xl_race_is_jumpy(race) ? &race->pending : &race->best,
                   &gains);
}
