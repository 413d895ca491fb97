/* SPDX-License-Identifier: Apache-2.0
 *
 * One block of floats: all C, then all n, then all m, each by block, so that
 * clear and copy are one memory operation. */
#include "kernel/model/state.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/model/safetensors.h"

enum {
    NAME_ROOM = 32
};

enum xl_status xl_state_init(struct xl_state *state,
                             const struct xl_config *config, struct xl_err *err)
{
    size_t per_head = config->dk * config->dv + config->dk + 1;
    size_t heads, floats;
    *state = (struct xl_state){ .blocks = config->blocks,
                                .heads = config->heads,
                                .dk = config->dk,
                                .dv = config->dv };
    if (!xl_mul_size(config->blocks, config->heads, &heads) ||
        !xl_mul_size(heads, per_head, &floats) ||
        !(state->data = xl_alloc_zero(floats, sizeof *state->data)))
        return xl_fail(err, XL_ENOMEM,
                       "out of memory for a state of %zu x "
                       "%zu heads of %zu x %zu",
                       config->blocks, config->heads, config->dk, config->dv);
    state->floats = floats;
    return XL_OK;
}

void xl_state_release(struct xl_state *state)
{
    xl_free(state->data);
    *state = (struct xl_state){ 0 };
}

void xl_state_clear(struct xl_state *state)
{
    memset(state->data, 0, state->floats * sizeof *state->data);
    state->tokens = 0;
}

void xl_state_copy(struct xl_state *to, const struct xl_state *from)
{
    assert(to->floats == from->floats);
    memcpy(to->data, from->data, from->floats * sizeof *from->data);
    to->tokens = from->tokens;
}

float *xl_state_C(const struct xl_state *state, size_t block)
{
    return state->data + block * state->heads * state->dk * state->dv;
}

float *xl_state_n(const struct xl_state *state, size_t block)
{
    return xl_state_C(state, state->blocks) + block * state->heads * state->dk;
}

float *xl_state_m(const struct xl_state *state, size_t block)
{
    return xl_state_n(state, state->blocks) + block * state->heads;
}

/* -- files ---------------------------------------------------------------- */

enum {
    PARTS = 3
};

/* The part-th tensor (C, n, m) of a block, as a view. */
static struct xl_tensor part_of(const struct xl_state *state, size_t block,
                                size_t part)
{
    struct xl_tensor t = { .dtype = XL_FP32, .n_dims = PARTS - part };
    t.shape[0] = state->heads;
    t.shape[1] = state->dk;
    t.shape[2] = state->dv;
    for (size_t i = t.n_dims; i < PARTS; i++)
        t.shape[i] = 0;
    t.data = part == 0   ? xl_state_C(state, block)
             : part == 1 ? xl_state_n(state, block)
                         : xl_state_m(state, block);
    return t;
}

static void name_part(char out[NAME_ROOM], size_t block, size_t part)
{
    snprintf(out, NAME_ROOM, "layer.%zu.%c", block, "Cnm"[part]);
}

enum xl_status xl_state_save(const struct xl_state *state, const char *path,
                             struct xl_err *err)
{
    size_t n = state->blocks * PARTS;
    struct xl_safetensors_entry *entries = xl_alloc_zero(n, sizeof *entries);
    char(*names)[NAME_ROOM] = xl_alloc_zero(n, sizeof *names);
    enum xl_status rc = XL_ENOMEM;
    if (!entries || !names) {
        xl_fail(err, rc, "out of memory saving the state to '%s'", path);
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        name_part(names[i], i / PARTS, i % PARTS);
        entries[i].name = names[i];
        entries[i].tensor = part_of(state, i / PARTS, i % PARTS);
    }
    rc = xl_safetensors_write(path, entries, n, err);
done:
    xl_free(entries);
    xl_free(names);
    return rc;
}

static bool same_shape(const struct xl_tensor *a, const struct xl_tensor *b)
{
    return a->dtype == b->dtype && a->n_dims == b->n_dims &&
           memcmp(a->shape, b->shape, a->n_dims * sizeof *a->shape) == 0;
}

enum xl_status xl_state_load(struct xl_state *state, const char *path,
                             struct xl_err *err)
{
    struct xl_safetensors *file;
    char name[NAME_ROOM];
    enum xl_status rc = XL_OK;
    XL_TRY(xl_safetensors_open_file(&file, path, err));
    for (size_t i = 0; i < state->blocks * PARTS && rc == XL_OK; i++) {
        name_part(name, i / PARTS, i % PARTS);
        struct xl_tensor want = part_of(state, i / PARTS, i % PARTS);
        const struct xl_tensor *got = xl_safetensors_find(file, name);
        if (!got || !same_shape(got, &want))
            rc = xl_fail(err, XL_EFORMAT,
                         "'%s' is no state of this model: "
                         "'%s' is missing or of another shape",
                         path, name);
    }
    for (size_t i = 0; i < state->blocks * PARTS && rc == XL_OK; i++) {
        name_part(name, i / PARTS, i % PARTS);
        struct xl_tensor to = part_of(state, i / PARTS, i % PARTS);
        memcpy((void *)(size_t)to.data, xl_safetensors_find(file, name)->data,
               xl_tensor_count(&to) * sizeof(float));
    }
    xl_safetensors_close(file);
    return rc;
}
