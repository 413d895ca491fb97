/* SPDX-License-Identifier: Apache-2.0
 *
 * The names table read the other way: what a checkpoint should hold. */
#include "kernel/model/weights.h"

#include <stdio.h>
#include <string.h>

#include "kernel/model/bind_int.h"

enum {
    NAME_ROOM = 256,
    SCOPE_ROOM = 48
};

struct list {
    const struct xl_config *config;
    struct xl_arena *arena;
    size_t dims[XL_DIM_COUNT];
    struct xl_safetensors_entry *entries; /* [room] */
    size_t n, room;
    bool failed; /* no memory */
};

static void add(struct list *list, const char *scope, const char *name,
                const char *ending, const struct xl_tensor *shape)
{
    char full[NAME_ROOM];
    bool prefixed = scope[0] == '@' || name[0] == '@';
    int len =
        snprintf(full, sizeof full, "%s%s%s%s",
                 prefixed ? xl_bind_prefix(list->config) : "",
                 scope + (scope[0] == '@'), name + (name[0] == '@'), ending);
    char *kept = xl_arena_text(list->arena, full, (size_t)len);
    if (!kept || list->n == list->room) {
        list->failed = true;
        return;
    }
    list->entries[list->n++] =
        (struct xl_safetensors_entry){ .name = kept, .tensor = *shape };
}

static bool wants_bias(const struct xl_config *config, enum xl_bias bias)
{
    return bias == XL_BIAS_ALWAYS ||
           (config->use_bias &&
            (bias == XL_BIAS_CONFIG || bias == XL_BIAS_MAYBE));
}

static void add_role(struct list *list, const char *scope,
                     const struct xl_role *role, const char *name, size_t rows)
{
    struct xl_tensor w = { .dtype = XL_FP32 }, b = { .dtype = XL_FP32 };
    bool is_bare = role->bias == XL_BIAS_BARE || role->bias == XL_BIAS_TURNED;
    for (size_t i = 0; i < 3 && role->dims[i] != XL_DIM_NONE; i++)
        w.shape[w.n_dims++] = list->dims[role->dims[i]];
    w.shape[0] = rows;
    if (xl_tensor_count(&w) == 0)
        return;
    add(list, scope, name, is_bare ? "" : ".weight", &w);
    b.n_dims = 1;
    b.shape[0] = w.n_dims == 3 ? w.shape[0] * w.shape[1] : w.shape[0];
    if (!is_bare && wants_bias(list->config, role->bias))
        add(list, scope, name, ".bias", &b);
}

static void add_roles(struct list *list, const char *scope,
                      struct xl_roles roles)
{
    for (size_t i = 0; i < roles.n; i++) {
        const struct xl_role *role = &roles.rows[i];
        size_t rows = list->dims[role->dims[0]];
        if (!role->fused || !list->config->fused) {
            add_role(list, scope, role, role->name, rows);
            continue;
        }
        if (i && roles.rows[i - 1].fused &&
            strcmp(roles.rows[i - 1].fused, role->fused) == 0)
            continue;
        for (size_t j = i + 1; j < roles.n && roles.rows[j].fused &&
                               strcmp(roles.rows[j].fused, role->fused) == 0;
             j++)
            rows += list->dims[roles.rows[j].dims[0]];
        add_role(list, scope, role, role->fused, rows);
    }
}

enum xl_status xl_weights_list(const struct xl_config *config,
                               struct xl_arena *arena,
                               struct xl_safetensors_entry **entries, size_t *n,
                               struct xl_err *err)
{
    bool is_xlstm = config->arch == XL_ARCH_XLSTM;
    struct xl_roles mlstm =
        is_xlstm ? xl_roles_block() : xl_roles_stack_mlstm();
    struct xl_roles slstm = xl_roles_stack_slstm();
    struct xl_roles top = is_xlstm ? xl_roles_top() : xl_roles_stack_top();
    size_t a_block = mlstm.n > slstm.n ? mlstm.n : slstm.n;
    struct list list = { .config = config, .arena = arena };

    list.room = 2 * (top.n + config->blocks * a_block);
    list.entries = xl_arena_zero(arena, list.room, sizeof *list.entries);
    if (!list.entries)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    xl_bind_dims(list.dims, config);
    add_roles(&list, "", top);
    for (size_t i = 0; i < config->blocks; i++) {
        char scope[SCOPE_ROOM];
        snprintf(scope, sizeof scope, "@blocks.%zu.", i);
        add_roles(&list, scope, config->is_slstm[i] ? slstm : mlstm);
    }
    if (list.failed)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    *entries = list.entries;
    *n = list.n;
    return XL_OK;
}
