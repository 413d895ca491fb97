/* SPDX-License-Identifier: Apache-2.0
 *
 * Three charts drawn without gnuplot, so that a report is never empty. The
 * pictures bring their own colours, light and dark.
 */
#ifndef XL_SVG_H
#define XL_SVG_H

#include <stdbool.h>

#include "kernel/base/buf.h"
#include "plots/chart.h"
#include "plots/plot.h"

/* Each appends one <svg> element. */
void xl_svg_by_value(const struct xl_chart_by_value *chart,
                     const struct xl_plot_row *row, struct xl_buf *out);
void xl_svg_scatter(const struct xl_chart_scatter *chart,
                    const struct xl_plot_row *row, struct xl_buf *out);
void xl_svg_history(const struct xl_chart_history *chart,
                    const struct xl_plot_row *row, struct xl_buf *out);

/* Turns an element made above into a file that stands alone. */
void xl_svg_file(const char *element, struct xl_buf *out);

#endif
