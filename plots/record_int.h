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

/* The entry of this id, or NULL. index: entries sorted by id. */
struct xl_entry *xl_record_by_id(struct xl_entry *const *index, size_t n,
                                 const char *id);

/* All entries sorted by id, memory of the record; NULL without memory. */
struct xl_entry **xl_record_index(struct xl_record *record);

/* Outcomes, scores, winner, reference and subtitle of loaded entries. */
void xl_record_interpret(struct xl_record *record);

/* Column of a header by name, or (size_t)-1. */
size_t xl_record_column(const struct xl_csv *csv, const char *name);

/* A text of the record's memory made like printf; "" without memory, which
 * the record remembers. */
const char *xl_record_text(struct xl_record *record, const char *fmt, ...)
    XL_PRINTF(2, 3);

#endif
