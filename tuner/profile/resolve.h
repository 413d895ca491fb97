/* SPDX-License-Identifier: Apache-2.0
 *
 * The layers, lowest first: built-in defaults, the golden profile of the
 * backend in effect, the machine profile that fits, what a packed checkpoint
 * decides, the environment, --profile, --config, flags. Every value keeps its
 * origin.
 *
 *     struct xl_layers layers;
 *     XL_TRY(xl_layers_resolve(&layers, &inputs, err));
 *     ... layers.effective, layers.notes.data ...
 *     xl_layers_release(&layers);
 *
 * A golden profile is golden/BACKEND-HASH.json, measured with the shape of
 * model that has the hash, where the machine is of its class (key.h); else
 * golden/BACKEND.json, starting values for any. Where there are other cores,
 * workers of either unnamed layer are left out.
 *
 * The backend in effect is found with the golden layer left out, so a flag
 * chooses the golden profile and never the other way round. Values of the two
 * layers nobody named (golden, machine) that this model does not allow are
 * left out with a note; a value somebody named is an error.
 */
#ifndef XL_RESOLVE_H
#define XL_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/buf.h"
#include "kernel/base/err.h"
#include "kernel/model/config.h"
#include "kernel/param/param.h"
#include "tuner/profile/find.h"
#include "tuner/profile/key.h"

struct xl_opts;

/* Does the model allow these values? xl_plan_check, or a test's own. */
typedef enum xl_status xl_check_fn(const struct xl_config *config,
                                   const struct xl_params *params,
                                   struct xl_err *err);

/* Everything the answer depends on. */
struct xl_layers_in {
    xl_env_fn *env; /* NULL = the process's */
    void *env_ctx;
    const struct xl_profile_paths *paths;
    struct xl_key key; /* hardware, model and context here */
    const struct xl_config *config;
    xl_check_fn *check;         /* NULL = everything is allowed */
    const char *profile;        /* NAME of ./configs/NAME.json, or NULL */
    const char *file;           /* PATH of --config, or NULL */
    bool no_best;               /* leave the machine profile out */
    const struct xl_opts *opts; /* flags, or NULL */
    size_t tunables;            /* the group of opts that holds them */
    const char *const *pairs;   /* [n_pairs] of --param */
    size_t n_pairs;
};

struct xl_layers {
    struct xl_params effective;
    /* layer[i] sets exactly the values whose origin.layer is i. */
    struct xl_params layer[XL_LAYER_COUNT];
    /* Values of a layer that were left out, with the reason; NULL = kept. */
    char *left_out[XL_LAYER_COUNT][XL_PARAM_COUNT];
    struct xl_candidates found;         /* machine profiles looked at */
    const struct xl_candidate *machine; /* the one in use, or NULL */
    struct xl_buf notes;                /* lines worth saying on every run */
    struct xl_buf details; /* lines for who asks: profiles that did not fit */
};

enum xl_status xl_layers_resolve(struct xl_layers *layers,
                                 const struct xl_layers_in *in,
                                 struct xl_err *err);
void xl_layers_release(struct xl_layers *layers);

/* Does the layer name a value for the tunable that could be used? */
bool xl_layers_sets(const struct xl_layers *layers, enum xl_layer layer,
                    enum xl_param id);

/* The resolver that commands are given (xl_resolve_fn). Notes on profiles go
 * to standard error unless --quiet. */
enum xl_status xl_profile_resolve(const struct xl_opts *opts,
                                  const struct xl_config *config,
                                  size_t context, struct xl_params *params,
                                  struct xl_err *err);

#endif
