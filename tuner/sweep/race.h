/* SPDX-License-Identifier: Apache-2.0
 *
 * The race: how many repetitions each configuration is worth.
 *
 * A loser is dropped after a few, an ordinary configuration gets `repeats`,
 * one that may be the best gets up to `most`. Readings are held against the
 * anchor, a configuration that never changes and is measured again and again,
 * so that drift of the machine falls out. Not all configurations feel the
 * machine alike, so the race is run several times over, by readings that follow
 * the anchor not at all, by half, wholly, and by half as much again; only who
 * is beaten in every one is beaten.
 *
 *     xl_race_init(&race, &rules);
 *     xl_race_grade(&race, &laps, 2);          // what noise is like
 *     for each trial, in order:
 *         xl_heat_begin(&heat, &race);
 *         while (xl_heat_call(&heat) == XL_RACE_MORE)
 *             xl_heat_add(&heat, &lap, err);
 *         xl_race_close(&race, &heat, is_ok);
 *         xl_heat_release(&heat);
 *
 * It has no clock and does no I/O: the same laps in the same order give the
 * same calls, so a sweep that goes on from its store decides as it did.
 */
#ifndef XL_RACE_H
#define XL_RACE_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/err.h"
#include "tuner/sweep/lap.h"

enum {
    XL_RACE_ANCHORS = 32, /* that say where the machine is now, at most */
    XL_RACE_WINDOWS = 5,  /* how many of them: 2, 4, 8, 16 or 32 */
    XL_RACE_NOISE = 256,  /* laps that say what noise is like */
    XL_RACE_MIDDLE = 64,  /* laps that a middle is of */
    XL_RACE_STATES = 64,  /* trials that say where the machine mostly is */
    XL_RACE_SHARES = 4,   /* of the anchor's way that readings are moved by */
    XL_RACE_WHOLE = 2     /* the one that the search is told: all of it */
};

/* A number by each share. */
struct xl_gains {
    double by[XL_RACE_SHARES];
};

struct xl_race_rules {
    const struct xl_objective *objective;
    size_t repeats; /* quiet laps of an ordinary configuration */
    size_t most;    /* of a contender; 0 = repeats, for all: no racing */
};

struct xl_race {
    struct xl_race_rules rules;
    struct xl_reading level; /* of the anchor at the start */
    /* private */
    double anchors[XL_METRIC_COUNT][XL_RACE_ANCHORS]; /* rings */
    double middles[XL_METRIC_COUNT][XL_RACE_WINDOWS]; /* of the last so many */
    double missed[XL_METRIC_COUNT][XL_RACE_WINDOWS];  /* by them, on average */
    double gains[XL_RACE_ANCHORS]; /* of the anchors, by the objective */
    size_t n_anchors, n_dirty;   /* quiet ones; disturbed ones since the last */
    size_t n_steady;             /* anchors since the machine last jumped */
    double noise[XL_RACE_NOISE]; /* ring: gain of a lap / middle of its trial */
    size_t n_noise;
    double spread;           /* standard deviation of noise; NaN = unknown */
    struct xl_gains best;    /* of the best configurations; NaN = none */
    struct xl_gains pending; /* of the last, until an anchor bears it out */
    double states[XL_RACE_STATES]; /* ring: how far readings were moved */
    size_t n_states;
    size_t taken, disturbed; /* laps */
};

/* One configuration's laps. */
struct xl_heat {
    struct xl_race *race;
    struct xl_laps raw;                  /* as measured */
    struct xl_laps held[XL_RACE_SHARES]; /* against the anchor, by share */
    size_t n_sure; /* laps that an anchor stands behind too */
};

enum xl_race_call {
    XL_RACE_MORE,
    XL_RACE_ENOUGH,
    XL_RACE_DROP, /* it is not the best */
};

void xl_race_init(struct xl_race *race, const struct xl_race_rules *rules);

/* Learns the anchor's level and what noise is like from the laps of each side
 * of the anchor against itself. */
void xl_race_grade(struct xl_race *race, const struct xl_laps *sides, size_t n);

/* The anchor, measured again. A disturbed one counts only when three others
 * before it were disturbed too. Says whether it is another than the one before
 * by more than noise. */
bool xl_race_anchor(struct xl_race *race, const struct xl_reading *reading,
                    bool is_disturbed);

/* How many readings of the anchor say where the machine is; at least 1. */
double xl_race_anchors(const struct xl_race *race);

/* Has the machine jumped from one speed to another lately? */
bool xl_race_is_jumpy(const struct xl_race *race);

/* How many laps may lie between two of the anchor: `every`, which is 0 without
 * an anchor, or fewer while the machine jumps. */
size_t xl_race_anchor_every(const struct xl_race *race, size_t every);

/* The most laps a configuration may come to. */
size_t xl_race_most(const struct xl_race *race);

void xl_heat_begin(struct xl_heat *heat, struct xl_race *race);
void xl_heat_release(struct xl_heat *heat);
enum xl_status xl_heat_add(struct xl_heat *heat, const struct xl_lap *lap,
                           struct xl_err *err);

/* The anchor, measured again after the laps so far. Where the machine jumped
 * since the last one, nobody knows which of the laps in between it was before:
 * they count as disturbed. */
void xl_heat_anchor(struct xl_heat *heat, const struct xl_reading *reading,
                    bool is_disturbed);

enum xl_race_call xl_heat_call(const struct xl_heat *heat);

/* What the search is told: the middle of each metric, against the anchor.
 * Returns the share of it that is its standard error; 0 = unknown. */
double xl_heat_reading(const struct xl_heat *heat, struct xl_reading *reading);

/* The gain by each share. */
void xl_heat_gains(const struct xl_heat *heat, struct xl_gains *gains);

/* Would it be the best by any share? */
bool xl_heat_leads(const struct xl_heat *heat);

/* How far a reading taken in one state of the machine may be off one that was
 * taken in the other, relative; states as xl_gains_state says them. */
double xl_race_doubt(double state, double other);
double xl_gains_state(const struct xl_gains *gains);

/* Logarithm of what it is behind the best where it comes nearest; 0 when no
 * other is known. */
double xl_gains_behind(const struct xl_gains *gains,
                       const struct xl_gains *best);
/* Takes the larger by each share into *best. */
void xl_gains_raise(struct xl_gains *best, const struct xl_gains *gains);

/* Takes the heat into the record of the race. */
void xl_race_close(struct xl_race *race, const struct xl_heat *heat,
                   bool is_ok);

/* Hodges and Lehmann's middle: the median of the means of all pairs; n is at
 * most XL_RACE_MIDDLE. NaN when there are none. */
double xl_middle(const double *x, size_t n);

#endif
