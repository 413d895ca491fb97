/* SPDX-License-Identifier: Apache-2.0
 *
 * Preparing a model leaves a list of the packed matrices with the rows they
 * were made of (packs.c). A tensor whose every value went into packed
 * matrices is written by name alone; the embedding is looked up by row, so it
 * always stays. */
#include "kernel/model/pack_model.h"

#include "kernel/base/alloc.h"
#include "kernel/model/model_int.h"
#include "kernel/model/packfile_int.h"

/* Does the part lie in the tensor? */
static bool lies_in(const struct xl_tensor *part, const struct xl_tensor *whole)
{
    const char *begin = whole->data, *at = part->data;
    size_t nbytes = xl_tensor_count(whole) * xl_dtype_bytes(whole->dtype);
    return part->dtype == whole->dtype && at >= begin && at < begin + nbytes;
}

static size_t count_packed(const struct xl_packs *packs,
                           const struct xl_tensor *tensor)
{
    size_t n = 0;
    for (size_t i = 0; i < packs->n; i++)
        for (size_t j = 0; j < packs->items[i].n_parts; j++)
            if (lies_in(&packs->items[i].parts[j], tensor))
                n += xl_tensor_count(&packs->items[i].parts[j]);
    return n;
}

static const struct xl_tensor *embedding_of(const struct xl_model *model)
{
    return model->config.arch == XL_ARCH_BLOCK_STACK
               ? &model->stack.embedding
               : &model->weights.embedding;
}

/* Whether the tensor need not be written but by name. */
static bool is_packed_away(const struct xl_model *model,
                           const struct xl_packfile_content *c,
                           const struct xl_tensor *tensor)
{
    size_t n = 0;
    if (tensor->data == embedding_of(model)->data)
        return false;
    for (size_t i = 0; i < c->n_packs; i++)
        n += count_packed(c->packs[i], tensor);
    return n && n == xl_tensor_count(tensor);
}

static enum xl_status write_file(const struct xl_model *model,
                                 struct xl_packfile_content *content,
                                 const char *path, struct xl_err *err)
{
    size_t n = xl_safetensors_count(model->files), plain = 0;
    struct xl_safetensors_entry *entries =
        xl_alloc_zero(n + 1, sizeof *entries);
    if (!entries)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        struct xl_safetensors_entry entry = {
            .name = xl_safetensors_name(model->files, i),
            .tensor = *xl_safetensors_at(model->files, i),
        };
        if (is_packed_away(model, content, &entry.tensor))
            entry.tensor.dtype = XL_PACKED;
        entries[plain++] = entry;
    }
    content->plain = entries;
    content->n_plain = plain;
    enum xl_status rc = xl_packfile_write(path, content, err);
    xl_free(entries);
    return rc;
}

enum xl_status xl_model_pack(struct xl_model *model,
                             const struct xl_pack_order *order,
                             const char *path, struct xl_err *err)
{
    const struct xl_drawn *drawn = model->drawn;
    struct xl_prepared blocks = { 0 }, head = { 0 };
    struct xl_packs packs[2] = { { 0 }, { 0 } };
    struct xl_packs *const list[] = { &packs[0], &packs[1] };
    const struct xl_form forms[] = {
        { .kind = order->weights, .is_packed = true, .packs = &packs[0] },
        { .kind = order->head, .is_packed = true, .packs = &packs[1] },
    };
    struct xl_packfile_content content = {
        .facts = { .weights = order->weights,
                   .head = order->head,
                   .source =
                       drawn ? drawn->drawing.source : xl_model_hash(model) },
        .packs = list,
        .n_packs = 2,
        .drawn = drawn,
    };
    enum xl_status rc;
    if (xl_model_config(model)->is_packed)
        return xl_fail(err, XL_EUSAGE,
                       "'%s' is packed already; pack the checkpoint that it "
                       "was made of",
                       xl_model_dir(model));
    for (size_t i = 0; i < 2; i++) {
        packs[i].drawn = drawn;
        packs[i].progress = order->progress;
        packs[i].progress_ctx = order->progress_ctx;
    }
    XL_TRY_DONE(rc, xl_model_prepare_blocks(model, &forms[0], order->pool,
                                            &blocks, err));
    packs[1].weights = packs[0].weights;
    XL_TRY_DONE(
        rc, xl_model_prepare_output(model, &forms[1], order->pool, &head, err));
    rc = write_file(model, &content, path, err);
done:
    xl_prepare_release(&blocks);
    xl_prepare_release(&head);
    for (size_t i = 0; i < 2; i++)
        xl_packs_release(&packs[i]);
    return rc;
}
