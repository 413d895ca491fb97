/* SPDX-License-Identifier: Apache-2.0
 *
 * Which folder a person means by a run. The newest is told by the stamp in
 * the folder's name, not by its time, which drawing itself would change. */
#include "plots/record.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/clock.h"
#include "kernel/base/io.h"

enum {
    STAMP = 15
}; /* YYYYmmdd_HHMMSS */

static bool is_newer(const char *a, const char *b)
{
    const char *as = xl_clock_find_stamp(a), *bs = xl_clock_find_stamp(b);
    int order = strncmp(as ? as : "", bs ? bs : "", STAMP);
    return order ? order > 0 : strcmp(a, b) > 0;
}

static bool is_run(const char *dir)
{
    static const char *const files[] = { "summary.csv", "trials.jsonl" };
    bool found = false;
    for (size_t i = 0; i < sizeof files / sizeof *files && !found; i++) {
        char *path = xl_io_join(dir, files[i]);
        found = path && xl_io_exists(path);
        xl_free(path);
    }
    return found;
}

static enum xl_status find_newest(const char *log_dir, char **dir,
                                  struct xl_err *err)
{
    char *best = NULL;
    DIR *folder = opendir(log_dir);
    if (!folder)
        return xl_fail(err, XL_ENOTFOUND,
                       "cannot open '%s': %s; --run or --log-dir says where "
                       "the run is",
                       log_dir, strerror(errno));
    for (struct dirent *item; (item = readdir(folder)) != NULL;) {
        char *path =
            item->d_name[0] == '.' ? NULL : xl_io_join(log_dir, item->d_name);
        const char *name = best ? strrchr(best, '/') + 1 : "";
        if (path && is_run(path) && (!best || is_newer(item->d_name, name))) {
            xl_free(best);
            best = path;
        } else {
            xl_free(path);
        }
    }
    closedir(folder);
    *dir = best;
    if (best)
        return XL_OK;
    return xl_fail(err, XL_ENOTFOUND, "'%s' holds no run; 'sweep' makes one",
                   log_dir);
}

enum xl_status xl_record_locate(const char *run, const char *log_dir,
                                char **dir, struct xl_err *err)
{
    *dir = NULL;
    if (!run || (strcmp(run, "latest") == 0 && !xl_io_is_dir(run)))
        return find_newest(log_dir, dir, err);
    if (xl_io_is_dir(run)) {
        *dir = xl_strdup(run);
        return *dir ? XL_OK : xl_fail(err, XL_ENOMEM, "out of memory");
    }
    *dir = xl_io_join(log_dir, run);
    if (!*dir)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    if (xl_io_is_dir(*dir))
        return XL_OK;
    xl_free(*dir);
    *dir = NULL;
    return xl_fail(err, XL_ENOTFOUND,
                   "no run '%s': neither a folder nor a name under '%s'", run,
                   log_dir);
}
