/* SPDX-License-Identifier: Apache-2.0
 *
 * What a picture shows, computed once: gnuplot's data files and the SVG
 * writer both draw from these. All memory is the arena's.
 */
#ifndef XL_CHART_H
#define XL_CHART_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/arena.h"
#include "kernel/base/err.h"
#include "plots/record.h"
#include "plots/grouping.h"
#include "plots/tunable.h"

struct xl_range {
    double lo, hi;
};

/* A point with its intervals; NaN bounds where there is none. */
struct xl_mark {
    double x, x_lo, x_hi, y, y_lo, y_hi;
};

/* Marks that are drawn; total counts those left out as well. */
struct xl_series {
    struct xl_mark *marks; /* [n] */
    size_t n, total;
};

enum {
    XL_CHART_PANELS = 2,
    XL_CHART_GROUPS = 12,
    XL_CHART_MOST = 4000 /* trials drawn one by one */
};

/* Speed by one tunable: panel 0 decode, panel 1 prefill. */
struct xl_chart_by_value {
    const struct xl_tunable *by;
    size_t n_places; /* groups of the widest panel */
    struct xl_chart_panel {
        struct xl_grouping table; /* of accepted trials */
        struct xl_series trials;  /* accepted, x = place and jitter */
        struct xl_series rejected;
        double top; /* largest value drawn, 0 = none */
    } panels[XL_CHART_PANELS];
};

/* Decode (y) against prefill (x). */
struct xl_chart_scatter {
    struct xl_series accepted, rejected, front, stairs, reference, winner;
    struct xl_range x, y;
};

/* The objective (y) by trial number (x, from 1). */
struct xl_chart_history {
    struct xl_series accepted, rejected, pruned, best, winner;
    struct xl_series failed;   /* y is NaN: there is no value */
    struct xl_series expected; /* best of x random trials: mean, 10%, 90% */
    size_t n_random;           /* trials that the expectation knows */
    bool is_random;            /* those were drawn at random; else all trials */
    double reference;          /* NaN = unknown */
    const char *y_label;
    struct xl_range x, y;
    struct xl_range y_accepted; /* of what may win and the expectation */
};

enum xl_status xl_chart_by_value(struct xl_chart_by_value *chart,
                                 const struct xl_record *record,
                                 const struct xl_tunable *by,
                                 struct xl_arena *arena, struct xl_err *err);
enum xl_status xl_chart_scatter(struct xl_chart_scatter *chart,
                                const struct xl_record *record,
                                struct xl_arena *arena, struct xl_err *err);
enum xl_status xl_chart_history(struct xl_chart_history *chart,
                                const struct xl_record *record,
                                struct xl_arena *arena, struct xl_err *err);

/* What stands under group g of a panel: "64", "64-127", "auto" for the 0 of
 * tunables that choose themselves, "not read". */
const char *xl_chart_label(const struct xl_chart_by_value *chart,
                           const struct xl_grouping_group *group);

/* "decode (tok/s)": the objective with its unit; NULL without memory. */
const char *xl_chart_score_label(const struct xl_record *record,
                                 struct xl_arena *arena);

/* Every how many-th of n trials is drawn: 1 up to XL_CHART_MOST. */
size_t xl_chart_stride(size_t n);

bool xl_series_make(struct xl_series *series, size_t n, struct xl_arena *arena);
void xl_series_add(struct xl_series *series, struct xl_mark mark);

/* Leaves every xl_chart_stride(n)-th mark. */
void xl_series_thin(struct xl_series *series);

/* A mark without intervals. */
struct xl_mark xl_mark_bare(double x, double y);

/* Ranges begin as NaN and grow; settling gives margins and a least span, and
 * none of what is positive falls below zero. */
void xl_range_widen(struct xl_range *range, double value);
void xl_range_widen_all(struct xl_range *x, struct xl_range *y,
                        const struct xl_series *series);
void xl_range_settle(struct xl_range *range);

/* Step of a scale with about `count` marks over span: 1, 2 or 5 times a
 * power of ten. */
double xl_chart_step(double span, size_t count);

#endif
