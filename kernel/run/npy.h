/* SPDX-License-Identifier: Apache-2.0
 *
 * NumPy files, format 1.0: one float32 matrix, written row by row so that
 * memory does not grow with it.
 *
 *     struct xl_npy npy;
 *     XL_TRY(xl_npy_open(&npy, "logits.npy", n_tokens, vocab, err));
 *     for (...)
 *         rc = xl_npy_row(&npy, row, err);
 *     if (rc == XL_OK)
 *         rc = xl_npy_commit(&npy, err);
 *     xl_npy_abandon(&npy); // nothing to do after a commit
 */
#ifndef XL_NPY_H
#define XL_NPY_H

#include <stddef.h>

#include "kernel/base/err.h"
#include "kernel/base/out.h"

struct xl_npy {
    size_t rows, columns;
    size_t written; /* rows so far */
    /* private */
    struct xl_out out;
};

/* A file of exactly this shape; it appears at path when committed. */
enum xl_status xl_npy_open(struct xl_npy *npy, const char *path, size_t rows,
                           size_t columns, struct xl_err *err);

/* row: [columns]. Must not be called more than `rows` times. */
enum xl_status xl_npy_row(struct xl_npy *npy, const float *row,
                          struct xl_err *err);

/* XL_EFAILED when rows are missing. */
enum xl_status xl_npy_commit(struct xl_npy *npy, struct xl_err *err);
void xl_npy_abandon(struct xl_npy *npy);

#endif
