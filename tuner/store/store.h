/* SPDX-License-Identifier: Apache-2.0
 *
 * The store: queue and record of a sweep in one SQLite file (trials.db).
 *
 * A trial is proposed once per configuration, claimed under a lease, given
 * samples one at a time, and finished or failed. Whatever a call has returned
 * XL_OK for survives kill -9 of this process.
 *
 *     struct xl_store *store;
 *     XL_TRY(xl_store_open(&store, path,
 *                          &(struct xl_store_opts){ .mode = XL_STORE_CREATE },
 *                          err));
 *     XL_TRY(xl_store_sweep_begin(store, &sweep, err));
 *     XL_TRY(xl_store_propose(store, &proposal, &ref, err));
 *     XL_TRY(xl_store_claim(store, ref.trial, &claim, err));
 *     for (rep = claim.n_samples; rep < want; rep++)
 *         ... xl_store_add_sample(store, &claim, &sample, err) ...
 *     XL_TRY(xl_store_finish(store, &claim, &result, err));
 *     xl_store_close(store);
 *
 * Lease: a claim carries a token. When somebody else has taken the trial
 * since (reap after an expired lease or a dead owner), heartbeat, add_sample,
 * finish, fail and release return XL_EFENCED and change nothing but the
 * attempt's record. A heartbeat revives an expired lease that nobody took;
 * so send heartbeats before you reap.
 *
 * XL_EBUSY: another process held the file for longer than busy_ms. A handle
 * belongs to one thread and does not survive a fork. Readers: query.h.
 */
#ifndef XL_STORE_H
#define XL_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "tuner/store/row.h"

struct xl_store;

enum xl_store_mode {
    XL_STORE_READ,   /* the file must exist; nothing is written */
    XL_STORE_WRITE,  /* the file must exist */
    XL_STORE_CREATE, /* made when it is missing */
};

struct xl_store_opts {
    enum xl_store_mode mode;
    bool sync_full;    /* survive power loss too, not only kill -9 */
    int busy_ms;       /* how long to wait for a lock; 0 = 5000 */
    int64_t lease_ms;  /* life of a claim without heartbeat; 0 = 30000 */
    int64_t max_pages; /* most pages the file may grow to; 0 = no limit */
    int64_t (*now_ms)(void *ctx); /* wall clock; NULL = the real one */
    void *clock_ctx;
};

/* XL_ENOTFOUND when it is missing, XL_EFORMAT when it is no store, damaged,
 * or of a newer schema. An older schema is migrated unless mode is READ. */
enum xl_status xl_store_open(struct xl_store **store, const char *path,
                             const struct xl_store_opts *opts,
                             struct xl_err *err);

/* Closes and frees; NULL is fine. Leases stay until they are reaped. */
void xl_store_close(struct xl_store *store);

/* -- the sweep that all other calls are about ----------------------------- */

/* Creates the sweep, or takes up the one of this name; XL_EUSAGE when that
 * one differs in space, sampler, objective or model. A call that fails leaves
 * what was taken up before. */
enum xl_status xl_store_sweep_begin(struct xl_store *store,
                                    const struct xl_store_sweep *sweep,
                                    struct xl_err *err);

/* Takes up a sweep by name; NULL = the newest. XL_ENOTFOUND if none. */
enum xl_status xl_store_sweep_find(struct xl_store *store, const char *name,
                                   struct xl_err *err);

/* -- trials --------------------------------------------------------------- */

/* What the store holds for a configuration. */
struct xl_store_ref {
    int64_t trial, seq; /* seq: order of proposal in the sweep, from 1 */
    bool existed;       /* it was proposed before; nothing was changed */
    enum xl_trial_state state;
    bool has_value;
    double value; /* objective of its result */
};

/* Idempotent per configuration hash. */
enum xl_status xl_store_propose(struct xl_store *store,
                                const struct xl_store_proposal *proposal,
                                struct xl_store_ref *ref, struct xl_err *err);

struct xl_store_claim {
    int64_t trial, token;
    int64_t attempt;   /* from 1 */
    int64_t n_samples; /* repetitions kept from earlier attempts; rep of the
                          next sample */
    const char *cfg;   /* the store's, until its next claim or its close */
};

/* Leases a queued trial: this one, or with 0 the first of the queue (prio,
 * then seq). XL_ENOTFOUND without a message when there is none to have. */
enum xl_status xl_store_claim(struct xl_store *store, int64_t trial,
                              struct xl_store_claim *claim, struct xl_err *err);

enum xl_status xl_store_heartbeat(struct xl_store *store,
                                  const struct xl_store_claim *claim,
                                  struct xl_err *err);

/* Its own transaction, and a heartbeat. Storing a repetition of this claim
 * again is XL_OK and changes nothing (the first answer may have got lost). */
enum xl_status xl_store_add_sample(struct xl_store *store,
                                   const struct xl_store_claim *claim,
                                   const struct xl_store_sample *sample,
                                   struct xl_err *err);

/* The trial is measured. Fenced: kept in `attempt` as a late result. */
enum xl_status xl_store_finish(struct xl_store *store,
                               const struct xl_store_claim *claim,
                               const struct xl_store_result *result,
                               struct xl_err *err);

/* The trial ends as `state` (FAILED to ABANDONED), or goes back to the queue
 * when `retry` is set and its attempts are not used up. */
enum xl_status xl_store_fail(struct xl_store *store,
                             const struct xl_store_claim *claim,
                             enum xl_trial_state state, const char *reason,
                             bool retry, struct xl_err *err);

/* Hands the trial back: samples kept, the attempt does not count. */
enum xl_status xl_store_release(struct xl_store *store,
                                const struct xl_store_claim *claim,
                                struct xl_err *err);

/* Takes back trials of this sweep whose owner is dead (same machine: process
 * gone or machine restarted) or whose lease ran out. Samples are kept; with
 * all attempts used up the trial is abandoned. This handle's own claims are
 * left alone. *n_back may be NULL. */
enum xl_status xl_store_reap(struct xl_store *store, size_t *n_back,
                             struct xl_err *err);

/* How many trials other handles hold under leases that still count. Works in
 * READ mode too. */
enum xl_status xl_store_live(struct xl_store *store, size_t *n_live,
                             struct xl_err *err);

/* -- what else is known --------------------------------------------------- */

/* Sets or replaces a judge's score of a trial. */
enum xl_status xl_store_set_score(struct xl_store *store, int64_t trial,
                                  const struct xl_store_score *score,
                                  struct xl_err *err);

/* Sets or replaces a fact about the sweep. */
enum xl_status xl_store_set_fact(struct xl_store *store,
                                 const struct xl_store_fact *fact,
                                 struct xl_err *err);

enum xl_status xl_store_event(struct xl_store *store,
                              const struct xl_store_event *event,
                              struct xl_err *err);

/* Calls between begin and commit are one transaction (or, in READ mode, see
 * one snapshot). Groups nest. A call that fails with anything but XL_EFENCED
 * or XL_ENOTFOUND dooms the group: commit then undoes all of it and says so.
 * Never hold a group open through a measurement. */
enum xl_status xl_store_begin(struct xl_store *store, struct xl_err *err);
enum xl_status xl_store_commit(struct xl_store *store, struct xl_err *err);

#endif
