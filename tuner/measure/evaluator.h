/* SPDX-License-Identifier: Apache-2.0
 *
 * The evaluator: a child of this program that runs trials.
 *
 * The parent starts its own program as `xltune evaluate`, which loads the
 * model once, reads requests as NDJSON on standard input and answers on
 * standard output, one JSON object a line:
 *
 *   <- {"ready": true, "model_hash": "..."}
 *   -> {"op": "workload", "prompt": [ids], "new": 64}
 *   <- {"done": true}
 *   -> {"op": "measure", "params": {...}, "first_rep": 0, "reps": 5}
 *   <- {"sample": {"rep": 0, "prefill_ns": ..., "waits": true, ...}}
 *   -> {"op": "more"}, or {"op": "enough"}
 *   <- {"done": true, "effective": {...}, "load_s": ..., "warm_laps": 2, ...}
 *   -> {"op": "measure", ..., "against": {...}, "anchor_every": 4}
 *   -> {"op": "duel", "params": {...}, "against": {...}, "reps": 9}
 *   -> {"op": "judge", "params": {...}, "tokens": 512}
 *   <- {"progress": {"what": "reference", "done": 128, "of": 512}}
 *   -> {"op": "output", "params": {...}}
 *   <- {"error": {"outcome": "invalid", "message": "..."}}
 *
 * A sample that waits is the last of its round: the child goes on when it is
 * told to. So the parent decides after every round, and no round is wasted.
 *
 * A crash, a hang or an exhausted memory costs one trial: the parent kills
 * and restarts the child. The child dies with its parent, and whatever the
 * child started dies with the child.
 */
#ifndef XL_EVALUATOR_H
#define XL_EVALUATOR_H

#include <stdatomic.h>

#include "judge/watch.h"
#include "kernel/base/err.h"
#include "tuner/measure/runner.h"

struct xl_evaluator;

struct xl_evaluator_options {
    const char *model_dir;
    const int32_t *prompt; /* [n_prompt], copied */
    size_t n_prompt, new_tokens;
    size_t judge_tokens;    /* most tokens of the judge's text; 0 = all */
    double timeout_s;       /* to wait for an answer; 0 = 600 */
    uint64_t memory_bytes;  /* limit on address space; 0 = none */
    uint64_t deadline_ns;   /* on xl_clock_ns: whatever is asked ends then,
                               with STOPPED; 0 = none */
    const atomic_int *stop; /* not 0 = end now; set by a signal; or NULL */
    struct xl_watch watch;  /* told how far the judge is */
    const char *program;    /* NULL = this program */
};

/* Starts nothing yet: the child starts with the first request. */
enum xl_status xl_evaluator_make(struct xl_evaluator **evaluator,
                                 const struct xl_evaluator_options *options,
                                 struct xl_err *err);

/* Ends and reaps the child. */
void xl_evaluator_free(struct xl_evaluator *evaluator);

/* The face for the sweep; valid as long as the evaluator. */
struct xl_runner xl_evaluator_runner(struct xl_evaluator *evaluator);

/* Before the judge is asked for the first time. */
void xl_evaluator_set_judge_tokens(struct xl_evaluator *evaluator,
                                   size_t tokens);

/* How often the child had to be started. */
size_t xl_evaluator_starts(const struct xl_evaluator *evaluator);

#endif
