/* SPDX-License-Identifier: Apache-2.0
 *
 * A finding names a configuration, not a trial: equal tunables are one trial,
 * whatever the name of the file that they were found in. */
#include "tuner/sweep/found.h"

#include <math.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "tuner/store/query.h"
#include "tuner/store/store.h"
#include "tuner/sweep/sweep.h"

/* Findings and the trials that they are of. */
struct match {
    const struct xl_found *items;
    int64_t *trials; /* [n], 0 = none */
    size_t n;
};

static enum xl_status match_trial(void *ctx, const struct xl_store_trial *row,
                                  struct xl_err *err)
{
    const struct match *m = ctx;
    struct xl_params params;
    XL_TRY(xl_sweep_params(row->cfg, &params, err));
    for (size_t i = 0; i < m->n; i++)
        if (xl_params_equal(m->items[i].params, &params))
            m->trials[i] = row->id;
    return XL_OK;
}

static enum xl_status set_all(struct xl_store *store, const struct match *m,
                              struct xl_err *err)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct xl_found *item = &m->items[i];
        const struct xl_store_score score = { .name = item->name,
                                              .has_value =
                                                  isfinite(item->value),
                                              .value = item->value,
                                              .detail = item->text };
        if (m->trials[i])
            XL_TRY(xl_store_set_score(store, m->trials[i], &score, err));
    }
    return XL_OK;
}

static enum xl_status keep(struct xl_store *store, struct match *m,
                           struct xl_err *err)
{
    XL_TRY(xl_store_sweep_find(store, NULL, err));
    XL_TRY(xl_store_begin(store, err));
    enum xl_status rc = xl_query_trials(store, 0, match_trial, m, err);
    if (rc == XL_OK)
        rc = set_all(store, m, err);
    enum xl_status end = xl_store_commit(store, rc == XL_OK ? err : NULL);
    return rc == XL_OK ? end : rc;
}

enum xl_status xl_sweep_keep_found(const char *run_dir,
                                   const struct xl_found *items, size_t n,
                                   struct xl_err *err)
{
    const struct xl_store_opts opts = { .mode = XL_STORE_WRITE };
    struct match m = { .items = items, .n = n };
    struct xl_store *store = NULL;
    enum xl_status rc = XL_OK;
    char *path = xl_io_join(run_dir, "trials.db");
    m.trials = xl_alloc_zero(n + 1, sizeof *m.trials);
    if (!path || !m.trials)
        rc = xl_fail(err, XL_ENOMEM, "out of memory for %zu findings", n);
    else if (xl_io_exists(path))
        rc = xl_store_open(&store, path, &opts, err);
    if (rc == XL_OK && store)
        rc = keep(store, &m, err);
    xl_store_close(store);
    xl_free(m.trials);
    xl_free(path);
    return rc;
}
