/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts that the build makes of files, beside the scripts of draw.h. */
#ifndef XL_PLOT_INT_H
#define XL_PLOT_INT_H

#include "plots/draw.h"

extern const char xl_plot_text_style_gp[];
extern const char xl_plot_text_again_gp[];
extern const char xl_plot_text_compare_gp[];
extern const char xl_plot_text_page_css[];
extern const char xl_plot_text_page_js[];

/* The gnuplot to use in out, or NULL when there shall be or is none. */
enum xl_status xl_plot_program(const struct xl_plot_options *options, char *out,
                               size_t room, const char **program,
                               struct xl_err *err);

#endif
