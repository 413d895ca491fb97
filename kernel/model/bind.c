/* SPDX-License-Identifier: Apache-2.0
 *
 * One walk over the names table for every architecture, name variant and
 * weight mode. A role looks for its tensor under each accepted name; what it
 * takes is marked as used, so that the rest is left over and told. */
#include "kernel/model/bind_int.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/model/packfile.h"
#include "kernel/model/stack_weights.h"
#include "kernel/model/weights.h"

enum {
    NAME_ROOM = 256,
    FAULTS_TOLD = 12,
    FAULT_TEXT = 860
};

static_assert(offsetof(struct xl_linear, b) == sizeof(struct xl_tensor) &&
                  offsetof(struct xl_norm, b) == sizeof(struct xl_tensor),
              "a bias stands right behind its weight");

/* clang-format off */
#define ROLE(type, field, name, other, fused, d0, d1, d2, bias)                \
    { name, other, fused, offsetof(struct type, field),                        \
      { XL_DIM_##d0, XL_DIM_##d1, XL_DIM_##d2 }, XL_BIAS_##bias },
static const struct xl_role block_rows[] = {
#define XL_ROLE_BLOCK(...) ROLE(xl_block, __VA_ARGS__)
#include "kernel/model/weights.def"
};
static const struct xl_role top_rows[] = {
#define XL_ROLE_TOP(...) ROLE(xl_weights, __VA_ARGS__)
#include "kernel/model/weights.def"
};
static const struct xl_role stack_mlstm_rows[] = {
#define XL_ROLE_STACK_M(...) ROLE(xl_stack_mlstm, __VA_ARGS__)
#include "kernel/model/weights.def"
};
static const struct xl_role stack_slstm_rows[] = {
#define XL_ROLE_STACK_S(...) ROLE(xl_stack_slstm, __VA_ARGS__)
#include "kernel/model/weights.def"
};
static const struct xl_role stack_top_rows[] = {
#define XL_ROLE_STACK_TOP(...) ROLE(xl_stack_weights, __VA_ARGS__)
#include "kernel/model/weights.def"
};
#undef ROLE
/* clang-format on */

#define ROLES(rows) ((struct xl_roles){ rows, sizeof(rows) / sizeof(rows)[0] })

struct xl_roles xl_roles_block(void)
{
    return ROLES(block_rows);
}

struct xl_roles xl_roles_top(void)
{
    return ROLES(top_rows);
}

struct xl_roles xl_roles_stack_mlstm(void)
{
    return ROLES(stack_mlstm_rows);
}

struct xl_roles xl_roles_stack_slstm(void)
{
    return ROLES(stack_slstm_rows);
}

struct xl_roles xl_roles_stack_top(void)
{
    return ROLES(stack_top_rows);
}

const char *xl_bind_prefix(const struct xl_config *config)
{
    return config->arch == XL_ARCH_XLSTM ? "backbone." : "xlstm_block_stack.";
}

void xl_bind_dims(size_t dims[XL_DIM_COUNT], const struct xl_config *config)
{
    const size_t shead =
        config->slstm_heads ? config->width / config->slstm_heads : 0;
    const size_t group = config->qkv_block;
    const size_t values[XL_DIM_COUNT] = {
        [XL_DIM_ONE] = 1,
        [XL_DIM_WIDTH] = config->width,
        [XL_DIM_WIDTH4] = 4 * config->width,
        [XL_DIM_VOCAB] = config->vocab,
        [XL_DIM_HEAD] = config->tied ? 0 : config->vocab,
        [XL_DIM_OUT_NORM] = config->out_norm ? config->width : 0,
        [XL_DIM_HEADS] = config->heads,
        [XL_DIM_QK] = config->heads * config->dk,
        [XL_DIM_VALUE] = config->heads * config->dv,
        [XL_DIM_FFN] = config->ffn,
        [XL_DIM_FFN2] = 2 * config->ffn,
        [XL_DIM_FFN_NORM] = config->ffn ? config->width : 0,
        [XL_DIM_INNER] = config->inner,
        [XL_DIM_INNER2] = 2 * config->inner,
        [XL_DIM_INNER3] = 3 * config->inner,
        [XL_DIM_GROUP] = group,
        [XL_DIM_GROUPS] = group ? config->inner / group : 0,
        [XL_DIM_CONV] = config->conv_kernel,
        [XL_DIM_SCONV] = config->slstm_conv_kernel,
        [XL_DIM_SHEADS] = config->slstm_heads,
        [XL_DIM_SHEAD] = shead,
        [XL_DIM_SHEAD4] = 4 * shead,
    };
    memcpy(dims, values, sizeof values);
}

/* -- faults --------------------------------------------------------------- */

void xl_bind_fault(struct xl_bind *bind, const char *fmt, ...)
{
    char text[NAME_ROOM];
    va_list args;
    bind->n_faults++;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (bind->n_told == FAULTS_TOLD ||
        bind->text.len + strlen(text) > FAULT_TEXT)
        return;
    bind->n_told++;
    xl_buf_printf(&bind->text, "%s%s", bind->text.len ? "; " : "", text);
}

static void print_shape(struct xl_buf *out, const size_t *shape, size_t n)
{
    xl_buf_char(out, '[');
    for (size_t i = 0; i < n; i++)
        xl_buf_printf(out, "%s%zu", i ? ", " : "", shape[i]);
    xl_buf_char(out, ']');
}

static void fault_shape(struct xl_bind *bind, const char *name,
                        const struct xl_tensor *got,
                        const struct xl_tensor *want)
{
    struct xl_buf text;
    xl_buf_init(&text, 0);
    print_shape(&text, got->shape, got->n_dims);
    xl_buf_text(&text, ", not ");
    print_shape(&text, want->shape, want->n_dims);
    xl_bind_fault(bind, "'%s' is %s", name, text.data);
    xl_buf_release(&text);
}

/* -- names ---------------------------------------------------------------- */

/* Where a tensor is looked for: scope + name + ending, with or without the
 * prefix when either begins with '@'. */
struct place {
    const char *scope, *name, *ending;
};

static void spell(char out[NAME_ROOM], const char *prefix,
                  const struct place *place)
{
    const char *scope = place->scope, *name = place->name;
    bool takes_prefix = scope[0] == '@' || name[0] == '@';
    snprintf(out, NAME_ROOM, "%s%s%s%s", takes_prefix ? prefix : "",
             scope + (scope[0] == '@'), name + (name[0] == '@'), place->ending);
}

/* The first tensor that is there, or NULL; *index is its place. */
static const struct xl_tensor *look(const struct xl_safetensors *files,
                                    const char *prefix,
                                    const struct place *place, size_t *index)
{
    const char *const prefixes[] = { prefix, "" };
    for (size_t i = 0; i < 2; i++) {
        char name[NAME_ROOM];
        spell(name, prefixes[i], place);
        *index = xl_safetensors_index(files, name);
        if (*index < xl_safetensors_count(files))
            return xl_safetensors_at(files, *index);
    }
    return NULL;
}

size_t xl_bind_rows(const struct xl_safetensors *files,
                    const struct xl_config *config, const char *name)
{
    size_t index;
    const struct place place = { "", name, "" };
    const struct xl_tensor *tensor =
        look(files, xl_bind_prefix(config), &place, &index);
    return tensor && tensor->n_dims ? tensor->shape[0] : 0;
}

/* -- one role ------------------------------------------------------------- */

static bool is_shape(const struct xl_tensor *got, const struct xl_tensor *want)
{
    if (got->n_dims != want->n_dims)
        return false;
    for (size_t i = 0; i < want->n_dims; i++)
        if (got->shape[i] != want->shape[i])
            return false;
    return true;
}

/* Values, or the name of what a packed matrix holds; preparing refuses such a
 * name where it needs values after all. */
static bool is_float(const struct xl_bind *bind, const struct xl_tensor *t)
{
    return t->dtype == XL_FP32 || t->dtype == XL_BF16 || t->dtype == XL_FP16 ||
           (t->dtype == XL_PACKED && bind->config->is_packed && t->n_dims > 1);
}

/* Takes the tensor at `place` or its other spelling when it has the wanted
 * shape (or, when that is given, the turned one). */
static void take(struct xl_bind *bind, struct place place, const char *other,
                 const struct xl_tensor *want, const struct xl_tensor *turned,
                 struct xl_tensor *out)
{
    char name[NAME_ROOM];
    size_t index;
    struct place second = place;
    second.name = other;
    const struct xl_tensor *got =
        look(bind->files, bind->prefix, &place, &index);
    if (!got && other)
        got = look(bind->files, bind->prefix, &second, &index);
    if (!got) {
        spell(name, bind->has_prefix ? bind->prefix : "", &place);
        xl_bind_fault(bind, "'%s' is missing", name);
        return;
    }
    bind->used[index] = true;
    const char *found = xl_safetensors_name(bind->files, index);
    if (!is_shape(got, want) && !(turned && is_shape(got, turned)))
        fault_shape(bind, found, got, want);
    else if (!is_float(bind, got))
        xl_bind_fault(bind, "'%s' is of type %s", found,
                      xl_dtype_name(got->dtype));
    else
        *out = *got;
}

static struct xl_tensor shape_of(const struct xl_bind *bind,
                                 const struct xl_role *role)
{
    struct xl_tensor shape = { .dtype = XL_FP32 };
    for (size_t i = 0; i < 3 && role->dims[i] != XL_DIM_NONE; i++)
        shape.shape[shape.n_dims++] = bind->dims[role->dims[i]];
    return shape;
}

/* Block-diagonal and depthwise weights have one bias a block row. */
static struct xl_tensor bias_shape_of(const struct xl_tensor *weight)
{
    struct xl_tensor shape = { .dtype = XL_FP32, .n_dims = 1 };
    shape.shape[0] = weight->shape[0];
    if (weight->n_dims == 3)
        shape.shape[0] *= weight->shape[1];
    return shape;
}

static bool wants_bias(const struct xl_bind *bind, const struct xl_role *role,
                       const struct place *place)
{
    size_t index;
    if (role->bias == XL_BIAS_ALWAYS)
        return true;
    if (!bind->config->use_bias)
        return false;
    if (role->bias == XL_BIAS_CONFIG)
        return true;
    return role->bias == XL_BIAS_MAYBE &&
           look(bind->files, bind->prefix, place, &index);
}

static void bind_single(struct xl_bind *bind, const char *scope,
                        const struct xl_role *role, struct xl_tensor *w)
{
    bool is_bare = role->bias == XL_BIAS_BARE || role->bias == XL_BIAS_TURNED;
    struct place place = { scope, role->name, is_bare ? "" : ".weight" };
    struct xl_tensor want = shape_of(bind, role), turned = want;
    turned.shape[1] = want.shape[2];
    turned.shape[2] = want.shape[1];
    take(bind, place, role->other, &want,
         role->bias == XL_BIAS_TURNED ? &turned : NULL, w);
    place.ending = ".bias";
    struct xl_tensor bias = bias_shape_of(&want);
    if (!is_bare && wants_bias(bind, role, &place))
        take(bind, place, role->other, &bias, NULL, w + 1);
}

/* Rows begin.. of a fused tensor as a tensor of their own. */
static struct xl_tensor cut(const struct xl_tensor *whole, size_t begin,
                            size_t rows)
{
    struct xl_tensor part = *whole;
    size_t row = xl_dtype_bytes(whole->dtype);
    if (whole->n_dims == 2)
        row *= whole->shape[1];
    if (whole->data) {
        part.data = (const char *)whole->data + begin * row;
        part.shape[0] = rows;
    }
    return part;
}

static bool in_group(const struct xl_role *role, const char *fused)
{
    return role->fused && strcmp(role->fused, fused) == 0;
}

/* The fused tensor of rows[first] and all rows of the same group. */
static void bind_fused(struct xl_bind *bind, const char *scope,
                       struct xl_roles roles, size_t first, char *target)
{
    const struct xl_role *lead = &roles.rows[first];
    struct xl_tensor whole = { 0 }, bias = { 0 };
    struct xl_tensor want = shape_of(bind, lead);
    struct place place = { scope, lead->fused, ".weight" };
    want.shape[0] = 0;
    for (size_t i = 0; i < roles.n; i++)
        if (in_group(&roles.rows[i], lead->fused))
            want.shape[0] += bind->dims[roles.rows[i].dims[0]];
    take(bind, place, NULL, &want, NULL, &whole);
    place.ending = ".bias";
    struct xl_tensor bias_want = bias_shape_of(&want);
    if (wants_bias(bind, lead, &place))
        take(bind, place, NULL, &bias_want, NULL, &bias);
    size_t begin = 0;
    for (size_t i = first; i < roles.n; i++) {
        if (!in_group(&roles.rows[i], lead->fused))
            continue;
        size_t rows = bind->dims[roles.rows[i].dims[0]];
        struct xl_tensor *w = (void *)(target + roles.rows[i].at);
        w[0] = cut(&whole, begin, rows);
        w[1] = cut(&bias, begin, rows);
        begin += rows;
    }
}

static bool leads_group(struct xl_roles roles, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (in_group(&roles.rows[j], roles.rows[i].fused))
            return false;
    return true;
}

static bool is_absent(const struct xl_bind *bind, const struct xl_role *role)
{
    for (size_t i = 0; i < 3 && role->dims[i] != XL_DIM_NONE; i++)
        if (bind->dims[role->dims[i]] == 0)
            return true;
    return false;
}

void xl_bind_roles(struct xl_bind *bind, const char *scope,
                   struct xl_roles roles, void *target)
{
    for (size_t i = 0; i < roles.n; i++) {
        const struct xl_role *role = &roles.rows[i];
        char *at = target;
        if (is_absent(bind, role))
            continue;
        if (!role->fused || !bind->config->fused)
            bind_single(bind, scope, role, (void *)(at + role->at));
        else if (leads_group(roles, i))
            bind_fused(bind, scope, roles, i, at);
    }
}

/* The head may be written out all the same; then it must be equal. */
void xl_bind_tie(struct xl_bind *bind, const struct xl_tensor *embedding,
                 struct xl_tensor *head)
{
    if (head->data && embedding->data &&
        (head->dtype != embedding->dtype ||
         memcmp(head->data, embedding->data,
                xl_tensor_count(head) * xl_dtype_bytes(head->dtype)) != 0))
        xl_bind_fault(bind, "'lm_head.weight' differs from the embedding that "
                            "it is tied to");
    *head = *embedding;
}

/* -- packed checkpoints --------------------------------------------------- */

enum xl_status xl_bind_packed(struct xl_config *config,
                              const struct xl_safetensors *files,
                              struct xl_err *err)
{
    struct xl_packfile_facts facts;
    config->is_packed = false;
    if (!xl_packfile_is(files))
        return XL_OK;
    XL_TRY(xl_packfile_read_facts(&facts, files, err));
    config->is_packed = true;
    config->packed_weights = facts.weights;
    config->packed_head = facts.head;
    return XL_OK;
}

/* -- begin and end -------------------------------------------------------- */

enum xl_status xl_bind_begin(struct xl_bind *bind,
                             const struct xl_config *config,
                             const struct xl_safetensors *files,
                             struct xl_arena *arena, struct xl_err *err)
{
    size_t n = xl_safetensors_count(files);
    *bind = (struct xl_bind){ .config = config, .files = files };
    bind->prefix = xl_bind_prefix(config);
    bind->used = xl_arena_zero(arena, n + 1, sizeof *bind->used);
    if (!bind->used)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    for (size_t i = 0; i < n && !bind->has_prefix; i++)
        bind->has_prefix = strncmp(xl_safetensors_name(files, i), bind->prefix,
                                   strlen(bind->prefix)) == 0;
    xl_bind_dims(bind->dims, config);
    xl_buf_init(&bind->text, 0);
    return XL_OK;
}

/* Data of a packed matrix, which has no role of its own. */
static bool is_matrix(const struct xl_bind *bind, size_t i)
{
    const char *name = xl_safetensors_name(bind->files, i);
    return bind->config->is_packed &&
           strncmp(name, XL_PACKFILE_PREFIX, strlen(XL_PACKFILE_PREFIX)) == 0;
}

enum xl_status xl_bind_end(struct xl_bind *bind, struct xl_err *err)
{
    enum xl_status rc = XL_OK;
    for (size_t i = 0; i < xl_safetensors_count(bind->files); i++)
        if (!bind->used[i] && !is_matrix(bind, i))
            xl_bind_fault(bind, "'%.200s' is left over",
                          xl_safetensors_name(bind->files, i));
    if (bind->n_faults > bind->n_told)
        xl_buf_printf(&bind->text, "; and %zu more",
                      bind->n_faults - bind->n_told);
    if (!xl_buf_ok(&bind->text))
        rc = xl_fail(err, XL_ENOMEM, "out of memory");
    else if (bind->n_faults)
        rc = xl_fail(err, XL_EFORMAT,
                     "checkpoint does not fit its configuration: %s",
                     bind->text.data);
    xl_buf_release(&bind->text);
    return rc;
}
