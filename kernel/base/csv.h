/* SPDX-License-Identifier: Apache-2.0
 *
 * Comma-separated values after RFC 4180, lines ended by \n.
 *
 * Writing: one call a field, then xl_csv_end for the line.
 * Reading: xl_csv_parse splits a whole text into a table of fields.
 */
#ifndef XL_CSV_H
#define XL_CSV_H

#include <stddef.h>

#include "kernel/base/arena.h"
#include "kernel/base/buf.h"
#include "kernel/base/err.h"

/* Appends a field and a comma, quoted when it must be. NULL gives an empty
 * field. */
void xl_csv_text(struct xl_buf *out, const char *text);

/* Shortest digits that read back as the same value; not finite = empty. */
void xl_csv_real(struct xl_buf *out, double value);
void xl_csv_int(struct xl_buf *out, long long value);

/* Ends the line: the last comma becomes the newline. */
void xl_csv_end(struct xl_buf *out);

struct xl_csv {
    size_t n_rows;
    struct xl_csv_row {
        size_t n_fields;
        const char **fields; /* [n_fields], unquoted */
    } * rows;                /* [n_rows], memory of the arena */
};

/* Lines that start with '#' and empty lines are left out. name stands in
 * messages. XL_EFORMAT on a quote that never closes. */
enum xl_status xl_csv_parse(const char *text, size_t n, const char *name,
                            struct xl_arena *arena, struct xl_csv *csv,
                            struct xl_err *err);

#endif
