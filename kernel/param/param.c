/* SPDX-License-Identifier: Apache-2.0
 *
 * The table and everything that works on one value. Choices of NAME rows are
 * the rows of the kernels' own lists, included as data. */
#include "kernel/param/param.h"

#include <stdio.h>
#include <string.h>

enum {
    FLAG_ROOM = 32
};

static const char *const none[] = { NULL };
static const char *const backends[] = {
#define XL_CHUNK(id, name, knobs, summary) #name,
#include "kernel/chunk/chunk.def"
#undef XL_CHUNK
    NULL,
};
static const char *const gemms[] = {
    "auto",
#define XL_GEMM(id, name, summary) #name,
#include "kernel/gemm/gemm.def"
#undef XL_GEMM
    NULL,
};
static const char *const cells[] = {
    "auto",
#define XL_CELL(id, name, summary) #name,
#include "kernel/cell/cell.def"
#undef XL_CELL
    NULL,
};
static const char *const weight_dtypes[] = { "fp32", "bf16", "int8", "int4",
                                             NULL };
static const char *const head_dtypes[] = { "same", "fp32", "bf16",
                                           "int8", "int4", NULL };
static const char *const state_dtypes[] = { "fp32", "bf16", NULL };
static const char *const page_sizes[] = { "huge", "small", NULL };

static const struct xl_param_row rows[XL_PARAM_COUNT] = {
#define XL_PARAM(id, label, kind_, list, def, lo_, hi_, scale_, phase_, help_) \
    [XL_PARAM_##id] = { .name = label,                                         \
                        .kind = XL_KIND_##kind_,                               \
                        .fallback = def,                                       \
                        .lo = lo_,                                             \
                        .hi = hi_,                                             \
                        .scale = XL_SCALE_##scale_,                            \
                        .phase = XL_PHASE_##phase_,                            \
                        .choices = list,                                       \
                        .help = help_ },
#include "kernel/param/param.def"
#undef XL_PARAM
};

const struct xl_param_row *xl_param_row(enum xl_param id)
{
    return &rows[id];
}

const char *xl_layer_name(enum xl_layer layer)
{
    static const char *const names[] = {
#define XL_LAYER(id, name) [XL_LAYER_##id] = name,
#include "kernel/param/layer.def"
#undef XL_LAYER
    };
    return names[layer];
}

size_t xl_param_n_choices(enum xl_param id)
{
    size_t n = 0;
    while (rows[id].choices[n])
        n++;
    return n;
}

enum xl_param xl_param_find(const char *name)
{
    for (size_t i = 0; i < XL_PARAM_COUNT; i++) {
        const char *a = rows[i].name, *b = name;
        while (*a && (*a == *b || (*a == '_' && *b == '-'))) {
            a++;
            b++;
        }
        if (*a == '\0' && *b == '\0')
            return (enum xl_param)i;
    }
    return XL_PARAM_COUNT;
}

/* -- one value ------------------------------------------------------------ */

static enum xl_status parse_name(const struct xl_param_row *row, size_t n,
                                 const char *text, int64_t *value,
                                 struct xl_err *err)
{
    /* The predecessor's name for its actor backend stays understood. */
    const char *word = strcmp(text, "ray") == 0 ? "actors" : text;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(row->choices[i], word) == 0) {
            *value = (int64_t)i;
            return XL_OK;
        }
    }
    const char *near = xl_nearest(text, row->choices, n);
    if (near)
        return xl_fail(err, XL_EUSAGE,
                       "'%s' is no value of %s; nearest is "
                       "'%s'",
                       text, row->name, near);
    struct xl_buf all;
    xl_buf_init(&all, 1024);
    for (size_t i = 0; i < n; i++)
        xl_buf_printf(&all, "%s%s", i ? ", " : "", row->choices[i]);
    xl_fail(err, XL_EUSAGE, "'%s' is no value of %s; it takes %s", text,
            row->name, all.data);
    xl_buf_release(&all);
    return XL_EUSAGE;
}

static enum xl_status parse_bool(const struct xl_param_row *row,
                                 const char *text, int64_t *value,
                                 struct xl_err *err)
{
    static const char *const words[] = { "false", "true", "0",   "1",
                                         "no",    "yes",  "off", "on" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(text, words[i]) == 0) {
            *value = (int64_t)(i & 1);
            return XL_OK;
        }
    }
    return xl_fail(err, XL_EUSAGE,
                   "'%s' is no value of %s; it takes true or "
                   "false",
                   text, row->name);
}

static enum xl_status parse_tile(const struct xl_param_row *row,
                                 const char *text, int64_t *value,
                                 struct xl_err *err)
{
    char left[8] = "";
    int64_t a, b;
    const char *x = strchr(text, 'x');
    size_t n = x ? (size_t)(x - text) : sizeof left;
    if (n < sizeof left) {
        memcpy(left, text, n);
        left[n] = '\0';
    }
    if (n >= sizeof left || !xl_parse_int(left, &a) ||
        !xl_parse_int(x + 1, &b) || a < row->lo || a > row->hi || b < row->lo ||
        b > row->hi)
        return xl_fail(err, XL_EUSAGE,
                       "'%s' is no value of %s; it takes two "
                       "sizes of %lld to %lld, as 8x32",
                       text, row->name, (long long)row->lo, (long long)row->hi);
    *value = xl_tile_of(a, b);
    return XL_OK;
}

enum xl_status xl_param_parse(enum xl_param id, const char *text,
                              int64_t *value, struct xl_err *err)
{
    const struct xl_param_row *row = &rows[id];
    int64_t x;
    switch (row->kind) {
    case XL_KIND_NAME:
        return parse_name(row, xl_param_n_choices(id), text, value, err);
    case XL_KIND_BOOL:
        return parse_bool(row, text, value, err);
    case XL_KIND_TILE:
        return parse_tile(row, text, value, err);
    case XL_KIND_INT:
        break;
    }
    if (!xl_parse_int(text, &x))
        return xl_fail(err, XL_EUSAGE,
                       "'%s' is no value of %s; it takes an "
                       "integer",
                       text, row->name);
    if (x < row->lo || x > row->hi)
        return xl_fail(err, XL_EUSAGE,
                       "%s %lld is out of bounds: %lld to "
                       "%lld",
                       row->name, (long long)x, (long long)row->lo,
                       (long long)row->hi);
    *value = x;
    return XL_OK;
}

const char *xl_param_format(enum xl_param id, int64_t value,
                            char out[XL_VALUE_ROOM])
{
    const struct xl_param_row *row = &rows[id];
    switch (row->kind) {
    case XL_KIND_NAME:
        snprintf(out, XL_VALUE_ROOM, "%s", row->choices[value]);
        break;
    case XL_KIND_BOOL:
        snprintf(out, XL_VALUE_ROOM, "%s", value ? "true" : "false");
        break;
    case XL_KIND_TILE:
        snprintf(out, XL_VALUE_ROOM, "%dx%d", (int)xl_tile_rows(value),
                 (int)xl_tile_columns(value));
        break;
    case XL_KIND_INT:
        snprintf(out, XL_VALUE_ROOM, "%lld", (long long)value);
        break;
    }
    return out;
}

bool xl_param_legal(enum xl_param id, int64_t value)
{
    const struct xl_param_row *row = &rows[id];
    int64_t a = xl_tile_rows(value), b = xl_tile_columns(value);
    switch (row->kind) {
    case XL_KIND_NAME:
        return value >= 0 && value < (int64_t)xl_param_n_choices(id);
    case XL_KIND_TILE:
        return a >= row->lo && a <= row->hi && b >= row->lo && b <= row->hi;
    default:
        return value >= row->lo && value <= row->hi;
    }
}

/* -- sets of values ------------------------------------------------------- */

enum xl_status xl_params_set(struct xl_params *params, enum xl_param id,
                             const char *text, enum xl_layer layer,
                             const char *where, struct xl_err *err)
{
    int64_t value;
    XL_TRY(xl_param_parse(id, text, &value, err));
    params->value[id] = value;
    params->origin[id].layer = layer;
    snprintf(params->origin[id].where, XL_ORIGIN_ROOM, "%s", where);
    return XL_OK;
}

void xl_params_init(struct xl_params *params)
{
    *params = (struct xl_params){ 0 };
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        xl_params_set(params, (enum xl_param)i, rows[i].fallback,
                      XL_LAYER_DEFAULT, "built in", NULL);
}

bool xl_params_equal(const struct xl_params *a, const struct xl_params *b)
{
    return memcmp(a->value, b->value, sizeof a->value) == 0;
}

void xl_param_add_json(cJSON *object, enum xl_param id, int64_t value)
{
    char text[XL_VALUE_ROOM];
    switch (rows[id].kind) {
    case XL_KIND_INT:
        cJSON_AddNumberToObject(object, rows[id].name, (double)value);
        break;
    case XL_KIND_BOOL:
        cJSON_AddBoolToObject(object, rows[id].name, value != 0);
        break;
    default:
        cJSON_AddStringToObject(object, rows[id].name,
                                xl_param_format(id, value, text));
        break;
    }
}

cJSON *xl_params_to_json(const struct xl_params *params)
{
    cJSON *object = cJSON_CreateObject();
    for (size_t i = 0; i < XL_PARAM_COUNT && object; i++)
        xl_param_add_json(object, (enum xl_param)i, params->value[i]);
    return object;
}

cJSON *xl_params_origin_json(const struct xl_params *params)
{
    cJSON *object = cJSON_CreateObject();
    for (size_t i = 0; i < XL_PARAM_COUNT && object; i++) {
        const struct xl_origin *origin = &params->origin[i];
        cJSON *entry = cJSON_AddObjectToObject(object, rows[i].name);
        cJSON *value = cJSON_CreateObject();
        if (!entry || !value) {
            cJSON_Delete(value);
            continue;
        }
        xl_param_add_json(value, (enum xl_param)i, params->value[i]);
        cJSON_AddItemToObject(entry, "value",
                              cJSON_DetachItemViaPointer(value, value->child));
        cJSON_Delete(value);
        cJSON_AddStringToObject(entry, "origin", xl_layer_name(origin->layer));
        cJSON_AddStringToObject(entry, "where", origin->where);
    }
    return object;
}
