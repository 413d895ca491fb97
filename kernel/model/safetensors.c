/* SPDX-License-Identifier: Apache-2.0
 *
 * A file is: header length (8 bytes, little-endian), JSON header, data. The
 * header names for each tensor its type, shape and byte range in the data.
 *
 * Nothing in a header is believed until it is checked: the length against the
 * file, the text as JSON, each shape times the element size against its byte
 * range, and all ranges together against the data, which they must cover
 * without overlap and without holes (so a shortened or padded file is seen).
 * Data may be unaligned; readers copy or convert.
 *
 * All tensors of all shards are one array sorted by name. */
#include "kernel/model/safetensors.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/hash.h"
#include "kernel/base/json.h"
#include "kernel/model/packfile.h"
#include "kernel/model/safetensors_int.h"

enum {
    LENGTH_BYTES = XL_SAFETENSORS_LENGTH,
    MAX_HEADER = 16 << 20,
    MAX_SHARDS = 1024
};

/* -- one header ----------------------------------------------------------- */

/* What a header is read into; path stands in messages. */
struct reading {
    struct xl_safetensors *files;
    const char *path;
    const unsigned char *data;
    size_t data_bytes;
    struct xl_err *err;
};

static bool read_size(const cJSON *item, size_t *out)
{
    double x = item ? item->valuedouble : -1;
    if (!cJSON_IsNumber(item) || !(x >= 0 && x <= 0x1p53) || x != floor(x))
        return false;
    *out = (size_t)x;
    return true;
}

static enum xl_status fail_tensor(const struct reading *r, const char *name,
                                  const char *what)
{
    return xl_fail(r->err, XL_EFORMAT,
                   "malformed checkpoint '%s': tensor '%.200s' %s", r->path,
                   name, what);
}

static bool read_shape(const cJSON *list, struct xl_tensor *tensor)
{
    if (!cJSON_IsArray(list))
        return false;
    for (const cJSON *item = list->child; item; item = item->next) {
        if (tensor->n_dims == XL_TENSOR_DIMS ||
            !read_size(item, &tensor->shape[tensor->n_dims]))
            return false;
        tensor->n_dims++;
    }
    return true;
}

static bool read_offsets(const cJSON *list, size_t *begin, size_t *end)
{
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != 2)
        return false;
    return read_size(list->child, begin) && read_size(list->child->next, end);
}

static bool count_bytes(const struct xl_tensor *tensor, size_t *nbytes)
{
    *nbytes = 1;
    for (size_t i = 0; i < tensor->n_dims; i++)
        if (!xl_mul_size(*nbytes, tensor->shape[i], nbytes))
            return false;
    return xl_mul_size(*nbytes, xl_dtype_bytes(tensor->dtype), nbytes);
}

static enum xl_status read_entry(const struct reading *r, const cJSON *item,
                                 struct xl_safetensors_item *entry)
{
    const cJSON *dtype = xl_json_member(item, "dtype");
    const cJSON *shape = xl_json_member(item, "shape");
    const cJSON *offsets = xl_json_member(item, "data_offsets");
    const char *name = item->string;
    size_t nbytes;

    if (!cJSON_IsObject(item) || !cJSON_IsString(dtype))
        return fail_tensor(r, name, "has no dtype");
    entry->tensor.dtype = xl_dtype_from_file(dtype->valuestring);
    if (entry->tensor.dtype == XL_DTYPE_COUNT)
        return fail_tensor(r, name, "has a dtype that is not supported");
    if (!read_shape(shape, &entry->tensor))
        return fail_tensor(r, name, "has no shape of up to four whole numbers");
    if (!read_offsets(offsets, &entry->begin, &entry->end))
        return fail_tensor(r, name, "has no pair of data_offsets");
    if (entry->begin > entry->end || entry->end > r->data_bytes)
        return fail_tensor(r, name, "lies outside the file's data");
    if (!count_bytes(&entry->tensor, &nbytes) ||
        nbytes != entry->end - entry->begin)
        return fail_tensor(r, name, "has a byte count that is not its shape's");
    entry->tensor.data = r->data + entry->begin;
    entry->name = xl_arena_text(&r->files->arena, name, strlen(name));
    if (!entry->name)
        return xl_fail(r->err, XL_ENOMEM, "out of memory");
    return XL_OK;
}

static int by_begin(const void *a, const void *b)
{
    const struct xl_safetensors_item *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* The ranges must tile the data: no overlap, no hole, nothing left. */
static enum xl_status check_tiling(const struct reading *r,
                                   struct xl_safetensors_item *entries,
                                   size_t n)
{
    size_t at = 0;
    if (n)
        qsort(entries, n, sizeof *entries, by_begin);
    for (size_t i = 0; i < n; i++) {
        if (entries[i].begin != at)
            return fail_tensor(r, entries[i].name,
                               entries[i].begin < at
                                   ? "overlaps another one"
                                   : "leaves a hole in front of its data");
        at = entries[i].end;
    }
    if (at != r->data_bytes)
        return xl_fail(r->err, XL_EFORMAT,
                       "malformed checkpoint '%s': %zu bytes belong to no "
                       "tensor",
                       r->path, r->data_bytes - at);
    return XL_OK;
}

static bool reserve(struct xl_safetensors *files, size_t more)
{
    size_t want = files->n + more;
    if (want <= files->entries_room)
        return true;
    want += want / 2;
    struct xl_safetensors_item *grown = xl_realloc(
        files->entries, files->n * sizeof *grown, want * sizeof *grown);
    if (!grown)
        return false;
    files->entries = grown;
    files->entries_room = want;
    return true;
}

/* Members that are no texts are nobody's business. */
static enum xl_status read_notes(const struct reading *r, const cJSON *list)
{
    struct xl_safetensors *files = r->files;
    size_t more = 0;
    for (const cJSON *item = list->child; item; item = item->next)
        more += cJSON_IsString(item) ? 1 : 0;
    if (!more)
        return XL_OK;
    struct xl_safetensors_note *grown =
        xl_realloc(files->notes, files->n_notes * sizeof *grown,
                   (files->n_notes + more) * sizeof *grown);
    if (!grown)
        return xl_fail(r->err, XL_ENOMEM, "out of memory");
    files->notes = grown;
    for (const cJSON *item = list->child; item; item = item->next) {
        if (!cJSON_IsString(item))
            continue;
        struct xl_safetensors_note note = {
            .key = xl_arena_text(&files->arena, item->string,
                                 strlen(item->string)),
            .value = xl_arena_text(&files->arena, item->valuestring,
                                   strlen(item->valuestring)),
        };
        if (!note.key || !note.value)
            return xl_fail(r->err, XL_ENOMEM, "out of memory");
        files->notes[files->n_notes++] = note;
    }
    return XL_OK;
}

static enum xl_status read_tree(const struct reading *r, const cJSON *root)
{
    struct xl_safetensors *files = r->files;
    size_t first = files->n, members = 0;
    for (const cJSON *item = root->child; item; item = item->next)
        members++;
    if (!reserve(files, members))
        return xl_fail(r->err, XL_ENOMEM, "out of memory");
    for (const cJSON *item = root->child; item; item = item->next) {
        if (strcmp(item->string, "__metadata__") == 0) {
            XL_TRY(read_notes(r, item));
            continue;
        }
        struct xl_safetensors_item entry = { .file = files->n_shards - 1 };
        XL_TRY(read_entry(r, item, &entry));
        files->entries[files->n++] = entry;
    }
    return check_tiling(r, files->entries + first, files->n - first);
}

/* Whether the header is sealed; a broken seal is an error. */
static enum xl_status check_seal(const struct reading *r, const char *header,
                                 size_t n, bool *is_sealed)
{
    static const char seal[] = XL_SAFETENSORS_SEAL;
    char sum[XL_HASH_TEXT];
    *is_sealed = n >= sizeof seal - 1 + XL_SAFETENSORS_DIGITS &&
                 memcmp(header, seal, sizeof seal - 1) == 0;
    if (!*is_sealed)
        return XL_OK;
    xl_safetensors_checksum(header, n, sum);
    if (memcmp(header + sizeof seal - 1, sum, XL_SAFETENSORS_DIGITS) == 0)
        return XL_OK;
    return xl_fail(r->err, XL_EFORMAT,
                   "damaged file '%s': the header does not fit its checksum; "
                   "write it again",
                   r->path);
}

static enum xl_status read_header(struct reading *r,
                                  struct xl_safetensors_shard *shard)
{
    const struct xl_map *map = &shard->map;
    uint64_t length = 0;
    cJSON *root;
    if (map->size < LENGTH_BYTES)
        return xl_fail(r->err, XL_EFORMAT,
                       "malformed checkpoint '%s': shorter than a header",
                       r->path);
    for (size_t i = 0; i < LENGTH_BYTES; i++)
        length |= (uint64_t)map->data[i] << (8 * i);
    if (length > MAX_HEADER || length > map->size - LENGTH_BYTES)
        return xl_fail(r->err, XL_EFORMAT,
                       "malformed checkpoint '%s': header of %llu bytes in a "
                       "file of %zu",
                       r->path, (unsigned long long)length, map->size);
    r->data = map->data + LENGTH_BYTES + length;
    r->data_bytes = map->size - LENGTH_BYTES - (size_t)length;
    const char *header = (const char *)map->data + LENGTH_BYTES;
    shard->header_bytes = LENGTH_BYTES + (size_t)length;
    XL_TRY(check_seal(r, header, (size_t)length, &shard->is_sealed));
    XL_TRY(xl_json_parse(header, (size_t)length, r->path, &root, r->err));
    enum xl_status rc = XL_OK;
    if (cJSON_IsObject(root))
        rc = read_tree(r, root);
    else
        rc = xl_fail(r->err, XL_EFORMAT,
                     "malformed checkpoint '%s': header is not an object",
                     r->path);
    cJSON_Delete(root);
    return rc;
}

/* -- files and shards ----------------------------------------------------- */

static enum xl_status make(struct xl_safetensors **files, struct xl_err *err)
{
    *files = xl_alloc_zero(1, sizeof **files);
    if (!*files)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    xl_arena_init(&(*files)->arena, 0);
    return XL_OK;
}

static struct xl_safetensors_shard *push_shard(struct xl_safetensors *files,
                                               const char *path)
{
    if (files->n_shards == files->shards_room) {
        size_t room = files->shards_room ? 2 * files->shards_room : 8;
        struct xl_safetensors_shard *grown =
            xl_realloc(files->shards, files->n_shards * sizeof *grown,
                       room * sizeof *grown);
        if (!grown)
            return NULL;
        files->shards = grown;
        files->shards_room = room;
    }
    struct xl_safetensors_shard *shard = &files->shards[files->n_shards];
    *shard = (struct xl_safetensors_shard){
        .path = xl_arena_text(&files->arena, path, strlen(path)),
    };
    if (!shard->path)
        return NULL;
    const char *slash = strrchr(shard->path, '/');
    shard->name = slash ? slash + 1 : shard->path;
    files->n_shards++;
    return shard;
}

static enum xl_status add_file(struct xl_safetensors *files, const char *path,
                               struct xl_err *err)
{
    struct xl_safetensors_shard *shard = push_shard(files, path);
    if (!shard)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    XL_TRY(xl_map_open(&shard->map, path, err));
    struct reading r = { .files = files, .path = path, .err = err };
    return read_header(&r, shard);
}

static enum xl_status add_file_in(struct xl_safetensors *files, const char *dir,
                                  const char *name, struct xl_err *err)
{
    char *path = xl_io_join(dir, name);
    if (!path)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    enum xl_status rc = add_file(files, path, err);
    xl_free(path);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct xl_safetensors_item *)a)->name,
                  ((const struct xl_safetensors_item *)b)->name);
}

enum xl_status xl_safetensors_sort(struct xl_safetensors *files,
                                   const char *where, struct xl_err *err)
{
    if (files->n)
        qsort(files->entries, files->n, sizeof *files->entries, by_name);
    for (size_t i = 1; i < files->n; i++)
        if (strcmp(files->entries[i - 1].name, files->entries[i].name) == 0)
            return xl_fail(err, XL_EFORMAT,
                           "malformed checkpoint '%s': tensor '%.200s' is "
                           "there twice",
                           where, files->entries[i].name);
    return XL_OK;
}

static bool is_shard_name(const char *name)
{
    static const char ending[] = ".safetensors";
    size_t n = strlen(name);
    return n > sizeof ending - 1 && n < 256 && !strchr(name, '/') &&
           !strstr(name, "..") &&
           strcmp(name + n - (sizeof ending - 1), ending) == 0;
}

static bool has_shard(const struct xl_safetensors *files, const char *name)
{
    /* Neighbours in an index mostly share a file: look at the last first. */
    for (size_t i = files->n_shards; i > 0; i--)
        if (strcmp(files->shards[i - 1].name, name) == 0)
            return true;
    return false;
}

static enum xl_status open_listed(struct xl_safetensors *files, const char *dir,
                                  const char *index, const cJSON *map,
                                  struct xl_err *err)
{
    for (const cJSON *item = map->child; item; item = item->next) {
        if (!cJSON_IsString(item) || !is_shard_name(item->valuestring))
            return xl_fail(err, XL_EFORMAT,
                           "malformed index '%s': tensor '%.200s' is in no "
                           "file of this folder",
                           index, item->string);
        if (has_shard(files, item->valuestring))
            continue;
        if (files->n_shards == MAX_SHARDS)
            return xl_fail(err, XL_EFORMAT,
                           "malformed index '%s': more than %d files", index,
                           MAX_SHARDS);
        XL_TRY(add_file_in(files, dir, item->valuestring, err));
    }
    return XL_OK;
}

static enum xl_status check_listed(const struct xl_safetensors *files,
                                   const char *index, const cJSON *map,
                                   struct xl_err *err)
{
    for (const cJSON *item = map->child; item; item = item->next) {
        size_t i = xl_safetensors_index(files, item->string);
        if (i == files->n || strcmp(files->shards[files->entries[i].file].name,
                                    item->valuestring) != 0)
            return xl_fail(err, XL_EFORMAT,
                           "malformed index '%s': tensor '%.200s' is not in "
                           "'%.200s'",
                           index, item->string, item->valuestring);
    }
    return XL_OK;
}

static enum xl_status open_index(struct xl_safetensors *files, const char *dir,
                                 const char *path, struct xl_err *err)
{
    cJSON *root;
    XL_TRY(xl_json_load(path, MAX_HEADER, &root, err));
    const cJSON *map = xl_json_member(root, "weight_map");
    enum xl_status rc = XL_OK;
    if (!cJSON_IsObject(map) || !map->child)
        rc = xl_fail(err, XL_EFORMAT, "malformed index '%s': no weight_map",
                     path);
    if (rc == XL_OK)
        rc = open_listed(files, dir, path, map, err);
    if (rc == XL_OK)
        rc = xl_safetensors_sort(files, dir, err);
    if (rc == XL_OK)
        rc = check_listed(files, path, map, err);
    cJSON_Delete(root);
    return rc;
}

/* model_0.safetensors, model_1... until a number is missing. */
static enum xl_status open_numbered(struct xl_safetensors *files,
                                    const char *dir, struct xl_err *err)
{
    for (int i = 0; i < MAX_SHARDS; i++) {
        char name[48];
        snprintf(name, sizeof name, "model_%d.safetensors", i);
        struct xl_err why = { 0 };
        enum xl_status rc = add_file_in(files, dir, name, &why);
        if (rc == XL_ENOTFOUND && i > 0)
            break;
        if (rc == XL_ENOTFOUND)
            return xl_fail(err, rc,
                           "no checkpoint in '%s': neither model.safetensors "
                           "nor model.safetensors.index.json nor %s",
                           dir, name);
        if (rc != XL_OK)
            return xl_fail(err, rc, "%s", why.message);
    }
    return xl_safetensors_sort(files, dir, err);
}

static enum xl_status open_folder(struct xl_safetensors *files, const char *dir,
                                  struct xl_err *err)
{
    if (!xl_io_is_dir(dir))
        return xl_fail(err, XL_ENOTFOUND, "cannot open '%s': not a folder",
                       dir);
    char *packed = xl_io_join(dir, XL_PACKFILE_NAME);
    char *single = xl_io_join(dir, "model.safetensors");
    char *index = xl_io_join(dir, "model.safetensors.index.json");
    enum xl_status rc;
    if (!packed || !single || !index) {
        rc = xl_fail(err, XL_ENOMEM, "out of memory");
    } else if (xl_io_exists(packed)) {
        rc = add_file(files, packed, err);
        if (rc == XL_OK)
            rc = xl_safetensors_sort(files, packed, err);
    } else if (xl_io_exists(single)) {
        rc = add_file(files, single, err);
        if (rc == XL_OK)
            rc = xl_safetensors_sort(files, single, err);
    } else if (xl_io_exists(index)) {
        rc = open_index(files, dir, index, err);
    } else {
        rc = open_numbered(files, dir, err);
    }
    xl_free(packed);
    xl_free(single);
    xl_free(index);
    return rc;
}

enum xl_status xl_safetensors_open(struct xl_safetensors **files,
                                   const char *dir, struct xl_err *err)
{
    XL_TRY(make(files, err));
    enum xl_status rc = open_folder(*files, dir, err);
    if (rc != XL_OK) {
        xl_safetensors_close(*files);
        *files = NULL;
    }
    return rc;
}

enum xl_status xl_safetensors_open_file(struct xl_safetensors **files,
                                        const char *path, struct xl_err *err)
{
    XL_TRY(make(files, err));
    enum xl_status rc = add_file(*files, path, err);
    if (rc == XL_OK)
        rc = xl_safetensors_sort(*files, path, err);
    if (rc != XL_OK) {
        xl_safetensors_close(*files);
        *files = NULL;
    }
    return rc;
}

void xl_safetensors_close(struct xl_safetensors *files)
{
    if (!files)
        return;
    for (size_t i = 0; i < files->n_shards; i++)
        xl_map_close(&files->shards[i].map);
    xl_free(files->shards);
    xl_free(files->notes);
    xl_free(files->entries);
    xl_arena_release(&files->arena);
    xl_free(files);
}
