/* SPDX-License-Identifier: Apache-2.0
 *
 * One check serves writing and reading: what save would not accept, load
 * refuses, and the other way round. The file is read once; the overlay of
 * tunables and the checks of the rest see the same bytes. */
#include "tuner/profile/best.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "kernel/base/clock.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"

/* -- checking ------------------------------------------------------------- */

static const char *const members[] = { "schema",  "params", "metrics",
                                       "quality", "key",    "provenance" };
enum {
    N_MEMBERS = sizeof members / sizeof *members,
    FULL_FROM = 2
};

static const char *const speeds[] = { "prefill_tok_s", "decode_tok_s",
                                      "prefill_s", "decode_s" };

/* One document being checked. text is NULL when it is not from a file. */
struct check {
    const cJSON *root;
    const char *path, *text;
    size_t n;
    enum xl_best_kind kind;
    struct xl_err *err;
};

/* A fault at member `key` of the top level's `parent` (NULL = at the top). */
static enum xl_status fault(const struct check *c, const char *parent,
                            const char *key, const char *what)
{
    const char *const parents[] = { parent, NULL };
    struct xl_json_place place = { 0 };
    if (c->text)
        place = xl_json_find(c->text, c->n, parents, key);
    if (c->text && place.line == 0 && parent)
        place = xl_json_find(c->text, c->n, NULL, parent);
    if (c->text && place.line == 0)
        place = (struct xl_json_place){ .line = 1, .column = 1 };
    if (c->text)
        return xl_fail(c->err, XL_EUSAGE, "'%s' line %zu column %zu: '%s' %s",
                       c->path, place.line, place.column, key, what);
    return xl_fail(c->err, XL_EUSAGE, "cannot write '%s': '%s' %s", c->path,
                   key, what);
}

static enum xl_status check_members(const struct check *c)
{
    if (!cJSON_IsObject(c->root))
        return xl_fail(c->err, XL_EUSAGE,
                       "'%s' line 1 column 1: a profile is "
                       "an object",
                       c->path);
    for (const cJSON *item = c->root->child; item; item = item->next) {
        size_t i = 0;
        while (i < N_MEMBERS && strcmp(item->string, members[i]) != 0)
            i++;
        if (i == N_MEMBERS)
            return fault(c, NULL, item->string, "is no member of a profile");
        if (i > 0 && !cJSON_IsObject(item))
            return fault(c, NULL, item->string, "must be an object");
    }
    size_t needed = c->kind == XL_BEST_FULL ? N_MEMBERS : FULL_FROM;
    for (size_t i = 0; i < needed; i++)
        if (!xl_json_member(c->root, members[i]))
            return fault(c, NULL, members[i], "is missing");
    return XL_OK;
}

static enum xl_status check_schema(const struct check *c)
{
    const char *schema =
        cJSON_GetStringValue(xl_json_member(c->root, "schema"));
    if (schema && strcmp(schema, XL_BEST_SCHEMA) == 0)
        return XL_OK;
    return fault(c, NULL, "schema", "must be '" XL_BEST_SCHEMA "'");
}

static enum xl_status check_metrics(const struct check *c, const cJSON *metrics)
{
    for (size_t i = 0; i < sizeof speeds / sizeof *speeds; i++) {
        double value;
        if (!xl_json_member(metrics, speeds[i]))
            return fault(c, "metrics", speeds[i], "is missing");
        enum xl_status rc =
            xl_json_get_real(metrics, speeds[i], 0, 1e18, &value, NULL);
        if (rc != XL_OK && rc != XL_ENOTFOUND)
            return fault(c, "metrics", speeds[i],
                         "must be a positive number or null");
    }
    return XL_OK;
}

static enum xl_status check_text(const struct check *c, const char *parent,
                                 const char *key, bool needed)
{
    const cJSON *object = xl_json_member(c->root, parent);
    const cJSON *item = xl_json_member(object, key);
    if (item ? cJSON_IsString(item) : !needed)
        return XL_OK;
    return fault(c, parent, key, item ? "must be a string" : "is missing");
}

/* Everything but the tunables, which the loader of layers checks. */
static enum xl_status check_profile(const struct check *c, struct xl_key *key,
                                    bool *has_key)
{
    struct xl_err why = { 0 };
    XL_TRY(check_members(c));
    XL_TRY(check_schema(c));
    const cJSON *metrics = xl_json_member(c->root, "metrics");
    if (metrics)
        XL_TRY(check_metrics(c, metrics));
    XL_TRY(check_text(c, "quality", "verdict", c->kind == XL_BEST_FULL));
    XL_TRY(check_text(c, "provenance", "created", false));
    const cJSON *object = xl_json_member(c->root, "key");
    *has_key = object != NULL;
    if (!object)
        return XL_OK;
    enum xl_status rc = xl_key_from_json(key, object, &why);
    if (rc == XL_EFORMAT) {
        char what[sizeof why.message + 16];
        snprintf(what, sizeof what, "is wrong: %s", why.message);
        return fault(c, NULL, "key", what);
    }
    return rc == XL_OK ? rc : xl_fail(c->err, rc, "%s", why.message);
}

/* -- writing -------------------------------------------------------------- */

static bool add_copy(cJSON *root, const char *name, const cJSON *part)
{
    cJSON *copy = part ? cJSON_Duplicate(part, true) : NULL;
    if (copy && cJSON_AddItemToObject(root, name, copy))
        return true;
    cJSON_Delete(copy);
    return false;
}

static bool add_params(cJSON *root, const struct xl_best_doc *doc)
{
    cJSON *params = cJSON_AddObjectToObject(root, "params");
    int count = 0;
    for (size_t i = 0; i < XL_PARAM_COUNT && params; i++) {
        if (doc->included && !doc->included[i])
            continue;
        xl_param_add_json(params, (enum xl_param)i, doc->params->value[i]);
        count++;
    }
    return params && cJSON_GetArraySize(params) == count;
}

static bool add_key(cJSON *root, const struct xl_key *key)
{
    cJSON *object = xl_key_to_json(key);
    if (object && cJSON_AddItemToObject(root, "key", object))
        return true;
    cJSON_Delete(object);
    return false;
}

static bool stamp(cJSON *provenance)
{
    char text[32];
    struct tm tm;
    time_t now = (time_t)(xl_clock_wall_ms() / 1000);
    if (xl_json_member(provenance, "created"))
        return true;
    if (!gmtime_r(&now, &tm))
        return false;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return cJSON_AddStringToObject(provenance, "created", text) != NULL;
}

enum xl_status xl_best_save(const char *path, const struct xl_best_doc *doc,
                            struct xl_err *err)
{
    struct check c = { .path = path, .kind = XL_BEST_FULL, .err = err };
    struct xl_key key;
    bool has_key;
    enum xl_status rc = XL_ENOMEM;
    cJSON *root = cJSON_CreateObject();

    if (!doc->metrics || !doc->quality || !doc->provenance)
        rc = xl_fail(err, XL_EUSAGE,
                     "cannot write '%s': metrics, quality or "
                     "provenance is missing",
                     path);
    else if (cJSON_AddStringToObject(root, "schema", XL_BEST_SCHEMA) &&
             add_params(root, doc) && add_copy(root, "metrics", doc->metrics) &&
             add_copy(root, "quality", doc->quality) &&
             add_key(root, doc->key) &&
             add_copy(root, "provenance", doc->provenance) &&
             stamp(cJSON_GetObjectItemCaseSensitive(root, "provenance")))
        rc = XL_OK;
    else
        xl_fail(err, XL_ENOMEM, "out of memory for '%s'", path);
    if (rc != XL_OK)
        goto done;
    c.root = root;
    XL_TRY_DONE(rc, check_profile(&c, &key, &has_key));
    rc = xl_json_save(path, root, err);
done:
    cJSON_Delete(root);
    return rc;
}

/* -- reading -------------------------------------------------------------- */

static const char *text_of(const cJSON *root, const char *parent,
                           const char *key)
{
    const cJSON *object = xl_json_member(root, parent);
    return cJSON_GetStringValue(xl_json_member(object, key));
}

static enum xl_status parse(struct xl_best *best, struct check *c,
                            enum xl_layer layer)
{
    enum xl_status rc =
        xl_json_parse(c->text, c->n, c->path, &best->root, c->err);
    if (rc != XL_OK)
        return xl_err_of_config(rc, c->err);
    c->root = best->root;
    XL_TRY(check_profile(c, &best->key, &best->has_key));
    xl_params_init(&best->params);
    XL_TRY(xl_params_parse(&best->params, c->text, c->n, c->path, layer, NULL,
                           c->err));
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        best->has[i] = best->params.origin[i].layer == layer;
    const char *created = text_of(best->root, "provenance", "created");
    best->created = created ? created : "";
    best->verdict = text_of(best->root, "quality", "verdict");
    return XL_OK;
}

enum xl_status xl_best_load(struct xl_best *best, const char *path,
                            enum xl_best_kind kind, enum xl_layer layer,
                            struct xl_err *err)
{
    struct xl_buf text;
    assert(layer != XL_LAYER_DEFAULT);
    *best = (struct xl_best){ 0 };
    xl_buf_init(&text, XL_JSON_SMALL);
    enum xl_status rc = xl_io_read(path, &text, err);
    if (rc == XL_OK) {
        struct check c = { .path = path,
                           .text = text.data,
                           .n = text.len,
                           .kind = kind,
                           .err = err };
        rc = parse(best, &c, layer);
    }
    if (rc != XL_OK)
        xl_best_release(best);
    xl_buf_release(&text);
    return rc;
}

void xl_best_release(struct xl_best *best)
{
    cJSON_Delete(best->root);
    *best = (struct xl_best){ 0 };
}

bool xl_best_passed(const struct xl_best *best)
{
    return best->verdict && strcmp(best->verdict, "pass") == 0;
}
