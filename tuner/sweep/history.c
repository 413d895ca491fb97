/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/sweep/history.h"

#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/json.h"
#include "tuner/store/query.h"
#include "tuner/sweep/reading.h"

/* -- samples -------------------------------------------------------------- */

/* Repetitions of one trial; those that were disturbed count only when there
 * are no others. */
struct repetitions {
    struct xl_reading *readings; /* [room] quiet ones first */
    size_t n, n_quiet, room;
};

static enum xl_status add_sample(void *ctx, const struct xl_store_sample *row,
                                 struct xl_err *err)
{
    struct repetitions *r = ctx;
    if (r->n == r->room) {
        size_t room = r->room ? 2 * r->room : 16;
        struct xl_reading *readings = xl_realloc(
            r->readings, r->room * sizeof *readings, room * sizeof *readings);
        if (!readings)
            return xl_fail(err, XL_ENOMEM, "no memory for %zu samples", room);
        r->readings = readings;
        r->room = room;
    }
    size_t at = r->n++;
    if (!row->is_disturbed) {
        r->readings[at] = r->readings[r->n_quiet];
        at = r->n_quiet++;
    }
    xl_reading_of_row(&r->readings[at], row);
    return XL_OK;
}

static enum xl_status read_samples(struct xl_store *store, int64_t trial,
                                   struct xl_reading *median,
                                   struct xl_err *err)
{
    struct repetitions r = { .n = 0 };
    enum xl_status rc = xl_query_samples(store, trial, add_sample, &r, err);
    double *scratch =
        rc == XL_OK ? xl_alloc_zero(r.n + 1, sizeof *scratch) : NULL;
    if (rc == XL_OK && !scratch)
        rc = xl_fail(err, XL_ENOMEM, "no memory for %zu samples", r.n);
    if (rc == XL_OK)
        xl_reading_median(median, r.readings, r.n_quiet ? r.n_quiet : r.n,
                          scratch);
    xl_free(scratch);
    xl_free(r.readings);
    return rc;
}

/* -- trials --------------------------------------------------------------- */

struct job {
    struct xl_history *history;
    struct xl_store *store;
    const struct xl_objective *objective;
    bool is_same; /* the objective of the sweep */
};

static enum xl_status grow(struct xl_history *h, struct xl_err *err)
{
    size_t room = h->room ? 2 * h->room : 64;
    struct xl_history_row *rows =
        xl_realloc(h->rows, h->room * sizeof *rows, room * sizeof *rows);
    if (!rows)
        return xl_fail(err, XL_ENOMEM, "no memory for %zu trials", room);
    h->rows = rows;
    h->room = room;
    return XL_OK;
}

/* False for a tunable or a value that this program does not know. */
static bool read_params(const char *cfg, struct xl_params *params)
{
    cJSON *json = NULL;
    xl_params_init(params);
    if (xl_json_parse(cfg, strlen(cfg), "a trial", &json, NULL) != XL_OK)
        return false;
    enum xl_status rc =
        xl_params_from_json(params, json, XL_LAYER_MACHINE, "the store", NULL);
    cJSON_Delete(json);
    return rc == XL_OK;
}

static bool has_ended(enum xl_trial_state state)
{
    return state != XL_TRIAL_QUEUED && state != XL_TRIAL_RUNNING;
}

static enum xl_status add_trial(void *ctx, const struct xl_store_trial *row,
                                struct xl_err *err)
{
    struct job *job = ctx;
    struct xl_history *h = job->history;
    if (!has_ended(row->state))
        return XL_OK;
    if (h->n == h->room)
        XL_TRY(grow(h, err));
    struct xl_history_row *made = &h->rows[h->n];
    *made = (struct xl_history_row){ .trial = row->id,
                                     .state = row->state,
                                     .value = (double)NAN };
    xl_reading_clear(&made->reading);
    if (!read_params(row->cfg, &made->params)) {
        h->n_foreign++;
        return XL_OK;
    }
    h->n++;
    if (!row->has_result)
        return XL_OK;
    XL_TRY(read_samples(job->store, row->id, &made->reading, err));
    xl_objective_values(job->objective, &made->reading, made->values);
    made->value = xl_objective_value(job->objective, &made->reading);
    if (job->is_same && row->result.has_value)
        made->value = row->result.value;
    if (job->is_same && xl_objective_count(job->objective) == 1)
        made->values[0] = made->value;
    return XL_OK;
}

static enum xl_status
find_objective(void *ctx, const struct xl_store_sweep *row, struct xl_err *err)
{
    struct job *job = ctx;
    (void)err;
    job->is_same =
        strcmp(row->objective, xl_objective_name(job->objective)) == 0;
    return XL_OK;
}

enum xl_status xl_history_load(struct xl_history *history,
                               struct xl_store *store,
                               const struct xl_objective *objective,
                               struct xl_err *err)
{
    struct job job = { history, store, objective, false };
    *history = (struct xl_history){ 0 };
    XL_TRY(xl_store_begin(store, err));
    enum xl_status rc = xl_query_sweep(store, find_objective, &job, err);
    if (rc == XL_OK)
        rc = xl_query_trials(store, 0, add_trial, &job, err);
    enum xl_status end = xl_store_commit(store, rc == XL_OK ? err : NULL);
    if (rc == XL_OK)
        rc = end;
    if (rc != XL_OK)
        xl_history_release(history);
    return rc;
}

void xl_history_release(struct xl_history *history)
{
    xl_free(history->rows);
    *history = (struct xl_history){ 0 };
}

/* -- as a table ----------------------------------------------------------- */

static bool differs(const struct xl_history *h, size_t param)
{
    for (size_t i = 1; i < h->n; i++)
        if (h->rows[i].params.value[param] != h->rows[0].params.value[param])
            return true;
    return false;
}

static void print_row(const struct xl_history_row *row, const bool *columns,
                      bool is_less, struct xl_buf *out)
{
    char text[XL_VALUE_ROOM];
    for (size_t p = 0; p < XL_PARAM_COUNT; p++)
        if (columns[p])
            xl_buf_printf(
                out, "%s,",
                xl_param_format((enum xl_param)p, row->params.value[p], text));
    if (isfinite(row->value))
        xl_buf_printf(out, "%.9g\n", is_less ? -row->value : row->value);
    else if (row->state == XL_TRIAL_OK || row->state == XL_TRIAL_PRUNED)
        xl_buf_text(out, "invalid\n"); /* breaks what stands after `where` */
    else
        xl_buf_printf(out, "%s\n", xl_trial_state_name(row->state));
}

enum xl_status xl_history_table(const struct xl_history *history,
                                const struct xl_objective *objective,
                                struct xl_buf *out, struct xl_err *err)
{
    bool columns[XL_PARAM_COUNT];
    bool is_less = xl_objective_count(objective) == 1 &&
                   xl_objective_is_less(objective, 0);
    size_t n_columns = 0, n_measured = 0;
    for (size_t p = 0; p < XL_PARAM_COUNT; p++)
        n_columns += columns[p] = differs(history, p);
    for (size_t i = 0; i < history->n; i++)
        n_measured += isfinite(history->rows[i].value);
    if (n_measured < 2 || !n_columns)
        return xl_fail(err, XL_EUSAGE,
                       "a table needs two measured configurations; the run "
                       "has %zu",
                       n_measured);
    xl_buf_text(out, "# objective=");
    for (const char *c = xl_objective_name(objective); *c; c++)
        if (*c != ' ')
            xl_buf_char(out, *c);
    xl_buf_printf(out, " direction=%s\n", is_less ? "min" : "max");
    for (size_t p = 0; p < XL_PARAM_COUNT; p++)
        if (columns[p])
            xl_buf_printf(out, "%s,", xl_param_row((enum xl_param)p)->name);
    xl_buf_text(out, "value\n");
    for (size_t i = 0; i < history->n; i++)
        print_row(&history->rows[i], columns, is_less, out);
    return xl_buf_check(out, "a table", err);
}
