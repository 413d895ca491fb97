/* SPDX-License-Identifier: Apache-2.0
 *
 * Draws a run: data files, scripts, pictures and report.html.
 *
 *     struct xl_plot_result result;
 *     XL_TRY(xl_plot_run(&(struct xl_plot_options){ .dir = "runs/x" },
 *                        &result, err));
 *     ... result.files[i] ...
 *     xl_plot_result_release(&result);
 *
 * For each row of plot.def RUN/plots/STEM.dat and STEM.gp are written and
 * gnuplot makes RUN/STEM.png; "cd RUN && gnuplot -d plots/STEM.gp" draws it
 * again. Without gnuplot three of them come as RUN/STEM.svg.
 */
#ifndef XL_PLOT_H
#define XL_PLOT_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/arena.h"
#include "kernel/base/buf.h"
#include "kernel/base/err.h"

enum xl_plot {
#define XL_PLOT(id, stem, chart, column, axis, title, caption) XL_PLOT_##id,
#include "plots/plot.def"
#undef XL_PLOT
    XL_PLOT_COUNT
};

/* A row of plot.def. */
struct xl_plot_row {
    const char *stem, *axis, *title, *caption;
    size_t column; /* enum xl_column, or XL_COLUMN_COUNT */
};

const struct xl_plot_row *xl_plot_row(enum xl_plot plot);

struct xl_plot_options {
    const char *dir;     /* the run's folder */
    const char *gnuplot; /* program; NULL = look on the PATH */
    bool no_gnuplot;     /* draw the essential ones without it */
    unsigned limit_ms;   /* for each picture; 0 = 60 s */
};

struct xl_plot_result {
    const char **files; /* [n_files] paths of pictures and report */
    size_t n_files;
    bool has_gnuplot;
    size_t n_trials;
    const char *report; /* one of files */
    /* private */
    struct xl_arena arena;
};

enum xl_status xl_plot_run(const struct xl_plot_options *options,
                           struct xl_plot_result *result, struct xl_err *err);
void xl_plot_result_release(struct xl_plot_result *result);

#endif
