/* SPDX-License-Identifier: Apache-2.0
 *
 * A store as files for other programs, written into its run folder: each by
 * temporary file and rename, all from one moment of the sweep.
 *
 * A tunable that the backend did not read (`inert` of the trial) is null or
 * empty in the leading columns; the value really used, when the result tells
 * it, goes before the proposed one.
 */
#ifndef XL_EXPORT_H
#define XL_EXPORT_H

#include "kernel/base/buf.h"
#include "tuner/store/store.h"

/* trials.jsonl, summary.csv and samples.csv into folder. */
enum xl_status xl_export_run(struct xl_store *store, const char *folder,
                             struct xl_err *err);

/* The texts themselves, appended. jsonl: every trial of the sweep, one JSON
 * object a line, in order of proposal. */
enum xl_status xl_export_jsonl(struct xl_store *store, struct xl_buf *out,
                               struct xl_err *err);

/* One line a trial, failed ones too; empty = unknown. */
enum xl_status xl_export_summary(struct xl_store *store, struct xl_buf *out,
                                 struct xl_err *err);

/* One line a measured repetition. */
enum xl_status xl_export_samples(struct xl_store *store, struct xl_buf *out,
                                 struct xl_err *err);

#endif
