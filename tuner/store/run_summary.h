/* SPDX-License-Identifier: Apache-2.0
 *
 * A run in a few words: what `runs` prints, as text and as JSON.
 */
#ifndef XL_RUN_SUMMARY_H
#define XL_RUN_SUMMARY_H

#include <cjson/cJSON.h>

#include "kernel/base/buf.h"
#include "tuner/store/store.h"

struct xl_run_summary {
    char name[200], mode[24], objective[48];
    struct xl_err fault; /* why it cannot be read; XL_OK = it can */
    bool minimise;
    size_t counts[XL_TRIAL_STATE_COUNT];
    size_t n_trials, n_measured, n_failed;
    size_t n_open; /* queued or running */
    size_t n_live; /* held by a process that may be alive */
    bool has_best;
    int64_t best_trial;
    double best_value, prefill_tok_s, decode_tok_s; /* NaN = unknown */
};

/* Never fails: what cannot be read is told in `fault`. */
void xl_run_summarize(struct xl_run_summary *run, const char *path);

/* NULL without memory. */
cJSON *xl_run_summary_json(const struct xl_run_summary *run);

/* All there is to say about a run: summary, facts, the best trials, the last
 * events. *root is the caller's (cJSON_Delete). */
enum xl_status xl_run_describe(struct xl_store *store, const char *path,
                               cJSON **root, struct xl_buf *text,
                               struct xl_err *err);

/* Checks the store, then that every line of the exported files parses and
 * that they agree with it; *n_trials in the store. XL_EFORMAT for damage,
 * XL_EMISMATCH when they disagree, XL_ENOTFOUND when one is missing. */
enum xl_status xl_run_verify(struct xl_store *store, const char *path,
                             size_t *n_trials, struct xl_err *err);

#endif
