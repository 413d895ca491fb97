/* SPDX-License-Identifier: Apache-2.0
 *
 * Data files for gnuplot: blocks of tab-separated lines, two empty lines
 * apart. Every block has at least one line, if only of NaN: gnuplot counts
 * blocks by their lines. Texts lose what could end a field; gnuplot never
 * evaluates a field.
 *
 *     xl_data_block(out, "roofs", "name speed");
 *     xl_data_text(out, name);
 *     xl_data_number(out, speed);
 *     xl_data_end(out);
 */
#ifndef XL_DATA_H
#define XL_DATA_H

#include "kernel/base/buf.h"
#include "plots/chart.h"
#include "plots/record.h"

void xl_data_block(struct xl_buf *out, const char *name, const char *columns);
void xl_data_number(struct xl_buf *out, double value); /* NaN = unknown */
void xl_data_text(struct xl_buf *out, const char *text);
void xl_data_range(struct xl_buf *out, const struct xl_range *range);
void xl_data_end(struct xl_buf *out); /* of the line */

/* A line of n NaN, for a block that would be empty. */
void xl_data_nothing(struct xl_buf *out, size_t n);

/* A block of marks: x x_lo x_hi y y_lo y_hi. */
void xl_data_series(struct xl_buf *out, const char *name,
                    const struct xl_series *series);

/* Begins block 0, which every file has: the subtitle first, then the columns
 * named. The caller adds these and ends the line. */
void xl_data_title(struct xl_buf *out, const char *subtitle,
                   const char *columns);

/* The same with the subtitle of a run. */
void xl_data_head(struct xl_buf *out, const struct xl_record *record,
                  const char *columns);

#endif
