/* SPDX-License-Identifier: Apache-2.0
 *
 * Layout (NEP 1): magic, version 1.0, header length (2 bytes), a Python
 * dictionary as text padded with spaces and a newline so that the data
 * starts on 64 bytes, then little-endian floats. */
#include "kernel/run/npy.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    ALIGN = 64,
    HEADER_ROOM = 192
};

static const unsigned char magic[8] = { 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0 };

static enum xl_status write_header(struct xl_npy *npy, struct xl_err *err)
{
    char text[HEADER_ROOM];
    size_t before = sizeof magic + 2;
    int n = snprintf(text, sizeof text,
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, "
                     "%zu), }",
                     npy->rows, npy->columns);
    size_t len = (size_t)n;
    while ((before + len + 1) % ALIGN != 0)
        text[len++] = ' ';
    text[len++] = '\n';
    assert(len < sizeof text);
    unsigned char length[2] = { (unsigned char)(len & 0xff),
                                (unsigned char)(len >> 8) };
    XL_TRY(xl_out_write(&npy->out, magic, sizeof magic, err));
    XL_TRY(xl_out_write(&npy->out, length, sizeof length, err));
    return xl_out_write(&npy->out, text, len, err);
}

enum xl_status xl_npy_open(struct xl_npy *npy, const char *path, size_t rows,
                           size_t columns, struct xl_err *err)
{
    *npy = (struct xl_npy){ .rows = rows, .columns = columns };
    XL_TRY(xl_out_open(&npy->out, path, err));
    enum xl_status rc = write_header(npy, err);
    if (rc != XL_OK)
        xl_out_abandon(&npy->out);
    return rc;
}

enum xl_status xl_npy_row(struct xl_npy *npy, const float *row,
                          struct xl_err *err)
{
    assert(npy->written < npy->rows);
    npy->written++;
    return xl_out_write(&npy->out, row, npy->columns * sizeof *row, err);
}

enum xl_status xl_npy_commit(struct xl_npy *npy, struct xl_err *err)
{
    if (npy->written == npy->rows)
        return xl_out_commit(&npy->out, err);
    xl_out_abandon(&npy->out);
    return xl_fail(err, XL_EFAILED, "matrix has %zu of %zu rows", npy->written,
                   npy->rows);
}

void xl_npy_abandon(struct xl_npy *npy)
{
    xl_out_abandon(&npy->out);
}
