/* SPDX-License-Identifier: Apache-2.0
 *
 * Where profiles live, and which of them fits here.
 *
 * The store of this machine is one folder; a sweep publishes its winner there
 * under the name of its key, so that the next run finds it. Winners of runs in
 * the working folder (with a store: an export alone is no run) are looked at as
 * well. The best fit is, in this order:
 * better grade, nearer context, the backend that was asked for, published
 * before run folder, later "created", name.
 */
#ifndef XL_FIND_H
#define XL_FIND_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/buf.h"
#include "kernel/base/err.h"
#include "kernel/param/param.h"
#include "tuner/profile/best.h"
#include "tuner/profile/key.h"

/* Folders; heap strings, NULL = there is none. */
struct xl_profile_paths {
    char *store;   /* XLTUNE_PROFILES, else .../xltune/profiles */
    char *runs;    /* ./runs */
    char *configs; /* ./configs */
    char *golden;  /* shipped profiles: source tree, then installed */
};

/* golden is copied; NULL = none is shipped. env NULL = getenv. */
enum xl_status xl_profile_paths_init(struct xl_profile_paths *paths,
                                     const char *golden, xl_env_fn *env,
                                     void *env_ctx, struct xl_err *err);
void xl_profile_paths_release(struct xl_profile_paths *paths);

/* Where a profile of this key is or would be in the store; xl_free it.
 * XL_EUSAGE without a store. */
enum xl_status xl_profile_place(const struct xl_profile_paths *paths,
                                const struct xl_key *key, char **path,
                                struct xl_err *err);

/* Writes doc into the store under the name of its key. XL_EUSAGE when its
 * verdict is not "pass". */
enum xl_status xl_profile_publish(const struct xl_profile_paths *paths,
                                  const struct xl_best_doc *doc,
                                  struct xl_err *err);

/* One file that was looked at. */
struct xl_candidate {
    char *path;
    bool published;   /* in the store, not in a run folder */
    bool is_readable; /* else `fault` says what is wrong with the file */
    struct xl_match match;
    bool passed;    /* the quality verdict is "pass" */
    bool is_wanted; /* it is for the backend that was preferred */
    char created[40];
    struct xl_err fault; /* why it cannot be used; no message = it can */
};

struct xl_candidates {
    struct xl_candidate *items; /* [n], best fit first */
    size_t n;
};

struct xl_find {
    const struct xl_profile_paths *paths;
    const struct xl_key *key; /* here */
    int64_t backend;          /* preferred; -1 = any */
};

/* Reads every profile of the store and of the runs. A file of the store that
 * by its name is for this machine and model and cannot be read is an error;
 * others are listed with the fault. */
enum xl_status xl_profile_find(struct xl_candidates *found,
                               const struct xl_find *find, struct xl_err *err);
void xl_candidates_release(struct xl_candidates *found);

/* Can it be applied: readable, passed, and a grade above none? */
bool xl_candidate_usable(const struct xl_candidate *candidate);

/* "folder/name.json" as a heap string, or NULL. */
char *xl_profile_file(const char *folder, const char *name);

/* Names of the *.json files of a folder without the ending, sorted. A folder
 * that does not exist has none. Free with xl_names_release. */
struct xl_names {
    char **items; /* [n] */
    size_t n;
};
enum xl_status xl_names_list(struct xl_names *names, const char *folder,
                             struct xl_err *err);
void xl_names_release(struct xl_names *names);

#endif
