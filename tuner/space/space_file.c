/* SPDX-License-Identifier: Apache-2.0
 *
 * Space files. Every fault is reported with the place of the member that has
 * it; constraints add the column within their text. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "tuner/space/param_space_int.h"

struct file {
    struct xl_param_space *ps;
    const char *path, *text;
    size_t n;
    struct xl_err *err;
};

/* Puts the file and the place of parents[0] / key before a message. */
static enum xl_status at_key(const struct file *f, enum xl_status rc,
                             const char *parent, const char *key)
{
    const char *const parents[] = { parent, NULL };
    struct xl_json_place place =
        xl_json_find(f->text, f->n, parent ? parents : NULL, key);
    if (rc != XL_OK && f->err && place.line)
        xl_err_prefix(f->err, "'%s':%zu:%zu", f->path, place.line,
                      place.column);
    else if (rc != XL_OK && f->err)
        xl_err_prefix(f->err, "'%s'", f->path);
    return rc;
}

/* -- values --------------------------------------------------------------- */

static enum xl_status read_value(const struct file *f, enum xl_param id,
                                 const cJSON *item, int64_t *value)
{
    char digits[XL_VALUE_ROOM];
    const char *text = item->valuestring;
    if (cJSON_IsBool(item)) {
        text = cJSON_IsTrue(item) ? "true" : "false";
    } else if (cJSON_IsNumber(item) && fabs(item->valuedouble) < 0x1p53 &&
               item->valuedouble == floor(item->valuedouble)) {
        snprintf(digits, sizeof digits, "%.0f", item->valuedouble);
        text = digits;
    } else if (!cJSON_IsString(item)) {
        return xl_fail(f->err, XL_EUSAGE,
                       "a value of %s must be a whole "
                       "number, true, false or a text",
                       xl_param_row(id)->name);
    }
    return xl_param_parse(id, text, value, f->err);
}

static enum xl_status read_list(const struct file *f, enum xl_param id,
                                const cJSON *list)
{
    const cJSON *item;
    size_t n = 0, room = (size_t)cJSON_GetArraySize(list);
    int64_t *values = xl_alloc_zero(room + 1, sizeof *values);
    enum xl_status rc = XL_OK;
    if (!values)
        return xl_fail(f->err, XL_ENOMEM, "no memory for a space");
    cJSON_ArrayForEach(item, list)
        XL_TRY_DONE(rc, read_value(f, id, item, &values[n++]));
    rc = xl_sweep_set(f->ps, id, values, n, true, f->err);
done:
    xl_free(values);
    return rc;
}

static enum xl_status check_key(const struct file *f, const char *key,
                                const char *const *known, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(key, known[i]) == 0)
            return XL_OK;
    const char *near = xl_nearest(key, known, n);
    return xl_fail(f->err, XL_EUSAGE, "unknown key '%s'%s%s%s", key,
                   near ? "; nearest is '" : "", near ? near : "",
                   near ? "'" : "");
}

static enum xl_status need(enum xl_status rc, const char *key,
                           struct xl_err *err)
{
    if (rc == XL_ENOTFOUND)
        return xl_fail(err, XL_EUSAGE, "a range needs '%s'", key);
    return rc;
}

static enum xl_status read_range(const struct file *f, enum xl_param id,
                                 const cJSON *object)
{
    static const char *const keys[] = { "min", "max", "step", "scale" };
    const struct xl_param_row *row = xl_param_row(id);
    int64_t lo, hi, step = 0;
    const char *scale = row->scale == XL_SCALE_LOG2 ? "log2" : "linear";
    if (row->kind != XL_KIND_INT)
        return xl_fail(f->err, XL_EUSAGE,
                       "%s has no range; list its values "
                       "or write \"all\"",
                       row->name);
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
        XL_TRY(check_key(f, item->string, keys, sizeof keys / sizeof *keys));
    XL_TRY(need(xl_json_get_int(object, "min", row->lo, row->hi, &lo, f->err),
                "min", f->err));
    XL_TRY(need(xl_json_get_int(object, "max", row->lo, row->hi, &hi, f->err),
                "max", f->err));
    enum xl_status rc =
        xl_json_get_int(object, "step", 1, INT32_MAX, &step, f->err);
    if (rc != XL_OK && rc != XL_ENOTFOUND)
        return rc;
    bool has_step = rc == XL_OK;
    rc = xl_json_get_text(object, "scale", &scale, f->err);
    if (rc != XL_OK && rc != XL_ENOTFOUND)
        return rc;
    bool has_scale = rc == XL_OK, is_log = strcmp(scale, "log2") == 0;
    if (!is_log && strcmp(scale, "linear") != 0)
        return xl_fail(f->err, XL_EUSAGE,
                       "'%s' is no scale; there are log2 "
                       "and linear",
                       scale);
    if (has_step && has_scale && is_log)
        return xl_fail(f->err, XL_EUSAGE,
                       "a range has a step or the scale "
                       "log2, not both");
    if (!has_step)
        step = is_log ? 0 : 1;
    return xl_sweep_range(f->ps, id, lo, hi, step, true, f->err);
}

static enum xl_status read_param(const struct file *f, const cJSON *item)
{
    enum xl_param id = xl_param_find(item->string);
    if (id == XL_PARAM_COUNT) {
        const char *names[XL_PARAM_COUNT];
        for (size_t i = 0; i < XL_PARAM_COUNT; i++)
            names[i] = xl_param_row((enum xl_param)i)->name;
        const char *near = xl_nearest(item->string, names, XL_PARAM_COUNT);
        return xl_fail(f->err, XL_EUSAGE, "no tunable is named '%s'%s%s%s",
                       item->string, near ? "; nearest is '" : "",
                       near ? near : "", near ? "'" : "");
    }
    const struct xl_param_row *row = xl_param_row(id);
    if (f->ps->base.origin[id].layer == XL_LAYER_FLAG)
        return xl_fail(f->err, XL_EUSAGE,
                       "%s is both swept here and set by a "
                       "flag (%s)",
                       row->name, f->ps->base.origin[id].where);
    if (xl_sweep_find(f->ps, id) && id != XL_PARAM_BACKEND)
        return xl_fail(f->err, XL_EUSAGE, "%s is named twice", row->name);
    if (cJSON_IsArray(item))
        return read_list(f, id, item);
    if (cJSON_IsObject(item))
        return read_range(f, id, item);
    if (cJSON_IsString(item) && strcmp(item->valuestring, "all") == 0 &&
        (row->kind == XL_KIND_NAME || row->kind == XL_KIND_BOOL))
        return xl_sweep_all(f->ps, id, f->err);
    return xl_fail(f->err, XL_EUSAGE, "%s takes a list of values%s", row->name,
                   row->kind == XL_KIND_INT ? " or a range {\"min\", \"max\"}"
                                            : " or \"all\"");
}

/* -- constraints ---------------------------------------------------------- */

enum {
    SIDE = XL_PARAM_COUNT
}; /* ids of rows and columns follow the tiles' */

static enum xl_value_kind find_name(void *ctx, const char *name, size_t *id)
{
    char stem[XL_VALUE_ROOM];
    const char *dot = strchr(name, '.');
    size_t len = dot ? (size_t)(dot - name) : strlen(name);
    (void)ctx;
    if (len >= sizeof stem)
        return XL_VALUE_UNKNOWN;
    memcpy(stem, name, len);
    stem[len] = '\0';
    *id = xl_param_find(stem);
    if (*id == XL_PARAM_COUNT)
        return XL_VALUE_UNKNOWN;
    enum xl_param_kind kind = xl_param_row((enum xl_param) * id)->kind;
    if (dot) {
        bool is_rows = strcmp(dot, ".rows") == 0;
        if (kind != XL_KIND_TILE || (!is_rows && strcmp(dot, ".columns") != 0))
            return XL_VALUE_UNKNOWN;
        *id += is_rows ? SIDE : 2 * SIDE;
        return XL_VALUE_NUMBER;
    }
    return kind == XL_KIND_NAME || kind == XL_KIND_TILE ? XL_VALUE_TEXT
                                                        : XL_VALUE_NUMBER;
}

static enum xl_status takes_text(void *ctx, size_t id, const char *text,
                                 struct xl_err *err)
{
    int64_t value;
    (void)ctx;
    return xl_param_parse((enum xl_param)id, text, &value, err);
}

struct xl_value xl_constraint_value(void *ctx, size_t id)
{
    struct xl_param_space *ps = ctx;
    enum xl_param param = (enum xl_param)(id % SIDE);
    const struct xl_param_row *row = xl_param_row(param);
    int64_t value = ps->scratch.value[param];
    struct xl_value out = { .kind = XL_VALUE_NUMBER };
    if (ps->rules.inert &&
        ps->rules.inert(ps->rules.config, &ps->scratch, param))
        return (struct xl_value){ 0 };
    if (row->kind == XL_KIND_NAME) {
        out.kind = XL_VALUE_TEXT;
        out.text = row->choices[value];
    } else if (id >= SIDE) {
        out.number = (double)(id < 2 * SIDE ? xl_tile_rows(value)
                                            : xl_tile_columns(value));
    } else if (row->kind == XL_KIND_TILE) {
        out.kind = XL_VALUE_TEXT;
        out.text = xl_param_format(param, value, ps->tile_texts[param]);
    } else {
        out.number = (double)value;
    }
    return out;
}

static enum xl_status read_constraints(const struct file *f, const cJSON *list)
{
    struct xl_param_space *ps = f->ps;
    const char *all[XL_PARAM_COUNT];
    const cJSON *item;
    struct xl_expr_names names = { .ctx = ps,
                                   .find = find_name,
                                   .takes = takes_text,
                                   .all = all,
                                   .n_all = XL_PARAM_COUNT };
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        all[i] = xl_param_row((enum xl_param)i)->name;
    if (!cJSON_IsArray(list))
        return xl_fail(f->err, XL_EUSAGE,
                       "'constraints' must be a list of "
                       "texts");
    cJSON_ArrayForEach(item, list)
    {
        size_t i = ps->n_constraints;
        if (!cJSON_IsString(item))
            return xl_fail(f->err, XL_EUSAGE, "constraint %zu is no text",
                           i + 1);
        if (i == XL_SPACE_CONSTRAINTS)
            return xl_fail(f->err, XL_EUSAGE, "more than %d constraints",
                           XL_SPACE_CONSTRAINTS);
        const char *text = xl_arena_text(&ps->arena, item->valuestring,
                                         strlen(item->valuestring));
        if (!text)
            return xl_fail(f->err, XL_ENOMEM, "no memory for a space");
        enum xl_status rc = xl_expr_parse(&ps->constraints[i], text, &names,
                                          &ps->arena, f->err);
        if (rc != XL_OK && f->err)
            xl_err_prefix(f->err, "constraint %zu", i + 1);
        XL_TRY(rc);
        ps->constraint_texts[ps->n_constraints++] = text;
    }
    return XL_OK;
}

static enum xl_status read_file(const struct file *f, const cJSON *root)
{
    static const char *const keys[] = { "params", "constraints" };
    const cJSON *params = xl_json_member(root, keys[0]);
    const cJSON *list = xl_json_member(root, keys[1]);
    const cJSON *item;
    if (!cJSON_IsObject(root))
        return at_key(f,
                      xl_fail(f->err, XL_EFORMAT,
                              "a space file holds an "
                              "object"),
                      NULL, "");
    cJSON_ArrayForEach(item, root) XL_TRY(
        at_key(f, check_key(f, item->string, keys, 2), NULL, item->string));
    if (!cJSON_IsObject(params) || !params->child)
        return at_key(f,
                      xl_fail(f->err, XL_EUSAGE,
                              "'params' must be an object "
                              "that names tunables"),
                      NULL, keys[0]);
    cJSON_ArrayForEach(item, params)
        XL_TRY(at_key(f, read_param(f, item), keys[0], item->string));
    return list ? at_key(f, read_constraints(f, list), NULL, keys[1]) : XL_OK;
}

enum xl_status xl_space_file_load(struct xl_param_space *ps, const char *path,
                                  struct xl_err *err)
{
    struct xl_buf text;
    cJSON *root = NULL;
    xl_buf_init(&text, XL_JSON_SMALL);
    enum xl_status rc = xl_io_read(path, &text, err);
    if (rc == XL_OK)
        rc = xl_json_parse(text.data, text.len, path, &root, err);
    if (rc == XL_OK)
        rc = read_file(&(struct file){ .ps = ps,
                                       .path = path,
                                       .text = text.data,
                                       .n = text.len,
                                       .err = err },
                       root);
    cJSON_Delete(root);
    xl_buf_release(&text);
    return rc;
}
