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
 * gnuplot makes RUN/STEM.png and, in RUN/plots, STEM.svg, STEM.dark.png and
 * STEM.dark.svg; "cd RUN && gnuplot plots/STEM.gp" draws them again. Without
 * gnuplot three of them come as RUN/STEM.svg. A picture for which the run
 * holds no data is left out; the report says why.
 */
#ifndef XL_PLOT_H
#define XL_PLOT_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/arena.h"
#include "kernel/base/buf.h"
#include "kernel/base/err.h"

enum xl_plot {
#define XL_PLOT(id, stem, chart, by, width, height, axis, title, caption)      \
    XL_PLOT_##id,
#include "plots/plot.def"
#undef XL_PLOT
    XL_PLOT_COUNT
};

/* A row of plot.def. */
struct xl_plot_row {
    const char *stem, *by, *axis, *title, *caption;
    unsigned width, height; /* pixels */
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
    const char *report;                 /* one of files */
    const char *why_not[XL_PLOT_COUNT]; /* why a picture is left out, or NULL */
    /* private */
    struct xl_arena arena;
};

enum xl_status xl_plot_run(const struct xl_plot_options *options,
                           struct xl_plot_result *result, struct xl_err *err);
/* The duel of dir/duel.json alone: no report. */
enum xl_status xl_plot_duel(const struct xl_plot_options *options,
                            struct xl_plot_result *result, struct xl_err *err);

void xl_plot_result_release(struct xl_plot_result *result);

#endif
