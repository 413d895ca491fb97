/* SPDX-License-Identifier: Apache-2.0
 *
 * Every file appears by rename. What a killed run leaves is a temporary file
 * that the next one removes. */
#include "kernel/run/checkpoint_dir.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/model/packfile.h"

/* Weights that are not packed: --force never gives these up. */
static const char *const originals[] = { "model.safetensors",
                                         "model.safetensors.index.json",
                                         "model_0.safetensors", NULL };
static const char *const packed[] = { "config.json", XL_PACKFILE_NAME, NULL };

/* Copied when they are there, in this order. */
static const char *const companions[] = {
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "config.json",
};

enum {
    N_COMPANIONS = sizeof companions / sizeof *companions
};

static enum xl_status no_memory(struct xl_err *err)
{
    return xl_fail(err, XL_ENOMEM, "out of memory");
}

/* The first of the names that is in the folder, or NULL. */
static enum xl_status find_one(const char *dir, const char *const *names,
                               const char **found, struct xl_err *err)
{
    *found = NULL;
    for (; *names && !*found; names++) {
        char *path = xl_io_join(dir, *names);
        if (!path)
            return no_memory(err);
        if (xl_io_exists(path))
            *found = *names;
        xl_free(path);
    }
    return XL_OK;
}

enum xl_status xl_checkpoint_dir_make(const char *dir, struct xl_err *err)
{
    const char *const *const lists[] = { packed, originals };
    for (size_t i = 0; i < 2; i++) {
        const char *found;
        XL_TRY(find_one(dir, lists[i], &found, err));
        if (found)
            return xl_fail(err, XL_EUSAGE,
                           "'%s' already holds '%s'; give an empty folder", dir,
                           found);
    }
    return xl_io_make_dirs(dir, err);
}

static enum xl_status unlink_in(const char *dir, const char *name,
                                struct xl_err *err)
{
    char *path = xl_io_join(dir, name);
    if (!path)
        return no_memory(err);
    enum xl_status rc = XL_OK;
    if (unlink(path) != 0 && errno != ENOENT)
        rc = xl_fail(err, XL_EIO, "cannot remove '%s': %s", path,
                     strerror(errno));
    xl_free(path);
    return rc;
}

static bool is_same_dir(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

/* config.json goes first: from here on the folder is no checkpoint. */
static enum xl_status clear(const char *model, const char *dir,
                            struct xl_err *err)
{
    const char *found;
    if (is_same_dir(model, dir))
        return xl_fail(err, XL_EUSAGE,
                       "'%s' is the checkpoint itself; give another folder",
                       dir);
    XL_TRY(find_one(dir, originals, &found, err));
    if (found)
        return xl_fail(err, XL_EUSAGE,
                       "'%s' holds '%s', which is not replaced; give another "
                       "folder",
                       dir, found);
    XL_TRY(xl_io_make_dirs(dir, err));
    for (size_t i = N_COMPANIONS; i-- > 0;)
        XL_TRY(unlink_in(dir, companions[i], err));
    return unlink_in(dir, XL_PACKFILE_NAME, err);
}

static enum xl_status copy(const char *from, const char *to, struct xl_err *err)
{
    struct xl_map map;
    if (!xl_io_exists(from))
        return XL_OK;
    XL_TRY(xl_map_open(&map, from, err));
    enum xl_status rc = xl_io_replace(to, map.data, map.size, err);
    xl_map_close(&map);
    return rc;
}

static enum xl_status copy_companions(const char *model, const char *dir,
                                      struct xl_err *err)
{
    for (size_t i = 0; i < N_COMPANIONS; i++) {
        char *from = xl_io_join(model, companions[i]);
        char *to = xl_io_join(dir, companions[i]);
        enum xl_status rc = from && to ? copy(from, to, err) : no_memory(err);
        xl_free(from);
        xl_free(to);
        if (rc != XL_OK)
            return rc;
    }
    return XL_OK;
}

enum xl_status xl_checkpoint_dir_pack(struct xl_model *model,
                                      const struct xl_pack_order *order,
                                      const struct xl_pack_out *to,
                                      struct xl_err *err)
{
    const char *from = xl_model_dir(model);
    bool is_new = !xl_io_exists(to->dir);
    if (to->force)
        XL_TRY(clear(from, to->dir, err));
    else
        XL_TRY(xl_checkpoint_dir_make(to->dir, err));
    xl_io_tidy(to->dir);
    char *path = xl_io_join(to->dir, XL_PACKFILE_NAME);
    enum xl_status rc =
        path ? xl_model_pack(model, order, path, err) : no_memory(err);
    if (rc == XL_OK)
        rc = copy_companions(from, to->dir, err);
    if (rc != XL_OK) {
        for (size_t i = N_COMPANIONS; i-- > 0;)
            (void)unlink_in(to->dir, companions[i], NULL);
        (void)unlink_in(to->dir, XL_PACKFILE_NAME, NULL);
        if (is_new)
            (void)rmdir(to->dir);
    }
    xl_free(path);
    return rc;
}
