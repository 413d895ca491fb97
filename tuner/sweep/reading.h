/* SPDX-License-Identifier: Apache-2.0
 *
 * From a measured repetition to what an objective reads, and from many to
 * their medians. */
#ifndef XL_READING_H
#define XL_READING_H

#include "kernel/base/buf.h"
#include "tuner/measure/runner.h"
#include "tuner/store/row.h"
#include "tuner/sweep/objective.h"

void xl_reading_of_run(struct xl_reading *reading,
                       const struct xl_run_sample *sample);

/* The same from the store; times of single tokens are in its detail. */
void xl_reading_of_row(struct xl_reading *reading,
                       const struct xl_store_sample *row);

/* {"step_ns": [...]} of a sample, as the row's detail; nothing when they are
 * not known. */
void xl_reading_detail(const struct xl_run_sample *sample, struct xl_buf *out);

/* The median of each metric over those readings that know it. */
void xl_reading_median(struct xl_reading *median,
                       const struct xl_reading *readings, size_t n,
                       double *scratch);

#endif
