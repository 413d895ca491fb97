/* SPDX-License-Identifier: Apache-2.0
 *
 * Several runs side by side: machines, models, versions. Writes pictures and
 * report.html into a folder of its own.
 *
 *     const char *dirs[] = { "runs/a", "runs/b" };
 *     XL_TRY(xl_compare_runs(&(struct xl_compare_options){
 *         .dirs = dirs, .n = 2, .out = "runs/a_vs_b" }, &result, err));
 */
#ifndef XL_COMPARE_H
#define XL_COMPARE_H

#include "plots/plot.h"

enum {
    XL_COMPARE_RUNS = 8 /* as many as there are colours */
};

struct xl_compare_options {
    const char *const *dirs; /* [n] folders of runs, 2 or more */
    size_t n;
    const char *out;             /* folder that is made */
    struct xl_plot_options plot; /* dir is not read */
};

/* result->why_not stays empty; the page tells what is left out. */
enum xl_status xl_compare_runs(const struct xl_compare_options *options,
                               struct xl_plot_result *result,
                               struct xl_err *err);

#endif
