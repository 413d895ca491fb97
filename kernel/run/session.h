/* SPDX-License-Identifier: Apache-2.0
 *
 * What a command that runs a model needs: the checkpoint, its tokenizer, the
 * effective tunables and a plan.
 *
 * Profiles live on a floor above, so the program hands the resolver of
 * configuration layers down as a service.
 */
#ifndef XL_SESSION_H
#define XL_SESSION_H

#include "kernel/base/cmd.h"
#include "kernel/base/err.h"
#include "kernel/model/plan.h"
#include "kernel/text/tokenizer.h"

/* Rows of XL_GROUP_MODEL, the group of every command with takes_model. */
enum {
    XL_MODEL_DIR,      /* --model DIR */
    XL_MODEL_PARAM,    /* --param name=value, any number of times */
    XL_MODEL_PROFILE,  /* --profile NAME: ./configs/NAME.json */
    XL_MODEL_CONFIG,   /* --config PATH */
    XL_MODEL_NO_BEST,  /* --no-best: leave the machine profile out */
    XL_MODEL_NO_CACHE, /* --no-cache: neither find nor keep packed weights */
    XL_MODEL_ROWS
};
struct xl_opt_group xl_session_opt_group(void);

/* All seven layers for a model and a context length (prompt tokens, 0 =
 * unknown), from built-in defaults to the flags of opts. */
typedef enum xl_status xl_resolve_fn(const struct xl_opts *opts,
                                     const struct xl_config *config,
                                     size_t context, struct xl_params *params,
                                     struct xl_err *err);

/* The folder that a run's name or "latest" means, as a heap string. */
typedef enum xl_status xl_find_run_fn(const char *log_dir, const char *run,
                                      char **path, struct xl_err *err);

/* What a judge has found of a configuration: a number, words, or both. */
struct xl_found {
    const struct xl_params *params;
    const char *name;
    double value;     /* NaN = none */
    const char *text; /* or NULL */
};

/* Keeps findings with the trials of a run, in place of earlier ones by these
 * names. Configurations that the run has not tried are passed over, and so is
 * a folder without a store. */
typedef enum xl_status xl_keep_found_fn(const char *run_dir,
                                        const struct xl_found *items, size_t n,
                                        struct xl_err *err);

struct xl_services {
    xl_resolve_fn *resolve;
    xl_find_run_fn *find_run;
    xl_keep_found_fn *keep_found;
    void (*warn)(void *ctx, const char *text); /* ctx is unused; or NULL */
};

struct xl_session {
    char *model_dir;
    struct xl_model *model;
    struct xl_tokenizer *tokenizer;
    struct xl_params params; /* effective, before the plan fills in autos */
    struct xl_plan *plan;
};

/* The folder of --model, or the bundled demo model (source tree, then where
 * it was installed). Heap string. */
enum xl_status xl_session_model_dir(const struct xl_opts *opts, char **dir,
                                    struct xl_err *err);

/* Path of a shipped file or folder ("models/demo"), looked for beside the
 * program, in the source tree and where it was installed; heap string or
 * NULL. */
char *xl_session_shipped(const char *name);

/* Opens model and tokenizer. Call xl_session_plan before running it. */
enum xl_status xl_session_open(struct xl_session *session,
                               const struct xl_cmd_ctx *ctx,
                               struct xl_err *err);

/* Resolves the layers for that context length and makes the plan. */
enum xl_status xl_session_plan(struct xl_session *session,
                               const struct xl_cmd_ctx *ctx, size_t context,
                               struct xl_err *err);
void xl_session_close(struct xl_session *session);

/* Ids of a text with the checkpoint's BOS in front unless with_bos is false
 * or the text begins with it already. */
enum xl_status xl_session_encode(const struct xl_session *session,
                                 const char *text, size_t n, bool with_bos,
                                 struct xl_ids *ids, struct xl_err *err);

/* Checks ids against the model's vocabulary. */
enum xl_status xl_session_check_ids(const struct xl_session *session,
                                    const struct xl_ids *ids,
                                    struct xl_err *err);

#endif
