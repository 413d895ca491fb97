/* SPDX-License-Identifier: Apache-2.0
 *
 * How a claim ends: finished, failed, handed back, taken back. The attempt's
 * row is written from the trial's in one statement that carries the fence;
 * when it writes nothing, the lease was lost. */
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "tuner/store/store_int.h"

enum {
    LATE_ROOM = 1 << 20
};

struct ending {
    const char *outcome; /* of the attempt */
    const char *reason;
    enum xl_trial_state state; /* of the trial */
    bool uncounted;            /* the attempt does not count */
};

/* Records the attempt and moves the trial; XL_EFENCED without a message when
 * the claim is not the holder's. */
static enum xl_status end_claim(struct xl_store *store,
                                const struct xl_store_claim *claim,
                                const struct ending *end, struct xl_err *err)
{
    int64_t changes = 0, now = xl_db_now(store);
    struct xl_cell attempt[] = {
        xl_cell_int(claim->trial),  xl_cell_int(claim->token),
        xl_cell_text(end->outcome), xl_cell_text(end->reason),
        xl_cell_int(now),
    };
    XL_TRY(xl_db_run(store, XL_STMT_ATTEMPT_END, attempt, 5, &changes, err));
    if (changes == 0)
        return XL_EFENCED;
    bool is_final = end->state > XL_TRIAL_RUNNING;
    struct xl_cell trial[] = {
        attempt[0],
        attempt[1],
        xl_cell_text(xl_trial_state_name(end->state)),
        xl_cell_int(end->uncounted),
        xl_cell_text(is_final ? end->reason : NULL),
        xl_cell_int_if(is_final, now),
    };
    return xl_db_run(store, XL_STMT_TRIAL_END, trial, 6, NULL, err);
}

/* Keeps what came too late, then says so. */
static enum xl_status keep_late(struct xl_store *store,
                                const struct xl_store_claim *claim,
                                const char *late, struct xl_err *err)
{
    struct xl_cell in[] = { xl_cell_int(claim->trial),
                            xl_cell_int(claim->token), xl_cell_text(late) };
    XL_TRY(xl_db_run(store, XL_STMT_ATTEMPT_LATE, in, 3, NULL, err));
    return xl_db_fenced(store, claim, err);
}

/* -- finish --------------------------------------------------------------- */

static void add_metric(struct xl_buf *out, const char *name,
                       const struct xl_store_metric *m)
{
    if (m->has && isfinite(m->median))
        xl_buf_printf(out, ",\"%s\":%.17g", name, m->median);
}

/* What a result that came too late is kept as. */
static void describe_late(const struct xl_store_result *r, struct xl_buf *out)
{
    xl_buf_printf(out, "{\"n\":%lld", (long long)r->n);
    if (r->has_value && isfinite(r->value))
        xl_buf_printf(out, ",\"value\":%.17g", r->value);
    add_metric(out, "prefill_tok_s", &r->prefill_tok_s);
    add_metric(out, "decode_tok_s", &r->decode_tok_s);
    add_metric(out, "prefill_s", &r->prefill_s);
    add_metric(out, "decode_s", &r->decode_s);
    xl_buf_char(out, '}');
}

static enum xl_status insert_result(struct xl_store *store,
                                    const struct xl_store_claim *claim,
                                    const struct xl_store_result *r,
                                    struct xl_err *err)
{
    const struct xl_store_metric *metrics[] = { &r->prefill_tok_s,
                                                &r->decode_tok_s, &r->prefill_s,
                                                &r->decode_s };
    struct xl_cell in[20] = {
        xl_cell_int(claim->trial),    xl_cell_int(claim->token),
        xl_cell_int(store->at.sweep), xl_cell_int(r->n),
        xl_cell_int(r->is_pruned),    xl_cell_real_if(r->has_value, r->value),
    };
    size_t n = 6;
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
        const struct xl_store_metric *m = metrics[i];
        in[n++] = xl_cell_real_if(m->has, m->median);
        in[n++] = xl_cell_real_if(m->has, m->lo);
        in[n++] = xl_cell_real_if(m->has, m->hi);
    }
    in[n++] = xl_cell_text(r->effective);
    in[n++] = xl_cell_text(r->detail);
    return xl_db_run(store, XL_STMT_RESULT_ADD, in, n, NULL, err);
}

/* A finish under a lost lease: done before by this very claim, or late. */
static enum xl_status finish_late(struct xl_store *store,
                                  const struct xl_store_claim *claim,
                                  const struct xl_store_result *result,
                                  struct xl_err *err)
{
    int64_t one;
    struct xl_buf late;
    struct xl_cell in[] = { xl_cell_int(claim->trial),
                            xl_cell_int(claim->token) };
    enum xl_status rc =
        xl_db_get_int(store, XL_STMT_WAS_FINISHED, in, 2, &one, err);
    if (rc != XL_ENOTFOUND)
        return rc;
    xl_buf_init(&late, LATE_ROOM);
    describe_late(result, &late);
    rc = xl_buf_check(&late, "late result", err);
    if (rc == XL_OK)
        rc = keep_late(store, claim, late.data, err);
    xl_buf_release(&late);
    return rc;
}

enum xl_status xl_store_finish(struct xl_store *store,
                               const struct xl_store_claim *claim,
                               const struct xl_store_result *result,
                               struct xl_err *err)
{
    enum xl_trial_state state =
        result->is_pruned ? XL_TRIAL_PRUNED : XL_TRIAL_OK;
    struct ending end = { .outcome = xl_trial_state_name(state),
                          .state = state };
    XL_TRY(xl_db_need_sweep(store, true, err));
    XL_TRY(xl_store_begin(store, err));
    enum xl_status rc = end_claim(store, claim, &end, err);
    if (rc == XL_EFENCED)
        return xl_db_leave(store, finish_late(store, claim, result, err), err);
    for (size_t i = 0; i < result->n_samples && rc == XL_OK; i++)
        rc = xl_db_insert_sample(store, claim, &result->samples[i], err);
    if (rc == XL_OK)
        rc = insert_result(store, claim, result, err);
    return xl_db_leave(store, rc, err);
}

/* -- fail and release ----------------------------------------------------- */

static enum xl_status fail_in_group(struct xl_store *store,
                                    const struct xl_store_claim *claim,
                                    struct ending *end, bool retry,
                                    struct xl_err *err)
{
    int64_t most = 0;
    struct xl_cell in[] = { xl_cell_int(claim->trial) };
    if (retry) {
        enum xl_status rc =
            xl_db_get_int(store, XL_STMT_MAX_ATTEMPT, in, 1, &most, err);
        if (rc != XL_OK && rc != XL_ENOTFOUND)
            return rc;
        if (claim->attempt < most)
            end->state = XL_TRIAL_QUEUED;
    }
    enum xl_status rc = end_claim(store, claim, end, err);
    return rc == XL_EFENCED ? keep_late(store, claim, end->reason, err) : rc;
}

enum xl_status xl_store_fail(struct xl_store *store,
                             const struct xl_store_claim *claim,
                             enum xl_trial_state state, const char *reason,
                             bool retry, struct xl_err *err)
{
    struct ending end = { .outcome = xl_trial_state_name(state),
                          .reason = reason,
                          .state = state };
    if (state < XL_TRIAL_FAILED)
        return xl_fail(err, XL_EUSAGE, "'%s' is no failure", end.outcome);
    XL_TRY(xl_db_need_sweep(store, true, err));
    XL_TRY(xl_store_begin(store, err));
    return xl_db_leave(store, fail_in_group(store, claim, &end, retry, err),
                       err);
}

enum xl_status xl_store_release(struct xl_store *store,
                                const struct xl_store_claim *claim,
                                struct xl_err *err)
{
    struct ending end = { .outcome = "released",
                          .state = XL_TRIAL_QUEUED,
                          .uncounted = true };
    XL_TRY(xl_db_need_sweep(store, true, err));
    XL_TRY(xl_store_begin(store, err));
    enum xl_status rc = end_claim(store, claim, &end, err);
    if (rc == XL_EFENCED)
        rc = xl_db_fenced(store, claim, err);
    return xl_db_leave(store, rc, err);
}

/* -- reap ----------------------------------------------------------------- */

struct lease {
    struct xl_store_claim claim;
    int64_t most, until_ms;
    struct xl_owner owner;
};

struct leases {
    struct lease *rows; /* [n], room for more */
    size_t n, room;
};

static void copy_text(char *out, size_t room, const char *text)
{
    snprintf(out, room, "%s", text ? text : "");
}

static enum xl_status read_lease(struct xl_store *store, struct leases *all,
                                 struct xl_err *err)
{
    const enum xl_stmt id = XL_STMT_LEASES;
    if (all->n == all->room) {
        size_t room = all->room ? all->room * 2 : 16;
        struct lease *grown =
            xl_realloc(all->rows, all->n * sizeof *grown, room * sizeof *grown);
        if (!grown)
            return xl_fail(err, XL_ENOMEM,
                           "cannot read leases of '%s': out "
                           "of memory",
                           store->path);
        all->rows = grown;
        all->room = room;
    }
    struct lease *row = &all->rows[all->n++];
    *row = (struct lease){
        .claim = { .trial = xl_db_int(store, id, 0),
                   .token = xl_db_int(store, id, 1),
                   .attempt = xl_db_int(store, id, 2) },
        .most = xl_db_int(store, id, 3),
        .until_ms = xl_db_int(store, id, 4),
        .owner = { .pid = xl_db_int(store, id, 8),
                   .start_ticks = xl_db_int(store, id, 9) },
    };
    copy_text(row->owner.host, sizeof row->owner.host,
              xl_db_text(store, id, 5));
    copy_text(row->owner.boot_id, sizeof row->owner.boot_id,
              xl_db_text(store, id, 6));
    copy_text(row->owner.pid_ns, sizeof row->owner.pid_ns,
              xl_db_text(store, id, 7));
    return XL_OK;
}

static enum xl_status read_leases(struct xl_store *store, struct leases *all,
                                  struct xl_err *err)
{
    bool is_row = true;
    struct xl_cell in[] = { xl_cell_int(store->at.sweep),
                            xl_cell_int(store->at.worker) };
    enum xl_status rc = xl_db_start(store, XL_STMT_LEASES, in, 2, err);
    while (rc == XL_OK && is_row) {
        rc = xl_db_step(store, XL_STMT_LEASES, &is_row, err);
        if (rc == XL_OK && is_row)
            rc = read_lease(store, all, err);
    }
    xl_db_end(store, XL_STMT_LEASES);
    return rc;
}

static enum xl_status reap_in_group(struct xl_store *store, size_t *n_back,
                                    struct xl_err *err)
{
    struct leases all = { 0 };
    struct xl_owner self;
    int64_t now = xl_db_now(store);
    enum xl_status rc = read_leases(store, &all, err);
    xl_owner_self(&self);
    for (size_t i = 0; i < all.n && rc == XL_OK; i++) {
        const struct lease *row = &all.rows[i];
        bool is_dead = xl_owner_is_dead(&row->owner, &self);
        if (!is_dead && row->until_ms >= now)
            continue;
        bool is_used_up = row->claim.attempt >= row->most;
        struct ending end = {
            .outcome = is_dead ? "dead" : "expired",
            .reason = is_dead ? "the process that measured it died"
                              : "its lease ran out",
            .state = is_used_up ? XL_TRIAL_ABANDONED : XL_TRIAL_QUEUED,
        };
        rc = end_claim(store, &row->claim, &end, err);
        *n_back += rc == XL_OK;
    }
    xl_free(all.rows);
    return rc;
}

enum xl_status xl_store_reap(struct xl_store *store, size_t *n_back,
                             struct xl_err *err)
{
    size_t n = 0;
    XL_TRY(xl_db_need_sweep(store, true, err));
    XL_TRY(xl_store_begin(store, err));
    enum xl_status rc = xl_db_leave(store, reap_in_group(store, &n, err), err);
    if (n_back)
        *n_back = rc == XL_OK ? n : 0;
    return rc;
}

enum xl_status xl_store_live(struct xl_store *store, size_t *n_live,
                             struct xl_err *err)
{
    struct leases all = { 0 };
    struct xl_owner self;
    int64_t now = xl_db_now(store);
    *n_live = 0;
    XL_TRY(xl_db_need_sweep(store, false, err));
    enum xl_status rc = read_leases(store, &all, err);
    xl_owner_self(&self);
    for (size_t i = 0; i < all.n && rc == XL_OK; i++)
        *n_live += all.rows[i].until_ms >= now &&
                   !xl_owner_is_dead(&all.rows[i].owner, &self);
    xl_free(all.rows);
    return rc;
}
