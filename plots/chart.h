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
#include "plots/table.h"

struct xl_range {
    double lo, hi;
};

/* A point with its intervals; NaN bounds where there is none. */
struct xl_mark {
    double x, x_lo, x_hi, y, y_lo, y_hi;
};

struct xl_series {
    struct xl_mark *marks; /* [n] */
    size_t n;
};

enum {
    XL_CHART_PANELS = 2,
    XL_CHART_GROUPS = 12
};

/* Speed by one tunable: panel 0 decode, panel 1 prefill. */
struct xl_chart_by_value {
    size_t n_places; /* groups of the widest panel */
    struct xl_chart_panel {
        struct xl_table table;   /* of accepted trials */
        struct xl_series trials; /* accepted, x = place and jitter */
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
    struct xl_series accepted, rejected, best, winner;
    struct xl_series failed; /* y is NaN: there is no value */
    double reference;        /* NaN = unknown */
    const char *y_label;
    struct xl_range x, y;
};

enum xl_status xl_chart_by_value(struct xl_chart_by_value *chart,
                                 const struct xl_record *record,
                                 enum xl_column column, struct xl_arena *arena,
                                 struct xl_err *err);
enum xl_status xl_chart_scatter(struct xl_chart_scatter *chart,
                                const struct xl_record *record,
                                struct xl_arena *arena, struct xl_err *err);
enum xl_status xl_chart_history(struct xl_chart_history *chart,
                                const struct xl_record *record,
                                struct xl_arena *arena, struct xl_err *err);

/* What stands under a group: "64", "64-127", "auto" for the 0 of tunables
 * that choose themselves, "not set". out holds room bytes. */
void xl_chart_label(const struct xl_table_group *group, char *out, size_t room);

/* Step of a scale with about `count` marks over span: 1, 2 or 5 times a
 * power of ten. */
double xl_chart_step(double span, size_t count);

#endif
