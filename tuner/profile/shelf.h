/* SPDX-License-Identifier: Apache-2.0
 *
 * Profiles by name, for people: those of this machine's store, ./configs, the
 * shipped golden ones, winners of runs; and what can be done to them.
 *
 *     struct xl_shelf_item item;
 *     XL_TRY(xl_shelf_locate(&item, paths, "fast", err));
 *     XL_TRY(xl_shelf_load(&best, &item, err));
 */
#ifndef XL_SHELF_H
#define XL_SHELF_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/err.h"
#include "tuner/profile/best.h"
#include "tuner/profile/find.h"

enum xl_shelf {
    XL_SHELF_CONFIG,  /* ./configs, what --profile takes */
    XL_SHELF_MACHINE, /* the store */
    XL_SHELF_GOLDEN,  /* shipped */
    XL_SHELF_RUN,     /* best.json of a run folder */
    XL_SHELF_PATH,    /* any other file, named by its path */
    XL_SHELF_COUNT
};

struct xl_shelf_item {
    enum xl_shelf shelf;
    char *name, *path;
};

struct xl_shelf_items {
    struct xl_shelf_item *items; /* [n]: by shelf, then by name */
    size_t n;
};

/* "config", "machine", "golden", "run", "path"; static storage. */
const char *xl_shelf_name(enum xl_shelf shelf);

/* Everything in configs, store and golden folder. */
enum xl_status xl_shelf_list(struct xl_shelf_items *list,
                             const struct xl_profile_paths *paths,
                             struct xl_err *err);
void xl_shelf_items_release(struct xl_shelf_items *list);

/* The profile a word means: a file, a run folder, a name in ./configs, a name
 * (or unique beginning of one) in the store, a golden name, a run or "latest".
 * XL_EUSAGE names the nearest when there is none. */
enum xl_status xl_shelf_locate(struct xl_shelf_item *item,
                               const struct xl_profile_paths *paths,
                               const char *word, struct xl_err *err);
void xl_shelf_item_release(struct xl_shelf_item *item);

/* Reads it with the strictness of its shelf. A config may be a flat object of
 * tunables. */
enum xl_status xl_shelf_load(struct xl_best *best,
                             const struct xl_shelf_item *item,
                             struct xl_err *err);

enum {
    XL_FREEZE_NAME = 100 /* letters of a name, at most */
};

struct xl_freeze {
    const struct xl_shelf_item *source; /* a full profile that passed */
    const char *name;
    bool golden;  /* for whom ships it; name must be a backend */
    bool replace; /* an existing profile of that name */
};

/* Copies a profile to configs/NAME.json, or to golden/NAME-HASH.json with the
 * hash of its model's shape, and notes where it came from. *path is where it
 * went; xl_free it. */
enum xl_status xl_shelf_freeze(const struct xl_profile_paths *paths,
                               const struct xl_freeze *freeze, char **path,
                               struct xl_err *err);

/* Deletes the file of a config, machine or golden profile. */
enum xl_status xl_shelf_remove(const struct xl_shelf_item *item,
                               struct xl_err *err);

#endif
