/* SPDX-License-Identifier: Apache-2.0
 *
 * One trial of a sweep: claimed, measured in its heat of the race, recorded;
 * or taken from the store as an earlier start left it. Included only inside
 * tuner/sweep. */
#ifndef XL_ATTEMPT_H
#define XL_ATTEMPT_H

#include "kernel/base/buf.h"
#include "tuner/sweep/sweep.h"

/* Fills the outcome, figures and values of news; the reason (room for
 * XL_RUN_REASON) when the outcome is a failure. XL_EINTERRUPTED when a signal
 * or the deadline ended it: what was measured is kept and the trial goes back
 * to the queue. */
enum xl_status xl_attempt_run(const struct xl_sweep *sweep, int64_t trial,
                              const struct xl_params *params,
                              struct xl_sweep_news *news, char *reason,
                              struct xl_err *err);

/* The same of a trial that has ended. The race learns what it then learnt. */
enum xl_status xl_attempt_recall(const struct xl_sweep *sweep,
                                 const struct xl_store_ref *ref,
                                 struct xl_sweep_news *news,
                                 struct xl_err *err);

/* Begins the reason of a trial that a judge refused. */
#define XL_REFUSED "the judge says "

/* Score of a measured trial that the search had to leave out, because the
 * text left open whether it does damage. */
#define XL_UNPROVED "unproved"

/* In the detail of a result: the gain by each share (race.h), an array. */
#define XL_GAINS "gain_by_share"

/* Puts a configuration before the judge of a stage. One that fails has the
 * outcome WRONG; one that is left open, except by the screen, UNPROVED; both
 * with a verdict in the store. Else *end stays as it is. */
enum xl_status xl_sweep_gate(const struct xl_sweep *sweep, int64_t trial,
                             const struct xl_judge_request *request,
                             struct xl_run_end *end, struct xl_err *err);

/* Is the sweep to end? *end says why. */
bool xl_sweep_is_over(const struct xl_sweep *sweep, enum xl_sweep_end *end);

/* Canonical tunables as the text of a trial. */
enum xl_status xl_sweep_print_params(const struct xl_params *params,
                                     struct xl_buf *out, struct xl_err *err);

#endif
