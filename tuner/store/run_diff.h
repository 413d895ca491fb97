/* SPDX-License-Identifier: Apache-2.0
 *
 * Two runs' winners side by side: where their tunables differ, how their
 * speeds compare, and which facts of the runs (model, machine, prompt) make
 * the comparison unfair.
 */
#ifndef XL_RUN_DIFF_H
#define XL_RUN_DIFF_H

#include <cjson/cJSON.h>

#include "kernel/base/buf.h"
#include "tuner/store/store.h"

struct xl_run_side {
    const char *name; /* as the user named it */
    struct xl_store *store;
};

/* {"runs": [a, b], "params": {name: [a, b]}, "metrics": {name: {"values":
 * [a, b], "ratio": b/a}}, "facts": {key: [a, b]}}; only what differs in
 * params and facts. *root is the caller's. XL_ENOTFOUND when a run has no
 * measured trial. */
enum xl_status xl_run_diff(const struct xl_run_side *a,
                           const struct xl_run_side *b, cJSON **root,
                           struct xl_err *err);

/* The same as text for people. */
void xl_run_diff_text(const cJSON *diff, struct xl_buf *out);

#endif
