/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/run/session.h"

#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/model/cache.h"

#ifndef XL_SOURCE_DIR
#error "the build says where the source tree is"
#endif
#ifndef XL_DATA_DIR
#error "the build says where data files are installed"
#endif

static const struct xl_opt model_rows[XL_MODEL_ROWS] = {
    [XL_MODEL_DIR] = { .name = "model",
                       .kind = XL_OPT_TEXT,
                       .arg = "DIR",
                       .help = "checkpoint folder; left out, the bundled demo "
                               "model",
                       .alias = "model-path" },
    [XL_MODEL_PARAM] = { .name = "param",
                         .kind = XL_OPT_LIST,
                         .arg = "NAME=VALUE",
                         .help = "set any tunable" },
    [XL_MODEL_PROFILE] = { .name = "profile",
                           .kind = XL_OPT_TEXT,
                           .arg = "NAME",
                           .help = "tunables from ./configs/NAME.json" },
    [XL_MODEL_CONFIG] = { .name = "config",
                          .kind = XL_OPT_TEXT,
                          .arg = "FILE",
                          .help = "tunables from a JSON file" },
    [XL_MODEL_NO_BEST] = { .name = "no-best",
                           .kind = XL_OPT_BOOL,
                           .help = "leave the profile found for this machine "
                                   "out" },
    [XL_MODEL_NO_CACHE] = { .name = "no-cache",
                            .kind = XL_OPT_BOOL,
                            .help = "neither find nor keep packed weights in "
                                    "the cache, the folder XLTUNE_CACHE" },
};

struct xl_opt_group xl_session_opt_group(void)
{
    return (struct xl_opt_group){ .title = "Model and configuration",
                                  .rows = model_rows,
                                  .n_rows = XL_MODEL_ROWS };
}

/* root/name when it is there, else NULL. Takes root. */
static char *shipped_in(char *root, const char *name)
{
    char *path = root ? xl_io_join(root, name) : NULL;
    xl_free(root);
    if (path && xl_io_exists(path))
        return path;
    xl_free(path);
    return NULL;
}

/* An installed program takes what was installed with it, wherever that was
 * moved; one that was just built takes the source tree's. */
char *xl_session_shipped(const char *name)
{
    static const char *const roots[] = { XL_SOURCE_DIR, XL_DATA_DIR };
    char *program = xl_io_program_dir();
    char *path = shipped_in(
        program ? xl_io_join(program, "../share/xltune") : NULL, name);
    for (size_t i = 0; !path && i < sizeof roots / sizeof *roots; i++)
        path = shipped_in(xl_strdup(roots[i]), name);
    xl_free(program);
    return path;
}

enum xl_status xl_session_model_dir(const struct xl_opts *opts, char **dir,
                                    struct xl_err *err)
{
    const char *given = xl_opt_text(opts, XL_GROUP_MODEL, XL_MODEL_DIR);
    if (!given) {
        *dir = xl_session_shipped("models/demo");
        if (*dir)
            return XL_OK;
        return xl_fail(err, XL_ENOTFOUND,
                       "the bundled demo model is not "
                       "where it was installed; name a folder with --model");
    }
    *dir = NULL;
    if (!xl_io_is_dir(given))
        return xl_fail(err, XL_ENOTFOUND,
                       "'%s' is no checkpoint folder; "
                       "--model names the one with config.json",
                       given);
    *dir = xl_strdup(given);
    return *dir ? XL_OK : xl_fail(err, XL_ENOMEM, "out of memory");
}

static enum xl_status use_cache(struct xl_session *session,
                                const struct xl_cmd_ctx *ctx,
                                struct xl_err *err)
{
    struct xl_cache cache;
    if (xl_opt_bool(&ctx->opts, XL_GROUP_MODEL, XL_MODEL_NO_CACHE))
        return XL_OK;
    XL_TRY(xl_cache_init(&cache, err));
    if (!ctx->quiet)
        cache.warn = ctx->services->warn;
    enum xl_status rc = xl_model_set_cache(session->model, &cache, err);
    xl_cache_release(&cache);
    return rc;
}

enum xl_status xl_session_open(struct xl_session *session,
                               const struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    enum xl_status rc;
    *session = (struct xl_session){ 0 };
    XL_TRY_DONE(rc, xl_session_model_dir(&ctx->opts, &session->model_dir, err));
    XL_TRY_DONE(rc, xl_model_open(&session->model, session->model_dir, err));
    XL_TRY_DONE(rc, use_cache(session, ctx, err));
    XL_TRY_DONE(
        rc, xl_tokenizer_open(&session->tokenizer, session->model_dir, err));
done:
    if (rc != XL_OK)
        xl_session_close(session);
    return rc;
}

enum xl_status xl_session_plan(struct xl_session *session,
                               const struct xl_cmd_ctx *ctx, size_t context,
                               struct xl_err *err)
{
    XL_TRY(ctx->services->resolve(&ctx->opts, xl_model_config(session->model),
                                  context, &session->params, err));
    xl_plan_free(session->plan);
    return xl_plan_make(&session->plan, session->model, &session->params, err);
}

void xl_session_close(struct xl_session *session)
{
    xl_plan_free(session->plan);
    xl_tokenizer_free(session->tokenizer);
    xl_model_close(session->model);
    xl_free(session->model_dir);
    *session = (struct xl_session){ 0 };
}

enum xl_status xl_session_encode(const struct xl_session *session,
                                 const char *text, size_t n, bool with_bos,
                                 struct xl_ids *ids, struct xl_err *err)
{
    const struct xl_config *config = xl_model_config(session->model);
    size_t first = ids->n;
    XL_TRY(xl_tokenizer_encode(session->tokenizer, text, n, ids, err));
    if (with_bos && config->has_bos) {
        int32_t bos = (int32_t)config->bos;
        bool is_there = ids->n > first && ids->data[first] == bos;
        if (!is_there) {
            XL_TRY(xl_ids_add(ids, bos, err));
            memmove(ids->data + first + 1, ids->data + first,
                    (ids->n - first - 1) * sizeof *ids->data);
            ids->data[first] = bos;
        }
    }
    return xl_session_check_ids(session, ids, err);
}

enum xl_status xl_session_check_ids(const struct xl_session *session,
                                    const struct xl_ids *ids,
                                    struct xl_err *err)
{
    size_t vocab = xl_model_config(session->model)->vocab;
    for (size_t i = 0; i < ids->n; i++)
        if (ids->data[i] < 0 || (size_t)ids->data[i] >= vocab)
            return xl_fail(err, XL_EUSAGE,
                           "token %zu is %d, but '%s' has "
                           "ids 0 to %zu",
                           i, (int)ids->data[i], session->model_dir, vocab - 1);
    return XL_OK;
}
