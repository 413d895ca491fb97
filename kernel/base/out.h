/* SPDX-License-Identifier: Apache-2.0
 *
 * A file written piece by piece that appears at its path only when whole.
 *
 *     struct xl_out out;
 *     XL_TRY(xl_out_open(&out, path, err));
 *     rc = xl_out_write(&out, bytes, n, err);
 *     ...
 *     if (rc == XL_OK)
 *         rc = xl_out_commit(&out, err);
 *     xl_out_abandon(&out); // nothing to do after a commit
 *
 * Pieces go to a temporary file beside path through a small buffer, so
 * memory does not grow with the file. A device or pipe is written to directly.
 * For bytes that are in memory already, xl_io_replace is one call.
 */
#ifndef XL_OUT_H
#define XL_OUT_H

#include <stddef.h>
#include <stdio.h>

#include "kernel/base/err.h"

struct xl_out {
    /* private */
    FILE *file;        /* NULL = closed */
    char *room;        /* of xl_out_gather, or NULL */
    char *path, *temp; /* temp NULL = path is a device, written directly */
};

enum xl_status xl_out_open(struct xl_out *out, const char *path,
                           struct xl_err *err);

/* From before the first write on, pieces go to the file nbytes at a time, each
 * from a multiple of nbytes: so do the pages that the system keeps of it come
 * in large pieces. Nothing changes without memory. */
void xl_out_gather(struct xl_out *out, size_t nbytes);

enum xl_status xl_out_write(struct xl_out *out, const void *bytes, size_t n,
                            struct xl_err *err);

/* Syncs and renames. On error nothing is left but what path held before. */
enum xl_status xl_out_commit(struct xl_out *out, struct xl_err *err);

/* Removes the temporary file when the out is still open. */
void xl_out_abandon(struct xl_out *out);

#endif
