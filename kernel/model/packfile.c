/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading. A note is believed when it parses and when the tensors beside it
 * have exactly the bytes that kind and sizes need; codes themselves may be
 * any bits. */
#include "kernel/model/packfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/opt.h"
#include "kernel/base/pages.h"
#include "kernel/base/pool.h"
#include "kernel/guard/memory.h"
#include "kernel/model/packfile_int.h"
#include "kernel/model/safetensors_int.h"

enum {
    FIELD_ROOM = 48,
    FIELDS = 7,
    NAME_ROOM = 192,
    LARGE_BYTES = 32 << 20
};

struct xl_packfile {
    const struct xl_safetensors *files;
    struct xl_packfile_facts facts;
    struct xl_packfile_matrix *matrices; /* [n], by name */
    size_t n;
    bool is_settled;
};

static const char *path_of(const struct xl_safetensors *files)
{
    return files->n_shards ? files->shards[0].path : "";
}

/* -- facts ---------------------------------------------------------------- */

bool xl_packfile_is(const struct xl_safetensors *files)
{
    return files->n_shards == 1 &&
           strcmp(files->shards[0].name, XL_PACKFILE_NAME) == 0;
}

static bool find_kind(const char *name, enum xl_pack_kind *kind)
{
    for (size_t i = 0; name && i < XL_PACK_COUNT; i++) {
        *kind = (enum xl_pack_kind)i;
        if (strcmp(xl_pack_name(*kind), name) == 0)
            return true;
    }
    return false;
}

enum xl_status xl_packfile_read_facts(struct xl_packfile_facts *facts,
                                      const struct xl_safetensors *files,
                                      struct xl_err *err)
{
    const char *layout = xl_safetensors_note(files, "layout");
    int64_t version = 0;
    if (files->n_shards != 1 || !files->shards[0].is_sealed || !layout ||
        !xl_parse_int(layout, &version))
        return xl_fail(err, XL_EFORMAT,
                       "'%s' is no packed checkpoint, or a damaged one; write "
                       "it again with 'xltune pack'",
                       path_of(files));
    if (version != XL_PACKFILE_VERSION)
        return xl_fail(err, XL_EFORMAT,
                       "'%s' has packed layout %lld, this program reads %d; "
                       "write it again with 'xltune pack'",
                       path_of(files), (long long)version, XL_PACKFILE_VERSION);
    facts->source = xl_safetensors_note(files, "source");
    if (!facts->source ||
        !find_kind(xl_safetensors_note(files, "weight_dtype"),
                   &facts->weights) ||
        !find_kind(xl_safetensors_note(files, "head_dtype"), &facts->head))
        return xl_fail(err, XL_EFORMAT,
                       "'%s' does not say what it holds; write it again with "
                       "'xltune pack'",
                       path_of(files));
    return XL_OK;
}

/* -- matrices ------------------------------------------------------------- */

/* "int4 1024 2048 1.5 2.5 0.1 HASH" */
static bool read_note(const char *text, struct xl_packfile_matrix *m)
{
    char fields[FIELDS][FIELD_ROOM];
    int64_t out, in;
    size_t n = 0;
    while (*text && n < FIELDS) {
        size_t len = strcspn(text, " ");
        if (len == 0 || len >= FIELD_ROOM)
            return false;
        memcpy(fields[n], text, len);
        fields[n++][len] = '\0';
        text += len + (text[len] == ' ');
    }
    if (*text || n != FIELDS || strlen(fields[6]) != XL_HASH_TEXT - 1 ||
        !find_kind(fields[0], &m->packed.kind) ||
        !xl_parse_int(fields[1], &out) || !xl_parse_int(fields[2], &in) ||
        !xl_parse_real(fields[3], &m->report.error2) ||
        !xl_parse_real(fields[4], &m->report.weight2) ||
        !xl_parse_real(fields[5], &m->report.worst) || out < 1 || in < 1)
        return false;
    m->packed.out = (size_t)out;
    m->packed.in = (size_t)in;
    memcpy(m->hash, fields[6], XL_HASH_TEXT);
    return true;
}

static const struct xl_tensor *find_part(const struct xl_safetensors *files,
                                         const char *name, const char *part)
{
    char full[NAME_ROOM];
    snprintf(full, sizeof full, XL_PACKFILE_PREFIX "%s.%s", name, part);
    return xl_safetensors_find(files, full);
}

static bool has_bytes(const struct xl_tensor *t, enum xl_dtype dtype,
                      size_t nbytes, size_t align)
{
    return t && t->dtype == dtype &&
           xl_tensor_count(t) * xl_dtype_bytes(dtype) == nbytes &&
           ((uintptr_t)t->data & (align - 1)) == 0;
}

static bool read_matrix(const struct xl_safetensors *files,
                        const struct xl_safetensors_note *note,
                        struct xl_packfile_matrix *m)
{
    struct xl_pack_sizes sizes;
    m->name = note->key + strlen(XL_PACKFILE_NOTE);
    if (!read_note(note->value, m) ||
        !xl_pack_sizes(&sizes, m->packed.kind, m->packed.out, m->packed.in))
        return false;
    const struct xl_tensor *data = find_part(files, m->name, "data");
    const struct xl_tensor *scales = find_part(files, m->name, "scales");
    if (!has_bytes(data, XL_U8, sizes.data_bytes, XL_PACK_LINE))
        return false;
    m->packed.data = data->data;
    if (!sizes.scale_bytes)
        return !scales;
    if (!has_bytes(scales, XL_BF16, sizes.scale_bytes, sizeof(uint16_t)))
        return false;
    m->packed.scales = scales->data;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct xl_packfile_matrix *)a)->name,
                  ((const struct xl_packfile_matrix *)b)->name);
}

static enum xl_status read_all(struct xl_packfile *file, struct xl_err *err)
{
    const struct xl_safetensors *files = file->files;
    for (size_t i = 0; i < files->n_notes; i++) {
        const struct xl_safetensors_note *note = &files->notes[i];
        struct xl_packfile_matrix m = { 0 };
        if (strncmp(note->key, XL_PACKFILE_NOTE, strlen(XL_PACKFILE_NOTE)) != 0)
            continue;
        if (!read_matrix(files, note, &m))
            return xl_fail(err, XL_EFORMAT,
                           "'%s': packed matrix '%.100s' does not have the "
                           "bytes that its sizes need; write it again with "
                           "'xltune pack'",
                           path_of(files), m.name);
        file->matrices[file->n++] = m;
    }
    if (file->n)
        qsort(file->matrices, file->n, sizeof *file->matrices, by_name);
    return XL_OK;
}

enum xl_status xl_packfile_open(struct xl_packfile **out,
                                const struct xl_safetensors *files,
                                struct xl_err *err)
{
    struct xl_packfile_facts facts;
    *out = NULL;
    XL_TRY(xl_packfile_read_facts(&facts, files, err));
    struct xl_packfile *file = xl_alloc_zero(1, sizeof *file);
    if (file)
        file->matrices =
            xl_alloc_zero(files->n_notes + 1, sizeof *file->matrices);
    if (!file || !file->matrices) {
        xl_free(file);
        return xl_fail(err, XL_ENOMEM, "out of memory");
    }
    file->files = files;
    file->facts = facts;
    xl_pages_huge(files->shards[0].map.data, files->shards[0].map.size);
    enum xl_status rc = read_all(file, err);
    if (rc != XL_OK) {
        xl_packfile_close(file);
        return rc;
    }
    *out = file;
    return XL_OK;
}

void xl_packfile_small_pages(const struct xl_packfile *file)
{
    const struct xl_safetensors *files = file->files;
    xl_pages_small(files->shards[0].map.data, files->shards[0].map.size);
}

/* -- pages ---------------------------------------------------------------- */

struct moving {
    char *to;
    const unsigned char *from;
    size_t nbytes, workers;
};

static void move_share(void *ctx, size_t worker)
{
    const struct moving *m = ctx;
    size_t page = XL_PAGES_HUGE_BYTES, pages = (m->nbytes + page - 1) / page;
    struct xl_span span = xl_span_of(pages, m->workers, worker);
    size_t begin = span.begin * page, end = span.end * page;
    end = end < m->nbytes ? end : m->nbytes;
    if (begin < end)
        memcpy(m->to + begin, m->from + begin, end - begin);
}

bool xl_packfile_move(struct xl_packfile *file, struct xl_pool *pool)
{
    const struct xl_map *map = &file->files->shards[0].map;
    struct moving m = { .to = xl_pages_take(map->data, map->size),
                        .from = map->data,
                        .nbytes = map->size,
                        .workers = xl_pool_width(pool) };
    if (!m.to)
        return false;
    xl_pool_run(pool, move_share, &m);
    xl_pages_put(m.to, map->data, map->size);
    return true;
}

void xl_packfile_settle(struct xl_packfile *file, struct xl_pool *pool)
{
    const struct xl_map *map = &file->files->shards[0].map;
    uint64_t usable;
    if (file->is_settled || map->size < LARGE_BYTES)
        return;
    file->is_settled = true;
    if (xl_memory_usable(&usable) && usable / 2 > map->size &&
        xl_pages_count_huge(map->data, map->size) < map->size / 4 * 3)
        (void)xl_packfile_move(file, pool);
}

void xl_packfile_close(struct xl_packfile *file)
{
    if (!file)
        return;
    xl_free(file->matrices);
    xl_free(file);
}

const struct xl_packfile_facts *xl_packfile_facts(const struct xl_packfile *f)
{
    return &f->facts;
}

int xl_packfile_layout(void)
{
    return XL_PACKFILE_VERSION;
}

size_t xl_packfile_count(const struct xl_packfile *file)
{
    return file->n;
}

const struct xl_packfile_matrix *xl_packfile_at(const struct xl_packfile *file,
                                                size_t i)
{
    return &file->matrices[i];
}

const struct xl_packfile_matrix *
xl_packfile_find(const struct xl_packfile *file, const char *name)
{
    const struct xl_packfile_matrix key = { .name = name };
    return file->n ? bsearch(&key, file->matrices, file->n,
                             sizeof *file->matrices, by_name)
                   : NULL;
}

/* -- hashes --------------------------------------------------------------- */

void xl_packfile_hash(const struct xl_packed *packed, char out[XL_HASH_TEXT])
{
    char both[2][XL_HASH_TEXT];
    struct xl_pack_sizes sizes;
    (void)xl_pack_sizes(&sizes, packed->kind, packed->out, packed->in);
    xl_hash(both[0], packed->data, sizes.data_bytes);
    xl_hash(both[1], packed->scales ? packed->scales : packed->data,
            sizes.scale_bytes);
    xl_hash(out, both, sizeof both);
}

enum xl_status xl_packfile_verify(const struct xl_packfile *file,
                                  const struct xl_packfile_matrix *matrix,
                                  struct xl_err *err)
{
    char hash[XL_HASH_TEXT];
    xl_packfile_hash(&matrix->packed, hash);
    if (strcmp(hash, matrix->hash) == 0)
        return XL_OK;
    return xl_fail(err, XL_EFORMAT,
                   "damaged file '%s': packed matrix '%s' does not fit its "
                   "hash; write it again with 'xltune pack'",
                   path_of(file->files), matrix->name);
}
