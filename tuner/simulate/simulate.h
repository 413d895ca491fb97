/* SPDX-License-Identifier: Apache-2.0
 *
 * A search over a recorded table: the strategy asks, the table answers.
 *
 *     XL_TRY(xl_simulate_run(table, &(struct xl_simulate_options){
 *         .mode = "ga", .trials = 100, .seed = 1 }, print, NULL, err));
 *
 * A configuration costs one evaluation, also when it failed. A run ends after
 * `trials` evaluations, when every row has been seen, or when patience is out.
 */
#ifndef XL_SIMULATE_H
#define XL_SIMULATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/buf.h"
#include "kernel/base/err.h"
#include "tuner/space/table.h"

struct xl_simulate_options {
    const char *mode; /* name of a strategy */
    size_t trials;    /* 0 = all rows */
    uint64_t seed;
    size_t population; /* 0 = the strategy's */
    size_t patience;   /* evaluations without a better one; 0 = any number */
};

struct xl_simulate_event {
    const struct xl_table *table;
    size_t eval; /* from 1 */
    const struct xl_ask *ask;
    struct xl_table_row row;
    bool has_best;
    double best; /* value of the best row so far, as recorded */
};

/* A status that is not XL_OK ends the run. */
typedef enum xl_status xl_simulate_sink(void *ctx,
                                        const struct xl_simulate_event *event,
                                        struct xl_err *err);

enum xl_status xl_simulate_run(const struct xl_table *table,
                               const struct xl_simulate_options *options,
                               xl_simulate_sink *sink, void *ctx,
                               struct xl_err *err);

/* Appends {"eval":,"params":{},"value":,"best":,"status":} and a newline;
 * value is null unless the status is ok, best until one was. */
void xl_simulate_line(const struct xl_simulate_event *event,
                      struct xl_buf *out);

#endif
