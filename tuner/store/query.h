/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a store, also while a sweep writes it. All readers are about the
 * sweep that the handle took up (xl_store_sweep_find) and hand each row to a
 * callback; a callback that returns anything but XL_OK stops the reading and
 * its status is the reader's. Other readers may be called from a callback,
 * the same one may not. Several readers see one moment of the sweep when they
 * stand between xl_store_begin and xl_store_commit.
 */
#ifndef XL_STORE_QUERY_H
#define XL_STORE_QUERY_H

#include "tuner/store/store.h"

struct xl_store_trial {
    int64_t id, seq;
    enum xl_trial_state state;
    const char *cfg, *cfg_hash;
    const char *inert, *origin, *parents; /* NULL when not told */
    const char *reason;                   /* why it failed, or NULL */
    bool has_generation;
    int64_t generation;
    int64_t attempt; /* claims that count */
    int64_t created_ms;
    int64_t ended_ms; /* 0 = not yet */
    int64_t n_samples;
    bool has_result;
    struct xl_store_result result; /* its samples are not filled in */
};

typedef enum xl_status xl_trial_fn(void *ctx, const struct xl_store_trial *row,
                                   struct xl_err *err);
typedef enum xl_status
xl_sample_fn(void *ctx, const struct xl_store_sample *row, struct xl_err *err);
typedef enum xl_status xl_score_fn(void *ctx, const struct xl_store_score *row,
                                   struct xl_err *err);
typedef enum xl_status xl_fact_fn(void *ctx, const struct xl_store_fact *row,
                                  struct xl_err *err);
typedef enum xl_status xl_event_fn(void *ctx, const struct xl_store_event *row,
                                   struct xl_err *err);
typedef enum xl_status xl_sweep_fn(void *ctx, const struct xl_store_sweep *row,
                                   struct xl_err *err);

/* Trials in order of proposal, those with seq > after. */
enum xl_status xl_query_trials(struct xl_store *store, int64_t after,
                               xl_trial_fn *fn, void *ctx, struct xl_err *err);

/* One trial. XL_ENOTFOUND when the sweep has none of this id. */
enum xl_status xl_query_trial(struct xl_store *store, int64_t id,
                              xl_trial_fn *fn, void *ctx, struct xl_err *err);

/* The n best measured trials, best first; equal values by seq. A trial whose
 * score "verdict" has the value 0 did not pass its gate and is left out. */
enum xl_status xl_query_best(struct xl_store *store, size_t n, xl_trial_fn *fn,
                             void *ctx, struct xl_err *err);

/* The trial that the sweep promoted last; XL_ENOTFOUND, without a message,
 * when it promoted none. */
enum xl_status xl_query_winner(struct xl_store *store, xl_trial_fn *fn,
                               void *ctx, struct xl_err *err);

/* Trials that no other beats in both prefill and decode speed, fastest
 * decode first; gated like xl_query_best. */
enum xl_status xl_query_front(struct xl_store *store, xl_trial_fn *fn,
                              void *ctx, struct xl_err *err);

/* Samples of a trial by rep, scores by name. */
enum xl_status xl_query_samples(struct xl_store *store, int64_t trial,
                                xl_sample_fn *fn, void *ctx,
                                struct xl_err *err);
enum xl_status xl_query_scores(struct xl_store *store, int64_t trial,
                               xl_score_fn *fn, void *ctx, struct xl_err *err);

enum xl_status xl_query_facts(struct xl_store *store, xl_fact_fn *fn, void *ctx,
                              struct xl_err *err);
enum xl_status xl_query_events(struct xl_store *store, xl_event_fn *fn,
                               void *ctx, struct xl_err *err);

/* The sweep itself: one call of fn. */
enum xl_status xl_query_sweep(struct xl_store *store, xl_sweep_fn *fn,
                              void *ctx, struct xl_err *err);

/* How many trials are in each state. */
enum xl_status xl_query_counts(struct xl_store *store,
                               size_t counts[XL_TRIAL_STATE_COUNT],
                               struct xl_err *err);

/* SQLite's own check of the whole file and of all references; XL_EFORMAT
 * with the first complaint. */
enum xl_status xl_query_verify(struct xl_store *store, struct xl_err *err);

#endif
