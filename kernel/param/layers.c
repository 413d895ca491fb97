/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers overlay a set of values: a JSON file, the environment, flags. An
 * unknown key or a bad value is an error that says where it stands. */
#include "kernel/param/param.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/io.h"
#include "kernel/base/json.h"

enum {
    NAME_ROOM = 48,
    PAIR_ROOM = 128 /* name=value, and its end */
};

/* -- JSON ----------------------------------------------------------------- */

/* The text of a JSON value as a flag would spell it; false when it is none. */
static bool value_text(const cJSON *item, char out[NAME_ROOM])
{
    if (cJSON_IsBool(item))
        snprintf(out, NAME_ROOM, "%s", cJSON_IsTrue(item) ? "true" : "false");
    else if (cJSON_IsNumber(item))
        snprintf(out, NAME_ROOM, "%.17g", item->valuedouble);
    else if (cJSON_IsString(item) && strlen(item->valuestring) < NAME_ROOM)
        snprintf(out, NAME_ROOM, "%s", item->valuestring);
    else
        return false;
    return true;
}

static const char *nearest_param(const char *name)
{
    const char *names[XL_PARAM_COUNT];
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        names[i] = xl_param_row((enum xl_param)i)->name;
    return xl_nearest(name, names, XL_PARAM_COUNT);
}

static enum xl_status fail_unknown_key(const char *key, struct xl_err *err)
{
    const char *near = nearest_param(key);
    if (near)
        return xl_fail(err, XL_EUSAGE, "unknown key '%s'; nearest is '%s'", key,
                       near);
    return xl_fail(err, XL_EUSAGE,
                   "unknown key '%s'; 'xltune config show' "
                   "lists the tunables",
                   key);
}

static enum xl_status set_from_item(struct xl_params *params, const cJSON *item,
                                    enum xl_layer layer, const char *where,
                                    struct xl_err *err)
{
    char text[NAME_ROOM];
    enum xl_param id = xl_param_find(item->string);
    if (id == XL_PARAM_COUNT)
        return fail_unknown_key(item->string, err);
    if (!value_text(item, text))
        return xl_fail(err, XL_EUSAGE,
                       "'%s' must be a number, a string or a "
                       "boolean",
                       item->string);
    return xl_params_set(params, id, text, layer, where, err);
}

enum xl_status xl_params_from_json(struct xl_params *params,
                                   const cJSON *object, enum xl_layer layer,
                                   const char *where, struct xl_err *err)
{
    if (!cJSON_IsObject(object))
        return xl_fail(err, XL_EUSAGE, "the tunables of %s must be an object",
                       where);
    for (const cJSON *item = object->child; item; item = item->next)
        XL_TRY(set_from_item(params, item, layer, where, err));
    return XL_OK;
}

static bool is_listed(const char *const *list, const char *key)
{
    for (; list && *list; list++)
        if (strcmp(*list, key) == 0)
            return true;
    return false;
}

/* One file being overlaid. */
struct overlay {
    struct xl_params *params;
    const char *path;
    enum xl_layer layer;
    const char *text; /* [n] */
    size_t n;
    const char *const *parents; /* names from the root to the object */
    const char *const *ignored;
    struct xl_err *err;
};

static enum xl_status overlay_object(const struct overlay *o,
                                     const cJSON *object)
{
    for (const cJSON *item = object->child; item; item = item->next) {
        if (is_listed(o->ignored, item->string))
            continue;
        struct xl_json_place place =
            xl_json_find(o->text, o->n, o->parents, item->string);
        char where[XL_ORIGIN_ROOM];
        snprintf(where, sizeof where, "%s:%zu", o->path, place.line);
        enum xl_status rc =
            set_from_item(o->params, item, o->layer, where, o->err);
        if (rc != XL_OK) {
            xl_err_prefix(o->err, "'%s' line %zu column %zu", o->path,
                          place.line, place.column);
            return rc;
        }
    }
    return XL_OK;
}

enum xl_status xl_params_parse(struct xl_params *params, const char *text,
                               size_t n, const char *path, enum xl_layer layer,
                               const char *const *ignored, struct xl_err *err)
{
    static const char *const in_params[] = { "params", NULL };
    cJSON *root = NULL;
    struct xl_params next = *params; /* all or nothing */
    struct overlay o = { .params = &next,
                         .path = path,
                         .layer = layer,
                         .text = text,
                         .n = n,
                         .ignored = ignored,
                         .err = err };
    const cJSON *object;
    enum xl_status rc = xl_json_parse(text, n, path, &root, err);

    rc = xl_err_of_config(rc, err);
    if (rc != XL_OK)
        goto done;
    object = xl_json_member(root, "params");
    if (object) {
        o.parents = in_params;
        o.ignored = NULL;
    } else {
        object = root;
    }
    if (!cJSON_IsObject(object)) {
        rc = xl_fail(err, XL_EUSAGE, "'%s' must hold an object of tunables",
                     path);
        goto done;
    }
    XL_TRY_DONE(rc, overlay_object(&o, object));
    *params = next;
done:
    cJSON_Delete(root);
    return rc;
}

enum xl_status xl_params_load(struct xl_params *params, const char *path,
                              enum xl_layer layer, const char *const *ignored,
                              struct xl_err *err)
{
    struct xl_buf text;
    xl_buf_init(&text, XL_JSON_SMALL);
    enum xl_status rc = xl_io_read(path, &text, err);
    if (rc == XL_OK)
        rc = xl_params_parse(params, text.data, text.len, path, layer, ignored,
                             err);
    xl_buf_release(&text);
    return rc;
}

/* -- environment ---------------------------------------------------------- */

#define ENV_PREFIX "XLTUNE_"

/* XLTUNE_CHUNK_SIZE of chunk_size. */
static void env_name(enum xl_param id, char name[NAME_ROOM])
{
    const char *label = xl_param_row(id)->name;
    size_t n = (size_t)snprintf(name, NAME_ROOM, ENV_PREFIX);
    for (; *label && n + 1 < NAME_ROOM; label++)
        name[n++] = *label >= 'a' && *label <= 'z' ? (char)(*label - 'a' + 'A')
                                                   : *label;
    name[n] = '\0';
}

enum xl_status xl_params_from_env(struct xl_params *params, xl_env_fn *get,
                                  void *ctx, struct xl_err *err)
{
    for (size_t i = 0; i < XL_PARAM_COUNT; i++) {
        char name[NAME_ROOM];
        env_name((enum xl_param)i, name);
        const char *text = get ? get(ctx, name) : getenv(name);
        if (!text || !text[0])
            continue;
        enum xl_status rc = xl_params_set(params, (enum xl_param)i, text,
                                          XL_LAYER_ENV, name, err);
        if (rc != XL_OK) {
            xl_err_prefix(err, "environment variable %s", name);
            return rc;
        }
    }
    return XL_OK;
}

enum xl_status xl_params_check_env(char *const *environment, struct xl_err *err)
{
    /* Variables of ours that are no tunables: folders. */
    static const char *const others[] = { "XLTUNE_PROFILES", "XLTUNE_CACHE" };
    enum {
        N_OTHERS = sizeof others / sizeof *others,
        N = XL_PARAM_COUNT + N_OTHERS
    };
    char tunables[XL_PARAM_COUNT][NAME_ROOM], given[NAME_ROOM];
    const char *names[N];
    for (size_t i = 0; i < N; i++) {
        if (i < XL_PARAM_COUNT)
            env_name((enum xl_param)i, tunables[i]);
        names[i] =
            i < XL_PARAM_COUNT ? tunables[i] : others[i - XL_PARAM_COUNT];
    }
    for (; environment && *environment; environment++) {
        bool is_known = false;
        if (strncmp(*environment, ENV_PREFIX, strlen(ENV_PREFIX)) != 0)
            continue;
        snprintf(given, sizeof given, "%.*s", (int)strcspn(*environment, "="),
                 *environment);
        for (size_t i = 0; i < N && !is_known; i++)
            is_known = strcmp(given, names[i]) == 0;
        if (is_known)
            continue;
        const char *near = xl_nearest(given, names, N);
        return xl_fail(err, XL_EUSAGE,
                       "environment variable %s names no tunable%s%s%s", given,
                       near ? "; nearest is '" : "", near ? near : "",
                       near ? "'" : "");
    }
    return XL_OK;
}

/* -- flags ---------------------------------------------------------------- */

enum xl_status xl_params_set_pair(struct xl_params *params, const char *pair,
                                  size_t n, const char *where,
                                  struct xl_err *err)
{
    char word[PAIR_ROOM];
    if (n >= sizeof word)
        return xl_fail(err, XL_EUSAGE, "'%s %.40s...' is not name=value", where,
                       pair);
    memcpy(word, pair, n);
    word[n] = '\0';
    char *equals = strchr(word, '=');
    if (!equals || equals == word)
        return xl_fail(err, XL_EUSAGE, "'%s %s' is not name=value", where,
                       word);
    *equals = '\0';
    enum xl_param id = xl_param_find(word);
    if (id == XL_PARAM_COUNT)
        return fail_unknown_key(word, err);
    return xl_params_set(params, id, equals + 1, XL_LAYER_FLAG, where, err);
}

enum xl_status xl_params_set_list(struct xl_params *params, const char *list,
                                  const char *where, struct xl_err *err)
{
    for (const char *at = list; *at; at += *at != '\0') {
        size_t n = strcspn(at, " ,");
        XL_TRY(xl_params_set_pair(params, at, n, where, err));
        at += n;
    }
    return XL_OK;
}

enum xl_status xl_params_from_flags(struct xl_params *params,
                                    const struct xl_opts *opts, size_t group,
                                    const char *const *texts, size_t n,
                                    struct xl_err *err)
{
    for (size_t i = 0; i < n; i++)
        XL_TRY(xl_params_set_pair(params, texts[i], strlen(texts[i]), "--param",
                                  err));
    for (size_t i = 0; i < XL_PARAM_COUNT; i++) {
        if (!xl_opt_given(opts, group, i))
            continue;
        char where[XL_ORIGIN_ROOM];
        snprintf(where, sizeof where, "--%s", opts->groups[group].rows[i].name);
        XL_TRY(xl_params_set(params, (enum xl_param)i,
                             xl_opt_text(opts, group, i), XL_LAYER_FLAG, where,
                             err));
    }
    return XL_OK;
}

/* -- rows for the option parser ------------------------------------------- */

static const char *const *words_of(size_t row)
{
    static const char *const truths[] = { "true", "false", NULL };
    const struct xl_param_row *param = xl_param_row((enum xl_param)row);
    if (param->kind == XL_KIND_BOOL)
        return truths;
    return param->kind == XL_KIND_NAME ? param->choices : NULL;
}

struct xl_opt_group xl_params_opt_group(void)
{
    static const struct xl_opt rows[XL_PARAM_COUNT] = {
#define XL_PARAM(id, label, kind_, list, def, lo_, hi_, scale_, phase_, help_) \
    [XL_PARAM_##id] = { .name = label,                                         \
                        .kind = XL_OPT_TEXT,                                   \
                        .arg = #kind_,                                         \
                        .help = help_ " [" def "]" },
#include "kernel/param/param.def"
#undef XL_PARAM
    };
    return (struct xl_opt_group){ .title = "Tunables",
                                  .rows = rows,
                                  .n_rows = XL_PARAM_COUNT,
                                  .words = words_of };
}
