/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a trial. Each exported call is one transaction (or joins the
 * group that is open). The fence is in the statements: every write under a
 * lease says "this trial, this token, still running", so that a process that
 * slept through its lease changes nothing, whatever it believes. */
#include "tuner/store/store.h"

#include <string.h>

#include "kernel/base/hash.h"
#include "tuner/store/store_int.h"

enum {
    MAX_ATTEMPT = 3
};

static const char *const state_names[XL_TRIAL_STATE_COUNT] = {
#define XL_TRIAL_STATE(id, name, meaning) [XL_TRIAL_##id] = name,
#include "tuner/store/state.def"
#undef XL_TRIAL_STATE
};

const char *xl_trial_state_name(enum xl_trial_state state)
{
    return state_names[state];
}

bool xl_trial_state_find(const char *name, enum xl_trial_state *state)
{
    for (size_t i = 0; name && i < XL_TRIAL_STATE_COUNT; i++) {
        if (strcmp(state_names[i], name) == 0) {
            *state = (enum xl_trial_state)i;
            return true;
        }
    }
    return false;
}

/* -- sweep ---------------------------------------------------------------- */

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static enum xl_status find_class(struct xl_store *store,
                                 const struct xl_store_sweep *sweep,
                                 struct xl_err *err)
{
    struct xl_cell in[] = { xl_cell_text(or_empty(sweep->class_id)),
                            xl_cell_text(or_empty(sweep->fingerprint)),
                            xl_cell_int(xl_db_now(store)) };
    XL_TRY(xl_db_run(store, XL_STMT_CLASS_ADD, in, 3, NULL, err));
    return xl_db_get_int(store, XL_STMT_CLASS_FIND, in, 1, &store->at.class_id,
                         err);
}

static enum xl_status check_same(struct xl_store *store,
                                 const struct xl_store_sweep *sweep,
                                 struct xl_err *err)
{
    const struct {
        const char *what, *want;
        int column;
    } rows[] = {
        { "search space", sweep->space, 4 },
        { "strategy", sweep->sampler, 5 },
        { "objective", sweep->objective, 6 },
        { "model", sweep->model_hash, 8 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *has = xl_db_text(store, XL_STMT_SWEEP_FIND, rows[i].column);
        if (strcmp(or_empty(has), or_empty(rows[i].want)) != 0)
            return xl_fail(err, XL_EUSAGE,
                           "sweep '%s' in '%s' has another %s; start a new "
                           "run, or give the options it began with",
                           or_empty(sweep->name), store->path, rows[i].what);
    }
    bool minimise = xl_db_int(store, XL_STMT_SWEEP_FIND, 2) != 0;
    if (minimise != sweep->minimise)
        return xl_fail(err, XL_EUSAGE,
                       "sweep '%s' in '%s' has another direction of its "
                       "objective; start a new run",
                       or_empty(sweep->name), store->path);
    return XL_OK;
}

/* XL_ENOTFOUND without a message when there is none of this name. */
static enum xl_status take_up(struct xl_store *store, const char *name,
                              const struct xl_store_sweep *same,
                              struct xl_err *err)
{
    const enum xl_stmt id = XL_STMT_SWEEP_FIND;
    bool is_row = false;
    struct xl_cell in[] = { xl_cell_text(name) };
    enum xl_status rc = xl_db_start(store, id, in, 1, err);
    if (rc == XL_OK)
        rc = xl_db_step(store, id, &is_row, err);
    if (rc == XL_OK && is_row && same)
        rc = check_same(store, same, err);
    if (rc == XL_OK && is_row)
        store->at = (struct xl_store_place){
            .sweep = xl_db_int(store, id, 0),
            .class_id = xl_db_int(store, id, 1),
            .minimise = xl_db_int(store, id, 2) != 0,
        };
    xl_db_end(store, id);
    return rc == XL_OK && !is_row ? XL_ENOTFOUND : rc;
}

static enum xl_status add_sweep(struct xl_store *store,
                                const struct xl_store_sweep *sweep,
                                struct xl_err *err)
{
    struct xl_cell in[] = {
        xl_cell_int(store->at.class_id),
        xl_cell_text(or_empty(sweep->name)),
        xl_cell_text(or_empty(sweep->space)),
        xl_cell_text(or_empty(sweep->sampler)),
        xl_cell_text(or_empty(sweep->objective)),
        xl_cell_int(sweep->minimise),
        xl_cell_text(or_empty(sweep->build_id)),
        xl_cell_text(or_empty(sweep->model_hash)),
        xl_cell_int(xl_db_now(store)),
    };
    XL_TRY(xl_db_run(store, XL_STMT_SWEEP_ADD, in, sizeof in / sizeof *in, NULL,
                     err));
    return take_up(store, or_empty(sweep->name), NULL, err);
}

enum xl_status xl_store_sweep_begin(struct xl_store *store,
                                    const struct xl_store_sweep *sweep,
                                    struct xl_err *err)
{
    XL_TRY(xl_store_begin(store, err));
    enum xl_status rc = take_up(store, or_empty(sweep->name), sweep, err);
    if (rc == XL_OK || rc == XL_ENOTFOUND) {
        bool is_new = rc == XL_ENOTFOUND;
        rc = find_class(store, sweep, err);
        if (rc == XL_OK && is_new)
            rc = add_sweep(store, sweep, err);
    }
    return xl_db_leave(store, rc, err);
}

enum xl_status xl_store_sweep_find(struct xl_store *store, const char *name,
                                   struct xl_err *err)
{
    enum xl_status rc = take_up(store, name, NULL, err);
    if (rc == XL_ENOTFOUND && name)
        return xl_fail(err, rc, "no sweep '%s' in '%s'", name, store->path);
    if (rc == XL_ENOTFOUND)
        return xl_fail(err, rc, "no sweep in '%s'; it ended before it began",
                       store->path);
    return rc;
}

/* -- propose -------------------------------------------------------------- */

static enum xl_status find_proposed(struct xl_store *store,
                                    const struct xl_cell key[3],
                                    struct xl_store_ref *ref,
                                    struct xl_err *err)
{
    const enum xl_stmt id = XL_STMT_PROPOSE_FIND;
    bool is_row = false;
    enum xl_status rc = xl_db_start(store, id, key, 3, err);
    if (rc == XL_OK)
        rc = xl_db_step(store, id, &is_row, err);
    if (rc == XL_OK && is_row) {
        ref->trial = xl_db_int(store, id, 0);
        ref->seq = xl_db_int(store, id, 1);
        ref->existed = true;
        ref->has_value = xl_db_has(store, id, 3);
        ref->value = xl_db_real(store, id, 3);
        if (!xl_trial_state_find(xl_db_text(store, id, 2), &ref->state))
            rc = xl_fail(err, XL_EFORMAT, "trial %lld of '%s' has no state",
                         (long long)ref->trial, store->path);
    }
    xl_db_end(store, id);
    return rc;
}

static enum xl_status add_proposed(struct xl_store *store,
                                   const struct xl_store_proposal *proposal,
                                   const struct xl_cell key[3],
                                   struct xl_store_ref *ref, struct xl_err *err)
{
    bool is_row = false;
    int64_t most = proposal->max_attempt ? proposal->max_attempt : MAX_ATTEMPT;
    struct xl_cell in[] = {
        key[0],
        key[1],
        key[2],
        xl_cell_int(proposal->prio),
        xl_cell_int(most),
        xl_cell_int(xl_db_now(store)),
        xl_cell_int_if(proposal->has_generation, proposal->generation),
        xl_cell_text(proposal->cfg),
        xl_cell_text(proposal->inert),
        xl_cell_text(proposal->origin),
        xl_cell_text(proposal->parents),
    };
    enum xl_status rc =
        xl_db_start(store, XL_STMT_PROPOSE, in, sizeof in / sizeof *in, err);
    if (rc == XL_OK)
        rc = xl_db_step(store, XL_STMT_PROPOSE, &is_row, err);
    if (rc == XL_OK && is_row) {
        ref->trial = xl_db_int(store, XL_STMT_PROPOSE, 0);
        ref->seq = xl_db_int(store, XL_STMT_PROPOSE, 1);
        ref->state = XL_TRIAL_QUEUED;
        rc = xl_db_step(store, XL_STMT_PROPOSE, &is_row, err);
    }
    xl_db_end(store, XL_STMT_PROPOSE);
    return rc;
}

enum xl_status xl_store_propose(struct xl_store *store,
                                const struct xl_store_proposal *proposal,
                                struct xl_store_ref *ref, struct xl_err *err)
{
    char made[XL_HASH_TEXT];
    const char *hash = proposal->cfg_hash;
    *ref = (struct xl_store_ref){ 0 };
    if (!hash)
        xl_hash(made, proposal->cfg, strlen(proposal->cfg));
    struct xl_cell key[] = { xl_cell_int(store->at.sweep),
                             xl_cell_int(store->at.class_id),
                             xl_cell_text(hash ? hash : made) };
    XL_TRY(xl_db_need_sweep(store, true, err));
    XL_TRY(xl_store_begin(store, err));
    enum xl_status rc = find_proposed(store, key, ref, err);
    if (rc == XL_OK && !ref->existed)
        rc = add_proposed(store, proposal, key, ref, err);
    return xl_db_leave(store, rc, err);
}

/* -- claim ---------------------------------------------------------------- */

static enum xl_status register_worker(struct xl_store *store,
                                      struct xl_err *err)
{
    struct xl_owner self;
    if (store->at.worker)
        return XL_OK;
    xl_owner_self(&self);
    struct xl_cell in[] = {
        xl_cell_int(store->at.class_id), xl_cell_text(self.host),
        xl_cell_text(self.boot_id),      xl_cell_text(self.pid_ns),
        xl_cell_int(self.pid),           xl_cell_int(self.start_ticks),
        xl_cell_int(xl_db_now(store)),
    };
    XL_TRY(xl_db_run(store, XL_STMT_WORKER_ADD, in, sizeof in / sizeof *in,
                     NULL, err));
    store->at.worker = sqlite3_last_insert_rowid(store->db);
    return XL_OK;
}

static enum xl_status take_lease(struct xl_store *store, int64_t trial,
                                 struct xl_store_claim *claim,
                                 struct xl_err *err)
{
    enum xl_stmt id = trial ? XL_STMT_CLAIM_ONE : XL_STMT_CLAIM_NEXT;
    int64_t now = xl_db_now(store);
    bool is_row = false;
    struct xl_cell in[] = {
        xl_cell_int(store->at.sweep),
        xl_cell_int(store->at.class_id),
        xl_cell_int(now),
        xl_cell_int(now + store->opts.lease_ms),
        xl_cell_int(store->at.worker),
        xl_cell_int(trial),
    };
    enum xl_status rc = xl_db_start(store, id, in, trial ? 6 : 5, err);
    if (rc == XL_OK)
        rc = xl_db_step(store, id, &is_row, err);
    bool found = is_row;
    if (rc == XL_OK && found) {
        claim->trial = xl_db_int(store, id, 0);
        claim->token = xl_db_int(store, id, 1);
        claim->attempt = xl_db_int(store, id, 2);
        xl_buf_clear(&store->cfg);
        xl_buf_text(&store->cfg, or_empty(xl_db_text(store, id, 3)));
        claim->cfg = store->cfg.data;
        rc = xl_buf_check(&store->cfg, "configuration of a trial", err);
    }
    if (rc == XL_OK && found)
        rc = xl_db_step(store, id, &is_row, err);
    xl_db_end(store, id);
    return rc == XL_OK && !found ? XL_ENOTFOUND : rc;
}

enum xl_status xl_store_claim(struct xl_store *store, int64_t trial,
                              struct xl_store_claim *claim, struct xl_err *err)
{
    *claim = (struct xl_store_claim){ 0 };
    XL_TRY(xl_db_need_sweep(store, true, err));
    XL_TRY(xl_store_begin(store, err));
    enum xl_status rc = register_worker(store, err);
    if (rc == XL_OK)
        rc = take_lease(store, trial, claim, err);
    struct xl_cell in[] = { xl_cell_int(claim->trial) };
    if (rc == XL_OK)
        rc = xl_db_get_int(store, XL_STMT_NEXT_REP, in, 1, &claim->n_samples,
                           err);
    return xl_db_leave(store, rc, err);
}

enum xl_status xl_db_fenced(const struct xl_store *store,
                            const struct xl_store_claim *claim,
                            struct xl_err *err)
{
    return xl_fail(err, XL_EFENCED,
                   "lease of trial %lld in '%s' is lost: it was taken back; "
                   "drop it and claim another",
                   (long long)claim->trial, store->path);
}

/* Renews the lease of a claim that is still held. */
static enum xl_status renew(struct xl_store *store,
                            const struct xl_store_claim *claim,
                            struct xl_err *err)
{
    int64_t changes = 0;
    struct xl_cell in[] = {
        xl_cell_int(claim->trial),
        xl_cell_int(claim->token),
        xl_cell_int(xl_db_now(store) + store->opts.lease_ms),
    };
    XL_TRY(xl_db_run(store, XL_STMT_HEARTBEAT, in, 3, &changes, err));
    return changes ? XL_OK : xl_db_fenced(store, claim, err);
}

enum xl_status xl_store_heartbeat(struct xl_store *store,
                                  const struct xl_store_claim *claim,
                                  struct xl_err *err)
{
    XL_TRY(xl_db_need_sweep(store, true, err));
    XL_TRY(xl_store_begin(store, err));
    return xl_db_leave(store, renew(store, claim, err), err);
}

/* -- samples -------------------------------------------------------------- */

enum xl_status xl_db_insert_sample(struct xl_store *store,
                                   const struct xl_store_claim *claim,
                                   const struct xl_store_sample *s,
                                   struct xl_err *err)
{
    int64_t changes = 0, token = 0;
    struct xl_cell in[] = {
        xl_cell_int(claim->trial),
        xl_cell_int(claim->token),
        xl_cell_int(s->rep),
        xl_cell_int(s->at_ms ? s->at_ms : xl_db_now(store)),
        xl_cell_int(s->prompt_tokens),
        xl_cell_int(s->new_tokens),
        xl_cell_int_if(s->has_prefill, s->prefill_ns),
        xl_cell_int_if(s->has_decode, s->decode_ns),
        xl_cell_real_if(s->has_prefill, s->prefill_tok_s),
        xl_cell_real_if(s->has_decode, s->decode_tok_s),
        xl_cell_int_if(s->has_peak_rss, s->peak_rss_bytes),
        xl_cell_real_if(s->has_foreign_cpu, s->foreign_cpu),
        xl_cell_int_if(s->has_ctx, s->ctx_switches),
        xl_cell_int(s->is_disturbed),
        xl_cell_text(s->detail),
    };
    XL_TRY(xl_db_run(store, XL_STMT_SAMPLE_ADD, in, sizeof in / sizeof *in,
                     &changes, err));
    if (changes)
        return XL_OK;
    struct xl_cell key[] = { in[0], in[2] };
    XL_TRY(xl_db_get_int(store, XL_STMT_SAMPLE_TOKEN, key, 2, &token, err));
    if (token == claim->token)
        return XL_OK;
    return xl_fail(err, XL_EFAILED,
                   "repetition %lld of trial %lld in '%s' was measured by an "
                   "earlier attempt; go on at the claim's n_samples",
                   (long long)s->rep, (long long)claim->trial, store->path);
}

enum xl_status xl_store_add_sample(struct xl_store *store,
                                   const struct xl_store_claim *claim,
                                   const struct xl_store_sample *sample,
                                   struct xl_err *err)
{
    XL_TRY(xl_db_need_sweep(store, true, err));
    XL_TRY(xl_store_begin(store, err));
    enum xl_status rc = renew(store, claim, err);
    if (rc == XL_OK)
        rc = xl_db_insert_sample(store, claim, sample, err);
    return xl_db_leave(store, rc, err);
}
