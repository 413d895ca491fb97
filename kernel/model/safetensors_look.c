/* SPDX-License-Identifier: Apache-2.0
 *
 * What open files hold: tensors by name, notes, identity. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/hash.h"
#include "kernel/model/safetensors_int.h"

size_t xl_safetensors_index(const struct xl_safetensors *files,
                            const char *name)
{
    size_t lo = 0, hi = files->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = strcmp(files->entries[mid].name, name);
        if (order == 0)
            return mid;
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return files->n;
}

const struct xl_tensor *xl_safetensors_find(const struct xl_safetensors *files,
                                            const char *name)
{
    size_t i = xl_safetensors_index(files, name);
    return i < files->n ? &files->entries[i].tensor : NULL;
}

size_t xl_safetensors_count(const struct xl_safetensors *files)
{
    return files->n;
}

const char *xl_safetensors_name(const struct xl_safetensors *files, size_t i)
{
    return files->entries[i].name;
}

const struct xl_tensor *xl_safetensors_at(const struct xl_safetensors *files,
                                          size_t i)
{
    return &files->entries[i].tensor;
}

size_t xl_safetensors_bytes(const struct xl_safetensors *files)
{
    size_t total = 0;
    for (size_t i = 0; i < files->n_shards; i++)
        total += files->shards[i].map.size;
    return total;
}

const char *xl_safetensors_note(const struct xl_safetensors *files,
                                const char *key)
{
    for (size_t i = 0; i < files->n_notes; i++)
        if (strcmp(files->notes[i].key, key) == 0)
            return files->notes[i].value;
    return NULL;
}

void xl_safetensors_checksum(const char *header, size_t n,
                             char out[XL_HASH_TEXT])
{
    size_t skip = sizeof XL_SAFETENSORS_SEAL - 1 + XL_SAFETENSORS_DIGITS;
    assert(n >= skip);
    xl_hash(out, header + skip, n - skip);
}

/* A chain: each link is the hash of the one before it and of one tensor, so
 * that nothing is allocated and how the tensors lie in files plays no part. */
void xl_safetensors_hash(const struct xl_safetensors *files, char out[33])
{
    static_assert(XL_HASH_TEXT == 33, "the face says 33");
    xl_hash(out, "", 0);
    for (size_t i = 0; i < files->n; i++) {
        const struct xl_safetensors_item *entry = &files->entries[i];
        const struct xl_tensor *t = &entry->tensor;
        char name[XL_HASH_TEXT], data[XL_HASH_TEXT], link[256];
        xl_hash(name, entry->name, strlen(entry->name));
        xl_hash(data, t->data, entry->end - entry->begin);
        int n =
            snprintf(link, sizeof link, "%s %s %s %s %zu:%zu,%zu,%zu,%zu", out,
                     name, data, xl_dtype_file_name(t->dtype), t->n_dims,
                     t->shape[0], t->shape[1], t->shape[2], t->shape[3]);
        xl_hash(out, link, (size_t)n);
    }
}
