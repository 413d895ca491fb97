/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/sweep/kin.h"

#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "tuner/store/rundir.h"

void xl_kin_release(struct xl_kin *kin)
{
    for (size_t i = 0; i < kin->n; i++)
        xl_free(kin->runs[i].path);
    *kin = (struct xl_kin){ 0 };
}

/* The key in one file of a run; false when it holds none. */
static bool read_key(const char *run, const char *file, struct xl_key *key)
{
    cJSON *root = NULL;
    char *path = xl_io_join(run, file);
    bool is_read =
        path && xl_json_load(path, XL_JSON_LARGE, &root, NULL) == XL_OK;
    const cJSON *object = is_read ? xl_json_member(root, "key") : NULL;
    bool has_key = object && xl_key_from_json(key, object, NULL) == XL_OK;
    cJSON_Delete(root);
    xl_free(path);
    return has_key;
}

void xl_kin_match(const char *run, const struct xl_key *here,
                  struct xl_match *match)
{
    struct xl_key key;
    *match = (struct xl_match){ .grade = XL_GRADE_NONE };
    if (read_key(run, "run_meta.json", &key) ||
        read_key(run, "best.json", &key))
        xl_key_match(&key, here, match);
}

static bool is_nearer(const struct xl_kin_run *a, const struct xl_kin_run *b)
{
    if (a->match.grade != b->match.grade)
        return a->match.grade > b->match.grade;
    if (a->match.context_steps != b->match.context_steps)
        return a->match.context_steps < b->match.context_steps;
    return a->age < b->age;
}

/* Takes the run's path when it belongs to the nearest. */
static void enter(struct xl_kin *kin, const struct xl_kin_run *run)
{
    size_t at = kin->n;
    while (at > 0 && is_nearer(run, &kin->runs[at - 1]))
        at--;
    if (at == XL_KIN_MOST) {
        xl_free(run->path);
        return;
    }
    if (kin->n == XL_KIN_MOST)
        xl_free(kin->runs[--kin->n].path);
    memmove(kin->runs + at + 1, kin->runs + at,
            (kin->n - at) * sizeof *kin->runs);
    kin->runs[at] = *run;
    kin->n++;
}

static enum xl_status look_at(struct xl_kin *kin, const char *log_dir,
                              const char *name, size_t age,
                              const struct xl_key *here, struct xl_err *err)
{
    struct xl_kin_run run = { .path = xl_io_join(log_dir, name), .age = age };
    if (!run.path)
        return xl_fail(err, XL_ENOMEM, "no memory for a path");
    xl_kin_match(run.path, here, &run.match);
    if (run.match.grade != XL_GRADE_NONE)
        enter(kin, &run);
    else
        xl_free(run.path);
    return XL_OK;
}

enum xl_status xl_kin_find(struct xl_kin *kin, const char *log_dir,
                           const struct xl_key *here, struct xl_err *err)
{
    struct xl_rundir_list list;
    *kin = (struct xl_kin){ 0 };
    XL_TRY(xl_rundir_list(log_dir, &list, err));
    enum xl_status rc = XL_OK;
    for (size_t i = 0; i < list.n && rc == XL_OK; i++)
        rc = look_at(kin, log_dir, list.names[i], list.n - 1 - i, here, err);
    xl_rundir_list_release(&list);
    if (rc != XL_OK)
        xl_kin_release(kin);
    return rc;
}
