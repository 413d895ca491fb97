/* SPDX-License-Identifier: Apache-2.0
 *
 * The stats CSV (one line a decode step) and the memory CSV of a run. Lines
 * are flushed as they come, so a killed run keeps what it had.
 */
#ifndef XL_STEP_LOG_H
#define XL_STEP_LOG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "kernel/base/err.h"
#include "kernel/run/generate.h"

struct xl_step_log {
    /* private */
    const char *paths[2]; /* of stats and memory, borrowed */
    FILE *stats, *memory;
    size_t every;
    uint64_t sum_ns;
};

/* Paths may be NULL for none. every: steps a line, at least 1. */
enum xl_status xl_step_log_open(struct xl_step_log *log, const char *stats,
                                const char *memory, size_t every,
                                struct xl_err *err);

/* Step 1 is the second generated token: the first one is prefill's. */
void xl_step_log_token(struct xl_step_log *log,
                       const struct xl_generate_token *token);

/* XL_EIO when a line could not be written. */
enum xl_status xl_step_log_close(struct xl_step_log *log, struct xl_err *err);

#endif
