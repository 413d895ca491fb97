/* SPDX-License-Identifier: Apache-2.0
 *
 * What a sweep is after, as its user writes it:
 *
 *     decode
 *     0.7*decode + 0.3*prefill        weights, in tokens a second
 *     decode^0.7 * prefill^0.3        weights, whatever the units
 *     latency@95                      less is better, and it knows that
 *     decode where memory < 2GiB and latency@99 < 20ms
 *     decode, prefill, memory         several: a front
 *
 * Expressions are those of tuner/space/expr.h over the rows of objective.def;
 * sizes carry KiB, MiB, GiB, kB, MB or GB and times ns, us, ms or s. Whether
 * an expression is to grow or to shrink follows from what it is made of; one
 * that gains from a metric getting worse is refused.
 *
 * An objective does not change once parsed.
 */
#ifndef XL_OBJECTIVE_H
#define XL_OBJECTIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/err.h"
#include "kernel/param/param.h"
#include "tuner/strategy/strategy.h"

enum xl_metric {
#define XL_METRIC(id, name, unit, is_less, phases, help) XL_METRIC_##id,
#include "tuner/sweep/objective.def"
#undef XL_METRIC
    XL_METRIC_COUNT
};

const char *xl_metric_name(enum xl_metric metric);

/* What one repetition, or the medians of many, came to. NaN = unknown. The
 * value of BALANCED is not read but computed. */
struct xl_reading {
    double value[XL_METRIC_COUNT];
};

/* All NaN. */
void xl_reading_clear(struct xl_reading *reading);

struct xl_objective;

/* XL_EUSAGE begins with "column N: ". */
enum xl_status xl_objective_parse(struct xl_objective **objective,
                                  const char *text, struct xl_err *err);
void xl_objective_free(struct xl_objective *objective);

/* The text it was parsed from. */
const char *xl_objective_name(const struct xl_objective *objective);

/* XL_PHASE_* that any part of it reads. */
enum xl_param_phase xl_objective_phases(const struct xl_objective *objective);

/* Does any part of it read the metric? */
bool xl_objective_reads(const struct xl_objective *objective,
                        enum xl_metric metric);

/* Objectives in it, 1 to XL_STRATEGY_VALUES, and how each is written. */
size_t xl_objective_count(const struct xl_objective *objective);
const char *xl_objective_item(const struct xl_objective *objective, size_t i);
/* The unit of its value: "tok/s"; "" of a formula and of several. */
const char *xl_objective_unit(const struct xl_objective *objective);
bool xl_objective_is_less(const struct xl_objective *objective, size_t i);

/* Does the reading keep to what stands after `where`? What is unknown holds.
 */
bool xl_objective_holds(const struct xl_objective *objective,
                        const struct xl_reading *reading);

/* What the search makes as large as it can: the value, negative where less is
 * better; of several objectives the geometric mean of all, with those where
 * less is better inverted. NaN when something it needs is unknown or what
 * stands after `where` does not hold. */
double xl_objective_value(const struct xl_objective *objective,
                          const struct xl_reading *reading);

/* The same for each objective alone, as a strategy is told it. */
void xl_objective_values(const struct xl_objective *objective,
                         const struct xl_reading *reading,
                         double values[XL_STRATEGY_VALUES]);

#endif
