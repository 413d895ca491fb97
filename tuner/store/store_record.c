/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known beside the measurements: scores, facts, events. */
#include "tuner/store/store_int.h"

enum xl_status xl_store_set_score(struct xl_store *store, int64_t trial,
                                  const struct xl_store_score *score,
                                  struct xl_err *err)
{
    int64_t changes = 0;
    struct xl_cell in[] = {
        xl_cell_int(trial),
        xl_cell_int(store->at.sweep),
        xl_cell_text(score->name),
        xl_cell_real_if(score->has_value, score->value),
        xl_cell_text(score->detail),
        xl_cell_int(xl_db_now(store)),
    };
    XL_TRY(xl_db_need_sweep(store, true, err));
    XL_TRY(xl_store_begin(store, err));
    enum xl_status rc =
        xl_db_run(store, XL_STMT_SCORE_SET, in, 6, &changes, err);
    if (rc == XL_OK && changes == 0)
        rc = xl_fail(err, XL_ENOTFOUND, "no trial %lld in '%s'",
                     (long long)trial, store->path);
    return xl_db_leave(store, rc, err);
}

enum xl_status xl_store_set_fact(struct xl_store *store,
                                 const struct xl_store_fact *fact,
                                 struct xl_err *err)
{
    struct xl_cell in[] = { xl_cell_int(store->at.sweep),
                            xl_cell_text(fact->scope), xl_cell_text(fact->key),
                            xl_cell_text(fact->value) };
    XL_TRY(xl_db_need_sweep(store, true, err));
    XL_TRY(xl_store_begin(store, err));
    return xl_db_leave(
        store, xl_db_run(store, XL_STMT_FACT_SET, in, 4, NULL, err), err);
}

enum xl_status xl_store_event(struct xl_store *store,
                              const struct xl_store_event *event,
                              struct xl_err *err)
{
    struct xl_cell in[] = {
        xl_cell_int(store->at.sweep),
        xl_cell_int_if(event->trial != 0, event->trial),
        xl_cell_int(xl_db_now(store)),
        xl_cell_text(event->kind),
        xl_cell_text(event->text ? event->text : ""),
    };
    XL_TRY(xl_db_need_sweep(store, true, err));
    XL_TRY(xl_store_begin(store, err));
    return xl_db_leave(
        store, xl_db_run(store, XL_STMT_EVENT_ADD, in, 5, NULL, err), err);
}
