/* SPDX-License-Identifier: Apache-2.0
 *
 * Does a run folder tell one story? The store is checked by SQLite; then the
 * exported files are read by the strict readers and counted against it. */
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/csv.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "tuner/store/query.h"
#include "tuner/store/run_summary.h"
#include "tuner/store/store_int.h"

/* What the store and a file hold of each kind. */
struct tally {
    size_t trials, samples;
    size_t states[XL_TRIAL_STATE_COUNT];
};

static enum xl_status count_trial(void *ctx, const struct xl_store_trial *row,
                                  struct xl_err *err)
{
    struct tally *tally = ctx;
    (void)err;
    tally->trials++;
    tally->samples += (size_t)row->n_samples;
    tally->states[row->state]++;
    return XL_OK;
}

static enum xl_status disagree(const char *path, const char *what, size_t has,
                               size_t want, struct xl_err *err)
{
    return xl_fail(err, XL_EMISMATCH,
                   "'%s' holds %zu %s, trials.db %zu; 'xltune runs export' "
                   "writes it anew",
                   path, has, what, want);
}

static enum xl_status read_line(const char *text, size_t n, const char *path,
                                size_t number, struct tally *tally,
                                struct xl_err *err)
{
    cJSON *line = NULL;
    enum xl_trial_state state;
    enum xl_status rc = xl_json_parse(text, n, path, &line, err);
    const char *status = cJSON_GetStringValue(xl_json_member(line, "status"));
    const cJSON *samples = xl_json_member(line, "samples");
    if (rc != XL_OK) {
        xl_err_prefix(err, "line %zu", number);
    } else if (!xl_trial_state_find(status, &state)) {
        rc = xl_fail(err, XL_EFORMAT, "line %zu of '%s' has no status", number,
                     path);
    } else {
        tally->trials++;
        tally->states[state]++;
        tally->samples += (size_t)cJSON_GetArraySize(samples);
    }
    cJSON_Delete(line);
    return rc;
}

static enum xl_status check_lines(const struct xl_buf *text, const char *path,
                                  const struct tally *want, struct xl_err *err)
{
    struct tally has = { 0 };
    size_t number = 0;
    for (size_t at = 0; at < text->len;) {
        const char *end = memchr(text->data + at, '\n', text->len - at);
        if (!end)
            return xl_fail(err, XL_EFORMAT, "'%s' ends inside a line", path);
        size_t n = (size_t)(end - text->data) - at;
        XL_TRY(read_line(text->data + at, n, path, ++number, &has, err));
        at += n + 1;
    }
    if (has.trials != want->trials)
        return disagree(path, "trials", has.trials, want->trials, err);
    if (has.samples != want->samples)
        return disagree(path, "samples", has.samples, want->samples, err);
    for (size_t i = 0; i < XL_TRIAL_STATE_COUNT; i++)
        if (has.states[i] != want->states[i])
            return disagree(path, xl_trial_state_name((enum xl_trial_state)i),
                            has.states[i], want->states[i], err);
    return XL_OK;
}

static enum xl_status check_rows(const struct xl_buf *text, const char *path,
                                 const char *what, size_t want,
                                 struct xl_err *err)
{
    struct xl_arena arena;
    struct xl_csv csv;
    xl_arena_init(&arena, 0);
    enum xl_status rc =
        xl_csv_parse(text->data, text->len, path, &arena, &csv, err);
    if (rc == XL_OK && csv.n_rows == 0)
        rc = xl_fail(err, XL_EFORMAT, "'%s' has no header", path);
    for (size_t i = 1; rc == XL_OK && i < csv.n_rows; i++)
        if (csv.rows[i].n_fields != csv.rows[0].n_fields)
            rc = xl_fail(err, XL_EFORMAT,
                         "row %zu of '%s' has %zu fields, the header %zu", i,
                         path, csv.rows[i].n_fields, csv.rows[0].n_fields);
    if (rc == XL_OK && csv.n_rows - 1 != want)
        rc = disagree(path, what, csv.n_rows - 1, want, err);
    xl_arena_release(&arena);
    return rc;
}

static enum xl_status check_file(const char *folder, const char *name,
                                 const struct tally *want, struct xl_err *err)
{
    struct xl_buf text;
    char *path = xl_io_join(folder, name);
    if (!path)
        return xl_fail(err, XL_ENOMEM, "cannot verify: out of memory");
    xl_buf_init(&text, 0);
    enum xl_status rc = xl_io_read(path, &text, err);
    if (rc == XL_ENOTFOUND)
        rc = xl_fail(err, rc,
                     "'%s' is missing; 'xltune runs export' writes "
                     "it",
                     path);
    else if (rc == XL_OK && strcmp(name, "trials.jsonl") == 0)
        rc = check_lines(&text, path, want, err);
    else if (rc == XL_OK && strcmp(name, "summary.csv") == 0)
        rc = check_rows(&text, path, "trials", want->trials, err);
    else if (rc == XL_OK)
        rc = check_rows(&text, path, "samples", want->samples, err);
    xl_buf_release(&text);
    xl_free(path);
    return rc;
}

enum xl_status xl_run_verify(struct xl_store *store, const char *path,
                             size_t *n_trials, struct xl_err *err)
{
    struct tally want = { 0 };
    XL_TRY(xl_query_verify(store, err));
    XL_TRY(xl_query_trials(store, 0, count_trial, &want, err));
    *n_trials = want.trials;
    XL_TRY(check_file(path, "trials.jsonl", &want, err));
    XL_TRY(check_file(path, "summary.csv", &want, err));
    return check_file(path, "samples.csv", &want, err);
}
