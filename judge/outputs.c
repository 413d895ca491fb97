/* SPDX-License-Identifier: Apache-2.0
 *
 * The ids are written before the text, and a listing goes by ids files, so a
 * crash between the two leaves an output that is found and said to be broken,
 * not one that is silently missing. */
#include "judge/outputs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/base/order.h"

enum {
    MOST_OUTPUTS = 100000, /* under one name */
    MOST_BACKEND = 64,     /* bytes of a backend in a name, encoded */
    MOST_TEXT = 64 << 20,
    MOST_TOKENS = 1 << 30,
};

static const char ids_suffix[] = ".ids.json";
static const char text_suffix[] = ".txt";

/* -- names ----------------------------------------------------------------- */

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '.';
}

static void encode(char out[MOST_BACKEND + 1], const char *text)
{
    size_t at = 0;
    for (; *text; text++) {
        size_t need = is_plain(*text) ? 1 : 3;
        if (at + need > MOST_BACKEND)
            break;
        if (need == 1)
            out[at] = *text;
        else
            snprintf(out + at, 4, "%%%02X", (unsigned)(unsigned char)*text);
        at += need;
    }
    out[at] = '\0';
}

void xl_output_name(char out[XL_OUTPUT_NAME], const struct xl_output_name *name)
{
    char backend[MOST_BACKEND + 1], workers[32] = "";
    encode(backend, name->backend);
    if (name->workers > 0)
        snprintf(workers, sizeof workers, "__w=%lld", (long long)name->workers);
    snprintf(out, XL_OUTPUT_NAME, "b=%s__h=%lld__ck=%lld%s__i=%zu", backend,
             (long long)name->heads_per_band, (long long)name->chunk_size,
             workers, name->index);
}

/* folder/name + suffix; heap. */
static char *path_of(const char *dir, const char *name, const char *suffix)
{
    char file[XL_OUTPUT_FILE];
    snprintf(file, sizeof file, "%s%s", name, suffix);
    return xl_io_join(dir, file);
}

/* -- reading --------------------------------------------------------------- */

static enum xl_status read_ids(const cJSON *root, struct xl_arena *arena,
                               struct xl_output *out, struct xl_err *err)
{
    const cJSON *list = xl_json_member(root, "ids");
    if (!cJSON_IsArray(list))
        return xl_fail(err, XL_EFORMAT, "'ids' must be a list of token ids");
    size_t n = (size_t)cJSON_GetArraySize(list);
    int32_t *ids = xl_arena_zero(arena, n + 1, sizeof *ids);
    if (!ids)
        return xl_fail(err, XL_ENOMEM, "out of memory for %zu ids", n);
    size_t i = 0;
    for (const cJSON *item = list->child; item; item = item->next) {
        double id = item->valuedouble;
        if (!cJSON_IsNumber(item) || !(id >= 0) || id > INT32_MAX ||
            id != (double)(int32_t)id)
            return xl_fail(err, XL_EFORMAT,
                           "'ids' has an item %zu that is no "
                           "token id",
                           i);
        ids[i++] = (int32_t)id;
    }
    out->ids = ids;
    out->n_ids = n;
    return XL_OK;
}

static enum xl_status read_record(const cJSON *root, const char *path,
                                  struct xl_arena *arena, struct xl_output *out,
                                  struct xl_err *err)
{
    int64_t prompt = 0;
    const cJSON *params = xl_json_member(root, "params");
    if (!cJSON_IsObject(params))
        return xl_fail(err, XL_EFORMAT, "'params' must be an object");
    xl_params_init(&out->params);
    XL_TRY(
        xl_params_from_json(&out->params, params, XL_LAYER_CONFIG, path, err));
    XL_TRY(read_ids(root, arena, out, err));
    enum xl_status rc =
        xl_json_get_int(root, "prompt_tokens", 0, MOST_TOKENS, &prompt, err);
    if (rc == XL_ENOTFOUND)
        return xl_fail(err, XL_EFORMAT, "'prompt_tokens' is missing");
    if (rc == XL_OK) {
        out->is_greedy = true;
        rc = xl_json_get_bool(root, "greedy", &out->is_greedy, err);
    }
    out->prompt_tokens = (size_t)prompt;
    return rc == XL_ENOTFOUND ? XL_OK : rc;
}

static enum xl_status load_record(const char *path, struct xl_arena *arena,
                                  struct xl_output *out, struct xl_err *err)
{
    cJSON *root = NULL;
    XL_TRY(xl_json_load(path, XL_JSON_LARGE, &root, err));
    enum xl_status rc = read_record(root, path, arena, out, err);
    cJSON_Delete(root);
    if (rc != XL_OK)
        xl_err_prefix(err, "output '%s'", path);
    return rc;
}

static enum xl_status load_text(const char *path, struct xl_arena *arena,
                                struct xl_output *out, struct xl_err *err)
{
    struct xl_buf text;
    xl_buf_init(&text, MOST_TEXT);
    enum xl_status rc = xl_io_read(path, &text, err);
    if (rc == XL_OK) {
        out->text = xl_arena_text(arena, text.data, text.len);
        out->n_text = text.len;
        if (!out->text)
            rc = xl_fail(err, XL_ENOMEM, "out of memory reading '%s'", path);
    }
    xl_buf_release(&text);
    return rc;
}

static enum xl_status load_one(const char *dir, const char *name,
                               struct xl_arena *arena, struct xl_output *out,
                               struct xl_err *err)
{
    char *ids = path_of(dir, name, ids_suffix);
    char *text = path_of(dir, name, text_suffix);
    size_t n = strlen(name);
    char *file = xl_arena_alloc(arena, n + sizeof text_suffix);
    enum xl_status rc = XL_ENOMEM;
    if (ids && text && file) {
        memcpy(file, name, n);
        memcpy(file + n, text_suffix, sizeof text_suffix);
        out->file = file;
        rc = load_record(ids, arena, out, err);
        if (rc == XL_OK)
            rc = load_text(text, arena, out, err);
    } else {
        xl_fail(err, rc, "out of memory reading '%s'", dir);
    }
    xl_free(ids);
    xl_free(text);
    return rc;
}

/* The length of the name before the ids suffix, 0 when it is another file. */
static size_t name_length(const char *file)
{
    size_t n = strlen(file), suffix = sizeof ids_suffix - 1;
    if (n <= suffix || n - suffix >= XL_OUTPUT_NAME ||
        strcmp(file + n - suffix, ids_suffix) != 0)
        return 0;
    return n - suffix;
}

struct names {
    size_t n, room;
    char **items; /* heap list, arena strings */
};

static enum xl_status add_name(struct names *names, struct xl_arena *arena,
                               const char *file, struct xl_err *err)
{
    size_t n = name_length(file);
    if (n == 0)
        return XL_OK;
    if (names->n == names->room) {
        size_t room = names->room ? names->room * 2 : 64;
        char **items = xl_realloc(names->items, names->room * sizeof *items,
                                  room * sizeof *items);
        if (!items)
            return xl_fail(err, XL_ENOMEM, "out of memory listing outputs");
        names->items = items;
        names->room = room;
    }
    names->items[names->n] = xl_arena_text(arena, file, n);
    if (!names->items[names->n++])
        return xl_fail(err, XL_ENOMEM, "out of memory listing outputs");
    return XL_OK;
}

static enum xl_status list_names(const char *dir, struct xl_arena *arena,
                                 struct names *names, struct xl_err *err)
{
    enum xl_status rc = XL_OK;
    DIR *stream = opendir(dir);
    if (!stream)
        return xl_fail(err, errno == ENOENT ? XL_ENOTFOUND : XL_EIO,
                       "cannot open the folder '%s': %s", dir, strerror(errno));
    for (struct dirent *entry; rc == XL_OK && (entry = readdir(stream));)
        rc = add_name(names, arena, entry->d_name, err);
    closedir(stream);
    if (names->n)
        qsort(names->items, names->n, sizeof *names->items, xl_order_texts);
    return rc;
}

enum xl_status xl_outputs_load(const char *dir, struct xl_arena *arena,
                               struct xl_outputs *out, struct xl_err *err)
{
    struct names names = { 0 };
    enum xl_status rc;
    *out = (struct xl_outputs){ 0 };
    XL_TRY_DONE(rc, list_names(dir, arena, &names, err));
    out->items = xl_arena_zero(arena, names.n + 1, sizeof *out->items);
    if (!out->items) {
        rc = xl_fail(err, XL_ENOMEM, "out of memory reading '%s'", dir);
        goto done;
    }
    for (size_t i = 0; i < names.n; i++)
        XL_TRY_DONE(rc,
                    load_one(dir, names.items[i], arena, &out->items[i], err));
    out->n = names.n;
done:
    xl_free(names.items);
    return rc;
}

/* -- writing --------------------------------------------------------------- */

static bool is_same(const struct xl_output *a, const struct xl_output *b)
{
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        if (a->params.value[i] != b->params.value[i])
            return false;
    return a->n_ids == b->n_ids && a->prompt_tokens == b->prompt_tokens &&
           a->is_greedy == b->is_greedy &&
           (a->n_ids == 0 ||
            memcmp(a->ids, b->ids, a->n_ids * sizeof *a->ids) == 0);
}

/* Whether path holds this very output; false when there is no such file. */
static enum xl_status holds(const char *path, const struct xl_output *output,
                            bool *is_there, bool *is_equal, struct xl_err *err)
{
    struct xl_arena arena;
    struct xl_output old = { 0 };
    *is_equal = false;
    *is_there = xl_io_exists(path);
    if (!*is_there)
        return XL_OK;
    xl_arena_init(&arena, 0);
    enum xl_status rc = load_record(path, &arena, &old, err);
    if (rc == XL_OK)
        *is_equal = is_same(&old, output);
    xl_arena_release(&arena);
    return rc;
}

static enum xl_status write_record(const char *path,
                                   const struct xl_output *output,
                                   struct xl_err *err)
{
    struct xl_buf text;
    cJSON *root = cJSON_CreateObject();
    cJSON *ids = cJSON_CreateArray();
    for (size_t i = 0; i < output->n_ids; i++)
        cJSON_AddItemToArray(ids, cJSON_CreateNumber(output->ids[i]));
    cJSON_AddItemToObject(root, "params", xl_params_to_json(&output->params));
    cJSON_AddItemToObject(root, "ids", ids);
    cJSON_AddNumberToObject(root, "prompt_tokens",
                            (double)output->prompt_tokens);
    cJSON_AddBoolToObject(root, "greedy", output->is_greedy);
    xl_buf_init(&text, 0);
    xl_json_print(root, false, &text);
    xl_buf_char(&text, '\n');
    cJSON_Delete(root);
    enum xl_status rc = xl_buf_check(&text, path, err);
    if (rc == XL_OK)
        rc = xl_io_replace(path, text.data, text.len, err);
    xl_buf_release(&text);
    return rc;
}

static enum xl_status write_pair(const char *dir, const char *name,
                                 const char *ids_path,
                                 const struct xl_output *output,
                                 struct xl_err *err)
{
    char *path = path_of(dir, name, text_suffix);
    enum xl_status rc = path ? XL_OK : xl_fail(err, XL_ENOMEM, "out of memory");
    if (rc == XL_OK)
        rc = write_record(ids_path, output, err);
    if (rc == XL_OK)
        rc = xl_io_replace(path, output->text, output->n_text, err);
    xl_free(path);
    return rc;
}

/* Looks at one index; *done when the output is there, now or before. */
static enum xl_status try_index(const char *dir, const char *name,
                                const struct xl_output *output, bool *done,
                                struct xl_err *err)
{
    bool is_there = false;
    char *path = path_of(dir, name, ids_suffix);
    if (!path)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    enum xl_status rc = holds(path, output, &is_there, done, err);
    if (rc == XL_OK && (!is_there || *done)) {
        *done = true;
        rc = write_pair(dir, name, path, output, err);
    }
    xl_free(path);
    return rc;
}

enum xl_status xl_outputs_save(const char *dir, const struct xl_output *output,
                               char *file, struct xl_err *err)
{
    char name[XL_OUTPUT_NAME], backend[XL_VALUE_ROOM];
    const int64_t *value = output->params.value;
    bool done = false;
    struct xl_output_name parts = {
        .backend =
            xl_param_format(XL_PARAM_BACKEND, value[XL_PARAM_BACKEND], backend),
        .heads_per_band = value[XL_PARAM_HEADS_PER_BAND],
        .chunk_size = value[XL_PARAM_CHUNK_SIZE],
        .workers = value[XL_PARAM_WORKERS],
    };
    XL_TRY(xl_io_make_dirs(dir, err));
    while (!done && parts.index < MOST_OUTPUTS) {
        xl_output_name(name, &parts);
        XL_TRY(try_index(dir, name, output, &done, err));
        parts.index++;
    }
    if (!done)
        return xl_fail(err, XL_EFAILED, "'%s' holds %d outputs of one name",
                       dir, MOST_OUTPUTS);
    if (file)
        snprintf(file, XL_OUTPUT_FILE, "%s%s", name, text_suffix);
    return XL_OK;
}
