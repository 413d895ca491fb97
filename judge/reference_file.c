/* SPDX-License-Identifier: Apache-2.0
 *
 * FOLDER/<hash>.reference: a header, the state after the rows, the states at
 * the marks, the rows. The name is the hash of everything that decides the
 * rows: the model's content, the text's ids, the tunables of the reference,
 * the layout and this program's format. Those used last stay, MOST_FILES of
 * them and no more than MOST_BYTES.
 *
 * The arithmetic of the reference may change from one build to the next, and
 * no number in a header would know. So the first pass is run again and its
 * bits are compared. */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "judge/reference_int.h"
#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"

enum {
    FORMAT = 2,
    MOST_FILES = 8,
};
#define MOST_BYTES ((int64_t)4 << 30) /* a text of 400m is 0.4 GiB */

static const char magic[8] = "xlrefer";
static const char suffix[] = ".reference";

struct header {
    char magic[8];
    uint64_t format, rows, vocab, floats, marks;
    char name[XL_HASH_TEXT], hash[XL_HASH_TEXT]; /* of what follows */
    char pad[6];
};

/* What decides the rows, hashed. */
static bool set_name(struct xl_reference *r)
{
    struct xl_buf text;
    const char *model = xl_model_hash(r->spec.model);
    if (r->name[0])
        return true;
    xl_buf_init(&text, 1 << 20);
    cJSON *params = xl_params_to_json(r->spec.params);
    xl_buf_printf(&text, "%d %d %s %s %zu ", FORMAT, XL_REFERENCE_PASS,
                  model ? model : "", r->spec.text_hash, r->spec.n);
    if (r->spec.rounding || r->spec.step_rounding)
        xl_buf_printf(&text, "rounded %d, last %zu %d ", (int)r->spec.rounding,
                      r->spec.steps, (int)r->spec.step_rounding);
    xl_json_print(params, false, &text);
    cJSON_Delete(params);
    bool ok = xl_buf_ok(&text) && model && model[0];
    if (ok)
        xl_hash(r->name, text.data, text.len);
    xl_buf_release(&text);
    return ok;
}

static char *path_of(const struct xl_reference *r)
{
    char file[XL_HASH_TEXT + sizeof suffix];
    snprintf(file, sizeof file, "%s%s", r->name, suffix);
    return xl_io_join(r->spec.folder, file);
}

/* Bytes of states and rows. */
static size_t body_bytes(const struct xl_reference *r, size_t rows)
{
    size_t floats = r->state.floats * (1 + r->n_marks) + rows * r->vocab;
    return floats * sizeof(float);
}

/* -- reading --------------------------------------------------------------- */

static bool fits(const struct xl_reference *r, const struct xl_map *map,
                 struct header *h)
{
    char hash[XL_HASH_TEXT];
    if (map->size < sizeof *h)
        return false;
    memcpy(h, map->data, sizeof *h);
    if (memcmp(h->magic, magic, sizeof magic) != 0 || h->format != FORMAT ||
        h->vocab != r->vocab || h->floats != r->state.floats ||
        h->marks != r->n_marks || h->rows > r->spec.n || h->rows == 0 ||
        memcmp(h->name, r->name, sizeof h->name) != 0)
        return false;
    size_t body = body_bytes(r, (size_t)h->rows);
    if (map->size != sizeof *h + body)
        return false;
    xl_hash(hash, map->data + sizeof *h, body);
    return memcmp(hash, h->hash, sizeof hash) == 0;
}

static const unsigned char *take_state(struct xl_state *to,
                                       const unsigned char *from, size_t tokens)
{
    size_t nbytes = to->floats * sizeof(float);
    memcpy(to->data, from, nbytes);
    to->tokens = tokens;
    return from + nbytes;
}

/* Does this build compute the same first pass? Its rows go where the file's
 * will be; the state is left cleared. */
static bool repeats(struct xl_reference *r, const unsigned char *rows)
{
    size_t n = r->spec.n < XL_REFERENCE_PASS ? r->spec.n : XL_REFERENCE_PASS;
    if (xl_reference_pass(r, n, r->kept, NULL) != XL_OK)
        return false;
    xl_state_clear(&r->state);
    return memcmp(rows, r->kept, n * r->vocab * sizeof(float)) == 0;
}

static void take(struct xl_reference *r, const struct header *h,
                 const unsigned char *at)
{
    size_t rows = (size_t)h->rows;
    const unsigned char *states = at;
    at += r->state.floats * (1 + r->n_marks) * sizeof(float);
    size_t first =
        r->spec.n < XL_REFERENCE_PASS ? r->spec.n : XL_REFERENCE_PASS;
    if (rows < first || !repeats(r, at))
        return;
    memcpy(r->kept, at, rows * r->vocab * sizeof(float));
    states = take_state(&r->state, states, rows);
    for (size_t i = 0; i < r->n_marks; i++)
        states = take_state(&r->at_mark[i], states, r->marks[i]);
    r->done = rows;
    r->loaded = rows;
}

void xl_reference_load(struct xl_reference *r)
{
    struct xl_map map = { 0 };
    struct header h;
    char *path = set_name(r) ? path_of(r) : NULL;
    if (path && xl_map_open(&map, path, NULL) == XL_OK) {
        if (fits(r, &map, &h))
            take(r, &h, map.data + sizeof h);
        if (r->loaded)
            (void)utimensat(AT_FDCWD, path, NULL, 0); /* used just now */
        xl_map_close(&map);
    }
    xl_free(path);
}

/* -- writing --------------------------------------------------------------- */

struct old_file {
    char name[XL_HASH_TEXT + sizeof suffix];
    int64_t used_ns, bytes;
};

static int newest_first(const void *a, const void *b)
{
    const struct old_file *x = a, *y = b;
    return (x->used_ns < y->used_ns) - (x->used_ns > y->used_ns);
}

/* Removes all but the files that were used last. */
static void tidy(const char *folder)
{
    struct old_file files[64];
    size_t n = 0;
    int64_t total = 0;
    DIR *stream = opendir(folder);
    struct dirent *entry;
    while (stream && n < sizeof files / sizeof *files &&
           (entry = readdir(stream))) {
        const char *name = entry->d_name;
        struct stat info;
        char *path;
        if (strlen(name) != sizeof files->name - 2 ||
            strcmp(name + XL_HASH_TEXT - 1, suffix) != 0)
            continue;
        path = xl_io_join(folder, name);
        if (path && stat(path, &info) == 0) {
            memcpy(files[n].name, name, strlen(name) + 1);
            files[n].bytes = info.st_size;
            files[n++].used_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 +
                                 info.st_mtim.tv_nsec;
        }
        xl_free(path);
    }
    if (stream)
        closedir(stream);
    qsort(files, n, sizeof *files, newest_first);
    for (size_t i = 0; i < n; i++) {
        total += files[i].bytes;
        if (i < MOST_FILES && (i == 0 || total <= MOST_BYTES))
            continue;
        char *path = xl_io_join(folder, files[i].name);
        if (path)
            unlink(path);
        xl_free(path);
    }
}

static unsigned char *put(unsigned char *at, const float *data, size_t n)
{
    memcpy(at, data, n * sizeof *data);
    return at + n * sizeof *data;
}

/* Marks that were not reached are all zero, and are never asked for. */
void xl_reference_save(const struct xl_reference *r)
{
    struct header h = { .format = FORMAT,
                        .rows = r->done,
                        .vocab = r->vocab,
                        .floats = r->state.floats,
                        .marks = r->n_marks };
    size_t body = body_bytes(r, r->done);
    if (body > (size_t)MOST_BYTES)
        return;
    char *path = r->name[0] ? path_of(r) : NULL;
    unsigned char *bytes = xl_alloc(sizeof h + body);
    if (path && bytes && xl_io_make_dirs(r->spec.folder, NULL) == XL_OK) {
        unsigned char *at = bytes + sizeof h;
        at = put(at, r->state.data, r->state.floats);
        for (size_t i = 0; i < r->n_marks; i++)
            at = put(at, r->at_mark[i].data, r->state.floats);
        put(at, r->kept, r->done * r->vocab);
        memcpy(h.magic, magic, sizeof magic);
        memcpy(h.name, r->name, sizeof h.name);
        xl_hash(h.hash, bytes + sizeof h, body);
        memcpy(bytes, &h, sizeof h);
        if (xl_io_replace(path, bytes, sizeof h + body, NULL) == XL_OK)
            tidy(r->spec.folder);
    }
    xl_free(bytes);
    xl_free(path);
}
