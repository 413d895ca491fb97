/* SPDX-License-Identifier: Apache-2.0
 *
 * The time of a sweep that has to end at a set moment: what its phases cost,
 * learnt from its first trials, and when each must end so that those behind it
 * find their time.
 *
 *     |-- search --|-- judge --|-- play-off --|-- holdout --|-- duel --|...
 *
 *     xl_pace_init(&pace, start_ns, seconds);
 *     xl_pace_lap(&pace, wall_ns, n, is_whole); // as they come
 *     xl_pace_judge(&pace, wall_ns);
 *     while (!xl_pace_is_over(&pace, XL_PHASE_SEARCH)) ...
 *
 * A pace of no seconds has no end: nothing is ever over.
 */
#ifndef XL_PACE_H
#define XL_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In their order. */
enum xl_phase {
    XL_PHASE_GRADE_START,
    XL_PHASE_SEARCH,
    XL_PHASE_JUDGE,
    XL_PHASE_PLAYOFF,
    XL_PHASE_HOLDOUT,
    XL_PHASE_DUEL,
    XL_PHASE_GRADE_END,
    XL_PHASE_OUTPUTS,
    XL_PHASE_FILES, /* best.json, exports, the summary */
    XL_PHASES
};

struct xl_pace {
    uint64_t start_ns, end_ns; /* on xl_clock_ns; end 0 = none */
    size_t duel_rounds;        /* wanted */
    size_t grade_rounds;
    double whole; /* laps of the search that one of the whole workload takes;
                     0 = it is the search's */
    /* private */
    uint64_t laps_ns; /* of all laps, plans and warm-ups among them */
    double laps;      /* of the search, or what comes to so many */
    size_t trials;
    uint64_t first_judge_ns, judge_ns; /* the first makes its reference */
};

/* seconds: 0 = no end. */
void xl_pace_init(struct xl_pace *pace, uint64_t start_ns, double seconds);

/* n laps, of the search's workload or the whole one, took so long, together
 * with plans and warm-ups. NULL learns nothing, here and below. */
void xl_pace_lap(struct xl_pace *pace, uint64_t wall_ns, size_t n,
                 bool is_whole);

/* One more configuration, which will have its output. */
void xl_pace_trial(struct xl_pace *pace);

/* The whole judge took so long over one configuration. */
void xl_pace_judge(struct xl_pace *pace, uint64_t wall_ns);

/* When the phase has to end; 0 = no end. pace NULL has none. */
uint64_t xl_pace_end(const struct xl_pace *pace, enum xl_phase phase);

/* Must the phase end, or would it have to, `more` from now? */
bool xl_pace_is_over(const struct xl_pace *pace, enum xl_phase phase);
bool xl_pace_has(const struct xl_pace *pace, enum xl_phase phase,
                 uint64_t more_ns);

/* Rounds of the search's workload that still fit into a phase; SIZE_MAX = any
 * number. */
size_t xl_pace_rounds(const struct xl_pace *pace, enum xl_phase phase);

#endif
