/* SPDX-License-Identifier: Apache-2.0
 *
 * runs gc: which run folders go, by count, age and size. A run goes only when
 * every rule that was given lets it go.
 */
#ifndef XL_CMD_RUNS_GC_H
#define XL_CMD_RUNS_GC_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/buf.h"
#include "kernel/base/err.h"

struct xl_runs_gc {
    const char *log_dir;
    bool by_count, by_age, by_size; /* rules that were given */
    size_t keep;                    /* newest runs that stay */
    double days;                    /* younger runs stay */
    double megabytes; /* oldest runs go until the rest is no larger */
    bool remove;      /* false = only say what would go */
};

/* Appends a line for each run that goes to `gone`, for each that stays and
 * why to `kept`, and the paths that go to the array. What was done before a
 * fault is told all the same. */
enum xl_status xl_runs_gc(const struct xl_runs_gc *gc, cJSON *paths,
                          struct xl_buf *gone, struct xl_buf *kept,
                          struct xl_err *err);

#endif
