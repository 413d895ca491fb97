/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the parts that load a record. */
#ifndef XL_RECORD_INT_H
#define XL_RECORD_INT_H

#include "plots/record.h"

/* Reads dir/name as CSV. A missing file gives a table without rows. */
enum xl_status xl_record_csv(struct xl_record *record, const char *name,
                             struct xl_csv *csv, struct xl_err *err);

/* Fills intervals and counts that the entries lack from samples.csv. */
enum xl_status xl_record_samples(struct xl_record *record, struct xl_err *err);

/* Outcomes, scores, winner and reference of loaded entries. */
void xl_record_interpret(struct xl_record *record);

/* The subtitle, from all that is loaded. */
void xl_record_describe(struct xl_record *record);

/* The files of enum xl_extra, steps and memory. */
enum xl_status xl_record_extras(struct xl_record *record, struct xl_err *err);

/* Reads dir/name as a JSON object; *root stays NULL when there is none. */
enum xl_status xl_record_json(struct xl_record *record, const char *name,
                              cJSON **root, struct xl_err *err);

/* A text of the record's memory made like printf; "" without memory, which
 * the record remembers. */
const char *xl_record_text(struct xl_record *record, const char *fmt, ...)
    XL_PRINTF(2, 3);

#endif
