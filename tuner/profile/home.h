/* SPDX-License-Identifier: Apache-2.0
 *
 * The inputs of the layers as this process has them: the machine, the folders
 * of profiles, the model that the options name.
 *
 *     struct xl_home home;
 *     XL_TRY(xl_home_init(&home, &ctx->opts, config, context, err));
 *     ... xl_layers_resolve(&layers, &home.in, err) ...
 *     xl_home_release(&home);
 *
 * home.in points into home and into opts and config, which must outlive it.
 */
#ifndef XL_HOME_H
#define XL_HOME_H

#include <stddef.h>

#include "kernel/base/err.h"
#include "tuner/profile/find.h"
#include "tuner/profile/resolve.h"

struct xl_opts;
struct xl_config;
struct xl_model;

struct xl_home {
    struct xl_profile_paths paths;
    struct xl_layers_in in;
};

/* context: prompt tokens, 0 = unknown. Reads the headers of the model's files
 * for their dtype. On failure nothing is left to release. */
enum xl_status xl_home_init(struct xl_home *home, const struct xl_opts *opts,
                            const struct xl_config *config, size_t context,
                            struct xl_err *err);
void xl_home_release(struct xl_home *home);

/* The folders alone. */
enum xl_status xl_home_paths(struct xl_profile_paths *paths,
                             struct xl_err *err);

/* The key of this machine, an open model and a context: what a sweep puts
 * into its best.json. */
void xl_home_key(struct xl_key *key, const struct xl_model *model,
                 size_t context);

#endif
