/* SPDX-License-Identifier: Apache-2.0
 *
 * A name is looked for on one shelf after another, in the order in which a
 * person is likely to mean it. */
#include "tuner/profile/shelf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "tuner/store/rundir.h"

static enum xl_status fail_memory(struct xl_err *err)
{
    return xl_fail(err, XL_ENOMEM, "out of memory listing profiles");
}

const char *xl_shelf_name(enum xl_shelf shelf)
{
    static const char *const names[XL_SHELF_COUNT] = {
        [XL_SHELF_CONFIG] = "config", [XL_SHELF_MACHINE] = "machine",
        [XL_SHELF_GOLDEN] = "golden", [XL_SHELF_RUN] = "run",
        [XL_SHELF_PATH] = "path",
    };
    return names[shelf];
}

static const char *folder_of(const struct xl_profile_paths *paths,
                             enum xl_shelf shelf)
{
    switch (shelf) {
    case XL_SHELF_CONFIG:
        return paths->configs;
    case XL_SHELF_MACHINE:
        return paths->store;
    case XL_SHELF_GOLDEN:
        return paths->golden;
    default:
        return NULL;
    }
}

/* -- listing -------------------------------------------------------------- */

void xl_shelf_item_release(struct xl_shelf_item *item)
{
    xl_free(item->name);
    xl_free(item->path);
    *item = (struct xl_shelf_item){ 0 };
}

/* Takes path. */
static enum xl_status make_item(struct xl_shelf_item *item, enum xl_shelf shelf,
                                const char *name, char *path,
                                struct xl_err *err)
{
    *item = (struct xl_shelf_item){ .shelf = shelf,
                                    .path = path,
                                    .name = xl_strdup(name) };
    if (item->name && item->path)
        return XL_OK;
    xl_shelf_item_release(item);
    return fail_memory(err);
}

static enum xl_status add_item(struct xl_shelf_items *list, enum xl_shelf shelf,
                               const char *folder, const char *name,
                               struct xl_err *err)
{
    struct xl_shelf_item item;
    size_t bytes = list->n * sizeof item;
    XL_TRY(make_item(&item, shelf, name, xl_profile_file(folder, name), err));
    struct xl_shelf_item *items =
        xl_realloc(list->items, bytes, bytes + sizeof item);
    if (!items) {
        xl_shelf_item_release(&item);
        return fail_memory(err);
    }
    list->items = items;
    list->items[list->n++] = item;
    return XL_OK;
}

static enum xl_status add_shelf(struct xl_shelf_items *list,
                                const struct xl_profile_paths *paths,
                                enum xl_shelf shelf, struct xl_err *err)
{
    struct xl_names names;
    const char *folder = folder_of(paths, shelf);
    enum xl_status rc = XL_OK;
    XL_TRY(xl_names_list(&names, folder, err));
    for (size_t i = 0; i < names.n && rc == XL_OK; i++)
        rc = add_item(list, shelf, folder, names.items[i], err);
    xl_names_release(&names);
    return rc;
}

enum xl_status xl_shelf_list(struct xl_shelf_items *list,
                             const struct xl_profile_paths *paths,
                             struct xl_err *err)
{
    enum xl_status rc = XL_OK;
    *list = (struct xl_shelf_items){ 0 };
    for (size_t i = XL_SHELF_CONFIG; i <= XL_SHELF_GOLDEN && rc == XL_OK; i++)
        rc = add_shelf(list, paths, (enum xl_shelf)i, err);
    if (rc != XL_OK)
        xl_shelf_items_release(list);
    return rc;
}

void xl_shelf_items_release(struct xl_shelf_items *list)
{
    for (size_t i = 0; i < list->n; i++)
        xl_shelf_item_release(&list->items[i]);
    xl_free(list->items);
    *list = (struct xl_shelf_items){ 0 };
}

/* -- locating ------------------------------------------------------------- */

static enum xl_status locate_path(struct xl_shelf_item *item, const char *word,
                                  struct xl_err *err)
{
    bool is_run = xl_io_is_dir(word);
    char *path = is_run ? xl_io_join(word, "best.json") : xl_strdup(word);
    if (path && !xl_io_exists(path)) {
        xl_fail(err, XL_EUSAGE, "there is no profile '%s'", path);
        xl_free(path);
        return XL_EUSAGE;
    }
    return make_item(item, is_run ? XL_SHELF_RUN : XL_SHELF_PATH, word, path,
                     err);
}

/* The run of that name, or the latest; the item stays empty when there is
 * none. */
static enum xl_status locate_run(struct xl_shelf_item *item, const char *runs,
                                 const char *word, struct xl_err *err)
{
    char *folder = NULL, *path = NULL;
    if (runs && strcmp(word, "latest") == 0)
        xl_rundir_find(runs, NULL, &folder, NULL);
    else if (runs)
        folder = xl_io_join(runs, word);
    if (folder)
        path = xl_io_join(folder, "best.json");
    enum xl_status rc = XL_OK;
    if (path && xl_io_exists(path))
        rc = make_item(item, XL_SHELF_RUN, strrchr(folder, '/') + 1, path, err);
    else
        xl_free(path);
    xl_free(folder);
    return rc;
}

static enum xl_status fail_unknown(const struct xl_shelf_items *list,
                                   const char *word, struct xl_err *err)
{
    const char *near = NULL;
    const char **names = xl_alloc_zero(list->n + 1, sizeof *names);
    if (!names)
        return fail_memory(err);
    for (size_t i = 0; i < list->n; i++)
        names[i] = list->items[i].name;
    near = xl_nearest(word, names, list->n);
    if (near)
        xl_fail(err, XL_EUSAGE, "there is no profile '%s'; nearest is '%s'",
                word, near);
    else
        xl_fail(err, XL_EUSAGE,
                "there is no profile '%s'; 'xltune profile "
                "list' names them",
                word);
    xl_free(names);
    return XL_EUSAGE;
}

/* The item of that name, or the only one in the store it begins. */
static const struct xl_shelf_item *pick(const struct xl_shelf_items *list,
                                        const char *word, bool *ambiguous)
{
    const struct xl_shelf_item *by_prefix = NULL;
    *ambiguous = false;
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i].name, word) == 0)
            return &list->items[i];
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i].shelf != XL_SHELF_MACHINE ||
            strncmp(list->items[i].name, word, strlen(word)) != 0)
            continue;
        *ambiguous = by_prefix != NULL;
        by_prefix = &list->items[i];
    }
    return by_prefix;
}

enum xl_status xl_shelf_locate(struct xl_shelf_item *item,
                               const struct xl_profile_paths *paths,
                               const char *word, struct xl_err *err)
{
    struct xl_shelf_items list = { 0 };
    bool ambiguous;
    enum xl_status rc;
    *item = (struct xl_shelf_item){ 0 };
    if (!word[0])
        return xl_fail(err, XL_EUSAGE, "the name of a profile is empty");
    if (strchr(word, '/'))
        return locate_path(item, word, err);
    XL_TRY_DONE(rc, xl_shelf_list(&list, paths, err));
    const struct xl_shelf_item *known = pick(&list, word, &ambiguous);
    if (ambiguous)
        rc = xl_fail(err, XL_EUSAGE, "several profiles begin with '%s'", word);
    else if (known)
        rc = make_item(item, known->shelf, known->name, xl_strdup(known->path),
                       err);
    else
        rc = locate_run(item, paths->runs, word, err);
    if (rc != XL_OK || item->path)
        goto done;
    rc = xl_io_exists(word) ? locate_path(item, word, err)
                            : fail_unknown(&list, word, err);
done:
    xl_shelf_items_release(&list);
    return rc;
}

/* -- loading -------------------------------------------------------------- */

/* A flat object of tunables has no schema. */
static enum xl_status is_flat(const char *path, bool *flat, struct xl_err *err)
{
    cJSON *root;
    enum xl_status rc = xl_json_load(path, XL_JSON_SMALL, &root, err);
    if (rc != XL_OK)
        return xl_err_of_config(rc, err);
    *flat = !cJSON_HasObjectItem(root, "schema") &&
            !cJSON_HasObjectItem(root, "params");
    cJSON_Delete(root);
    return XL_OK;
}

static enum xl_status load_flat(struct xl_best *best, const char *path,
                                struct xl_err *err)
{
    *best = (struct xl_best){ .created = "" };
    xl_params_init(&best->params);
    XL_TRY(xl_params_load(&best->params, path, XL_LAYER_PROFILE, NULL, err));
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        best->has[i] = best->params.origin[i].layer == XL_LAYER_PROFILE;
    enum xl_status rc = xl_json_load(path, XL_JSON_SMALL, &best->root, err);
    return xl_err_of_config(rc, err);
}

enum xl_status xl_shelf_load(struct xl_best *best,
                             const struct xl_shelf_item *item,
                             struct xl_err *err)
{
    bool flat = false;
    bool strict =
        item->shelf == XL_SHELF_MACHINE || item->shelf == XL_SHELF_RUN;
    *best = (struct xl_best){ 0 };
    if (item->shelf == XL_SHELF_CONFIG || item->shelf == XL_SHELF_PATH)
        XL_TRY(is_flat(item->path, &flat, err));
    if (flat)
        return load_flat(best, item->path, err);
    return xl_best_load(best, item->path,
                        strict ? XL_BEST_FULL : XL_BEST_GOLDEN,
                        XL_LAYER_PROFILE, err);
}

/* -- freezing ------------------------------------------------------------- */

static enum xl_status check_name(const struct xl_freeze *freeze,
                                 struct xl_err *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *name = freeze->name;
    int64_t backend;
    if (!name[0] || name[0] == '.' || name[0] == '-' ||
        name[strspn(name, allowed)] || strlen(name) > XL_FREEZE_NAME)
        return xl_fail(err, XL_EUSAGE,
                       "'%s' is no name for a profile: "
                       "letters, digits, '.', '_' and '-', up to %d",
                       name, XL_FREEZE_NAME);
    if (!freeze->golden)
        return XL_OK;
    return xl_param_parse(XL_PARAM_BACKEND, name, &backend, err);
}

static enum xl_status check_source(const struct xl_freeze *freeze,
                                   const struct xl_best *best,
                                   struct xl_err *err)
{
    char text[XL_VALUE_ROOM];
    const char *path = freeze->source->path;
    if (!xl_best_passed(best))
        return xl_fail(err, XL_EUSAGE,
                       "cannot freeze '%s': its quality "
                       "verdict is '%s', not 'pass'",
                       path, best->verdict ? best->verdict : "missing");
    if (!freeze->golden)
        return XL_OK;
    xl_param_format(XL_PARAM_BACKEND, best->params.value[XL_PARAM_BACKEND],
                    text);
    if (strcmp(text, freeze->name) == 0)
        return XL_OK;
    return xl_fail(err, XL_EUSAGE,
                   "cannot freeze '%s' as the golden profile "
                   "of '%s': it is for backend '%s'",
                   path, freeze->name, text);
}

static enum xl_status write_frozen(const struct xl_freeze *freeze,
                                   const struct xl_best *best, const char *path,
                                   struct xl_err *err)
{
    cJSON *root = cJSON_Duplicate(best->root, true);
    cJSON *provenance = cJSON_GetObjectItemCaseSensitive(root, "provenance");
    enum xl_status rc = XL_ENOMEM;
    cJSON_DeleteItemFromObjectCaseSensitive(provenance, "frozen_from");
    cJSON_DeleteItemFromObjectCaseSensitive(provenance, "published");
    /* A shipped file names no path of the machine where it was made. */
    if (freeze->golden || cJSON_AddStringToObject(provenance, "frozen_from",
                                                  freeze->source->path))
        rc = xl_json_save(path, root, err);
    else
        fail_memory(err);
    cJSON_Delete(root);
    return rc;
}

/* A golden profile is found by backend and shape of model. */
static enum xl_status make_frozen_path(const struct xl_freeze *freeze,
                                       const struct xl_best *best,
                                       const char *folder, char **path,
                                       struct xl_err *err)
{
    char hash[XL_KEY_HASH + 1] = "-", name[XL_FREEZE_NAME + XL_KEY_HASH + 1];
    if (freeze->golden)
        XL_TRY(xl_key_model_hash(&best->key.model, hash + 1, err));
    snprintf(name, sizeof name, "%s%s", freeze->name,
             freeze->golden ? hash : "");
    *path = xl_profile_file(folder, name);
    return *path ? XL_OK : fail_memory(err);
}

enum xl_status xl_shelf_freeze(const struct xl_profile_paths *paths,
                               const struct xl_freeze *freeze, char **path,
                               struct xl_err *err)
{
    struct xl_best best = { 0 };
    const char *folder = freeze->golden ? paths->golden : paths->configs;
    enum xl_status rc;
    *path = NULL;
    XL_TRY(check_name(freeze, err));
    if (!folder)
        return xl_fail(err, XL_EUSAGE,
                       "there is no folder of golden "
                       "profiles");
    XL_TRY_DONE(rc, xl_best_load(&best, freeze->source->path, XL_BEST_FULL,
                                 XL_LAYER_PROFILE, err));
    XL_TRY_DONE(rc, check_source(freeze, &best, err));
    XL_TRY_DONE(rc, xl_io_make_dirs(folder, err));
    XL_TRY_DONE(rc, make_frozen_path(freeze, &best, folder, path, err));
    if (!freeze->replace && xl_io_exists(*path))
        rc = xl_fail(err, XL_EUSAGE, "'%s' exists; --yes replaces it", *path);
    else
        rc = write_frozen(freeze, &best, *path, err);
done:
    if (rc != XL_OK) {
        xl_free(*path);
        *path = NULL;
    }
    xl_best_release(&best);
    return rc;
}

enum xl_status xl_shelf_remove(const struct xl_shelf_item *item,
                               struct xl_err *err)
{
    if (item->shelf == XL_SHELF_RUN || item->shelf == XL_SHELF_PATH)
        return xl_fail(err, XL_EUSAGE,
                       "'%s' is no stored profile; 'xltune "
                       "profile list' names them",
                       item->path);
    if (unlink(item->path) == 0)
        return XL_OK;
    return xl_fail(err, XL_EIO, "cannot remove '%s': %s", item->path,
                   strerror(errno));
}
