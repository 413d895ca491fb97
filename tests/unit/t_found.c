/* SPDX-License-Identifier: Apache-2.0
 *
 * What a judge finds of a run after its sweep, in the store of the run. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/sweep_fixture.h"
#include "tuner/store/query.h"
#include "tuner/sweep/found.h"

enum {
    TRIALS = 5
};

/* The configurations of a sweep's trials. */
struct tried {
    struct xl_params params[TRIALS];
    int64_t id[TRIALS];
    size_t n;
};

static enum xl_status note_trial(void *ctx, const struct xl_store_trial *row,
                                 struct xl_err *err)
{
    struct tried *tried = ctx;
    tried->id[tried->n] = row->id;
    return xl_sweep_params(row->cfg, &tried->params[tried->n++], err);
}

/* "name=value:text " of those that a sweep does not make. */
static enum xl_status print_score(void *ctx, const struct xl_store_score *row,
                                  struct xl_err *err)
{
    char *said = ctx;
    size_t at = strlen(said);
    (void)err;
    if (strcmp(row->name, "avg_logprob") == 0 ||
        strcmp(row->name, "opinion") == 0)
        snprintf(said + at, 100 - at, "%s=%g:%s ", row->name,
                 row->has_value ? row->value : 0.0,
                 row->detail ? row->detail : "");
    return XL_OK;
}

static void check_said(struct xl_test *t, const char *path, int64_t trial,
                       const char *want)
{
    const struct xl_store_opts opts = { .mode = XL_STORE_READ };
    struct xl_store *store = NULL;
    char said[100] = "";
    struct xl_err err = { 0 };
    enum xl_status rc = xl_store_open(&store, path, &opts, &err);
    if (rc == XL_OK)
        rc = xl_store_sweep_find(store, NULL, &err);
    if (rc == XL_OK)
        rc = xl_query_scores(store, trial, print_score, said, &err);
    xl_store_close(store);
    XL_CHECK_STATUS(t, rc, XL_OK, &err);
    XL_CHECK_TEXT(t, said, want);
}

static void sweep(struct xl_sweep_bench *b, struct tried *tried)
{
    struct xl_sweep_start s;
    struct xl_err err = { 0 };
    const struct xl_sweep_plan plan = {
        .file = "trials.db", .mode = "random", .budget = TRIALS, .repeats = 2
    };
    *tried = (struct tried){ .n = 0 };
    if (xl_sweep_start_open(b, &s, &plan)) {
        xl_sweep_start_search(b, &s);
        XL_CHECK_STATUS(b->t,
                        xl_query_trials(s.store, 0, note_trial, tried, &err),
                        XL_OK, &err);
    }
    xl_sweep_start_close(&s);
}

/* With the trial whose tunables they have, in place of earlier ones; what was
 * never tried is of no trial. */
static void findings_go_to_their_trials(struct xl_test *t)
{
    struct xl_sweep_bench b;
    struct tried tried;
    struct xl_err err = { 0 };
    char path[1100];
    snprintf(path, sizeof path, "%s/trials.db", t->dir);
    if (!xl_sweep_bench_open(&b, t, NULL, NULL))
        return;
    sweep(&b, &tried);
    if (XL_CHECK_EQ(t, tried.n, TRIALS)) {
        struct xl_params never = tried.params[0];
        never.value[XL_PARAM_CHUNK_SIZE] = 4093;
        struct xl_found found[] = {
            { &tried.params[1], "avg_logprob", -1.5, NULL },
            { &tried.params[3], "opinion", (double)NAN, "veto" },
            { &never, "avg_logprob", -9, NULL },
        };
        XL_CHECK_STATUS(t, xl_sweep_keep_found(t->dir, found, 3, &err), XL_OK,
                        &err);
        check_said(t, path, tried.id[0], "");
        check_said(t, path, tried.id[1], "avg_logprob=-1.5: ");
        check_said(t, path, tried.id[3], "opinion=0:veto ");
        found[0].value = -2;
        found[1].text = "fine";
        XL_CHECK_STATUS(t, xl_sweep_keep_found(t->dir, found, 3, &err), XL_OK,
                        &err);
        check_said(t, path, tried.id[1], "avg_logprob=-2: ");
        check_said(t, path, tried.id[3], "opinion=0:fine ");
    }
    xl_sweep_bench_close(&b);
}

/* An exported run has no store, which is no error; what is none is one. */
static void a_folder_without_store_is_left_alone(struct xl_test *t)
{
    struct xl_params params;
    struct xl_err err = { 0 };
    char path[1100];
    xl_params_init(&params);
    const struct xl_found found = { &params, "avg_logprob", -1, NULL };
    XL_CHECK_STATUS(t, xl_sweep_keep_found(t->dir, &found, 1, &err), XL_OK,
                    &err);
    snprintf(path, sizeof path, "%s/trials.db", t->dir);
    FILE *file = fopen(path, "w");
    if (XL_CHECK(t, file != NULL)) {
        fputs("no store at all, but longer than a header of SQLite", file);
        fclose(file);
        XL_CHECK_EQ(t, xl_sweep_keep_found(t->dir, &found, 1, &err),
                    XL_EFORMAT);
    }
}

const struct xl_test_case xl_suite_found[] = {
    XL_CASE(findings_go_to_their_trials),
    XL_CASE(a_folder_without_store_is_left_alone),
    { 0 },
};
