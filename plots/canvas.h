/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder that pictures are drawn into: data, scripts, what gnuplot makes of
 * them, and the page. Paths that come out are memory of the arena. */
#ifndef XL_CANVAS_H
#define XL_CANVAS_H

#include "kernel/base/arena.h"
#include "kernel/base/buf.h"
#include "kernel/base/err.h"
#include "plots/report.h"

enum {
    XL_CANVAS_FORMS = 4 /* files of a picture: PNG and SVG, light and dark */
};

struct xl_canvas {
    const char *dir;
    const char *program; /* gnuplot, or NULL */
    unsigned limit_ms;   /* for each picture */
    struct xl_arena *arena;
    const char **files; /* what was drawn; room for all of it is the caller's */
    size_t n_files;
};

/* Makes the folder plots/ in dir. */
enum xl_status xl_canvas_begin(const struct xl_canvas *canvas,
                               struct xl_err *err);

/* "DIR/[plots/]STEM.suffix"; NULL without memory. */
const char *xl_canvas_path(const struct xl_canvas *canvas, const char *folder,
                           const char *stem, const char *suffix);

/* Tells a file drawn; path may be NULL for want of memory. */
enum xl_status xl_canvas_add(struct xl_canvas *canvas, const char *path,
                             struct xl_err *err);

/* Removes what an earlier drawing left, which this one may not renew. */
void xl_canvas_clear(const struct xl_canvas *canvas,
                     const struct xl_plot_row *row);

/* Draws data with gnuplot in all forms; picture is for the page. */
enum xl_status xl_canvas_gnuplot(struct xl_canvas *canvas,
                                 const struct xl_plot_row *row,
                                 const char *script, const struct xl_buf *data,
                                 struct xl_report_picture *picture,
                                 struct xl_err *err);

/* Keeps an <svg> element as a file and for the page. */
enum xl_status
xl_canvas_svg(struct xl_canvas *canvas, const struct xl_plot_row *row,
              const struct xl_buf *svg, const struct xl_buf *data,
              struct xl_report_picture *picture, struct xl_err *err);

/* Writes report.html. */
enum xl_status xl_canvas_page(struct xl_canvas *canvas,
                              const struct xl_buf *page, const char **path,
                              struct xl_err *err);

#endif
