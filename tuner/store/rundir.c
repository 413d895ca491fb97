/* SPDX-License-Identifier: Apache-2.0
 *
 * Run folders. Their age is the stamp in the name, not the time of the file
 * system, which drawing or judging changes. */
#include "tuner/store/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/buf.h"
#include "kernel/base/clock.h"
#include "kernel/base/io.h"
#include "kernel/base/opt.h"

enum {
    STAMP = 15,
    PART_MOST = 64,
    SAME_SECOND_MOST = 1000,
    DEPTH_MOST = 8,
    FOLDER_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
};

static enum xl_status no_memory(struct xl_err *err)
{
    return xl_fail(err, XL_ENOMEM, "cannot look for runs: out of memory");
}

/* -- names ---------------------------------------------------------------- */

static enum xl_status check_part(const char *what, const char *text,
                                 struct xl_err *err)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz"
                                  "0123456789-_.+=";
    size_t n = strlen(text);
    if (n == 0 || n > PART_MOST)
        return xl_fail(err, XL_EUSAGE,
                       "%s of a run must have 1 to %d characters, not %zu",
                       what, PART_MOST, n);
    if (text[0] == '.' || strspn(text, allowed) != n)
        return xl_fail(err, XL_EUSAGE,
                       "%s of a run may hold letters, digits and -_.+= and "
                       "not begin with a dot; '%s' does not fit",
                       what, text);
    return XL_OK;
}

enum xl_status xl_rundir_check_tag(const char *tag, struct xl_err *err)
{
    return tag ? check_part("the tag", tag, err) : XL_OK;
}

bool xl_rundir_time(const char *name, int64_t *seconds)
{
    struct tm tm = { .tm_isdst = -1 };
    const char *stamp = xl_clock_find_stamp(name);
    if (!stamp || sscanf(stamp, "%4d%2d%2d_%2d%2d%2d", &tm.tm_year, &tm.tm_mon,
                         &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    if (tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31)
        return false;
    *seconds = (int64_t)mktime(&tm);
    return *seconds != -1;
}

enum xl_status xl_rundir_lock(const char *path, int *lock, struct xl_err *err)
{
    *lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0)
        return xl_fail(err, XL_EIO, "cannot open '%s': %s", path,
                       strerror(errno));
    if (flock(*lock, LOCK_EX | LOCK_NB) == 0)
        return XL_OK;
    bool is_held = errno == EWOULDBLOCK;
    xl_rundir_unlock(lock);
    if (!is_held)
        return XL_OK;
    return xl_fail(err, XL_EBUSY,
                   "another process measures in '%s'; wait for it or end it, "
                   "then run again",
                   path);
}

void xl_rundir_unlock(int *lock)
{
    if (*lock >= 0)
        close(*lock);
    *lock = -1;
}

/* -- create --------------------------------------------------------------- */

static enum xl_status create_first_free(const char *base, char **path,
                                        struct xl_err *err)
{
    struct xl_buf name;
    enum xl_status rc = XL_OK;
    xl_buf_init(&name, 1 << 16);
    for (int i = 1; rc == XL_OK && !*path; i++) {
        xl_buf_clear(&name);
        xl_buf_text(&name, base);
        if (i > 1)
            xl_buf_printf(&name, "_%d", i);
        rc = xl_buf_check(&name, "name of a run folder", err);
        if (rc != XL_OK)
            break;
        if (mkdir(name.data, 0777) == 0) {
            *path = xl_strdup(name.data);
            rc = *path ? XL_OK : no_memory(err);
        } else if (errno != EEXIST || i == SAME_SECOND_MOST) {
            rc = xl_fail(err, XL_EIO, "cannot create run folder '%s': %s",
                         name.data, strerror(errno));
        }
    }
    xl_buf_release(&name);
    return rc;
}

enum xl_status xl_rundir_create(const struct xl_rundir_name *name, char **path,
                                struct xl_err *err)
{
    char now[STAMP + 1];
    const char *stamp = name->stamp;
    struct xl_buf base;

    *path = NULL;
    if (!stamp) {
        xl_clock_stamp(now, sizeof now);
        stamp = now;
    }
    XL_TRY(check_part("the backend", name->backend, err));
    XL_TRY(check_part("the stamp", stamp, err));
    XL_TRY(xl_rundir_check_tag(name->tag, err));
    XL_TRY(xl_io_make_dirs(name->log_dir, err));
    xl_buf_init(&base, 1 << 16);
    xl_buf_printf(&base, "%s/%s_%s%s%s", name->log_dir, name->backend, stamp,
                  name->tag ? "_" : "", name->tag ? name->tag : "");
    enum xl_status rc = xl_buf_check(&base, "name of a run folder", err);
    if (rc == XL_OK)
        rc = create_first_free(base.data, path, err);
    xl_buf_release(&base);
    return rc;
}

/* -- find ----------------------------------------------------------------- */

bool xl_rundir_is_run(const char *path)
{
    char *store = xl_io_join(path, XL_RUNDIR_STORE);
    bool is_run = store && xl_io_exists(store) && !xl_io_is_dir(store);
    xl_free(store);
    return is_run;
}

static int by_age(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    const char *xs = xl_clock_find_stamp(x), *ys = xl_clock_find_stamp(y);
    int order = strncmp(xs ? xs : "", ys ? ys : "", STAMP);
    return order ? order : strcmp(x, y);
}

static enum xl_status add_name(struct xl_rundir_list *list, const char *name,
                               struct xl_err *err)
{
    /* Room for a power of two of names. */
    if ((list->n & (list->n - 1)) == 0) {
        size_t room = list->n ? list->n * 2 : 1;
        char **grown = xl_realloc(list->names, list->n * sizeof *grown,
                                  room * sizeof *grown);
        if (!grown)
            return no_memory(err);
        list->names = grown;
    }
    list->names[list->n] = xl_strdup(name);
    if (!list->names[list->n])
        return no_memory(err);
    list->n++;
    return XL_OK;
}

enum xl_status xl_rundir_list(const char *log_dir, struct xl_rundir_list *list,
                              struct xl_err *err)
{
    *list = (struct xl_rundir_list){ 0 };
    DIR *folder = opendir(log_dir);
    if (!folder && errno == ENOENT)
        return XL_OK;
    if (!folder)
        return xl_fail(err, XL_EIO, "cannot open '%s': %s", log_dir,
                       strerror(errno));
    enum xl_status rc = XL_OK;
    for (struct dirent *item; rc == XL_OK && (item = readdir(folder));) {
        if (item->d_name[0] == '.')
            continue;
        char *path = xl_io_join(log_dir, item->d_name);
        if (!path)
            rc = no_memory(err);
        else if (xl_rundir_is_run(path))
            rc = add_name(list, item->d_name, err);
        xl_free(path);
    }
    closedir(folder);
    if (rc != XL_OK)
        xl_rundir_list_release(list);
    else if (list->n)
        qsort(list->names, list->n, sizeof *list->names, by_age);
    return rc;
}

void xl_rundir_list_release(struct xl_rundir_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        xl_free(list->names[i]);
    xl_free(list->names);
    *list = (struct xl_rundir_list){ 0 };
}

static enum xl_status fail_unknown(const char *log_dir, const char *run,
                                   const struct xl_rundir_list *list,
                                   struct xl_err *err)
{
    const char *near =
        xl_nearest(run, (const char *const *)list->names, list->n);
    if (near)
        return xl_fail(err, XL_ENOTFOUND,
                       "no run '%s' under '%s'; nearest is '%s'", run, log_dir,
                       near);
    return xl_fail(err, XL_ENOTFOUND,
                   "no run '%s': neither a folder with " XL_RUNDIR_STORE
                   " nor a name under '%s'",
                   run, log_dir);
}

static enum xl_status find_in(const char *log_dir, const char *run, char **path,
                              struct xl_err *err)
{
    struct xl_rundir_list list;
    const char *name = NULL;
    XL_TRY(xl_rundir_list(log_dir, &list, err));
    for (size_t i = 0; run && i < list.n; i++)
        if (strcmp(list.names[i], run) == 0)
            name = list.names[i];
    if (!run && list.n)
        name = list.names[list.n - 1];
    enum xl_status rc = XL_OK;
    if (name) {
        *path = xl_io_join(log_dir, name);
        rc = *path ? XL_OK : no_memory(err);
    } else if (run) {
        rc = fail_unknown(log_dir, run, &list, err);
    } else {
        rc = xl_fail(err, XL_ENOTFOUND,
                     "no run under '%s'; 'xltune sweep' makes one, --log-dir "
                     "names another place",
                     log_dir);
    }
    xl_rundir_list_release(&list);
    return rc;
}

enum xl_status xl_rundir_find(const char *log_dir, const char *run, char **path,
                              struct xl_err *err)
{
    static const char store[] = "/" XL_RUNDIR_STORE;
    *path = NULL;
    if (!run || strcmp(run, "latest") == 0)
        return find_in(log_dir, NULL, path, err);
    size_t n = strlen(run), tail = sizeof store - 1;
    while (n > 1 && run[n - 1] == '/')
        n--;
    if (n > tail && memcmp(run + n - tail, store, tail) == 0)
        n -= tail;
    char *given = xl_strndup(run, n);
    if (!given)
        return no_memory(err);
    if (xl_rundir_is_run(given)) {
        *path = given;
        return XL_OK;
    }
    enum xl_status rc = find_in(log_dir, given, path, err);
    xl_free(given);
    return rc;
}

/* -- size ----------------------------------------------------------------- */

/* Takes fd. */
static int64_t bytes_in(int fd, int depth)
{
    int64_t sum = 0;
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (!folder) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    for (struct dirent *item; (item = readdir(folder));) {
        const char *name = item->d_name;
        struct stat st;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
            fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (S_ISREG(st.st_mode))
            sum += st.st_size;
        else if (S_ISDIR(st.st_mode) && depth < DEPTH_MOST)
            sum += bytes_in(openat(fd, name, FOLDER_FLAGS), depth + 1);
    }
    closedir(folder);
    return sum;
}

int64_t xl_rundir_bytes(const char *path)
{
    return bytes_in(open(path, FOLDER_FLAGS), 0);
}

/* -- remove --------------------------------------------------------------- */

/* Removes what the folder holds but the name kept. Takes fd. A link is
 * removed, never followed. */
static bool empty_folder(int fd, const char *kept, int depth)
{
    DIR *folder = fdopendir(fd);
    bool ok = folder != NULL && depth < DEPTH_MOST;
    if (!folder)
        close(fd);
    for (struct dirent *item; ok && (item = readdir(folder));) {
        const char *name = item->d_name;
        struct stat st;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
            (kept && strcmp(name, kept) == 0))
            continue;
        ok = fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
        bool is_dir = ok && S_ISDIR(st.st_mode);
        if (is_dir) {
            int inner = openat(fd, name, FOLDER_FLAGS);
            ok = inner >= 0 && empty_folder(inner, NULL, depth + 1);
        }
        ok = ok && unlinkat(fd, name, is_dir ? AT_REMOVEDIR : 0) == 0;
    }
    if (folder)
        closedir(folder);
    return ok;
}

enum xl_status xl_rundir_remove(const char *path, struct xl_err *err)
{
    if (!xl_rundir_is_run(path))
        return xl_fail(err, XL_EUSAGE,
                       "cannot remove '%s': it holds no " XL_RUNDIR_STORE
                       " and so is no run",
                       path);
    int fd = open(path, FOLDER_FLAGS);
    /* The store goes last: until then the folder is still seen as a run, so
     * that an interrupted removal can be repeated. */
    bool ok = fd >= 0 && empty_folder(fd, XL_RUNDIR_STORE, 0);
    char *store = xl_io_join(path, XL_RUNDIR_STORE);
    ok = ok && store && unlink(store) == 0 && rmdir(path) == 0;
    int why = errno;
    xl_free(store);
    if (ok)
        return XL_OK;
    return xl_fail(err, XL_EIO, "cannot remove '%s': %s", path, strerror(why));
}
