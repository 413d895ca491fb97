/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the driver and the writers of data files. */
#ifndef XL_PLOT_INT_H
#define XL_PLOT_INT_H

#include "kernel/base/buf.h"
#include "plots/chart.h"
#include "plots/record.h"

extern const char xl_plot_text_style_gp[];
extern const char xl_plot_text_by_value_gp[];
extern const char xl_plot_text_convergence_gp[];
extern const char xl_plot_text_prefill_vs_decode_gp[];
extern const char xl_plot_text_page_css[];
extern const char xl_plot_text_page_js[];

/* Append a data file: blocks of tab-separated lines, two empty lines apart. */
void xl_plot_data_by_value(const struct xl_chart_by_value *chart,
                           const struct xl_record *record, struct xl_buf *out);
void xl_plot_data_scatter(const struct xl_chart_scatter *chart,
                          const struct xl_record *record, struct xl_buf *out);
void xl_plot_data_history(const struct xl_chart_history *chart,
                          const struct xl_record *record, struct xl_buf *out);

#endif
