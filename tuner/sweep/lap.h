/* SPDX-License-Identifier: Apache-2.0
 *
 * Laps: the repetitions of one configuration as objectives read them, with
 * what disturbed each, and the figures they come to. Figures are made of the
 * quiet laps when half of all are quiet, else of all.
 */
#ifndef XL_LAP_H
#define XL_LAP_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/err.h"
#include "tuner/measure/runner.h"
#include "tuner/measure/stats.h"
#include "tuner/store/row.h"
#include "tuner/sweep/objective.h"

struct xl_lap {
    struct xl_reading reading;
    double prefill_s, decode_s; /* NaN = phase not run */
    unsigned dirt;              /* what disturbed it; 0 = quiet */
};

void xl_lap_of_run(struct xl_lap *lap, const struct xl_run_sample *sample);
void xl_lap_of_row(struct xl_lap *lap, const struct xl_store_sample *row);

/* The objective of a reading on a scale where larger is better and ratios
 * count: its value, or -1 / value where less is better. NaN = unknown. */
double xl_reading_gain(const struct xl_objective *objective,
                       const struct xl_reading *reading);

struct xl_laps {
    struct xl_lap *items; /* [n], in the order run; heap */
    size_t n, room;
};
enum xl_status xl_laps_add(struct xl_laps *laps, const struct xl_lap *lap,
                           struct xl_err *err);
void xl_laps_release(struct xl_laps *laps);

size_t xl_laps_quiet(const struct xl_laps *laps);

/* Is this lap used by figures? */
bool xl_laps_use(const struct xl_laps *laps, size_t i);

/* Medians of one trial. */
struct xl_trial_figures {
    struct xl_estimate prefill_tok_s, decode_tok_s, prefill_s, decode_s;
    struct xl_reading reading;         /* medians of all metrics */
    double value;                      /* of the objective; NaN = unknown */
    double values[XL_STRATEGY_VALUES]; /* of each of several */
};
enum xl_status xl_laps_figures(const struct xl_laps *laps,
                               const struct xl_objective *objective,
                               struct xl_trial_figures *figures,
                               struct xl_err *err);

#endif
