/* SPDX-License-Identifier: Apache-2.0
 *
 * One block of floats, so that clear and copy are one memory operation: every
 * part of every block, each on a cache line of its own. Where they lie is
 * worked out once, by a walk over state.def. */
#include "kernel/model/state.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/model/safetensors.h"

enum {
    NAME_ROOM = 40,
    LINE_FLOATS = 16
};

/* -- layout --------------------------------------------------------------- */

/* The names that state.def gives to sizes. */
struct sizes {
    size_t heads, dk, dv, history, inner, s_history, width, ONE;
};

enum kind {
    MLSTM,
    SLSTM
};

static const struct {
    const char *name;
    enum kind kind;
    size_t dims[3]; /* offsets in struct sizes */
} rows[] = {
#define XL_STATE(id, name, kind, d0, d1, d2)                                   \
    { name,                                                                    \
      kind,                                                                    \
      { offsetof(struct sizes, d0), offsetof(struct sizes, d1),                \
        offsetof(struct sizes, d2) } },
#include "kernel/model/state.def"
#undef XL_STATE
};

static struct sizes sizes_of(const struct xl_config *c)
{
    bool is_stack = c->arch == XL_ARCH_BLOCK_STACK;
    size_t kernel = is_stack ? c->conv_kernel : 0;
    size_t s_kernel = is_stack ? c->slstm_conv_kernel : 0;
    return (struct sizes){ .heads = c->heads,
                           .dk = c->dk,
                           .dv = c->dv,
                           .history = kernel ? kernel - 1 : 0,
                           .inner = c->inner,
                           .s_history = s_kernel ? s_kernel - 1 : 0,
                           .width = c->width,
                           .ONE = 1 };
}

static struct xl_tensor shape_of(const struct sizes *sizes, size_t part)
{
    struct xl_tensor t = { .dtype = XL_FP32 };
    for (size_t i = 0; i < 3; i++) {
        if (rows[part].dims[i] == offsetof(struct sizes, ONE))
            break;
        const char *base = (const char *)sizes;
        memcpy(&t.shape[t.n_dims++], base + rows[part].dims[i], sizeof(size_t));
    }
    return t;
}

/* Gives every part its shape and returns the floats of all; with data, also
 * its place. */
static size_t lay_out(struct xl_state *state, const struct xl_config *config)
{
    struct sizes sizes = sizes_of(config);
    size_t at = 0;
    for (size_t i = 0; i < state->blocks * XL_STATE_PARTS; i++) {
        size_t block = i / XL_STATE_PARTS, part = i % XL_STATE_PARTS;
        struct xl_tensor *t = &state->parts[i];
        *t = shape_of(&sizes, part);
        size_t n = xl_tensor_count(t);
        if (config->is_slstm[block] != (rows[part].kind == SLSTM) || n == 0)
            continue;
        t->data = state->data ? state->data + at : NULL;
        at += (n + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
    }
    return at;
}

/* -- life ----------------------------------------------------------------- */

/* Sizes are bounded by the configuration: no sum of them can overflow. */
enum xl_status xl_state_init(struct xl_state *state,
                             const struct xl_config *config, struct xl_err *err)
{
    *state = (struct xl_state){ .blocks = config->blocks,
                                .heads = config->heads,
                                .dk = config->dk,
                                .dv = config->dv };
    state->parts =
        xl_alloc_zero(config->blocks, XL_STATE_PARTS * sizeof *state->parts);
    if (state->parts) {
        state->floats = lay_out(state, config);
        state->data = xl_alloc_zero(state->floats, sizeof *state->data);
    }
    if (!state->data) {
        xl_state_release(state);
        return xl_fail(err, XL_ENOMEM,
                       "out of memory for a state of %zu x "
                       "%zu heads of %zu x %zu",
                       config->blocks, config->heads, config->dk, config->dv);
    }
    lay_out(state, config);
    return XL_OK;
}

void xl_state_release(struct xl_state *state)
{
    xl_free(state->data);
    xl_free(state->parts);
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
    to->C_dtype = from->C_dtype;
}

/* -- bf16 ----------------------------------------------------------------- */

/* Where C of a block begins, in either type; NULL when it has none. */
static float *place_of_C(const struct xl_state *state, size_t block)
{
    const struct xl_tensor *C =
        &state->parts[block * XL_STATE_PARTS + XL_STATE_C];
    const float *at = C->data;
    return at ? state->data + (at - state->data) : NULL;
}

static size_t count_C(const struct xl_state *state)
{
    return state->heads * state->dk * state->dv;
}

/* Forwards: a bf16 lands on floats that have been read. */
static void narrow(float *C, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t x = xl_f32_to_bf16(C[i]);
        memcpy((char *)C + i * sizeof x, &x, sizeof x);
    }
    memset((char *)C + n * sizeof(uint16_t), 0, n * sizeof(uint16_t));
}

/* Backwards, for the same reason. */
static void widen(float *C, size_t n)
{
    for (size_t i = n; i-- > 0;) {
        uint16_t x;
        memcpy(&x, (const char *)C + i * sizeof x, sizeof x);
        C[i] = xl_bf16_to_f32(x);
    }
}

void xl_state_hold(struct xl_state *state, enum xl_dtype C_dtype)
{
    assert(C_dtype == XL_FP32 || C_dtype == XL_BF16);
    for (size_t b = 0; b < state->blocks && C_dtype != state->C_dtype; b++) {
        float *C = place_of_C(state, b);
        if (C && C_dtype == XL_BF16)
            narrow(C, count_C(state));
        else if (C)
            widen(C, count_C(state));
    }
    state->C_dtype = C_dtype;
}

/* -- views ---------------------------------------------------------------- */

struct xl_tensor xl_state_view(const struct xl_state *state, size_t block,
                               enum xl_state_part part)
{
    assert(block < state->blocks);
    struct xl_tensor view = state->parts[block * XL_STATE_PARTS + part];
    if (part == XL_STATE_C)
        view.dtype = state->C_dtype;
    return view;
}

/* The state's own memory, which is not const. */
float *xl_state_at(const struct xl_state *state, size_t block,
                   enum xl_state_part part)
{
    assert(block < state->blocks);
    assert(part != XL_STATE_C || state->C_dtype == XL_FP32);
    const float *at = state->parts[block * XL_STATE_PARTS + part].data;
    return at ? state->data + (at - state->data) : NULL;
}

float *xl_state_C(const struct xl_state *state, size_t block)
{
    return xl_state_at(state, block, XL_STATE_C);
}

uint16_t *xl_state_C16(const struct xl_state *state, size_t block)
{
    assert(block < state->blocks && state->C_dtype == XL_BF16);
    return (uint16_t *)(void *)place_of_C(state, block);
}

float *xl_state_n(const struct xl_state *state, size_t block)
{
    return xl_state_at(state, block, XL_STATE_N);
}

float *xl_state_m(const struct xl_state *state, size_t block)
{
    return xl_state_at(state, block, XL_STATE_M);
}

/* -- files ---------------------------------------------------------------- */

/* The next part that is there, from place *i on; false when none is left. */
static bool next_part(const struct xl_state *state, size_t *i,
                      char name[NAME_ROOM], struct xl_tensor *part)
{
    for (; *i < state->blocks * XL_STATE_PARTS; ++*i) {
        *part = state->parts[*i];
        if (!part->data)
            continue;
        snprintf(name, NAME_ROOM, "layer.%zu.%s", *i / XL_STATE_PARTS,
                 rows[*i % XL_STATE_PARTS].name);
        ++*i;
        return true;
    }
    return false;
}

/* The state's memory with C in fp32: its own, or *copy, widened. */
static enum xl_status as_fp32(const struct xl_state *state, const float **data,
                              float **copy, struct xl_err *err)
{
    *data = state->data;
    if (state->C_dtype == XL_FP32)
        return XL_OK;
    *copy = xl_alloc(state->floats * sizeof **copy);
    if (!*copy)
        return xl_fail(err, XL_ENOMEM, "out of memory saving a state of bf16");
    memcpy(*copy, state->data, state->floats * sizeof **copy);
    for (size_t b = 0; b < state->blocks; b++) {
        const float *C = place_of_C(state, b);
        if (C)
            widen(*copy + (C - state->data), count_C(state));
    }
    *data = *copy;
    return XL_OK;
}

enum xl_status xl_state_save(const struct xl_state *state, const char *path,
                             struct xl_err *err)
{
    const float *data = NULL;
    float *copy = NULL;
    size_t most = state->blocks * XL_STATE_PARTS, n = 0, at = 0;
    struct xl_safetensors_entry *entries = xl_alloc_zero(most, sizeof *entries);
    char(*names)[NAME_ROOM] = xl_alloc_zero(most, sizeof *names);
    enum xl_status rc = XL_ENOMEM;
    if (!entries || !names) {
        xl_fail(err, rc, "out of memory saving the state to '%s'", path);
        goto done;
    }
    XL_TRY_DONE(rc, as_fp32(state, &data, &copy, err));
    while (next_part(state, &at, names[n], &entries[n].tensor)) {
        const float *from = entries[n].tensor.data;
        entries[n].tensor.data = data + (from - state->data);
        entries[n].name = names[n];
        n++;
    }
    rc = xl_safetensors_write(path, entries, n, err);
done:
    xl_free(copy);
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
    struct xl_tensor part;
    char name[NAME_ROOM];
    enum xl_status rc = XL_OK;
    XL_TRY(xl_safetensors_open_file(&file, path, err));
    for (size_t i = 0; rc == XL_OK && next_part(state, &i, name, &part);) {
        const struct xl_tensor *got = xl_safetensors_find(file, name);
        if (!got || !same_shape(got, &part))
            rc = xl_fail(err, XL_EFORMAT,
                         "'%s' is no state of this model: "
                         "'%s' is missing or of another shape",
                         path, name);
    }
    if (rc == XL_OK)
        state->C_dtype = XL_FP32;
    for (size_t i = 0; rc == XL_OK && next_part(state, &i, name, &part);) {
        size_t at = (size_t)((const float *)part.data - state->data);
        memcpy(state->data + at, xl_safetensors_find(file, name)->data,
               xl_tensor_count(&part) * sizeof(float));
    }
    xl_safetensors_close(file);
    return rc;
}
