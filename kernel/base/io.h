/* SPDX-License-Identifier: Apache-2.0
 *
 * Files: read whole, map, replace at once, folders.
 *
 * Every message names the path and what the operating system said. Thread-
 * safe; nothing here keeps state.
 */
#ifndef XL_IO_H
#define XL_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/buf.h"
#include "kernel/base/err.h"

/* A file mapped read-only. data is NULL for an empty file. */
struct xl_map {
    const unsigned char *data; /* [size] */
    size_t size;
    int64_t modified_ns; /* since 1970, when it was opened */
};

enum xl_status xl_map_open(struct xl_map *map, const char *path,
                           struct xl_err *err);
void xl_map_close(struct xl_map *map);

/* Appends the whole file (or standard input when path is "-") to out, which
 * the caller has given a maximum. XL_ENOTFOUND when there is no such file. */
enum xl_status xl_io_read(const char *path, struct xl_buf *out,
                          struct xl_err *err);

/* Replaces path by these bytes: temporary file beside it, fsync, rename,
 * fsync of the folder. After a crash path holds the old or the new bytes.
 * A device or pipe is written to, never replaced. */
enum xl_status xl_io_replace(const char *path, const void *bytes, size_t n,
                             struct xl_err *err);

/* Writes all n bytes; false with errno set. */
bool xl_io_write_fd(int fd, const void *bytes, size_t n);

/* What was written survives a crash of the machine; false with errno set. A
 * device knows no sync: that is no failure. */
bool xl_io_sync_fd(int fd);

/* Removes the temporary files that writers left in the folder (not below it)
 * when they were killed; those of processes that live stay. */
void xl_io_tidy(const char *folder);

/* Creates the folder and its parents; an existing folder is fine. */
enum xl_status xl_io_make_dirs(const char *path, struct xl_err *err);

/* The first line of a file of /proc or /sys, without its end, as far as out
 * has room; false when there is none. */
bool xl_io_line(const char *path, char *out, size_t room);

bool xl_io_exists(const char *path);
bool xl_io_is_dir(const char *path);

/* A device, pipe or socket: renaming a file over it would destroy it. */
bool xl_io_is_special(const char *path);

/* "folder/name" as a heap string (xl_free), or NULL without memory. */
char *xl_io_join(const char *folder, const char *name);

/* The folder of this program's file, as a heap string, or NULL. */
char *xl_io_program_dir(void);

#endif
