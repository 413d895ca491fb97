/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/checkpoint.h"

#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"

const char *const checkpoint_models[CHECKPOINT_MODELS] = {
    "tiny",         "ragged",    "biased-bf16-sharded",
    "fused-nonorm", "stack-7-1", "stack-m1s1",
};

const char *checkpoint_dir(const char *model, char out[1024])
{
    snprintf(out, 1024, "%s/%s", xl_test_data("models"), model);
    return out;
}

enum xl_status checkpoint_load(struct checkpoint *c, const char *dir,
                               struct xl_err *err)
{
    enum xl_status rc;
    c->files = NULL;
    xl_arena_init(&c->arena, 0);
    XL_TRY_DONE(rc, xl_config_load(&c->config, dir, err));
    XL_TRY_DONE(rc, xl_safetensors_open(&c->files, dir, err));
    if (c->config.arch == XL_ARCH_XLSTM)
        rc = xl_weights_bind(&c->weights, &c->config, c->files, &c->arena, err);
    else
        rc = xl_stack_weights_bind(&c->stack, &c->config, c->files, &c->arena,
                                   err);
done:
    if (rc != XL_OK)
        checkpoint_unload(c);
    return rc;
}

void checkpoint_unload(struct checkpoint *c)
{
    xl_safetensors_close(c->files);
    xl_arena_release(&c->arena);
    c->files = NULL;
}

static bool same_tensor(const struct xl_tensor *a, const struct xl_tensor *b,
                        bool values)
{
    if (!a->data != !b->data)
        return false;
    if (!a->data)
        return true;
    if (a->n_dims != b->n_dims ||
        memcmp(a->shape, b->shape, a->n_dims * sizeof a->shape[0]) != 0)
        return false;
    size_t n = xl_tensor_count(a);
    if (!values)
        return n > 0;
    float *x = xl_alloc(n * sizeof *x), *y = xl_alloc(n * sizeof *y);
    xl_to_f32(x, a->data, a->dtype, n);
    xl_to_f32(y, b->data, b->dtype, n);
    bool same = memcmp(x, y, n * sizeof *x) == 0;
    xl_free(x);
    xl_free(y);
    return same;
}

/* Both structs hold nothing but tensors. */
static bool same_tensors(const void *a, const void *b, size_t bytes,
                         bool values)
{
    const struct xl_tensor *x = a, *y = b;
    for (size_t i = 0; i < bytes / sizeof *x; i++)
        if (!same_tensor(&x[i], &y[i], values))
            return false;
    return true;
}

static bool same_stack_block(const struct xl_stack_block *a,
                             const struct xl_stack_block *b, bool values)
{
    size_t m = sizeof a->m;
    if (a->is_slstm != b->is_slstm || a->s.is_turned != b->s.is_turned)
        return false;
    if (!a->is_slstm)
        return same_tensors(&a->m, &b->m, m, values);
    return same_tensors(&a->s, &b->s,
                        offsetof(struct xl_stack_slstm, is_turned), values) &&
           same_tensors(&a->s.head_norm, &b->s.head_norm,
                        sizeof a->s -
                            offsetof(struct xl_stack_slstm, head_norm),
                        values);
}

bool checkpoint_same(const struct checkpoint *a, const struct checkpoint *b,
                     bool values)
{
    bool same = a->config.arch == b->config.arch &&
                a->config.blocks == b->config.blocks;
    if (same && a->config.arch == XL_ARCH_BLOCK_STACK) {
        same = same_tensor(&a->stack.embedding, &b->stack.embedding, values) &&
               same_tensors(&a->stack.post_norm, &b->stack.post_norm,
                            sizeof a->stack.post_norm, values) &&
               same_tensors(&a->stack.head, &b->stack.head,
                            sizeof a->stack.head, values);
        for (size_t i = 0; i < a->config.blocks && same; i++)
            same = same_stack_block(&a->stack.blocks[i], &b->stack.blocks[i],
                                    values);
    } else if (same) {
        same =
            same_tensor(&a->weights.embedding, &b->weights.embedding, values) &&
            same_tensors(&a->weights.out_norm, &b->weights.out_norm,
                         sizeof a->weights.out_norm, values) &&
            same_tensors(&a->weights.head, &b->weights.head,
                         sizeof a->weights.head, values);
        for (size_t i = 0; i < a->config.blocks && same; i++)
            same = same_tensors(&a->weights.blocks[i], &b->weights.blocks[i],
                                sizeof a->weights.blocks[i], values);
    }
    return same;
}

/* -- drafts --------------------------------------------------------------- */

bool draft_init(struct draft *d, struct xl_test *t, const char *model)
{
    char dir[1024];
    struct xl_err err = { 0 };
    enum xl_status rc =
        checkpoint_load(&d->of, checkpoint_dir(model, dir), &err);
    if (!XL_CHECK_STATUS(t, rc, XL_OK, &err))
        return false;
    const struct xl_safetensors *files = d->of.files;
    d->n = xl_safetensors_count(files);
    xl_arena_init(&d->arena, 0);
    for (size_t i = 0; i < d->n; i++)
        d->entries[i] = (struct xl_safetensors_entry){
            .name = xl_safetensors_name(files, i),
            .tensor = *xl_safetensors_at(files, i),
        };
    return true;
}

void draft_release(struct draft *d)
{
    xl_arena_release(&d->arena);
    checkpoint_unload(&d->of);
}

size_t draft_rename(struct draft *d, const char *from, const char *to)
{
    size_t renamed = 0;
    for (size_t i = 0; i < d->n; i++) {
        char name[512];
        const char *at = strstr(d->entries[i].name, from);
        if (!at)
            continue;
        snprintf(name, sizeof name, "%.*s%s%s", (int)(at - d->entries[i].name),
                 d->entries[i].name, to, at + strlen(from));
        d->entries[i].name = xl_arena_text(&d->arena, name, strlen(name));
        renamed++;
    }
    return renamed;
}

struct xl_safetensors_entry *draft_find(struct draft *d, const char *name)
{
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->entries[i].name, name) == 0)
            return &d->entries[i];
    return NULL;
}

void draft_remove(struct draft *d, const char *name)
{
    struct xl_safetensors_entry *entry = draft_find(d, name);
    if (entry)
        *entry = d->entries[--d->n];
}

void draft_add(struct draft *d, const char *name, struct xl_tensor tensor)
{
    d->entries[d->n++] = (struct xl_safetensors_entry){
        .name = xl_arena_text(&d->arena, name, strlen(name)),
        .tensor = tensor,
    };
}

static void write_config(struct xl_test *t, const char *dir, const char *model,
                         const char *from, const char *to)
{
    char source[1024];
    struct xl_buf text, changed;
    struct xl_err err = { 0 };
    xl_buf_init(&text, 0);
    xl_buf_init(&changed, 0);
    char *path = xl_io_join(checkpoint_dir(model, source), "config.json");
    XL_CHECK_STATUS(t, xl_io_read(path, &text, &err), XL_OK, &err);
    xl_free(path);
    const char *at = from ? strstr(text.data, from) : NULL;
    XL_CHECK(t, !from || at);
    if (at) {
        xl_buf_add(&changed, text.data, (size_t)(at - text.data));
        xl_buf_text(&changed, to);
        xl_buf_text(&changed, at + strlen(from));
    } else {
        xl_buf_text(&changed, text.data);
    }
    path = xl_io_join(dir, "config.json");
    XL_CHECK_STATUS(t, xl_io_replace(path, changed.data, changed.len, &err),
                    XL_OK, &err);
    xl_free(path);
    xl_buf_release(&text);
    xl_buf_release(&changed);
}

void draft_write(struct xl_test *t, const struct draft *d, const char *dir,
                 const char *model, const char *from, const char *to)
{
    struct xl_err err = { 0 };
    XL_CHECK_STATUS(t, xl_io_make_dirs(dir, &err), XL_OK, &err);
    char *path = xl_io_join(dir, "model.safetensors");
    XL_CHECK_STATUS(t, xl_safetensors_write(path, d->entries, d->n, &err),
                    XL_OK, &err);
    xl_free(path);
    write_config(t, dir, model, from, to);
}
