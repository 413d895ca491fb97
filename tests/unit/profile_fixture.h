/* SPDX-License-Identifier: Apache-2.0
 *
 * A small world for tests of profiles: folders inside the case's own, a
 * machine and a model that do not exist, an environment that is an array.
 */
#ifndef XL_PROFILE_FIXTURE_H
#define XL_PROFILE_FIXTURE_H

#include "kernel/base/opt.h"
#include "tests/harness/test.h"
#include "tuner/profile/best.h"
#include "tuner/profile/find.h"
#include "tuner/profile/resolve.h"

enum {
    XL_WORLD_HEADS = 4,
    XL_WORLD_VARIABLES = 4
};

struct xl_world {
    struct xl_profile_paths paths;
    struct xl_config config;
    struct xl_layers_in in;
    const char *env[XL_WORLD_VARIABLES][2]; /* name, value; NULL ends */
    struct xl_opts opts;
    bool has_opts;
    struct xl_err err; /* of the last resolve */
};

/* Folders store, runs, configs and golden; golden profiles of all backends
 * that set nothing; a check that refuses heads_per_band above the heads and
 * inner_tile 32 with a chunk_size below 128. */
void xl_world_init(struct xl_world *world, const struct xl_test *t);
void xl_world_release(struct xl_world *world);

/* Flags of the next resolve: words as on the command line. */
void xl_world_flags(struct xl_world *world, int n, const char *const *words);

/* Writes text to a file of the case's folder; returns its path (static). */
const char *xl_world_write(const struct xl_test *t, const char *name,
                           const char *text);

/* "<folder>/<name>" of the case's folder (static). */
const char *xl_world_path(const struct xl_test *t, const char *name);

/* A profile of this world's key: params in JSON, verdict and time of making;
 * to path. */
struct xl_world_best {
    const char *params; /* JSON object of tunables */
    const char *verdict, *created;
    const struct xl_key *key;
};
enum xl_status xl_world_save(const char *path, const struct xl_world_best *best,
                             struct xl_err *err);

/* Same, published in the store. */
enum xl_status xl_world_publish(const struct xl_world *world,
                                const struct xl_world_best *best,
                                struct xl_err *err);

/* Resolves into layers; the error is in world->err. */
enum xl_status xl_world_resolve(struct xl_world *world,
                                struct xl_layers *layers);

#endif
