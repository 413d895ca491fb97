/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts that the build makes of files, beside the scripts of draw.h. */
#ifndef XL_PLOT_INT_H
#define XL_PLOT_INT_H

#include "plots/draw.h"

extern const char xl_plot_text_style_gp[];
extern const char xl_plot_text_again_gp[];
extern const char xl_plot_text_page_css[];
extern const char xl_plot_text_page_js[];

#endif
