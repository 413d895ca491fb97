/* SPDX-License-Identifier: Apache-2.0
 *
 * What the readers of table_read.c hand to table.c: cells as they were
 * written, before they are numbered. */
#ifndef XL_TABLE_INT_H
#define XL_TABLE_INT_H

#include "kernel/base/arena.h"
#include "tuner/space/table.h"

enum {
    XL_TABLE_NAME = 64
};

struct xl_cell {
    const char *label; /* a number in its shortest digits */
    double number;     /* of numbers, else 0 */
    enum xl_cell_kind {
        XL_CELL_NUMBER,
        XL_CELL_BOOL,
        XL_CELL_TEXT
    } kind;
};

struct xl_table_raw {
    struct xl_arena *arena; /* owns all below */
    const char *name;       /* of the file, for messages */
    char objective[XL_TABLE_NAME];
    bool is_max;
    size_t n_params, n_rows;
    const char *params[XL_SPACE_DIMS];
    struct xl_cell *cells;     /* [n_rows][n_params] */
    struct xl_table_row *rows; /* [n_rows] */
};

/* Either form; raw->arena and raw->name are set by the caller. */
enum xl_status xl_table_read(struct xl_table_raw *raw, const char *text,
                             size_t n, struct xl_err *err);

#endif
