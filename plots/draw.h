/* SPDX-License-Identifier: Apache-2.0
 *
 * From a record to the data file of one picture; a function for each chart
 * that plot.def names. A chart that the record cannot fill says why instead:
 * no empty picture is ever drawn. */
#ifndef XL_DRAW_H
#define XL_DRAW_H

#include "kernel/base/arena.h"
#include "kernel/base/buf.h"
#include "kernel/base/err.h"
#include "plots/plot.h"
#include "plots/record.h"
#include "plots/tunable.h"

struct xl_drawing {
    const struct xl_record *record;
    const struct xl_tunables *tunables;
    const struct xl_plot_row *row;
    struct xl_arena *arena; /* of this picture */
    struct xl_buf *data;    /* gets the data file */
    struct xl_buf *svg;     /* gets an element, from essential charts */
    const char *why_not;    /* set when there is nothing to draw */
};

typedef enum xl_status xl_draw(struct xl_drawing *d, struct xl_err *err);

#define XL_PLOT(id, stem, chart, by, width, height, axis, title, caption)      \
    xl_draw xl_draw_##chart;                                                   \
    extern const char xl_plot_text_##chart##_gp[];
#include "plots/plot.def"
#undef XL_PLOT

#endif
