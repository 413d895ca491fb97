/* SPDX-License-Identifier: Apache-2.0
 *
 * The header is padded with spaces so that the data starts on eight bytes.
 * Tensors follow each other without gaps, as the format demands. */
#include "kernel/model/safetensors.h"

#include <stdint.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/buf.h"
#include "kernel/base/hash.h"
#include "kernel/base/json.h"
#include "kernel/model/safetensors_int.h"

enum {
    LENGTH_BYTES = XL_SAFETENSORS_LENGTH,
    PAGE = 4096
};

static size_t bytes_of(const struct xl_tensor *tensor)
{
    return xl_tensor_count(tensor) * xl_dtype_bytes(tensor->dtype);
}

static bool add_entry(cJSON *root, const struct xl_safetensors_entry *entry,
                      size_t begin, size_t end)
{
    cJSON *item = cJSON_AddObjectToObject(root, entry->name);
    cJSON_AddStringToObject(item, "dtype",
                            xl_dtype_file_name(entry->tensor.dtype));
    cJSON *shape = cJSON_AddArrayToObject(item, "shape");
    for (size_t i = 0; i < entry->tensor.n_dims; i++)
        cJSON_AddItemToArray(
            shape, cJSON_CreateNumber((double)entry->tensor.shape[i]));
    cJSON *offsets = cJSON_AddArrayToObject(item, "data_offsets");
    cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)begin));
    return cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)end));
}

/* What a header is made of. */
struct header {
    const struct xl_safetensors_entry *entries; /* [n] */
    size_t n;
    const struct xl_safetensors_note *notes; /* [n_notes] */
    size_t n_notes;
    size_t align; /* where in the file the data begins */
};

static enum xl_status print_header(const struct header *h, struct xl_buf *text,
                                   struct xl_err *err)
{
    const struct xl_safetensors_entry *entries = h->entries;
    size_t at = 0, n = h->n;
    cJSON *root = cJSON_CreateObject();
    cJSON *metadata = cJSON_AddObjectToObject(root, "__metadata__");
    bool ok = metadata != NULL;
    for (size_t i = 0; i < h->n_notes && ok; i++)
        ok = cJSON_AddStringToObject(metadata, h->notes[i].key,
                                     h->notes[i].value) != NULL;
    for (size_t i = 0; i < n && ok; i++) {
        size_t end = at + bytes_of(&entries[i].tensor);
        ok = add_entry(root, &entries[i], at, end);
        at = end;
    }
    if (ok)
        xl_json_print(root, false, text);
    cJSON_Delete(root);
    if (!ok)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    while ((LENGTH_BYTES + text->len) % h->align != 0 && xl_buf_ok(text))
        xl_buf_char(text, ' ');
    return xl_buf_check(text, "checkpoint header", err);
}

static enum xl_status put_header(struct xl_out *out, const struct xl_buf *text,
                                 struct xl_err *err)
{
    unsigned char length[LENGTH_BYTES];
    for (size_t i = 0; i < LENGTH_BYTES; i++)
        length[i] = (unsigned char)((uint64_t)text->len >> (8 * i));
    XL_TRY(xl_out_write(out, length, sizeof length, err));
    return xl_out_write(out, text->data, text->len, err);
}

enum xl_status
xl_safetensors_write_header(struct xl_out *out,
                            const struct xl_safetensors_entry *entries,
                            size_t n, struct xl_err *err)
{
    static const struct xl_safetensors_note format = { "format", "pt" };
    const struct header h = { entries, n, &format, 1, LENGTH_BYTES };
    struct xl_buf text;
    xl_buf_init(&text, 0);
    enum xl_status rc = print_header(&h, &text, err);
    if (rc == XL_OK)
        rc = put_header(out, &text, err);
    xl_buf_release(&text);
    return rc;
}

enum xl_status xl_safetensors_write_sealed(
    struct xl_out *out, const struct xl_safetensors_entry *entries, size_t n,
    const struct xl_safetensors_note *notes, size_t n_notes, struct xl_err *err)
{
    char sum[XL_HASH_TEXT];
    struct xl_buf text;
    struct xl_safetensors_note *all = xl_alloc_zero(n_notes + 1, sizeof *all);
    if (!all)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    xl_hash(sum, "", 0); /* of the right length, until the header is known */
    all[0] = (struct xl_safetensors_note){ "checksum", sum };
    if (n_notes)
        memcpy(all + 1, notes, n_notes * sizeof *all);
    const struct header h = { entries, n, all, n_notes + 1, PAGE };
    xl_buf_init(&text, 0);
    enum xl_status rc = print_header(&h, &text, err);
    if (rc == XL_OK) {
        xl_safetensors_checksum(text.data, text.len, sum);
        memcpy(text.data + sizeof XL_SAFETENSORS_SEAL - 1, sum,
               XL_SAFETENSORS_DIGITS);
        rc = put_header(out, &text, err);
    }
    xl_buf_release(&text);
    xl_free(all);
    return rc;
}

enum xl_status xl_safetensors_write(const char *path,
                                    const struct xl_safetensors_entry *entries,
                                    size_t n, struct xl_err *err)
{
    struct xl_out out;
    XL_TRY(xl_out_open(&out, path, err));
    enum xl_status rc = xl_safetensors_write_header(&out, entries, n, err);
    for (size_t i = 0; i < n && rc == XL_OK; i++)
        rc = xl_out_write(&out, entries[i].tensor.data,
                          bytes_of(&entries[i].tensor), err);
    if (rc == XL_OK)
        rc = xl_out_commit(&out, err);
    xl_out_abandon(&out);
    return rc;
}
