/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses are reserved for all tensors as a file's map would give them, so
 * that binding, preparing and writing need not know the difference. Only what
 * was drawn and not dropped takes memory. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, MAP_NORESERVE */
#endif
#include "kernel/model/drawn_int.h"

#include <string.h>
#include <sys/mman.h>

#include "kernel/base/alloc.h"
#include "kernel/model/safetensors_int.h"

enum {
    ALIGN = 4096
};

static size_t bytes_of(const struct xl_tensor *t)
{
    return xl_tensor_count(t) * xl_dtype_bytes(t->dtype);
}

static enum xl_status no_memory(struct xl_err *err)
{
    return xl_fail(err, XL_ENOMEM, "out of memory");
}

/* Each tensor on pages of its own, so that it can be dropped by itself. */
static size_t room_of(const struct xl_tensor *t)
{
    return (bytes_of(t) + ALIGN - 1) / ALIGN * ALIGN;
}

static enum xl_status reserve(struct xl_safetensors *files, size_t nbytes,
                              struct xl_err *err)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *base = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (base == MAP_FAILED)
        return xl_fail(err, XL_ENOMEM, "cannot reserve addresses for %.1f GB",
                       (double)nbytes * 1e-9);
    files->shards[0].map.data = base;
    files->shards[0].map.size = nbytes;
    return XL_OK;
}

static enum xl_status fill(struct xl_safetensors *files,
                           const struct xl_safetensors_entry *entries, size_t n,
                           struct xl_err *err)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        total += room_of(&entries[i].tensor);
    files->shards = xl_alloc_zero(1, sizeof *files->shards);
    files->entries = xl_alloc_zero(n, sizeof *files->entries);
    if (!files->shards || !files->entries)
        return no_memory(err);
    files->n_shards = files->shards_room = 1;
    files->shards[0].path = files->shards[0].name = "";
    XL_TRY(reserve(files, total, err));
    for (size_t i = 0; i < n; i++) {
        struct xl_safetensors_item *item = &files->entries[files->n++];
        const char *name = entries[i].name;
        item->name = xl_arena_text(&files->arena, name, strlen(name));
        if (!item->name)
            return no_memory(err);
        item->tensor = entries[i].tensor;
        item->tensor.data = files->shards[0].map.data + at;
        item->begin = at;
        item->end = at + bytes_of(&item->tensor);
        at += room_of(&item->tensor);
    }
    files->entries_room = n;
    return xl_safetensors_sort(files, "the drawn model", err);
}

enum xl_status xl_drawn_files(struct xl_drawn *drawn,
                              struct xl_safetensors **out,
                              const struct xl_safetensors_entry *entries,
                              size_t n, struct xl_err *err)
{
    struct xl_safetensors *files = xl_alloc_zero(1, sizeof *files);
    *out = NULL;
    if (!files)
        return no_memory(err);
    xl_arena_init(&files->arena, 0);
    enum xl_status rc = fill(files, entries, n, err);
    if (rc != XL_OK) {
        xl_safetensors_close(files);
        return rc;
    }
    /* The map is ours to write: it is no file's. */
    memcpy(&drawn->base, &files->shards[0].map.data, sizeof drawn->base);
    drawn->files = files;
    *out = files;
    return XL_OK;
}

void xl_drawn_fetch(const struct xl_drawn *drawn, const struct xl_tensor *t)
{
    if (!drawn)
        return;
    const unsigned char *data = t->data;
    size_t at = (size_t)(data - drawn->base);
    for (size_t i = 0; i < drawn->files->n; i++) {
        const struct xl_safetensors_item *item = &drawn->files->entries[i];
        const struct xl_safetensors_entry entry = { .name = item->name,
                                                    .tensor = item->tensor };
        if (at >= item->begin && at < item->end)
            drawn->drawing.draw(drawn->drawing.ctx, &entry,
                                drawn->base + item->begin);
    }
}
