/* SPDX-License-Identifier: Apache-2.0
 *
 * A made-up run of any size in a store, as a sweep writes it: every trial with
 * its samples, and every score of one that was judged. run_meta.json says
 * "synthetic".
 *
 *     XL_TRY(xl_large_run_make(&(struct xl_large_run){
 *         .dir = "runs/parallel_20260101_000000_large", .n_trials = 5000,
 *         .n_samples = 7 }, err));
 */
#ifndef XL_LARGE_RUN_H
#define XL_LARGE_RUN_H

#include <stddef.h>

#include "kernel/base/err.h"

enum {
    XL_LARGE_RUN_MOST = 102400 /* configurations there are */
};

struct xl_large_run {
    const char *dir; /* is created */
    size_t n_trials, n_samples;
};

/* trials.db and run_meta.json; the other files are `runs export`'s. */
enum xl_status xl_large_run_make(const struct xl_large_run *run,
                                 struct xl_err *err);

#endif
