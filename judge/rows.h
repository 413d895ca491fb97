/* SPDX-License-Identifier: Apache-2.0
 *
 * Ratings as files. A rating is one JSON object; the table holds the same
 * object's members in the same order, so the two files cannot disagree.
 * Unknown is an empty field in CSV, null in JSON.
 */
#ifndef XL_ROWS_H
#define XL_ROWS_H

#include <cjson/cJSON.h>

#include "kernel/base/buf.h"
#include "kernel/base/err.h"
#include "kernel/param/param.h"

/* What every table of ratings begins with: file, backend, heads_per_band,
 * chunk_size, workers. */
void xl_row_add_config(cJSON *row, const char *file,
                       const struct xl_params *params);

/* Appends the names of an object's members, or their values, as a line. */
void xl_row_csv_names(const cJSON *row, struct xl_buf *out);
void xl_row_csv(const cJSON *row, struct xl_buf *out);

/* Writes the text to folder/name by temporary file and rename. */
enum xl_status xl_rows_save(const char *folder, const char *name,
                            const struct xl_buf *text, struct xl_err *err);

#endif
