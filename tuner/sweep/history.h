/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run has measured, read back from its store by the names of tunables,
 * whatever the space is today: for tables, for insight and for later sweeps to
 * begin from.
 *
 *     struct xl_history history;
 *     XL_TRY(xl_history_load(&history, store, objective, err));
 *     for (size_t i = 0; i < history.n; i++)
 *         ... history.rows[i].params, history.rows[i].value ...
 *     xl_history_release(&history);
 */
#ifndef XL_HISTORY_H
#define XL_HISTORY_H

#include "kernel/base/buf.h"
#include "tuner/store/store.h"
#include "tuner/sweep/objective.h"

struct xl_history_row {
    int64_t trial;
    enum xl_trial_state state;
    struct xl_params params;           /* tunables it does not name: defaults */
    struct xl_reading reading;         /* medians; all NaN unless measured */
    double value;                      /* of the objective; NaN = none */
    double values[XL_STRATEGY_VALUES]; /* of each of several */
};

struct xl_history {
    size_t n, room, n_foreign;   /* foreign: left out, for they name tunables or
                                    values that there are no more */
    struct xl_history_row *rows; /* [n], in order of proposal */
};

/* Trials that have ended, of the sweep that the store took up. The value is
 * the stored one where the sweep had the same objective. */
enum xl_status xl_history_load(struct xl_history *history,
                               struct xl_store *store,
                               const struct xl_objective *objective,
                               struct xl_err *err);
void xl_history_release(struct xl_history *history);

/* Appends the rows as a table that tuner/space/table.h reads: a column for
 * each tunable that differs between them, failures by name. XL_EUSAGE without
 * two measured rows. */
enum xl_status xl_history_table(const struct xl_history *history,
                                const struct xl_objective *objective,
                                struct xl_buf *out, struct xl_err *err);

#endif
