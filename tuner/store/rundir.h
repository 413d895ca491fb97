/* SPDX-License-Identifier: Apache-2.0
 *
 * Run folders: LOG_DIR/BACKEND_YYYYmmdd_HHMMSS[_TAG]/
 *
 * All paths handed out are heap strings (xl_free).
 */
#ifndef XL_RUNDIR_H
#define XL_RUNDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"

#define XL_RUNDIR_STORE "trials.db"

/* Creates a new folder (and LOG_DIR); with the name taken, _2, _3... follows.
 * backend, stamp and tag may hold letters, digits, '-', '_', '.', '+' and '=';
 * XL_EUSAGE for others. tag and stamp may be NULL: no tag, the time now. */
struct xl_rundir_name {
    const char *log_dir, *backend, *stamp, *tag;
};
enum xl_status xl_rundir_create(const struct xl_rundir_name *name, char **path,
                                struct xl_err *err);

/* Would xl_rundir_create take the tag? XL_EUSAGE when not. */
enum xl_status xl_rundir_check_tag(const char *tag, struct xl_err *err);

/* Is it a folder that holds trials.db? */
bool xl_rundir_is_run(const char *path);

/* The folder that RUN means: a path to a run folder, to its trials.db, or a
 * name under log_dir; NULL or "latest" means the newest there. XL_ENOTFOUND
 * names the nearest run. */
enum xl_status xl_rundir_find(const char *log_dir, const char *run, char **path,
                              struct xl_err *err);

/* Run folders under log_dir, oldest first (by the stamp in the name, then the
 * name). A log_dir that is missing holds none. */
struct xl_rundir_list {
    size_t n;
    char **names; /* [n], without log_dir */
};
enum xl_status xl_rundir_list(const char *log_dir, struct xl_rundir_list *list,
                              struct xl_err *err);
void xl_rundir_list_release(struct xl_rundir_list *list);

/* Stamp in a folder's name in seconds since 1970 (local time), or false. */
bool xl_rundir_time(const char *name, int64_t *seconds);

/* Keeps other sweeps out of a run folder until *lock is closed or the process
 * ends, however it ends. XL_EBUSY when another one measures there. *lock is a
 * descriptor, -1 where the file system has no locks. */
enum xl_status xl_rundir_lock(const char *path, int *lock, struct xl_err *err);
void xl_rundir_unlock(int *lock);

/* Bytes of the files in a run folder, as far as they can be read; links are
 * not followed. */
int64_t xl_rundir_bytes(const char *path);

/* Removes a run folder and everything in it; refuses one that is no run. Does
 * not follow links. */
enum xl_status xl_rundir_remove(const char *path, struct xl_err *err);

#endif
