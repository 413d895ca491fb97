/* SPDX-License-Identifier: Apache-2.0
 *
 * stdio does the buffering; the rename makes it all or nothing. */
#include "kernel/base/out.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/buf.h"
#include "kernel/base/io.h"

static enum xl_status fail_write(const struct xl_out *out, struct xl_err *err)
{
    return xl_fail(err, XL_EIO, "cannot write '%s': %s", out->path,
                   strerror(errno));
}

static void forget(struct xl_out *out)
{
    xl_free(out->path);
    xl_free(out->temp);
    xl_free(out->room);
    *out = (struct xl_out){ 0 };
}

/* Where the bytes go until the commit. */
static const char *target(const struct xl_out *out)
{
    return out->temp ? out->temp : out->path;
}

static void remove_temp(const struct xl_out *out)
{
    if (out->temp)
        unlink(out->temp);
}

enum xl_status xl_out_open(struct xl_out *out, const char *path,
                           struct xl_err *err)
{
    struct xl_buf temp;
    bool in_place = xl_io_is_special(path);
    xl_buf_init(&temp, 0);
    xl_buf_printf(&temp, "%s.%ld.tmp", path, (long)getpid());
    *out = (struct xl_out){ .path = xl_strdup(path) };
    if (xl_buf_ok(&temp) && !in_place)
        out->temp = xl_strndup(temp.data, temp.len);
    xl_buf_release(&temp);
    enum xl_status rc = XL_OK;
    if (!out->path || (!out->temp && !in_place))
        rc = xl_fail(err, XL_ENOMEM, "out of memory");
    else if (!(out->file = fopen(target(out), "wb")))
        rc = fail_write(out, err);
    if (rc != XL_OK)
        forget(out);
    return rc;
}

void xl_out_gather(struct xl_out *out, size_t nbytes)
{
    char *room = xl_alloc(nbytes);
    if (room && setvbuf(out->file, room, _IOFBF, nbytes) == 0)
        out->room = room;
    else
        xl_free(room);
}

enum xl_status xl_out_write(struct xl_out *out, const void *bytes, size_t n,
                            struct xl_err *err)
{
    if (n && fwrite(bytes, 1, n, out->file) != n)
        return fail_write(out, err);
    return XL_OK;
}

enum xl_status xl_out_commit(struct xl_out *out, struct xl_err *err)
{
    enum xl_status rc = XL_OK;
    if (fflush(out->file) != 0 || (out->temp && fsync(fileno(out->file)) != 0))
        rc = fail_write(out, err);
    if (fclose(out->file) != 0 && rc == XL_OK)
        rc = fail_write(out, err);
    out->file = NULL;
    if (rc == XL_OK && out->temp && rename(out->temp, out->path) != 0)
        rc = fail_write(out, err);
    if (rc != XL_OK)
        remove_temp(out);
    forget(out);
    return rc;
}

void xl_out_abandon(struct xl_out *out)
{
    if (!out->file)
        return;
    fclose(out->file);
    remove_temp(out);
    forget(out);
}
