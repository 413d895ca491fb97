/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/store/cmd_runs_gc.h"

#include <time.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "tuner/store/run_summary.h"
#include "tuner/store/rundir.h"

enum {
    SECONDS_A_DAY = 86400,
    BYTES_A_MEGABYTE = 1000000
};

static enum xl_status no_memory(struct xl_err *err)
{
    return xl_fail(err, XL_ENOMEM, "cannot list runs: out of memory");
}

/* Why a run stays, or NULL. total: bytes of all runs that still are there. */
static const char *why_kept(const struct xl_runs_gc *gc, const char *path,
                            const char *name, size_t n_newer, int64_t total)
{
    int64_t began = 0;
    struct xl_run_summary run;
    if (gc->by_count && n_newer < gc->keep)
        return "among the newest";
    if (gc->by_age && !xl_rundir_time(name, &began))
        return "no stamp in its name";
    if (gc->by_age &&
        difftime(time(NULL), (time_t)began) < gc->days * SECONDS_A_DAY)
        return "not that old";
    if (gc->by_size && (double)total <= gc->megabytes * BYTES_A_MEGABYTE)
        return "the runs are small enough";
    xl_run_summarize(&run, path);
    return run.n_live ? "a sweep is measuring in it" : NULL;
}

/* The bytes of each run and their sum. */
static enum xl_status read_sizes(const struct xl_runs_gc *gc,
                                 const struct xl_rundir_list *list,
                                 int64_t *sizes, int64_t *total,
                                 struct xl_err *err)
{
    *total = 0;
    for (size_t i = 0; gc->by_size && i < list->n; i++) {
        char *path = xl_io_join(gc->log_dir, list->names[i]);
        if (!path)
            return no_memory(err);
        sizes[i] = xl_rundir_bytes(path);
        *total += sizes[i];
        xl_free(path);
    }
    return XL_OK;
}

static enum xl_status visit(const struct xl_runs_gc *gc, const char *path,
                            const char *why, cJSON *paths, struct xl_buf *gone,
                            struct xl_buf *kept, struct xl_err *err)
{
    if (why) {
        xl_buf_printf(kept, "keeps %s: %s\n", path, why);
        return XL_OK;
    }
    if (gc->remove)
        XL_TRY(xl_rundir_remove(path, err));
    xl_buf_printf(gone, "%s %s\n", gc->remove ? "removed" : "would remove",
                  path);
    cJSON_AddItemToArray(paths, cJSON_CreateString(path));
    return XL_OK;
}

enum xl_status xl_runs_gc(const struct xl_runs_gc *gc, cJSON *paths,
                          struct xl_buf *gone, struct xl_buf *kept,
                          struct xl_err *err)
{
    struct xl_rundir_list list;
    int64_t total = 0, *sizes;
    XL_TRY(xl_rundir_list(gc->log_dir, &list, err));
    sizes = xl_alloc_zero(list.n + 1, sizeof *sizes);
    enum xl_status rc =
        sizes ? read_sizes(gc, &list, sizes, &total, err) : no_memory(err);
    for (size_t i = 0; rc == XL_OK && i < list.n; i++) {
        char *path = xl_io_join(gc->log_dir, list.names[i]);
        if (!path) {
            rc = no_memory(err);
            break;
        }
        const char *why =
            why_kept(gc, path, list.names[i], list.n - 1 - i, total);
        rc = visit(gc, path, why, paths, gone, kept, err);
        if (rc == XL_OK && !why)
            total -= sizes[i];
        xl_free(path);
    }
    xl_free(sizes);
    xl_rundir_list_release(&list);
    return rc;
}
