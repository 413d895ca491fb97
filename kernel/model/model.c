/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening binds every tensor before anything runs, so a broken checkpoint is
 * refused whole. Converted weights are kept by form: plans of a sweep that
 * share a form share them. */
#include "kernel/model/model_int.h"

#include "kernel/base/alloc.h"

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
    rc = bind(model, err);
    if (rc != XL_OK) {
        xl_err_prefix(err, "'%s'", dir);
        goto done;
    }
    if (model->config.is_packed)
        XL_TRY_DONE(rc, xl_packfile_open(&model->packed, model->files, err));
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

static enum xl_status draw(struct xl_model *model,
                           const struct xl_safetensors_entry *entries, size_t n,
                           const struct xl_drawing *drawing, struct xl_err *err)
{
    model->dir = xl_strdup("");
    model->drawn = xl_alloc_zero(1, sizeof *model->drawn);
    if (!model->dir || !model->drawn)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    model->drawn->drawing = *drawing;
    XL_TRY(xl_drawn_files(model->drawn, &model->files, entries, n, err));
    return bind(model, err);
}

enum xl_status xl_model_draw(struct xl_model **out,
                             const struct xl_config *config,
                             const struct xl_safetensors_entry *entries,
                             size_t n, const struct xl_drawing *drawing,
                             struct xl_err *err)
{
    *out = NULL;
    struct xl_model *model = xl_alloc_zero(1, sizeof *model);
    if (!model)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    xl_arena_init(&model->arena, 0);
    model->config = *config;
    enum xl_status rc = draw(model, entries, n, drawing, err);
    if (rc == XL_OK)
        *out = model;
    else
        xl_model_close(model);
    return rc;
}

static void release_form(struct xl_model_form *form)
{
    if (form->weights)
        xl_prepare_release(form->weights);
    xl_free(form->weights);
    xl_packs_release(&form->packs);
    xl_cached_close(&form->cached);
}

void xl_model_close(struct xl_model *model)
{
    if (!model)
        return;
    for (size_t i = 0; i < XL_PACK_COUNT * 4; i++) {
        release_form(&model->blocks[i / 4][i / 2 % 2][i % 2]);
        release_form(&model->heads[i / 4][i / 2 % 2][i % 2]);
    }
    xl_packfile_close(model->packed);
    xl_free(model->drawn);
    xl_safetensors_close(model->files);
    xl_arena_release(&model->arena);
    xl_cache_release(&model->cache);
    xl_free(model->dir);
    xl_free(model);
}

enum xl_status xl_model_set_cache(struct xl_model *model,
                                  const struct xl_cache *cache,
                                  struct xl_err *err)
{
    char *dir = cache->dir ? xl_strdup(cache->dir) : NULL;
    if (cache->dir && !dir)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    xl_cache_release(&model->cache);
    model->cache = *cache;
    model->cache.dir = dir;
    return XL_OK;
}

/* -- forms ---------------------------------------------------------------- */

enum xl_status xl_model_prepare_blocks(struct xl_model *model,
                                       const struct xl_form *form,
                                       struct xl_pool *pool,
                                       struct xl_prepared *out,
                                       struct xl_err *err)
{
    if (model->config.arch == XL_ARCH_BLOCK_STACK)
        return xl_stack_prepare(out, &model->config, &model->stack, form, pool,
                                err);
    return xl_prepare(out, &model->config, &model->weights, form, pool, err);
}

enum xl_status xl_model_prepare_output(struct xl_model *model,
                                       const struct xl_form *form,
                                       struct xl_pool *pool,
                                       struct xl_prepared *out,
                                       struct xl_err *err)
{
    bool is_stack = model->config.arch == XL_ARCH_BLOCK_STACK;
    return xl_prepare_head(out,
                           is_stack ? &model->stack.head : &model->weights.head,
                           form, pool, err);
}

typedef enum xl_status prepare_fn(struct xl_model *model,
                                  const struct xl_form *form,
                                  struct xl_pool *pool, struct xl_prepared *out,
                                  struct xl_err *err);

/* Where this form's packed matrices may be found: in the checkpoint itself,
 * or in the cache. */
static void find_packs(struct xl_model *model, const struct xl_cache_key *key,
                       bool has_small_pages, struct xl_pool *pool,
                       struct xl_model_form *to)
{
    if (model->packed) {
        xl_packfile_settle(model->packed, pool);
        to->packs.file = model->packed;
        to->packs.must_find = true;
        return;
    }
    xl_cache_open(&model->cache, model->files, key, &to->cached);
    to->packs.file = to->cached.packed;
    if (to->cached.packed && has_small_pages)
        xl_packfile_small_pages(to->cached.packed);
    else if (to->cached.packed)
        xl_packfile_settle(to->cached.packed, pool);
    to->packs.verify = true;
}

/* The weights of `to`, made now if they are not there. part names them in the
 * cache. */
static enum xl_status prepare(struct xl_model *model,
                              const struct xl_form *form, const char *part,
                              prepare_fn *fn, struct xl_pool *pool,
                              struct xl_model_form *to, struct xl_err *err)
{
    const struct xl_cache_key key = { .part = part, .kind = form->kind };
    struct xl_form wanted = *form;
    if (to->weights)
        return XL_OK;
    struct xl_prepared *fresh = xl_alloc_zero(1, sizeof *fresh);
    if (!fresh)
        return xl_fail(err, XL_ENOMEM, "out of memory preparing weights");
    if (form->is_packed) {
        find_packs(model, &key, form->has_small_pages, pool, to);
        wanted.packs = &to->packs;
    }
    enum xl_status rc = fn(model, &wanted, pool, fresh, err);
    if (rc != XL_OK) {
        xl_free(fresh);
        xl_packs_release(&to->packs);
        xl_cached_close(&to->cached);
        return rc;
    }
    to->weights = fresh;
    if (to->packs.n_packed)
        xl_cache_store(&model->cache, model->files, &key, &to->packs);
    return XL_OK;
}

enum xl_status xl_model_prepare(struct xl_model *model,
                                const struct xl_form *form,
                                struct xl_pool *pool,
                                const struct xl_prepared **out,
                                struct xl_err *err)
{
    bool small = form->is_packed && form->has_small_pages;
    struct xl_model_form *to =
        &model->blocks[form->kind][form->is_packed][small];
    XL_TRY(
        prepare(model, form, "blocks", xl_model_prepare_blocks, pool, to, err));
    *out = to->weights;
    return XL_OK;
}

enum xl_status xl_model_prepare_head(struct xl_model *model,
                                     const struct xl_form *form,
                                     struct xl_pool *pool,
                                     const struct xl_prepared **out,
                                     struct xl_err *err)
{
    bool small = form->is_packed && form->has_small_pages;
    struct xl_model_form *to =
        &model->heads[form->kind][form->is_packed][small];
    XL_TRY(
        prepare(model, form, "head", xl_model_prepare_output, pool, to, err));
    *out = to->weights;
    return XL_OK;
}

const struct xl_config *xl_model_config(const struct xl_model *model)
{
    return &model->config;
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
