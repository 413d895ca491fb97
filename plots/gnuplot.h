/* SPDX-License-Identifier: Apache-2.0
 *
 * gnuplot as a child process, without a shell.
 *
 *     char program[4096];
 *     if (xl_gnuplot_find(NULL, program, sizeof program))
 *         XL_TRY(xl_gnuplot_run(&(struct xl_gnuplot_job){
 *             .program = program, .dir = run, .script = "plots/x.gp",
 *             .limit_ms = 60000 }, err));
 *
 * Scripts are the project's own texts; whatever comes from a run reaches
 * gnuplot through data files only.
 */
#ifndef XL_GNUPLOT_H
#define XL_GNUPLOT_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/err.h"

struct xl_gnuplot_job {
    const char *program; /* from xl_gnuplot_find */
    const char *dir;     /* where it runs */
    const char *script;  /* relative to dir */
    unsigned limit_ms;   /* killed after this; 0 = 60 s */
};

/* The program asked for (a path, or a name on the PATH; NULL = gnuplot);
 * false when there is none. out gets its path. */
bool xl_gnuplot_find(const char *asked, char *out, size_t room);

/* Runs the script to its end. XL_EFAILED with gnuplot's own words when it
 * does not succeed, XL_ETIMEOUT after the limit. */
enum xl_status xl_gnuplot_run(const struct xl_gnuplot_job *job,
                              struct xl_err *err);

#endif
