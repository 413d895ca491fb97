/* SPDX-License-Identifier: Apache-2.0
 *
 * The store holds a few dozen small files, so a search reads them all: there
 * is no index that could disagree with them. A profile carries the time it
 * was made; the file's own times are not looked at, since copying changes
 * them. */
#include "tuner/profile/find.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/base/order.h"
#include "tuner/store/rundir.h"

static enum xl_status fail_memory(struct xl_err *err)
{
    return xl_fail(err, XL_ENOMEM, "out of memory searching profiles");
}

/* -- folders -------------------------------------------------------------- */

static const char *read_env(xl_env_fn *env, void *ctx, const char *name)
{
    const char *text = env ? env(ctx, name) : getenv(name);
    return text && text[0] ? text : NULL;
}

/* False without memory; *out stays NULL when the environment names none. */
static bool store_folder(char **out, xl_env_fn *env, void *ctx)
{
    const char *given = read_env(env, ctx, "XLTUNE_PROFILES");
    const char *state = read_env(env, ctx, "XDG_STATE_HOME");
    const char *home = read_env(env, ctx, "HOME");
    if (given)
        *out = xl_strdup(given);
    else if (state && state[0] == '/') /* the XDG rule: else it is ignored */
        *out = xl_io_join(state, "xltune/profiles");
    else if (home)
        *out = xl_io_join(home, ".local/state/xltune/profiles");
    else
        return true;
    return *out != NULL;
}

enum xl_status xl_profile_paths_init(struct xl_profile_paths *paths,
                                     const char *golden, xl_env_fn *env,
                                     void *env_ctx, struct xl_err *err)
{
    *paths = (struct xl_profile_paths){ .runs = xl_strdup("runs"),
                                        .configs = xl_strdup("configs") };
    bool ok = paths->runs && paths->configs &&
              store_folder(&paths->store, env, env_ctx);
    if (ok && golden)
        ok = (paths->golden = xl_strdup(golden)) != NULL;
    if (ok)
        return XL_OK;
    xl_profile_paths_release(paths);
    return fail_memory(err);
}

void xl_profile_paths_release(struct xl_profile_paths *paths)
{
    xl_free(paths->store);
    xl_free(paths->runs);
    xl_free(paths->configs);
    xl_free(paths->golden);
    *paths = (struct xl_profile_paths){ 0 };
}

/* -- names ---------------------------------------------------------------- */

static enum xl_status add_name(struct xl_names *names, const char *name,
                               size_t len, struct xl_err *err)
{
    size_t bytes = names->n * sizeof *names->items;
    char *copy = xl_strndup(name, len);
    char **items =
        copy ? xl_realloc(names->items, bytes, bytes + sizeof *names->items)
             : NULL;
    if (!items) {
        xl_free(copy);
        return fail_memory(err);
    }
    names->items = items;
    names->items[names->n++] = copy;
    return XL_OK;
}

/* Entries that end in `ending`, without it, sorted. */
static enum xl_status list_folder(struct xl_names *names, const char *folder,
                                  const char *ending, struct xl_err *err)
{
    size_t tail = strlen(ending);
    const struct dirent *entry;
    enum xl_status rc = XL_OK;
    *names = (struct xl_names){ 0 };
    DIR *dir = folder ? opendir(folder) : NULL;
    if (!dir) {
        if (!folder || errno == ENOENT)
            return XL_OK;
        return xl_fail(err, XL_EIO, "cannot read folder '%s': %s", folder,
                       strerror(errno));
    }
    while (rc == XL_OK && (entry = readdir(dir))) {
        size_t len = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || len <= tail ||
            strcmp(entry->d_name + len - tail, ending) != 0)
            continue;
        rc = add_name(names, entry->d_name, len - tail, err);
    }
    closedir(dir);
    if (rc != XL_OK)
        xl_names_release(names);
    else if (names->n)
        qsort(names->items, names->n, sizeof *names->items, xl_order_texts);
    return rc;
}

enum xl_status xl_names_list(struct xl_names *names, const char *folder,
                             struct xl_err *err)
{
    return list_folder(names, folder, ".json", err);
}

void xl_names_release(struct xl_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        xl_free(names->items[i]);
    xl_free(names->items);
    *names = (struct xl_names){ 0 };
}

/* "folder/name" + ending. */
char *xl_profile_file(const char *folder, const char *name)
{
    struct xl_buf file;
    xl_buf_init(&file, 1 << 16);
    xl_buf_printf(&file, "%s.json", name);
    char *path = xl_buf_ok(&file) ? xl_io_join(folder, file.data) : NULL;
    xl_buf_release(&file);
    return path;
}

/* -- publishing ----------------------------------------------------------- */

enum xl_status xl_profile_place(const struct xl_profile_paths *paths,
                                const struct xl_key *key, char **path,
                                struct xl_err *err)
{
    char name[XL_KEY_NAME];
    *path = NULL;
    if (!paths->store)
        return xl_fail(err, XL_EUSAGE,
                       "there is no folder for profiles: set "
                       "XLTUNE_PROFILES or HOME");
    XL_TRY(xl_key_name(key, name, err));
    *path = xl_profile_file(paths->store, name);
    return *path ? XL_OK : fail_memory(err);
}

enum xl_status xl_profile_publish(const struct xl_profile_paths *paths,
                                  const struct xl_best_doc *doc,
                                  struct xl_err *err)
{
    char *path;
    const char *verdict =
        cJSON_GetStringValue(xl_json_member(doc->quality, "verdict"));
    if (!verdict || strcmp(verdict, "pass") != 0)
        return xl_fail(err, XL_EUSAGE,
                       "cannot publish the profile: its "
                       "quality verdict is '%s', not 'pass'",
                       verdict ? verdict : "missing");
    XL_TRY(xl_profile_place(paths, doc->key, &path, err));
    enum xl_status rc = xl_io_make_dirs(paths->store, err);
    if (rc == XL_OK)
        rc = xl_best_save(path, doc, err);
    xl_free(path);
    return rc;
}

/* -- searching ------------------------------------------------------------ */

static void fill_candidate(struct xl_candidate *item,
                           const struct xl_best *best,
                           const struct xl_find *find)
{
    item->is_readable = true;
    item->passed = xl_best_passed(best);
    item->is_wanted = find->backend < 0 ||
                      (best->has[XL_PARAM_BACKEND] &&
                       best->params.value[XL_PARAM_BACKEND] == find->backend);
    snprintf(item->created, sizeof item->created, "%s", best->created);
    xl_key_match(&best->key, find->key, &item->match);
    if (item->match.grade == XL_GRADE_NONE)
        xl_fail(&item->fault, XL_EUNFIT, "does not fit: %s",
                item->match.differs);
    else if (!item->passed)
        xl_fail(&item->fault, XL_EUSAGE,
                "refused: its quality verdict is '%s', not 'pass'",
                best->verdict);
}

/* Takes path. A file that vanished since the listing is passed over. */
static enum xl_status look_at(struct xl_candidates *found, char *path,
                              bool published, const struct xl_find *find,
                              struct xl_err *err)
{
    struct xl_best best = { 0 };
    struct xl_err why = { 0 };
    size_t bytes = found->n * sizeof *found->items;
    struct xl_candidate *items =
        path ? xl_realloc(found->items, bytes, bytes + sizeof *items) : NULL;
    if (!items) {
        xl_free(path);
        return fail_memory(err);
    }
    found->items = items;
    struct xl_candidate *item = &items[found->n];
    *item = (struct xl_candidate){ .path = path, .published = published };
    enum xl_status rc =
        xl_best_load(&best, path, XL_BEST_FULL, XL_LAYER_MACHINE, &why);
    if (rc == XL_OK)
        fill_candidate(item, &best, find);
    else
        item->fault = why;
    xl_best_release(&best);
    if (rc == XL_ENOMEM || rc == XL_ENOTFOUND) {
        xl_free(path);
        return rc == XL_ENOMEM ? xl_fail(err, rc, "%s", why.message) : XL_OK;
    }
    found->n++;
    return XL_OK;
}

/* Names of the same machine and model differ after the last dash. */
static bool is_own(const char *name, const char *own)
{
    size_t n = (size_t)(strrchr(own, '-') - own) + 1;
    return strncmp(name, own, n) == 0;
}

static enum xl_status look_in_store(struct xl_candidates *found,
                                    const struct xl_find *find,
                                    struct xl_err *err)
{
    struct xl_names names;
    char own[XL_KEY_NAME];
    const char *store = find->paths->store;
    XL_TRY(xl_key_name(find->key, own, err));
    XL_TRY(xl_names_list(&names, store, err));
    enum xl_status rc = XL_OK;
    for (size_t i = 0; i < names.n && rc == XL_OK; i++) {
        size_t before = found->n;
        rc = look_at(found, xl_profile_file(store, names.items[i]), true, find,
                     err);
        if (rc == XL_OK && found->n > before &&
            !found->items[before].is_readable && is_own(names.items[i], own))
            rc = xl_fail(err, XL_EUSAGE,
                         "the profile of this machine and "
                         "model is damaged: %s; remove it, or leave it out "
                         "with --no-best",
                         found->items[before].fault.message);
    }
    xl_names_release(&names);
    return rc;
}

/* A run is a folder with a store. An export without one is something to look
 * at, as runs/example is: its winner is of another day. */
static enum xl_status look_in_runs(struct xl_candidates *found,
                                   const struct xl_find *find,
                                   struct xl_err *err)
{
    struct xl_names names;
    const char *runs = find->paths->runs;
    XL_TRY(list_folder(&names, runs, "", err));
    enum xl_status rc = XL_OK;
    for (size_t i = 0; i < names.n && rc == XL_OK; i++) {
        char *run = xl_io_join(runs, names.items[i]);
        char *path = run ? xl_io_join(run, "best.json") : NULL;
        if (path && !(xl_io_exists(path) && xl_rundir_is_run(run)))
            xl_free(path);
        else
            rc = look_at(found, path, false, find, err);
        xl_free(run);
    }
    xl_names_release(&names);
    return rc;
}

bool xl_candidate_usable(const struct xl_candidate *candidate)
{
    return candidate->is_readable && candidate->passed &&
           candidate->match.grade != XL_GRADE_NONE;
}

/* Better fits first. */
static int by_fit(const void *left, const void *right)
{
    const struct xl_candidate *a = left, *b = right;
    if (xl_candidate_usable(a) != xl_candidate_usable(b))
        return xl_candidate_usable(a) ? -1 : 1;
    if (a->match.grade != b->match.grade)
        return a->match.grade > b->match.grade ? -1 : 1;
    if (a->match.context_steps != b->match.context_steps)
        return a->match.context_steps < b->match.context_steps ? -1 : 1;
    if (a->is_wanted != b->is_wanted)
        return a->is_wanted ? -1 : 1;
    if (a->published != b->published)
        return a->published ? -1 : 1;
    int later = strcmp(b->created, a->created);
    return later ? later : strcmp(a->path, b->path);
}

enum xl_status xl_profile_find(struct xl_candidates *found,
                               const struct xl_find *find, struct xl_err *err)
{
    *found = (struct xl_candidates){ 0 };
    enum xl_status rc = look_in_store(found, find, err);
    if (rc == XL_OK)
        rc = look_in_runs(found, find, err);
    if (rc != XL_OK)
        xl_candidates_release(found);
    else if (found->n)
        qsort(found->items, found->n, sizeof *found->items, by_fit);
    return rc;
}

void xl_candidates_release(struct xl_candidates *found)
{
    for (size_t i = 0; i < found->n; i++)
        xl_free(found->items[i].path);
    xl_free(found->items);
    *found = (struct xl_candidates){ 0 };
}
