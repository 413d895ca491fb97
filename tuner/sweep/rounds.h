/* SPDX-License-Identifier: Apache-2.0
 *
 * A duel (measure/duel.h) whose rounds a sweep's runner runs and whose rounds
 * the store keeps as they come, as a fact of scope "rounds": a duel that was
 * killed goes on where it was. The machine is graded by the duel of the
 * anchor with itself. */
#ifndef XL_ROUNDS_H
#define XL_ROUNDS_H

#include "tuner/measure/duel.h"
#include "tuner/measure/grade.h"
#include "tuner/sweep/sweep.h"

/* Names of facts. */
#define XL_ROUNDS_DUEL        "duel"
#define XL_ROUNDS_GRADE_START "grade_start"
#define XL_ROUNDS_GRADE_END   "grade_end"

struct xl_rounds {
    const char *name;                        /* of the fact */
    const struct xl_params *sides[XL_SIDES]; /* canonical */
    struct xl_duel_rules rules;
    uint64_t limit_ns;   /* after it no more than LEAST rounds; 0 = none */
    enum xl_phase phase; /* of the sweep's pace: no round begins after it */
    bool is_whole;       /* the whole workload, not the search's */
};

struct xl_rounds_end {
    enum xl_run_outcome outcome; /* not OK: the duel could not be held */
    bool is_cut; /* the sweep's time was up: fewer rounds than wanted */
    char reason[XL_RUN_REASON];
    struct xl_duel duel;
    struct xl_laps laps[XL_SIDES]; /* of the rounds that count */
};

/* Release the end also after an error. Outcome STOPPED: by a signal. */
enum xl_status xl_rounds_run(const struct xl_sweep *sweep,
                             const struct xl_rounds *rounds,
                             struct xl_rounds_end *end, struct xl_err *err);
void xl_rounds_release(struct xl_rounds_end *end);

/* Grades the machine by `rounds` rounds of the configuration against itself,
 * under the name; with learn the sweep's race learns from them. *grade has no
 * rounds when they could not be run. XL_EINTERRUPTED when stopped. */
struct xl_grading {
    const char *name;
    const struct xl_params *params;
    size_t rounds;
    enum xl_phase phase;
    bool learn;
};
enum xl_status xl_rounds_grade(const struct xl_sweep *sweep,
                               const struct xl_grading *grading,
                               struct xl_machine_grade *grade,
                               struct xl_err *err);

#endif
