/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening binds every tensor before anything runs, so a broken checkpoint is
 * refused whole. Converted weights are kept by form: plans of a sweep that
 * share a form share them. */
#include "kernel/model/model_int.h"

#include "kernel/base/alloc.h"
#include "kernel/base/hash.h"

static enum xl_status bind(struct xl_model *model, struct xl_err *err)
{
    if (model->config.arch == XL_ARCH_BLOCK_STACK)
        return xl_stack_weights_bind(&model->stack, &model->config,
                                     model->files, &model->arena, err);
    return xl_weights_bind(&model->weights, &model->config, model->files,
                           &model->arena, err);
}

enum xl_status xl_model_open(struct xl_model **out, const char *dir,
                             struct xl_err *err)
{
    *out = NULL;
    struct xl_model *model = xl_alloc_zero(1, sizeof *model);
    if (!model)
        return xl_fail(err, XL_ENOMEM, "out of memory opening '%s'", dir);
    xl_arena_init(&model->arena, 0);
    enum xl_status rc;
    XL_TRY_DONE(rc, xl_config_load(&model->config, dir, err));
    XL_TRY_DONE(rc, xl_safetensors_open(&model->files, dir, err));
    XL_TRY_DONE(rc, bind(model, err));
    model->dir = xl_strdup(dir);
    if (!model->dir)
        rc = xl_fail(err, XL_ENOMEM, "out of memory opening '%s'", dir);
done:
    if (rc != XL_OK) {
        xl_model_close(model);
        return rc;
    }
    *out = model;
    return XL_OK;
}

static void free_prepared(struct xl_prepared *prepared)
{
    if (prepared)
        xl_prepare_release(prepared);
    xl_free(prepared);
}

void xl_model_close(struct xl_model *model)
{
    if (!model)
        return;
    for (size_t i = 0; i < XL_PACK_COUNT * 2; i++) {
        free_prepared(model->blocks[i / 2][i % 2]);
        free_prepared(model->heads[i / 2][i % 2]);
    }
    xl_safetensors_close(model->files);
    xl_arena_release(&model->arena);
    xl_free(model->dir);
    xl_free(model);
}

static enum xl_status no_memory(struct xl_err *err)
{
    return xl_fail(err, XL_ENOMEM, "out of memory preparing weights");
}

enum xl_status xl_model_prepare(struct xl_model *model,
                                const struct xl_form *form,
                                struct xl_pool *pool,
                                const struct xl_prepared **out,
                                struct xl_err *err)
{
    struct xl_prepared **slot = &model->blocks[form->kind][form->is_packed];
    enum xl_status rc = XL_OK;
    if (!*slot) {
        struct xl_prepared *fresh = xl_alloc_zero(1, sizeof *fresh);
        if (!fresh)
            return no_memory(err);
        if (model->config.arch == XL_ARCH_BLOCK_STACK)
            rc = xl_stack_prepare(fresh, &model->config, &model->stack, form,
                                  pool, err);
        else
            rc = xl_prepare(fresh, &model->config, &model->weights, form, pool,
                            err);
        if (rc == XL_OK)
            *slot = fresh;
        else
            xl_free(fresh);
    }
    *out = *slot;
    return rc;
}

enum xl_status xl_model_prepare_head(struct xl_model *model,
                                     const struct xl_form *form,
                                     struct xl_pool *pool,
                                     const struct xl_prepared **out,
                                     struct xl_err *err)
{
    struct xl_prepared **slot = &model->heads[form->kind][form->is_packed];
    bool is_stack = model->config.arch == XL_ARCH_BLOCK_STACK;
    enum xl_status rc = XL_OK;
    if (!*slot) {
        struct xl_prepared *fresh = xl_alloc_zero(1, sizeof *fresh);
        if (!fresh)
            return no_memory(err);
        rc = xl_prepare_head(
            fresh, is_stack ? &model->stack.head : &model->weights.head, form,
            pool, err);
        if (rc == XL_OK)
            *slot = fresh;
        else
            xl_free(fresh);
    }
    *out = *slot;
    return rc;
}

const struct xl_config *xl_model_config(const struct xl_model *model)
{
    return &model->config;
}

const struct xl_weights *xl_model_weights(const struct xl_model *model)
{
    return &model->weights;
}

const struct xl_safetensors *xl_model_files(const struct xl_model *model)
{
    return model->files;
}

const char *xl_model_dir(const struct xl_model *model)
{
    return model->dir;
}

const char *xl_model_hash(struct xl_model *model)
{
    if (!model->hash[0])
        xl_safetensors_hash(model->files, model->hash);
    return model->hash;
}
