/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store_fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

int64_t xl_fix_now_ms = 1000000;

static int64_t fake_now(void *ctx)
{
    (void)ctx;
    return xl_fix_now_ms;
}

const char *xl_fix_path(const struct xl_test *t, const char *name)
{
    static char paths[4][512];
    static size_t turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", t->dir, name);
    return path;
}

struct xl_store *xl_fix_open_with(struct xl_test *t, struct xl_store_opts opts)
{
    static const struct xl_store_sweep sweep = { .name = "sweep",
                                                 .space = "{}",
                                                 .sampler = "random",
                                                 .objective = "decode",
                                                 .build_id = "build",
                                                 .model_hash = "model" };
    struct xl_store *store = NULL;
    struct xl_err err = { 0 };
    opts.now_ms = fake_now;
    enum xl_status rc =
        xl_store_open(&store, xl_fix_path(t, "trials.db"), &opts, &err);
    if (rc == XL_OK && opts.mode == XL_STORE_READ)
        rc = xl_store_sweep_find(store, NULL, &err);
    else if (rc == XL_OK)
        rc = xl_store_sweep_begin(store, &sweep, &err);
    if (XL_CHECK_STATUS(t, rc, XL_OK, &err))
        return store;
    abort(); /* no case can go on without its store */
}

struct xl_store *xl_fix_open(struct xl_test *t)
{
    return xl_fix_open_with(t,
                            (struct xl_store_opts){ .mode = XL_STORE_CREATE });
}

int64_t xl_fix_propose(struct xl_test *t, struct xl_store *store, int i)
{
    char cfg[80];
    struct xl_err err = { 0 };
    struct xl_store_ref ref;
    snprintf(cfg, sizeof cfg, "{\"backend\":\"serial\",\"chunk_size\":%d}", i);
    struct xl_store_proposal proposal = { .cfg = cfg };
    enum xl_status rc = xl_store_propose(store, &proposal, &ref, &err);
    XL_CHECK_STATUS(t, rc, XL_OK, &err);
    return rc == XL_OK ? ref.trial : 0;
}

struct xl_store_sample xl_fix_sample(int64_t rep)
{
    return (struct xl_store_sample){
        .rep = rep,
        .prompt_tokens = 512,
        .new_tokens = 64,
        .has_prefill = true,
        .has_decode = true,
        .prefill_ns = 1000000 + rep,
        .decode_ns = 2000000 + rep,
        .prefill_tok_s = 512000.0 + (double)rep,
        .decode_tok_s = 32000.0 + (double)rep,
    };
}

struct xl_store_result xl_fix_result(double prefill, double decode)
{
    return (struct xl_store_result){
        .prefill_tok_s = { true, prefill, prefill - 1, prefill + 1 },
        .decode_tok_s = { true, decode, decode - 1, decode + 1 },
        .prefill_s = { true, 512 / prefill, 512 / (prefill + 1),
                       512 / (prefill - 1) },
        .decode_s = { true, 64 / decode, 64 / (decode + 1), 64 / (decode - 1) },
        .n = 3,
        .has_value = true,
        .value = decode,
    };
}

enum xl_status xl_fix_measure(struct xl_store *store, int64_t trial, int64_t n,
                              double decode, struct xl_err *err)
{
    struct xl_store_claim claim;
    struct xl_store_result result = xl_fix_result(1000, decode);
    XL_TRY(xl_store_claim(store, trial, &claim, err));
    for (int64_t rep = claim.n_samples; rep < n; rep++) {
        struct xl_store_sample sample = xl_fix_sample(rep);
        XL_TRY(xl_store_add_sample(store, &claim, &sample, err));
    }
    return xl_store_finish(store, &claim, &result, err);
}

int64_t xl_fix_sql(const struct xl_test *t, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    int64_t n = -1;
    if (sqlite3_open(xl_fix_path(t, "trials.db"), &db) == SQLITE_OK &&
        sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK) {
        int code = sqlite3_step(stmt);
        if (code == SQLITE_ROW)
            n = sqlite3_column_int64(stmt, 0);
        else if (code == SQLITE_DONE)
            n = 0;
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return n;
}
